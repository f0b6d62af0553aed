"""The thorough half of reading PDF: pypdf, slower by an order and more forgiving."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Sequence

import pypdf
from pypdf.errors import PyPdfError

from ragkit.errors import DocumentUnreadable
from ragkit.reading.pdf_content import ENCRYPTED, OutlineEntry, PdfContent, PdfPage

__all__ = ["read_with_pypdf"]

# What pypdf lets out on damaged files beside its own errors.
_DAMAGE = (
    PyPdfError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    RecursionError,
    NotImplementedError,
    LookupError,
    OSError,
)
# So many pages without a word, and the rest are scans too.
_BLANK_PAGES_TRIED = 20
_OUTLINE_DEPTH = 8
_MOST_OUTLINE_ENTRIES = 20_000


def read_with_pypdf(data: bytes) -> PdfContent:
    """Text, outline and information of a PDF.

    Raises:
        DocumentUnreadable: It is encrypted with a password, or damaged beyond reading.
    """
    logger = logging.getLogger("pypdf")
    if not logger.handlers:
        # Without any handler, each oddity of a damaged file would be printed to stderr.
        logger.addHandler(logging.NullHandler())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            reader = pypdf.PdfReader(io.BytesIO(data), strict=False)
            if reader.is_encrypted and not reader.decrypt(""):
                raise DocumentUnreadable(ENCRYPTED)
            count = len(reader.pages)
        except _DAMAGE as error:
            raise DocumentUnreadable(f"damaged PDF: {_brief(error)}") from error
        content = PdfContent()
        _read_pages(reader, count, content)
        if content.has_text:
            _read_outline(reader, content)
            content.information = _information(reader)
    return content


def _read_pages(reader: pypdf.PdfReader, count: int, content: PdfContent) -> None:
    for index in range(count):
        if index >= _BLANK_PAGES_TRIED and not content.has_text:
            content.pages.extend(PdfPage("") for _ in range(min(count - index, 100_000)))
            return
        try:
            content.add_page(PdfPage(reader.pages[index].extract_text()))
        except _DAMAGE:
            content.unreadable_pages += 1
            content.add_page(PdfPage(""))


def _read_outline(reader: pypdf.PdfReader, content: PdfContent) -> None:
    try:
        numbers = {
            page.indirect_reference.idnum: index
            for index, page in enumerate(reader.pages)
            if page.indirect_reference is not None
        }
        for level, entry in _entries(reader.outline, 1):
            reference = getattr(entry.page, "idnum", None)
            if reference in numbers and entry.title:
                title = str(entry.title).encode("utf-8", errors="ignore").decode("utf-8")
                content.outline.append(OutlineEntry(level, title, numbers[reference]))
            if len(content.outline) >= _MOST_OUTLINE_ENTRIES:
                return
    except _DAMAGE:
        content.outline.clear()


def _entries(
    outline: Sequence[object], level: int
) -> Iterator[tuple[int, pypdf.generic.Destination]]:
    for entry in outline:
        if isinstance(entry, list):
            if level < _OUTLINE_DEPTH:
                yield from _entries(entry, level + 1)
        elif isinstance(entry, pypdf.generic.Destination):
            yield level, entry


def _information(reader: pypdf.PdfReader) -> dict[str, str]:
    try:
        found: dict[object, object] = dict(reader.metadata or {})
        return {
            str(key).lstrip("/").lower(): str(value).encode("utf-8", "ignore").decode("utf-8")
            for key, value in found.items()
            if isinstance(value, str)
        }
    except _DAMAGE:
        return {}


def _brief(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return first[0][:120] if first else type(error).__name__
