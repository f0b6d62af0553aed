from __future__ import annotations

import zipfile

import pytest
from reading_packages import docx, packed
from reading_samples import pdf_pages

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import Allowance, RawFile, Reading
from ragkit.reading.files import read_bytes
from ragkit.reading.packed import read_zip
from ragkit.records import Document


def read(name: str, data: bytes) -> Reading:
    return read_bytes(data, source=name)


def sections(document: Document) -> list[tuple[int, str, str]]:
    """Level, title and text of each section."""
    return [(s.level, s.title, document.text[s.start : s.end].strip()) for s in document.sections]


LETTER = docx("<w:p><w:r><w:t>A lamp of brass.</w:t></w:r></w:p>")


def test_an_archive_is_a_folder() -> None:
    """Members are sections in their order, read by their readers; the others are named."""
    data = packed(
        {
            "docs/": b"",
            "docs/guide.md": "# Guide\n\nFill it.\n\n## Oil\n\nOlive.\n",
            "letter.docx": LETTER,
            "photo.png": b"\x89PNG\r\n\x1a\n",
            "empty.txt": b"",
            "__MACOSX/._guide.md": b"junk",
            ".git/config": b"junk",
            "ü.txt": "Wick",
        }
    )
    found = read("a.zip", data).document
    assert found.text == (
        "docs/guide.md\n\n# Guide\n\nFill it.\n\n## Oil\n\nOlive.\n\n\n"
        "letter.docx\n\nA lamp of brass.\n\nü.txt\n\nWick\n\n"
        "Other members\n\nphoto.png, empty.txt"
    )
    assert [(level, title) for level, title, _ in sections(found)] == [
        (1, "docs/guide.md"), (2, "Guide"), (3, "Oil"), (1, "letter.docx"), (1, "ü.txt"),
        (1, "Other members"),
    ]  # fmt: skip
    assert found.media_type == "application/zip"
    for block in found.blocks:
        assert found.text[block.start : block.end].strip()
    ordered = zip(found.blocks, found.blocks[1:], strict=False)
    assert all(before.end <= after.start for before, after in ordered)


def test_archives_within_archives_have_an_end() -> None:
    """Archives are opened three deep; what lies deeper is named and not opened."""
    data = packed({"deep.txt": "lamp"})
    for number in range(2):
        data = packed({f"{number}.zip": data})
    assert "lamp" in read("a.zip", data).document.text
    data = packed({"more.zip": packed({"again.zip": data})})
    with pytest.raises(DocumentSkipped, match="no text in the 1 member"):
        read("a.zip", data)


def test_an_archive_writes_nothing_and_climbs_nowhere() -> None:
    """Names that climb or begin at the root are names; twins and bad ones are read as they are."""
    found = read(
        "a.zip", packed({"../../up.txt": "up", "/etc/x.txt": "x", "a\nb.md": "c"})
    ).document
    assert [title for _, title, _ in sections(found)] == ["../../up.txt", "/etc/x.txt", "a b.md"]


def test_a_bad_member_costs_a_warning() -> None:
    """A damaged member is reported and the rest is read; if all are bad, the archive is."""
    stored = packed({"bad.txt": "lamp-one", "good.txt": "lamp"}, method=zipfile.ZIP_STORED)
    reading = read("a.zip", stored.replace(b"lamp-one", b"lamp-two"))
    assert reading.document.text == "good.txt\n\nlamp"
    assert reading.warnings == (
        "member 'bad.txt' could not be read: damaged: its part 'bad.txt' is broken",
    )
    bad = packed({"bad.txt": "lamp-one"}, method=zipfile.ZIP_STORED)
    with pytest.raises(DocumentUnreadable, match=r"bad\.txt' is broken"):
        read("a.zip", bad.replace(b"lamp-one", b"lamp-two"))
    with pytest.raises(DocumentUnreadable, match="more than 200 times"):
        read("a.zip", packed({f"{n}.txt": bytes(9_000_000) for n in range(3)}))
    with pytest.raises(DocumentSkipped, match="no text in the 0 members"):
        read("a.zip", packed({}))


def test_an_archive_reads_as_many_members_as_it_may() -> None:
    """Members and bytes are counted over all archives within each other."""
    inner = packed({f"{n}.txt": "x" * 100 for n in range(5)})
    raw = RawFile(source="a.zip", root="", media_type="application/zip",
                  data=packed({"a.zip": inner, "b.zip": inner}),
                  allowance=Allowance(members=8))  # fmt: skip
    reading = read_zip(raw)
    assert reading.document.text.count("xxx" * 33) == 6
    assert any("more members than are read" in remark for remark in reading.warnings)


PLAIN = b"""From: =?utf-8?q?Ida_M=C3=BCller?= <ida@example.org>
To: Bo <bo@example.org>
Subject: =?utf-8?b?TGFtcGVuw7Zs?= is
 late
Date: Fri, 2 Jan 2026 10:00:00 +0100
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: multipart/alternative; boundary=a

--a
Content-Type: text/plain; charset=iso-8859-1; format=flowed
Content-Transfer-Encoding: quoted-printable

The oil is =FCbrigens=20
late.

> Where is it?
--a
Content-Type: text/html

<p>The oil is <b>late</b> (HTML).</p>
--a--
--m
Content-Type: text/csv; name="parts.csv"
Content-Disposition: attachment; filename="parts.csv"

Part,Price
wick,2
--m
Content-Type: image/png
Content-Disposition: inline; filename="logo.png"
Content-Transfer-Encoding: base64

iVBORw0KGgo=
--m
Content-Type: message/rfc822

Subject: Earlier
From: bo@example.org

When does it come?
--m--
"""


def test_a_letter_has_its_people_words_and_attachments() -> None:
    """The subject heads a letter; plain text is preferred; attachments are sections."""
    found = read("a.eml", PLAIN).document
    head = (
        "Lampenöl is late\n\nFrom: Ida Müller <ida@example.org>\nTo: Bo <bo@example.org>\n"
        "Date: 2026-01-02T10:00:00+01:00\nAttachments: parts.csv, logo.png, Earlier\n\n"
    )
    assert found.text == (
        head + "The oil is übrigens late.\n\n> Where is it?\n\n"
        "Attachment: parts.csv\n\nPart,Price\nwick,2\n\n"
        "Attached message: Earlier\n\nEarlier\n\nFrom: bo@example.org\n\nWhen does it come?"
    )
    assert found.title == "Lampenöl is late"
    assert found.metadata == {
        "from": "Ida Müller <ida@example.org>",
        "to": "Bo <bo@example.org>",
        "date": "2026-01-02T10:00:00+01:00",
    }
    assert [(level, title) for level, title, _ in sections(found)] == [
        (1, "Lampenöl is late"), (2, "Attachment: parts.csv"), (2, "Attached message: Earlier"),
        (3, "Earlier"),
    ]  # fmt: skip
    kinds = [found.text[b.start : b.end] for b in found.blocks if b.kind in ("quote", "table")]
    assert kinds == ["> Where is it?", "Part,Price"]


def test_a_letter_in_html_reads_as_a_page() -> None:
    """Without plain text the HTML part is read, in the charset that its header names."""
    data = (
        "Subject: Oil\nContent-Type: text/html; charset=windows-1252\n"
        "Content-Transfer-Encoding: 8bit\n\n<h1>Öl</h1><ul><li>Olive</li></ul>"
    ).encode("cp1252")
    assert read("a.eml", data).document.text == "Oil\n\nÖl\n\n- Olive"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\n\nonly a lamp", "only a lamp"),
        (b"Subject: =?utf-8?B?!!!!?=\n\nlamp", "lamp"),
        ("Subject: Öl\n\nlamp".encode(), "Öl\n\nlamp"),
        ("Subject: Öl\n\nlamp".encode("latin-1"), "Öl\n\nlamp"),
        (b"Subject: =?nosuch?q?x?=\nDate: soon\n\nlamp", "x\n\nDate: soon\n\nlamp"),
        (b"Content-Type: text/plain; charset=nosuch\n\nlamp \xc3\xa9", "lamp é"),
        (
            b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/plain\n\nlamp",
            "lamp",
        ),
    ],
)
def test_odd_letters_are_read(data: bytes, expected: str) -> None:
    """Missing headers, unknown charsets and cut messages keep their words."""
    assert read("a.eml", data).document.text == expected


def test_letters_nested_too_deeply_are_refused() -> None:
    """Parts within parts within parts end in a reason."""
    parts = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n)
                     for n in range(400))  # fmt: skip
    with pytest.raises((DocumentUnreadable, RecursionError)):
        read("a.eml", parts + b"\n\nlamp")


CONTAINER = '<container><rootfiles><rootfile full-path="OPS/b.opf"/></rootfiles></container>'
BOOK = """<!DOCTYPE package PUBLIC "-//x" "http://x.invalid/x.dtd">
<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>The Lamp Book</dc:title><dc:creator>Ida Berg</dc:creator>
<dc:creator>Bo Ek</dc:creator><dc:language>en</dc:language></metadata>
<manifest><item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="x" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="c2" href="two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="c1" href="one.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="n"/><itemref idref="c1"/><itemref idref="c2"/></spine></package>"""
NCX = """<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint>
<navLabel><text>Second</text></navLabel><content src="two%20b.xhtml#start"/>
</navPoint></navMap></ncx>"""
BOOK_PARTS: dict[str, str | bytes] = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OPS/b.opf": BOOK,
    "OPS/toc.ncx": NCX,
    "OPS/nav.xhtml": "<html><body><a href='one.xhtml'>First</a></body></html>",
    "OPS/one.xhtml": "<?xml version='1.0'?><html><head><title/></head><body><h1>One</h1>"
    "<p>A lamp.<a id='x'/></p><aside><p>A note.</p></aside></body></html>",
    "OPS/two b.xhtml": "<html><body><p>Oil.</p></body></html>",
}


def test_a_book_is_its_chapters_in_order() -> None:
    """The spine orders chapters, the contents name those without a heading, notes stay."""
    found = read("a.epub", packed(BOOK_PARTS)).document
    assert found.text == "One\n\nA lamp.\n\nA note.\n\nSecond\n\nOil."
    assert [(level, title) for level, title, _ in sections(found)] == [(1, "One"), (1, "Second")]
    assert found.title == "The Lamp Book"
    assert found.metadata == {"author": "Ida Berg, Bo Ek", "language": "en"}


def test_protected_and_broken_books_are_told() -> None:
    """Scrambled chapters are named as protected, missing ones cost a warning."""
    lock = '<encryption><CipherReference URI="OPS/one.xhtml"/></encryption>'
    with pytest.raises(DocumentUnreadable, match="DRM"):
        read("a.epub", packed({**BOOK_PARTS, "META-INF/encryption.xml": lock}))
    lock = '<encryption><CipherReference URI="OPS/font.otf"/></encryption>'
    assert read("a.epub", packed({**BOOK_PARTS, "META-INF/encryption.xml": lock})).document.text
    partial = {name: data for name, data in BOOK_PARTS.items() if name != "OPS/one.xhtml"}
    reading = read("a.epub", packed(partial))
    assert reading.document.text == "Second\n\nOil."
    assert "OPS/one.xhtml" in reading.warnings[0]
    with pytest.raises(DocumentUnreadable, match=r"lacks its part 'META-INF/container\.xml'"):
        read("a.epub", packed({"a.xhtml": "<p>lamp</p>"}))


def test_containers_under_other_names_are_known() -> None:
    """A book is known by its first member; a ZIP of another name is not opened."""
    book = packed(BOOK_PARTS, method=zipfile.ZIP_STORED)
    assert read("book.bin", book).document.title == "The Lamp Book"
    with pytest.raises(DocumentSkipped, match="format not read yet: zip"):
        read("program.jar", packed({"a.txt": "lamp"}))


def test_a_pdf_within_a_letter_within_an_archive_is_read() -> None:
    """Containers of different kinds lie within each other."""
    import base64

    pdf = base64.encodebytes(pdf_pages([["The lamp is lit"]]))
    letter = (
        b"Subject: It\nContent-Type: application/pdf; name=a.pdf\n"
        b"Content-Transfer-Encoding: base64\n\n" + pdf
    )
    found = read("a.zip", packed({"it.eml": letter})).document
    assert [title for _, title, _ in sections(found)] == ["it.eml", "It", "Attachment: a.pdf"]
    assert "The lamp is lit" in found.text
