"""Where a text may be cut, and how gladly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import WHITE, Characters, Flags, Positions
from ragkit.chunking.lines import Lines, is_list_item, is_wrapped
from ragkit.chunking.outline import LONGEST_HEADING, Heading
from ragkit.chunking.sentences import sentence_starts
from ragkit.records import Block, Document

__all__ = ["Gaps", "Levels", "find_gaps"]

Levels = npt.NDArray[np.int8]

# How gladly a text is cut before a position; only the order counts.
INSIDE_WORD, WORD, WRAP, SENTENCE, LINE, ITEM, PARAGRAPH, PAGE, HEADING = range(9)
_DEEPEST_HEADING = 6

_BLOCK_LEVELS = {
    "heading": PARAGRAPH,
    "paragraph": PARAGRAPH,
    "list": ITEM,
    "table": PARAGRAPH,
    "row": LINE,
    "code": PARAGRAPH,
    "quote": PARAGRAPH,
    "front_matter": PARAGRAPH,
}
_WITHOUT_SENTENCES = frozenset({"code", "row", "table", "heading", "front_matter"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Places to cut, in order; a unit reaches from one to the next.

    Attributes:
        positions: First character after the gap, never white.
        levels: How gladly; int8.
        row: Whether the unit that begins here is a table row, which is cut only in need.
    """

    positions: Positions
    levels: Levels
    row: Flags


def heading_level(level: int) -> int:
    """The gap before a heading of that rank; the outermost is cut most gladly."""
    return HEADING + _DEEPEST_HEADING - min(max(level, 1), _DEEPEST_HEADING)


def find_gaps(
    document: Document, characters: Characters, lines: Lines, headings: list[Heading]
) -> Gaps:
    """Find every gap between lines, blocks and sentences, without those that must not be cut."""
    sentences = _sentences(document, characters, lines)
    stated, stated_levels = _stated_gaps(document, characters, headings)
    positions = np.concatenate([lines.first, sentences, stated])
    order = positions.argsort(kind="stable")
    positions = positions[order]
    levels = np.full(positions.size, SENTENCE, np.int8)
    levels[: lines.first.size] = _line_levels(document, characters, lines)
    levels[levels.size - stated.size :] = stated_levels
    fresh = np.ones(positions.size, np.bool_)
    np.not_equal(positions[1:], positions[:-1], out=fresh[1:])
    begins = fresh.nonzero()[0]
    positions, levels = positions[begins], np.maximum.reduceat(levels[order], begins)
    levels = _with_pages(document, characters, positions, levels)
    rows = [block for block in document.blocks if block.kind == "row"]
    if headings or rows:
        kept = ~_inside_headings(headings, characters, positions)
        kept &= ~_inside_rows(rows, characters, positions)
        positions, levels = positions[kept], levels[kept]
    return Gaps(
        positions=positions,
        levels=levels,
        row=_depth_in(positions, rows) > 0 if document.blocks else _bars(characters, positions),
    )


def _line_levels(document: Document, characters: Characters, lines: Lines) -> Levels:
    levels = np.full(lines.first.size, LINE, np.int8)
    levels[is_wrapped(characters, lines)] = WRAP
    levels[lines.after_blank] = PARAGRAPH
    items = is_list_item(characters, lines)
    if blocks := [block for block in document.blocks if block.kind == "code"]:
        code = _depth_in(lines.first, blocks) > 0
        levels[code & lines.after_blank] = ITEM
        items &= ~code
    levels[items] = ITEM
    # What a line ending in a colon announces stays with it, if it can.
    announced = characters.is_any(lines.stop[:-1] - 1, ":：")
    levels[1:][announced] = WRAP
    return levels


def _sentences(document: Document, characters: Characters, lines: Lines) -> Positions:
    starts = sentence_starts(characters, lines)
    if plain := [block for block in document.blocks if block.kind in _WITHOUT_SENTENCES]:
        starts = starts[_depth_in(starts, plain) == 0]
    line = np.maximum(lines.first.searchsorted(starts, "right") - 1, 0)
    running: Positions = starts[~_bars(characters, lines.first)[line]]
    return running


def _bars(characters: Characters, positions: Positions) -> Flags:
    """Whether a line that begins there looks like a table row."""
    bars: Flags = characters.codes[positions] == ord("|")
    return bars


def _stated_gaps(
    document: Document, characters: Characters, headings: list[Heading]
) -> tuple[Positions, Levels]:
    """Gaps that the reader's blocks and pages and the headings make."""
    positions = [block.start for block in document.blocks]
    levels = [_BLOCK_LEVELS.get(block.kind, LINE) for block in document.blocks]
    positions += [heading.start for heading in headings]
    levels += [heading_level(heading.level) for heading in headings]
    positions += document.pages
    levels += [LINE] * len(document.pages)
    whole = _before_solid(characters, np.array(positions, np.int64))
    kept = whole >= 0
    return whole[kept], np.array(levels, np.int8)[kept]


def _before_solid(characters: Characters, positions: Positions) -> Positions:
    """The first character at or after each position that is not white; -1 where none can be cut.

    That is at the text's end, and where a word stands across the position.
    """
    if not positions.size:
        return positions
    size = characters.codes.size
    places = characters.skip_white(
        np.clip(positions, 0, size), np.full(positions.size, size, np.int64)
    )
    before = np.maximum(places - 1, 0)
    free = (places < size) & ((places == 0) | characters.is_any(before, WHITE))
    return np.where(free, places, -1)


def _with_pages(
    document: Document, characters: Characters, positions: Positions, levels: Levels
) -> Levels:
    """A page's start is cut a little more gladly than its line alone would be."""
    if not document.pages:
        return levels
    starts = _before_solid(characters, np.array(document.pages, np.int64))
    paged = np.isin(positions, starts) & (levels < PAGE)
    return np.where(paged, levels + 1, levels).astype(np.int8)


def _inside_headings(
    headings: list[Heading], characters: Characters, positions: Positions
) -> Flags:
    """Gaps inside a heading, and between a heading and what stands under it.

    Between two headings there is a gap only where the second is not below the first.
    """
    real = [heading for heading in headings if heading.end - heading.start <= LONGEST_HEADING]
    if not real:
        return np.zeros(positions.size, np.bool_)
    size = np.full(len(real), characters.codes.size, np.int64)
    starts = characters.skip_white(np.array([each.start for each in real], np.int64), size)
    ranks = np.array([each.level for each in real], np.int64)
    first = positions.searchsorted(starts, "right")
    below = positions.searchsorted(np.array([each.end for each in real], np.int64))
    below = np.maximum(below, first)
    next_start = np.append(positions, -1)[below]
    following = np.minimum(starts.searchsorted(next_start), starts.size - 1)
    parted = (starts[following] == next_start) & (ranks[following] <= ranks)
    change = np.zeros(positions.size + 2, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, below + ~parted, -1)
    inside: Flags = change.cumsum()[: positions.size] > 0
    return inside


def _inside_rows(rows: list[Block], characters: Characters, positions: Positions) -> Flags:
    """Gaps within a row that reaches over several lines, as a quoted cell may."""
    starts = np.array([block.start for block in rows], np.int64)
    ends = np.array([block.end for block in rows], np.int64)
    return _depth(positions, characters.skip_white(starts, ends) + 1, ends) > 0


def _depth_in(positions: Positions, blocks: list[Block]) -> Positions:
    """In how many of the blocks each position lies."""
    starts = np.array([block.start for block in blocks], np.int64)
    ends = np.array([block.end for block in blocks], np.int64)
    return _depth(positions, starts, ends)


def _depth(positions: Positions, starts: Positions, ends: Positions) -> Positions:
    """In how many of the spans each position lies."""
    if not starts.size:
        return np.zeros(positions.size, np.int64)
    opened = np.searchsorted(np.sort(starts), positions, side="right")
    return opened - np.searchsorted(np.sort(ends), positions, side="right")
