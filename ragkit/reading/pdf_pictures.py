"""The pictures of a PDF, as they are seen on their pages.

Each is drawn from its page, so that masks, turns and what is written across it are as a reader sees
them. A page without a word that is mostly picture, such as a scan, is one picture as a whole. On a
page with words a picture behind all of it is its paper, and is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pypdfium2
import pypdfium2.raw as pdfium_c

from ragkit.reading.album import Album
from ragkit.reading.pictures import LONGEST_SIDE_PX, prepare_image
from ragkit.records import Figure, Image

__all__ = ["pdf_figures"]

_SMALLEST_SIDE_PX: Final = 64
_MOST_ON_A_PAGE: Final = 100
_DEEPEST_FORM: Final = 3
_PAPER: Final = 0.9
_MOSTLY: Final = 0.5
# A caption stands within so many points below its picture: four lines.
_CAPTION_POINTS: Final = 60.0
_LONGEST_CAPTION: Final = 300
_CAPTION: Final = re.compile(
    r"(?:fig(?:ure|\.)?|abb(?:ildung|\.)?|ill(?:ustration|\.)?|photo|foto|image|picture|bild|plate|"
    r"chart|diagram|map|karte|tabelle|table|tab\.|scheme|exhibit)\s*[\dIVX(A-Z]",
    re.IGNORECASE,
)

_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class _Page:
    """A page, its text in the document, and where that begins."""

    number: int
    page: pypdfium2.PdfPage
    box: _Box
    text: str
    start: int


def pdf_figures(
    data: bytes, album: Album, pages: Sequence[str], starts: Sequence[int]
) -> tuple[Figure, ...]:
    """The pictures of a PDF that count, in order of where they stand; none if it cannot be opened.

    Args:
        data: The file.
        album: Takes them.
        pages: Text of each page.
        starts: Where each begins in the document.
    """
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError:
        return ()
    figures: list[Figure] = []
    try:
        for index in range(min(len(pdf), len(pages))):
            try:
                figures += _figures(pdf, index, album, (pages[index], starts[index]))
            except pypdfium2.PdfiumError:
                # A page that cannot be drawn was told of when its text was read.
                continue
    finally:
        pdf.close()
    return tuple(sorted(figures, key=lambda figure: figure.start))


def _figures(
    pdf: pypdfium2.PdfDocument, index: int, album: Album, text: tuple[str, int]
) -> list[Figure]:
    page = pdf[index]
    try:
        shown = _Page(index + 1, page, page.get_bbox(), *text)
        found = list(_images(page))
        if not shown.text.strip():
            image = _whole(shown, found, album)
            return [] if image is None else [Figure(start=text[1], end=text[1], image=image)]
        return list(_on_page(shown, found, album))
    finally:
        page.close()


def _images(page: pypdfium2.PdfPage) -> Iterator[pypdfium2.PdfImage]:
    found = page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=_DEEPEST_FORM)
    for number, item in enumerate(found):
        if number >= _MOST_ON_A_PAGE:
            return
        if isinstance(item, pypdfium2.PdfImage):
            yield item


def _whole(shown: _Page, found: Sequence[pypdfium2.PdfImage], album: Album) -> Image | None:
    """A page that is mostly picture, as one; scans are often cut into strips."""
    if sum(_share(item.get_bounds(), shown.box) for item in found) < _MOSTLY:
        return None
    largest = max(found, key=lambda item: math.prod(item.get_px_size()))
    left, bottom, right, top = largest.get_bounds()
    px_per_point = max(largest.get_px_size()) / max(right - left, top - bottom, 1.0)
    width, height = shown.page.get_size()
    scale = LONGEST_SIDE_PX / max(width, height, 1.0)
    size = (round(width * px_per_point), round(height * px_per_point))

    def drawn() -> pypdfium2.PdfBitmap:
        return shown.page.render(scale=scale)

    return album.take(lambda: prepare_image(drawn().to_pil(), size), f"page {shown.number}")


def _on_page(shown: _Page, found: Sequence[pypdfium2.PdfImage], album: Album) -> Iterator[Figure]:
    words = shown.page.get_textpage()
    try:
        for number, item in enumerate(found, 1):
            bounds = item.get_bounds()
            if _share(bounds, shown.box) >= _PAPER or min(item.get_px_size()) < _SMALLEST_SIDE_PX:
                continue
            if not album.is_new(bytes(item.get_data())):
                continue
            image = _taken(shown, item, album, f"page {shown.number}, picture {number}")
            if image is not None:
                start, end = _place(shown, words, bounds)
                yield Figure(start=start, end=end, image=image)
    finally:
        words.close()


def _taken(shown: _Page, item: pypdfium2.PdfImage, album: Album, path: str) -> Image | None:
    size = item.get_px_size()

    def drawn() -> pypdfium2.PdfBitmap:
        # The bounds of what lies in a form are the form's, and those of a turned page are another
        # page's: there the picture is drawn by itself.
        if item.level or shown.page.get_rotation():
            return item.get_bitmap(render=True)
        left, bottom, right, top = _within(item.get_bounds(), shown.box)
        points = max(right - left, top - bottom, 1.0)
        scale = min(LONGEST_SIDE_PX, max(size)) / points
        crop = (
            left - shown.box[0],
            bottom - shown.box[1],
            shown.box[2] - right,
            shown.box[3] - top,
        )
        return shown.page.render(scale=scale, crop=crop)

    return album.take(lambda: prepare_image(drawn().to_pil(), size), path)


def _place(shown: _Page, words: pypdfium2.PdfTextPage, bounds: _Box) -> tuple[int, int]:
    """The span of a picture's caption, or where about in the text it stands."""
    left, bottom, right, top = bounds
    below = words.get_text_bounded(left - 10, bottom - _CAPTION_POINTS, right + 10, bottom)
    caption = _caption(below)
    if caption:
        pattern = r"\s+".join(map(re.escape, caption.split()))
        match = re.search(pattern, shown.text)
        if match is not None:
            return shown.start + match.start(), shown.start + match.end()
    above = words.get_text_bounded(shown.box[0], (bottom + top) / 2, shown.box[2], shown.box[3])
    position = shown.start + min(len(above), len(shown.text))
    return position, position


def _caption(below: str) -> str:
    """The lines below a picture from one that begins like a caption to the end of its sentence."""
    lines = [line.strip() for line in below.splitlines() if line.strip()]
    if not lines or not _CAPTION.match(lines[0]):
        return ""
    caption = lines[0]
    for line in lines[1:]:
        if caption.endswith((".", "!", "?")) or len(caption) + len(line) > _LONGEST_CAPTION:
            break
        caption += f" {line}"
    return caption


def _within(bounds: _Box, box: _Box) -> _Box:
    left, bottom = max(bounds[0], box[0]), max(bounds[1], box[1])
    right, top = min(bounds[2], box[2]), min(bounds[3], box[3])
    return left, bottom, max(left, right), max(bottom, top)


def _share(bounds: _Box, box: _Box) -> float:
    """How much of the page a picture covers."""
    left, bottom, right, top = _within(bounds, box)
    page = (box[2] - box[0]) * (box[3] - box[1])
    return (right - left) * (top - bottom) / page if page > 0 else 0.0
