"""PDF: text by pypdfium2, and by pypdf where that fails or finds none.

Pages are joined by a line end and a form feed, and each page starts after its form feed. Within a
page the lines are the parser's; a word that a hyphen breaks over two lines is whole again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.pdf_content import ENCRYPTED, PdfContent
from ragkit.reading.properties import stated_metadata, stated_title
from ragkit.reading.structure import Heading, nest_sections
from ragkit.records import Document

__all__ = ["read_pdf"]

PAGE_BREAK = "\n\f"
_MARK_WITHIN_BYTES = 1024
_LONGEST_TITLE = 300
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
    count = len(content.pages)
    if not content.has_text:
        if count == 0:
            raise DocumentSkipped("no text: the PDF has no pages")
        plural = "" if count == 1 else "s"
        if content.unreadable_pages == count:
            raise DocumentUnreadable(f"damaged PDF: {count} page{plural}, none can be opened")
        raise DocumentSkipped(f"no text: likely scanned images, {count} page{plural}")
    text = PAGE_BREAK.join(content.pages)
    starts = _starts(content.pages)
    headings = _headings(content, starts)
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        title=stated_title(content.information.get("title", "")),
        pages=tuple(starts),
        sections=nest_sections(headings, len(text)),
        metadata=stated_metadata({key: content.information.get(key, "") for key in _PROPERTIES}),
    )
    return Reading(document=document, warnings=tuple(_warnings(content, text)))


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


def _starts(pages: list[str]) -> list[int]:
    starts: list[int] = []
    at = 0
    for page in pages:
        starts.append(at)
        at += len(page) + len(PAGE_BREAK)
    return starts


def _headings(content: PdfContent, starts: list[int]) -> list[Heading]:
    """Each outline entry where its words stand on its page, else at the top of the page."""
    headings: list[Heading] = []
    searched: dict[int, int] = {}
    for entry in content.outline:
        if not 0 <= entry.page < len(starts):
            continue
        words = entry.title[:_LONGEST_TITLE].split()
        if not words:
            continue
        begin = searched.get(entry.page, 0)
        pattern = re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)
        match = pattern.search(content.pages[entry.page], begin)
        if match is not None:
            begin = match.start()
            searched[entry.page] = match.end()
        headings.append(Heading(starts[entry.page] + begin, entry.level, " ".join(words)))
    return sorted(headings, key=lambda heading: heading.start)
