"""The fast half of reading PDF: PDFium."""

from __future__ import annotations

import pypdfium2
import pypdfium2.raw as pdfium_c

from ragkit.errors import DocumentUnreadable
from ragkit.reading.pdf_content import ENCRYPTED, OutlineEntry, PdfContent, PdfPage
from ragkit.reading.pdf_fragments import read_page

__all__ = ["read_with_pdfium"]

_OUTLINE_DEPTH = 8
_MOST_OUTLINE_ENTRIES = 20_000
# A page tree may claim a thousand million pages and hold none.
_FAILURES_IN_A_ROW = 50


def read_with_pdfium(data: bytes) -> PdfContent:
    """Text, outline and information of a PDF.

    Raises:
        DocumentUnreadable: PDFium cannot open it.
    """
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        # PDFium may report the error of the file before this one: ask the file too.
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD and b"/Encrypt" in data:
            raise DocumentUnreadable(ENCRYPTED) from error
        raise DocumentUnreadable(f"damaged PDF: {error}") from error
    try:
        content = PdfContent()
        _read_pages(pdf, content)
        if content.has_text:
            _read_outline(pdf, content)
            content.information = {
                key.lower(): _clean(value) for key, value in pdf.get_metadata_dict().items()
            }
    finally:
        pdf.close()
    return content


def _read_pages(pdf: pypdfium2.PdfDocument, content: PdfContent) -> None:
    failures = 0
    for index in range(len(pdf)):
        try:
            page = pdf[index]
        except pypdfium2.PdfiumError:
            failures += 1
            if failures >= _FAILURES_IN_A_ROW and not content.has_text:
                break
            content.unreadable_pages += 1
            content.add_page(PdfPage(""))
            continue
        failures = 0
        try:
            content.add_page(read_page(page))
        except pypdfium2.PdfiumError:
            content.unreadable_pages += 1
            content.add_page(PdfPage(""))
        finally:
            page.close()


def _read_outline(pdf: pypdfium2.PdfDocument, content: PdfContent) -> None:
    for entry in pdf.get_toc(max_depth=_OUTLINE_DEPTH):
        destination = entry.get_dest()
        page = None if destination is None else destination.get_index()
        if page is not None:
            title = _clean(entry.get_title())
            content.outline.append(OutlineEntry(entry.level + 1, title, page))
        if len(content.outline) >= _MOST_OUTLINE_ENTRIES:
            return


def _clean(text: str) -> str:
    return text.encode("utf-8", errors="ignore").decode("utf-8").replace("\0", "")
