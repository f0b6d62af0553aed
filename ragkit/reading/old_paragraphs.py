"""What an old Word document says of its paragraphs (MS-DOC): style, list and table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["ParagraphStyle", "ParagraphStyles"]

_PAGE_BYTES = 512
_MOST_PAGES = 200_000
_ENTRY_BYTES = 13
# Modifiers of paragraphs: in a table, the end of its row, in a list, how deep.
_IN_TABLE, _ENDS_ROW, _LIST, _DEPTH = 0x2416, 0x2417, 0x460B, 0x260A
_TABLE_DEFINITION, _TABS = 0xD608, 0xC615
# Bytes of a modifier's operand, by its upper three bits; 0 where the operand says it.
_OPERAND_BYTES = (1, 1, 2, 4, 2, 2, 0, 3)
_DEEPEST_HEADING = 9


@dataclass(frozen=True, slots=True)
class ParagraphStyle:
    """What counts of a paragraph's properties.

    Attributes:
        heading: Rank of a heading; 0 for text.
        is_item: Whether it is an item of a list.
        depth: Of the list, 0 for the outermost.
        in_table: Whether it stands in a cell.
        ends_row: Whether it is the mark that ends a row.
    """

    heading: int = 0
    is_item: bool = False
    depth: int = 0
    in_table: bool = False
    ends_row: bool = False


class ParagraphStyles:
    """The styles of paragraphs, by where their text is in the stream."""

    def __init__(self, stream: bytes, bins: bytes) -> None:
        """Read the pages that hold them.

        Args:
            stream: The document's main stream.
            bins: The table of the pages.
        """
        found = sorted(_entries(stream, bins))
        self._starts = [start for start, _, _ in found]
        self._found = found
        self._stream = stream

    def at(self, offset: int) -> ParagraphStyle:
        """The style of the paragraph whose text, or mark, is at an offset."""
        place = bisect_right(self._starts, offset) - 1
        if place < 0:
            return ParagraphStyle()
        _, end, properties = self._found[place]
        if offset >= end or properties < 0:
            return ParagraphStyle()
        return _style(self._stream, properties)


def _entries(stream: bytes, bins: bytes) -> Iterator[tuple[int, int, int]]:
    """Start, end and place of the properties (-1 for none) of each run of paragraphs."""
    count = min(max(0, (len(bins) - 4) // 8), _MOST_PAGES)
    for index in range(count):
        at = 4 * (count + 1) + 4 * index
        page = (int.from_bytes(bins[at : at + 4], "little") & 0x3FFFFF) * _PAGE_BYTES
        data = stream[page : page + _PAGE_BYTES]
        if len(data) < _PAGE_BYTES:
            continue
        runs = data[-1]
        for run in range(runs):
            start, end = (
                int.from_bytes(data[4 * each : 4 * each + 4], "little") for each in (run, run + 1)
            )
            entry = 4 * (runs + 1) + _ENTRY_BYTES * run
            offset = 2 * data[entry] if entry < _PAGE_BYTES else 0
            yield start, end, page + offset if offset else -1


def _style(stream: bytes, at: int) -> ParagraphStyle:
    """A paragraph's style and the modifiers that are kept with it."""
    length = stream[at]
    begin = at + 1
    size = 2 * length - 1
    if length == 0:
        size, begin = 2 * stream[at + 1], at + 2
    style = int.from_bytes(stream[begin : begin + 2], "little")
    said = dict(_modifiers(stream[begin + 2 : begin + size]))
    # The first styles of every document are the built-in headings.
    return ParagraphStyle(
        heading=style if 1 <= style <= _DEEPEST_HEADING else 0,
        is_item=said.get(_LIST, 0) not in (0, 0xF801),
        depth=min(said.get(_DEPTH, 0), 8),
        in_table=bool(said.get(_IN_TABLE)),
        ends_row=bool(said.get(_ENDS_ROW)),
    )


def _modifiers(data: bytes) -> Iterator[tuple[int, int]]:
    """Number and operand of each modifier."""
    at = 0
    while at + 2 <= len(data):
        number = int.from_bytes(data[at : at + 2], "little")
        at += 2
        size = _OPERAND_BYTES[number >> 13]
        if size == 0:
            if number == _TABLE_DEFINITION:
                size = int.from_bytes(data[at : at + 2], "little") + 1
            elif number == _TABS and data[at : at + 1] == b"\xff":
                return
            else:
                size = 1 + (data[at] if at < len(data) else 0)
        yield number, int.from_bytes(data[at : at + size][:4], "little")
        at += size
