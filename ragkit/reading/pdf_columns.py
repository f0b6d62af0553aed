"""The order in which a page is read: columns one after the other, not across.

A gutter is a strip that almost no short line crosses, with running text on both sides of it. Lines
that cross it (titles, wide figures' captions) part the page into bands; in each band the left side
is read before the right. Where the sides hold no running text, as in a table, nothing is parted.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from ragkit.reading.pdf_content import Fragment

__all__ = ["reading_regions"]

_FEWEST_FRAGMENTS = 12
_MOST_COLUMNS_DEEP = 3
_NARROWEST_PAGE_PT = 150.0
_BIN_PT = 2.0
_NARROWEST_GUTTER_PT = 6.0
_GUTTERS_TRIED = 4
# A line that takes more of the page's width crosses every gutter.
_WIDE = 0.55
# Of the short lines so many may cross a gutter all the same.
_CROSSING = 0.03
# Running text: so many lines of so many characters fill so much of their column.
_FEWEST_FULL_LINES = 3
_SHORTEST_FULL_LINE = 15
_FULL = 0.6
# Rows of a table: lines that stand beside one on the other side, and apart from those below.
_BESIDE = 0.9
_TABLE_PITCH = 1.45


def reading_regions(fragments: Sequence[Fragment], depth: int = 0) -> list[list[Fragment]]:
    """The fragments of a page in regions, in the order in which those are read."""
    if depth >= _MOST_COLUMNS_DEEP or len(fragments) < _FEWEST_FRAGMENTS:
        return [list(fragments)]
    middle = _gutter(fragments)
    if middle is None:
        return [list(fragments)]
    regions: list[list[Fragment]] = []
    whole: list[Fragment] = []
    for crossing, band in _bands(fragments, middle):
        left = [part for part in band if part.right <= middle]
        right = [part for part in band if part.left >= middle]
        if crossing or not (_is_running(left) or _is_running(right)) or _is_table(left, right):
            whole += band
            continue
        if whole:
            regions.append(whole)
            whole = []
        regions += reading_regions(left, depth + 1)
        regions += reading_regions(right, depth + 1)
    if whole:
        regions.append(whole)
    return regions


def _gutter(fragments: Sequence[Fragment]) -> float | None:
    """The middle of the strip that parts the page, if one does."""
    begin = min(part.left for part in fragments)
    width = max(part.right for part in fragments) - begin
    if width < _NARROWEST_PAGE_PT:
        return None
    short = [part for part in fragments if part.right - part.left <= _WIDE * width]
    bins = int(width / _BIN_PT) + 1
    change = [0] * (bins + 1)
    for part in short:
        change[int((part.left - begin) / _BIN_PT)] += 1
        change[min(bins, int((part.right - begin) / _BIN_PT) + 1)] -= 1
    for low, high in _strips(change, int(_CROSSING * len(short)), bins):
        middle = begin + (low + high) / 2 * _BIN_PT
        left = [part for part in short if part.right <= middle]
        right = [part for part in short if part.left >= middle]
        if _is_running(left) and _is_running(right) and not _is_table(left, right):
            return middle
    return None


def _strips(change: Sequence[int], most: int, bins: int) -> list[tuple[int, int]]:
    """Strips that at most so many lines cross, away from the edges, the widest first."""
    found: list[tuple[int, int]] = []
    covered = begin = 0
    is_open = False
    for index in range(bins):
        covered += change[index]
        inside = bins // 6 <= index < bins - bins // 6
        if covered <= most and inside:
            begin = begin if is_open else index
            is_open = True
        elif is_open:
            found.append((begin, index))
            is_open = False
    wide = [strip for strip in found if (strip[1] - strip[0]) * _BIN_PT >= _NARROWEST_GUTTER_PT]
    return sorted(wide, key=lambda strip: strip[0] - strip[1])[:_GUTTERS_TRIED]


def _is_running(side: Sequence[Fragment]) -> bool:
    """Whether most of a side's text stands in lines that fill it."""
    if not side:
        return False
    width = max(part.right for part in side) - min(part.left for part in side)
    full = [
        len(part.text)
        for part in side
        if part.right - part.left >= _FULL * width and len(part.text) >= _SHORTEST_FULL_LINE
    ]
    return len(full) >= _FEWEST_FULL_LINES and 2 * sum(full) >= sum(len(p.text) for p in side)


def _is_table(left: Sequence[Fragment], right: Sequence[Fragment]) -> bool:
    """Whether two sides are the columns of a table: each line has its partner, rows stand apart."""
    fewer, more = sorted((left, right), key=len)
    if not fewer or len(fewer) < len(more) / 2:
        return False
    tops = {round(part.top) for part in more}
    beside = sum(
        any(top + shift in tops for shift in (-1, 0, 1)) for top in (round(p.top) for p in fewer)
    )
    if beside < _BESIDE * len(fewer):
        return False
    rows = sorted(part.top for part in fewer)
    pitches = sorted(below - above for above, below in itertools.pairwise(rows))
    sizes = sorted(part.size for part in fewer)
    if not pitches:
        return True
    return pitches[len(pitches) // 2] >= _TABLE_PITCH * sizes[len(sizes) // 2]


def _bands(fragments: Sequence[Fragment], middle: float) -> Iterator[tuple[bool, list[Fragment]]]:
    """From top to bottom what crosses a gutter, with what stands beside that, and what does not."""
    crossing = sorted(
        (part.top, part.bottom) for part in fragments if part.left < middle < part.right
    )
    strips: list[tuple[float, float]] = []
    for top, bottom in crossing:
        if strips and top <= strips[-1][1]:
            strips[-1] = (strips[-1][0], max(strips[-1][1], bottom))
        else:
            strips.append((top, bottom))
    bottoms = [bottom for _, bottom in strips]
    bands: list[list[Fragment]] = [[] for _ in range(2 * len(strips) + 1)]
    for part in fragments:
        centre = (part.top + part.bottom) / 2
        above = bisect_left(bottoms, centre)
        inside = above < len(strips) and strips[above][0] <= centre
        bands[2 * above + inside].append(part)
    for index, band in enumerate(bands):
        if band:
            yield index % 2 == 1, band
