"""What a passage needs of its surroundings: the header of its table, its places on pages."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import repeat

from ragkit.chunking.characters import Positions
from ragkit.records import Block, Box, Document

__all__ = ["TableHeaders", "boxes_between", "boxes_of"]

_LONGEST_HEADER = 300
_WORD = re.compile(r"\w")
# Of LaTeX and reStructuredText: commands, options, bullets.
_MARKS = re.compile(r"\\\\|\\[a-zA-Z]+|:[\w-]+:|(?<!\S)[*-](?!\S)")
_FRAME = " \t|+"
# Lines of one column lie at most so many heights of a line apart.
_FARTHEST_LINES = 3.0


class TableHeaders:
    """The headers of a document's tables, by where their rows are."""

    __slots__ = ("_zones",)

    def __init__(self, document: Document) -> None:
        self._zones = list(_zones(document.text, document.blocks))

    def at(self, position: int) -> str:
        """The header of the table whose rows go on at a position, else nothing."""
        place = bisect_right(self._zones, position, key=_zone_start) - 1
        if place < 0 or position >= self._zones[place][1]:
            return ""
        return self._zones[place][2]

    def of(self, positions: Positions) -> Iterable[str]:
        """The same for many positions."""
        return map(self.at, positions.tolist()) if self._zones else repeat("")


def _zone_start(zone: tuple[int, int, str]) -> int:
    return zone[0]


def _zones(text: str, blocks: Sequence[Block]) -> Iterator[tuple[int, int, str]]:
    """Start of the first row, end of the last, and header of each table that has one."""
    header: list[Block] = []
    rows: list[Block] = []
    for block in (*blocks, Block(start=len(text), end=len(text), kind="")):
        if block.kind == "row":
            rows.append(block)
            continue
        if header and rows:
            words = _header_words(text[header[0].start : header[-1].end])
            yield rows[0].start, rows[-1].end, words
        if block.kind != "table" or rows:
            header = []
        rows = []
        if block.kind == "table":
            header.append(block)


def _header_words(header: str) -> str:
    """The names in a header, without rules and frames, on one line."""
    plain = _MARKS.sub(" ", header[:4000]).replace("&", "|")
    lines = (" ".join(line.strip(_FRAME).split()) for line in plain.splitlines())
    return " | ".join(line for line in lines if _WORD.search(line))[:_LONGEST_HEADER]


def boxes_of(document: Document, spans: Iterable[tuple[int, int]]) -> Iterable[tuple[Box, ...]]:
    """For each span, in order, the boxes of its lines, those of one column joined."""
    if not document.boxes:
        return repeat(())
    found = []
    first = 0
    for start, end in spans:
        while first < len(document.boxes) and document.boxes[first].end <= start:
            first += 1
        last = first
        while last < len(document.boxes) and document.boxes[last].start < end:
            last += 1
        found.append(tuple(_joined(document.boxes[first:last])))
    return found


def boxes_between(boxes: Sequence[Box], start: int, end: int) -> tuple[Box, ...]:
    """Those of the boxes that show something of a span."""
    return tuple(box for box in boxes if box.start < end and box.end > start)


def _joined(lines: Iterable[Box]) -> Iterator[Box]:
    """One box for the lines of a column that follow each other."""
    current: Box | None = None
    for line in lines:
        if current is None:
            current = line
        elif _goes_on(current, line):
            current = replace(
                current,
                end=line.end,
                left_pt=min(current.left_pt, line.left_pt),
                top_pt=min(current.top_pt, line.top_pt),
                right_pt=max(current.right_pt, line.right_pt),
                bottom_pt=max(current.bottom_pt, line.bottom_pt),
            )
        else:
            yield current
            current = line
    if current is not None:
        yield current


def _goes_on(above: Box, line: Box) -> bool:
    """Whether a line stands below a box, or beside its last line, in the same column."""
    if above.page != line.page:
        return False
    height = line.bottom_pt - line.top_pt
    if line.top_pt < above.bottom_pt:
        # Beside it, as the cells of a row are, and not at the head of the next column.
        return line.bottom_pt > above.bottom_pt - height / 2
    overlaps = line.left_pt < above.right_pt and line.right_pt > above.left_pt
    return overlaps and line.top_pt - above.bottom_pt <= _FARTHEST_LINES * height
