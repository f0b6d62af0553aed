"""Running headers, footers and page numbers: what stands at the same height of page after page.

A line counts as one if it is among the outermost three of its page, within its outer seventh, set
off from what it stands beside and no larger than the text, and if the same words, whatever their
numbers, stand at the same height on at least three pages, one of them at most two pages away. A
line that begins or ends with a number that counts the pages, as those of a chapter do, needs no
other with the same words, and one that is nothing but a number must count them. Everything else
stays; what goes is told.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

from ragkit.reading.pdf_content import Fragment, PdfPage
from ragkit.reading.pdf_rows import Row, rows_of

__all__ = ["usual_size", "without_running_lines"]

_OUTERMOST = 3
_MARGIN = 1 / 7
_FEWEST_PAGES = 3
_NEAREST = 2
_SAME_HEIGHT_PT = 4.0
# Set off by so much of its height from the text.
_SET_OFF = 0.6
# What is set larger than the text is a title, on every page of a slide show too.
_LARGEST = 1.1
_MOST_TOLD = 20
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b")
_ONLY_NUMBER = re.compile(r"\W*\d+\W*$")
_ONLY_ROMAN = re.compile(r"\W*[ivxlc]+\W*$")
_OUTER_NUMBER = re.compile(r"^\W*(\d{1,5})\b|\b(\d{1,5})\W*$")
_LONGEST_COUNTED = 120

_Key = tuple[bool, str, int]


def without_running_lines(pages: Sequence[PdfPage]) -> tuple[list[list[Fragment]], list[str]]:
    """The fragments of each page without its running lines, and those lines, each of them once."""
    edges = [_edges(page) for page in pages]
    seen: defaultdict[_Key, list[int]] = defaultdict(list)
    for index, lines in enumerate(edges):
        keys = {
            key
            for at_top in (True, False)
            for row in lines[at_top]
            for key in _keys(row, index, at_top=at_top)
        }
        for key in keys:
            seen[key].append(index)
    largest = _LARGEST * usual_size(part for page in pages for part in page.fragments)
    running = {key for key, found in seen.items() if len(found) >= _FEWEST_PAGES}
    kept: list[list[Fragment]] = []
    told: dict[str, str] = {}
    for index, page in enumerate(pages):
        gone = [
            row
            for at_top in (True, False)
            for row in _running(edges[index][at_top], index, seen, running, at_top=at_top)
            if _in_margin(row, page, at_top=at_top) and row.size <= largest
        ]
        taken = [(row.top, row.bottom) for row in gone]
        rest = [
            part
            for part in page.fragments
            if not any(top <= part.top and part.bottom <= bottom for top, bottom in taken)
        ]
        if not rest:
            # A page of nothing else says what it says.
            kept.append(page.fragments)
            continue
        kept.append(rest)
        for row in gone:
            told.setdefault(_words(row.text), row.text)
    return kept, list(told.values())[:_MOST_TOLD]


def usual_size(fragments: Iterable[Fragment]) -> float:
    """The size of the type that most of a text is set in; 0 for no text."""
    sizes = Counter[float]()
    for part in fragments:
        sizes[round(2 * part.size) / 2] += len(part.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def _edges(page: PdfPage) -> dict[bool, list[Row]]:
    """The outermost lines at the top (True) and bottom, from the edge inwards, and one more."""
    margin = _MARGIN * page.height
    high = [part for part in page.fragments if part.bottom <= 1.5 * margin]
    low = [part for part in page.fragments if part.top >= page.height - 1.5 * margin]
    return {True: rows_of(high)[: _OUTERMOST + 1], False: rows_of(low)[: -_OUTERMOST - 2 : -1]}


def _in_margin(row: Row, page: PdfPage, *, at_top: bool) -> bool:
    margin = _MARGIN * page.height
    return row.bottom <= margin if at_top else row.top >= page.height - margin


def _keys(row: Row, index: int, *, at_top: bool) -> Iterable[_Key]:
    """What a line must share with others to be a running one; two heights, to bridge rounding."""
    text = " ".join(row.text.split())
    height = int(row.top / _SAME_HEIGHT_PT)
    words = [] if _ONLY_NUMBER.match(text.casefold()) else [_words(text)]
    if len(text) <= _LONGEST_COUNTED:
        for number in filter(None, chain.from_iterable(_OUTER_NUMBER.findall(text))):
            # A number that counts the pages differs from their index by as much on each.
            words.append(f"# {int(number) - index}")
    if _ONLY_ROMAN.match(text.casefold()):
        words.append("# roman")
    return [(at_top, each, height + shift) for each in words for shift in (0, 1)]


def _words(text: str) -> str:
    return _NUMBER.sub("#", " ".join(text.casefold().split()))


def _running(
    rows: Sequence[Row],
    index: int,
    seen: dict[_Key, list[int]],
    running: set[_Key],
    *,
    at_top: bool,
) -> list[Row]:
    """Those of a page's outermost lines that are running ones, from the edge inwards."""
    found: list[Row] = []
    for row in rows[:_OUTERMOST]:
        keys = [key for key in _keys(row, index, at_top=at_top) if key in running]
        if not any(_is_near(index, seen[key]) for key in keys):
            break
        found.append(row)
    while found and not _is_set_off(found[-1], rows[len(found) :]):
        found.pop()
    return found


def _is_near(index: int, pages: Sequence[int]) -> bool:
    return any(0 < abs(other - index) <= _NEAREST for other in pages)


def _is_set_off(row: Row, inner: Sequence[Row]) -> bool:
    """Whether a line stands apart from the next one, as a header does and a row does not."""
    if not inner:
        return True
    gap = max(inner[0].top - row.bottom, row.top - inner[0].bottom)
    return gap >= _SET_OFF * (row.bottom - row.top)
