"""Words of a page with their places, from PDFium: two calls for a word, 500 pages a second."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as pdfium_c

from ragkit.reading.pdf_content import BROKEN_WORD, Fragment, PdfPage, cleaned

__all__ = ["read_page"]

_WORD = re.compile(rf"[^\s{BROKEN_WORD}\x00-\x1f]+")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# A page with more is a bomb, or a map: its text is taken without places.
_MOST_CHARACTERS = 100_000
# Between words of a line; wider gaps part columns and cells. In heights of the type.
_WIDEST_BLANK = 1.0
_FONT_NAME_BYTES = 128
_BOLD_WEIGHT = 600
_BOLD_NAMES = ("bold", "black", "heavy")
_TALL = 1.8

_Corners = tuple[float, float, float, float]


@dataclass(slots=True)
class _Word:
    text: str
    index: int
    box: _Corners
    height: float
    broken: bool
    new_line: bool


def read_page(page: pypdfium2.PdfPage) -> PdfPage:
    """Text and fragments of a page."""
    textpage = page.get_textpage()
    try:
        text = _text(textpage)
        width, height = page.get_size()
        found = PdfPage(text=text, width=width, height=height)
        right_to_left = len(_RIGHT_TO_LEFT.findall(text))
        # Where words run to the left, the parser's order is better than that of their places.
        if len(text) <= _MOST_CHARACTERS and 5 * right_to_left <= len(text):
            _fill(found, textpage, _Turn.of(page))
        return found
    finally:
        textpage.close()


def _text(textpage: pypdfium2.PdfTextPage) -> str:
    count = textpage.count_chars()
    if count <= 0:
        return ""
    buffer = (ctypes.c_ushort * (count + 1))()
    written = pdfium_c.FPDFText_GetText(textpage.raw, 0, count, buffer)
    return bytes(buffer)[: 2 * max(0, written - 1)].decode("utf-16-le", "replace")


@dataclass(frozen=True, slots=True)
class _Turn:
    """From a page's own coordinates to those of the page as it is shown."""

    rotation: int
    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def of(cls, page: pypdfium2.PdfPage) -> _Turn:
        return cls(page.get_rotation(), *page.get_bbox())

    def __call__(self, left: float, bottom: float, right: float, top: float) -> _Corners:
        """(left, top, right, bottom), from the upper left corner."""
        if self.rotation == 90:
            return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
        if self.rotation == 180:
            return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
        if self.rotation == 270:
            return self.top - top, self.right - right, self.top - bottom, self.right - left
        return left - self.left, self.top - top, right - self.left, self.top - bottom


def _fill(page: PdfPage, textpage: pypdfium2.PdfTextPage, turn: _Turn) -> None:
    """Group the words of a page into fragments."""
    words: list[_Word] = []
    upright = True
    for word in _words(page.text, textpage, turn):
        left, top, right, bottom = word.box
        is_short = len(word.text) < 3 and not word.new_line
        turned = bottom - top > _TALL * word.height and right - left < bottom - top
        if turned or (is_short and not upright):
            upright = False
            _add_turned(page, word)
            continue
        upright = True
        if words and (word.new_line or not _beside(words[-1], word)):
            page.fragments.append(_fragment(words, textpage))
            words = []
        words.append(word)
    if words:
        page.fragments.append(_fragment(words, textpage))


def _words(text: str, textpage: pypdfium2.PdfTextPage, turn: _Turn) -> Iterator[_Word]:
    raw = textpage.raw
    corners = pdfium_c.FS_RECTF()
    reference = ctypes.byref(corners)
    place = _index_of(text, textpage)
    before = 0
    for match in _WORD.finditer(text):
        start, end = match.span()
        first, last = place(start), place(end - 1)
        if not pdfium_c.FPDFText_GetLooseCharBox(raw, first, reference):
            continue
        box = turn(corners.left, corners.bottom, corners.right, corners.top)
        height = box[3] - box[1]
        if last != first and pdfium_c.FPDFText_GetLooseCharBox(raw, last, reference):
            other = turn(corners.left, corners.bottom, corners.right, corners.top)
            box = (
                min(box[0], other[0]),
                min(box[1], other[1]),
                max(box[2], other[2]),
                max(box[3], other[3]),
            )
        between = text[before:start]
        yield _Word(
            text=cleaned(match.group()),
            index=first,
            box=box,
            height=height,
            broken=text[end : end + 1] != "" and text[end : end + 1] in BROKEN_WORD,
            new_line="\n" in between or any(sign in between for sign in BROKEN_WORD),
        )
        before = end


def _index_of(text: str, textpage: pypdfium2.PdfTextPage) -> Callable[[int], int]:
    """From an offset in the text to PDFium's number of the character."""
    if len(text) == textpage.count_chars():
        return lambda offset: offset
    # Some characters have no text, others two units of UTF-16.
    units = [0]
    for sign in text:
        units.append(units[-1] + (2 if ord(sign) > 0xFFFF else 1))
    raw = textpage.raw
    return lambda offset: max(0, pdfium_c.FPDFText_GetCharIndexFromTextIndex(raw, units[offset]))


def _beside(before: _Word, word: _Word) -> bool:
    """Whether a word goes on to the right of another, on its line."""
    left, top, right, bottom = before.box
    height = min(bottom - top, word.box[3] - word.box[1])
    overlap = min(bottom, word.box[3]) - max(top, word.box[1])
    gap = word.box[0] - right
    most = _WIDEST_BLANK * max(before.height, word.height)
    return overlap >= height / 2 and -most <= gap <= most and word.box[0] >= left


def _fragment(words: list[_Word], textpage: pypdfium2.PdfTextPage) -> Fragment:
    boxes = [word.box for word in words]
    # A bullet or the number of a note is set in another type.
    longest = max(words, key=lambda word: len(word.text))
    return Fragment(
        text=" ".join(word.text for word in words if word.text),
        left=min(box[0] for box in boxes),
        top=min(box[1] for box in boxes),
        right=max(box[2] for box in boxes),
        bottom=max(box[3] for box in boxes),
        size=_size(longest.index, longest.height, textpage),
        bold=_is_bold(words[0].index, textpage) and _is_bold(words[-1].index, textpage),
        broken=words[-1].broken,
    )


def _size(index: int, height: float, textpage: pypdfium2.PdfTextPage) -> float:
    """The size of the type; what the file states may be scaled afterwards."""
    stated = float(pdfium_c.FPDFText_GetFontSize(textpage.raw, index))
    return stated if 0.5 * height <= stated <= 1.4 * height else 0.85 * height


def _is_bold(index: int, textpage: pypdfium2.PdfTextPage) -> bool:
    if pdfium_c.FPDFText_GetFontWeight(textpage.raw, index) >= _BOLD_WEIGHT:
        return True
    name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    flags = ctypes.c_int()
    pdfium_c.FPDFText_GetFontInfo(textpage.raw, index, name, _FONT_NAME_BYTES, ctypes.byref(flags))
    lowered = name.value.decode("latin-1").lower()
    return any(mark in lowered for mark in _BOLD_NAMES)


def _add_turned(page: PdfPage, word: _Word) -> None:
    if page.turned and not word.new_line:
        page.turned[-1] += f" {word.text}"
    else:
        page.turned.append(word.text)
