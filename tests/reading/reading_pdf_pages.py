"""PDFs made with reportlab: what real ones have, as small as it can be."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

__all__ = ["HEIGHT", "WIDTH", "drawn", "filler", "put_column", "put_rows"]

WIDTH, HEIGHT = A4
# One a line would be the formatter's wish.
_WORDS = str.split(
    "lamp valve water pressure field device platform signal battery schedule morning sensor"
    " threshold customer engineer warranty measurement network temperature glass copper window"
)


def drawn(pages: Sequence[Callable[[Canvas], None]]) -> bytes:
    """A PDF whose pages these functions draw, with nothing compressed."""
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, pageCompression=0, invariant=True)
    for draw in pages:
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def filler(seed: int, words: int) -> str:
    """Words without sense, the same for each seed."""
    return " ".join(_WORDS[(seed * 7 + i * i + i // 3) % len(_WORDS)] for i in range(words))


def put_column(canvas: Canvas, text: str, left: float, top: float, width: float) -> list[str]:
    """Draw running text in a column; returns its lines."""
    lines: list[str] = simpleSplit(text, "Times-Roman", 10, width)
    canvas.setFont("Times-Roman", 10)
    for number, line in enumerate(lines):
        canvas.drawString(left, top - number * 12, line)
    return lines


def put_rows(
    canvas: Canvas,
    rows: Sequence[Sequence[str]],
    lefts: Sequence[float],
    top: float,
    *,
    pitch: float = 16,
    bold_first: bool = False,
) -> None:
    """Draw rows of cells at these left edges; a blank cell is not drawn."""
    for number, row in enumerate(rows):
        canvas.setFont("Helvetica-Bold" if bold_first and number == 0 else "Helvetica", 10)
        for left, cell in zip(lefts, row, strict=True):
            if cell:
                canvas.drawString(left, top - number * pitch, cell)
