"""PDF: text by pypdfium2, and by pypdf where that fails or finds none.

Pages are joined by a line end and a form feed, and each page starts after its form feed. Columns
are read one after the other, and lines that run over all pages are left out; the metadata names
them. A word that a hyphen breaks over two lines is whole again on the first of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.pdf_content import ENCRYPTED, OutlineEntry, PdfContent
from ragkit.reading.pdf_layout import LaidOut, lay_out
from ragkit.reading.properties import stated_metadata, stated_title
from ragkit.reading.structure import Heading, nest_sections
from ragkit.records import Document, Figure, Metadata

__all__ = ["read_pdf", "read_pdf_with_care"]

_MARK_WITHIN_BYTES = 1024
_LONGEST_TITLE = 300
# A shorter outline names the file, or its first page.
_FEWEST_ENTRIES = 2
_PROPERTIES = ("author", "subject", "keywords")


def read_pdf(raw: RawFile) -> Reading:
    """Read a PDF, with its pages and, where it has an outline, its sections.

    Raises:
        DocumentSkipped: No page has text.
        DocumentUnreadable: It is encrypted, damaged, or no PDF at all.
    """
    if b"%PDF-" not in raw.data[:_MARK_WITHIN_BYTES]:
        raise DocumentUnreadable("not a PDF, whatever its name says: it does not begin with %PDF")
    content = _content(raw.data)
    laid_out = lay_out(content.pages)
    return _reading(raw, content, laid_out, _figures(raw, laid_out))


def read_pdf_with_care(raw: RawFile) -> Reading:
    """Read a PDF without PDFium, which crashed on it: no places, tables or pictures are seen.

    Raises:
        DocumentSkipped: No page has text.
        DocumentUnreadable: It is encrypted, damaged, or no PDF at all.
    """
    # 314 ms of import that only such files pay.
    from ragkit.reading.pdf_pypdf import read_with_pypdf  # noqa: PLC0415

    content = read_with_pypdf(raw.data)
    return _reading(raw, content, lay_out(content.pages), ())


def _reading(
    raw: RawFile, content: PdfContent, laid_out: LaidOut, figures: tuple[Figure, ...]
) -> Reading:
    count = len(content.pages)
    if not content.has_text and not figures:
        if count == 0:
            raise DocumentSkipped("no text: the PDF has no pages")
        plural = "" if count == 1 else "s"
        if content.unreadable_pages == count:
            raise DocumentUnreadable(f"damaged PDF: {count} page{plural}, none can be opened")
        raise DocumentSkipped(f"no text: likely scanned images, {count} page{plural}")
    text = laid_out.text
    headings = _headings(content.outline, laid_out)
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        title=stated_title(content.information.get("title", "")),
        pages=tuple(laid_out.starts),
        sections=nest_sections(headings, len(text)),
        blocks=tuple(laid_out.blocks),
        metadata=_metadata(content, laid_out),
        boxes=tuple(laid_out.boxes),
        figures=figures,
    )
    return Reading(document=document, warnings=tuple(_warnings(content, text)))


def _metadata(content: PdfContent, laid_out: LaidOut) -> Metadata:
    """What the file states, and the lines of every page that are left out of the text."""
    stated = stated_metadata({key: content.information.get(key, "") for key in _PROPERTIES})
    return {**stated, "running_lines": list(laid_out.running)} if laid_out.running else stated


def _warnings(content: PdfContent, text: str) -> Iterator[str]:
    if content.unreadable_pages:
        yield f"{content.unreadable_pages} of {len(content.pages)} pages could not be read"
    unknown = text.count("\ufffd")
    if unknown:
        yield f"{unknown} characters that its fonts do not name, shown as U+FFFD"


def _content(data: bytes) -> PdfContent:
    """Ask PDFium, and pypdf where it fails or finds nothing."""
    from ragkit.reading.pdf_pdfium import read_with_pdfium  # noqa: PLC0415

    first: PdfContent | None = None
    problem: DocumentUnreadable | None = None
    try:
        first = read_with_pdfium(data)
    except DocumentUnreadable as error:
        problem = error
    if first is not None and first.has_text:
        return first
    # 314 ms of import that only such files pay.
    from ragkit.reading.pdf_pypdf import read_with_pypdf  # noqa: PLC0415

    try:
        second = read_with_pypdf(data)
    except DocumentUnreadable as error:
        if first is not None:
            return first
        raise (problem if problem is not None and str(problem) == ENCRYPTED else error) from error
    if first is None or second.has_text:
        return second
    return first


def _figures(raw: RawFile, laid_out: LaidOut) -> tuple[Figure, ...]:
    if raw.album is None:
        return ()
    # Draws with Pillow, which those who read words do without.
    from ragkit.reading.pdf_pictures import pdf_figures  # noqa: PLC0415

    return pdf_figures(raw.data, raw.album, laid_out.pages, laid_out.starts)


def _headings(outline: list[OutlineEntry], laid_out: LaidOut) -> list[Heading]:
    """Each outline entry where its words stand on its page, else at the top of the page.

    Without an outline, the lines whose type stands out.
    """
    headings: list[Heading] = []
    searched: dict[int, int] = {}
    for entry in outline:
        if not 0 <= entry.page < len(laid_out.starts):
            continue
        words = entry.title[:_LONGEST_TITLE].split()
        if not words:
            continue
        begin = searched.get(entry.page, 0)
        found = _find(words, laid_out.pages[entry.page], begin)
        if found is not None:
            begin, searched[entry.page] = found
        headings.append(Heading(laid_out.starts[entry.page] + begin, entry.level, " ".join(words)))
    if len(headings) < _FEWEST_ENTRIES:
        return laid_out.headings
    return sorted(headings, key=lambda heading: heading.start)


def _find(words: list[str], page: str, begin: int) -> tuple[int, int] | None:
    """Start and end of an entry's words on its page: a line of their own before any other place."""
    pattern = r"\s+".join(map(re.escape, words))
    alone = rf"^[ \t]*(?:[\divxIVX.]+\s+)?{pattern}[ \t]*$"
    for wanted in (alone, pattern):
        match = re.compile(wanted, re.IGNORECASE | re.MULTILINE).search(page, begin)
        if match is not None:
            return match.start(), match.end()
    return None
