from __future__ import annotations

import io

import pypdf
import pytest
from reading_samples import pdf_bytes, pdf_pages

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.files import read_bytes
from ragkit.reading.pdf_pdfium import read_with_pdfium
from ragkit.reading.pdf_pypdf import read_with_pypdf

PAGES = [
    ["Contents", "Wicks 2", "Fonts 3"],
    ["Wicks", "Cotton is best.", "Trim it often."],
    ["It burns for hours.", "Fonts", "Brass lasts."],
]
OUTLINE = [("Wicks", 1), ("Fonts", 2), ("Not printed", 2)]


def encrypted(user_password: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf_pages(PAGES)))
    writer.encrypt(user_password=user_password, owner_password="owner", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_pages_start_after_their_form_feed() -> None:
    """The text of each page lies between its start and the next page's break."""
    found = read_bytes(pdf_pages(PAGES), source="a.pdf").document
    assert found.media_type == "application/pdf"
    assert found.text == "\n\f".join("\n".join(lines) for lines in PAGES)
    assert [found.text[start:].split("\n")[0] for start in found.pages] == [
        lines[0] for lines in PAGES
    ]
    assert (found.title, found.metadata) == ("The Lamp Handbook", {"author": "Ida Berg"})


def test_the_outline_becomes_sections() -> None:
    """Each entry stands where its words are on its page, else at the page's top."""
    found = read_bytes(pdf_pages(PAGES, outline=OUTLINE), source="a.pdf").document
    third = found.pages[2]
    assert [(s.title, s.start) for s in found.sections] == [
        ("Wicks", found.pages[1]),
        ("Fonts", found.text.index("Fonts\nBrass")),
        ("Not printed", third + len("It burns for hours.\nFonts")),
    ]


def test_both_parsers_read_the_same() -> None:
    """What the fallback reads has the same pages, outline and information."""
    data = pdf_pages(PAGES, outline=OUTLINE)
    first, second = read_with_pdfium(data), read_with_pypdf(data)
    assert [page.text for page in first.pages] == [page.text for page in second.pages]
    assert first.outline == second.outline
    assert first.information["title"] == second.information["title"]


def test_an_empty_password_opens() -> None:
    """A PDF that only forbids printing is read; one that needs a password says so."""
    assert "Cotton is best." in read_bytes(encrypted(""), source="a.pdf").document.text
    with pytest.raises(DocumentUnreadable, match=r"^encrypted: a password is needed$"):
        read_bytes(encrypted("secret"), source="a.pdf")


@pytest.mark.parametrize(
    "title", ["Microsoft Word - lamp.doc", "untitled", "lamp.pdf", "(anonymous)", ""]
)
def test_a_title_that_a_program_wrote_is_none(title: str) -> None:
    """File names and placeholders are not what the document calls itself."""
    data = pdf_pages([["text"]]).replace(b"The Lamp Handbook", title.encode().ljust(17))
    assert read_bytes(data, source="a.pdf").document.title is None


def test_a_damaged_file_does_not_inherit_the_error_before_it() -> None:
    """PDFium keeps its last error; a PDF without pages after a locked one is not locked."""
    with pytest.raises(DocumentUnreadable, match="encrypted"):
        read_with_pdfium(encrypted("secret"))
    empty = pdf_bytes([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"])
    with pytest.raises(DocumentSkipped, match=r"^no text: the PDF has no pages$"):
        read_bytes(empty, source="a.pdf")


def test_noise_is_damage_to_both_parsers(capfd: pytest.CaptureFixture[str]) -> None:
    """Neither parser lets an error of its own out, nor prints a word."""
    for reader in (read_with_pdfium, read_with_pypdf):
        with pytest.raises(DocumentUnreadable, match="damaged PDF"):
            reader(b"%PDF-1.4\nnothing")
    assert capfd.readouterr() == ("", "")
