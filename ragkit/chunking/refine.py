"""Gaps inside what is too long for a passage: between words, and inside of them in need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from unicodedata import category

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import WHITE, Characters, Flags, Positions, look_up
from ragkit.chunking.gaps import INSIDE_WORD, WORD, WRAP, Gaps, Levels
from ragkit.chunking.measure import TokenRuler

__all__ = ["Caps", "refine"]

_Step = Callable[[Characters, int, int], tuple[Positions, Levels]]

_PAUSES = ",;:—–、，；：،؛"
# Characters that stand closer together than words are cut for: at most one gap in about nine.
_CLOSEST = 4
# Where the content gives no gap for so long (all characters alike), gaps are set evenly.
_LONGEST_WITHOUT_GAP = 64
# Scripts that put no blanks between words: Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese.
_UNSPACED = (
    (0x0E00, 0x1000),
    (0x1000, 0x10A0),
    (0x1780, 0x1800),
    (0x2E80, 0xA4D0),
    (0xF900, 0xFB00),
    (0xFF00, 0xFFF0),
)
_JOINER = 0x200D


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Tokens from which a unit is opened up.

    Attributes:
        unit: A sentence or line: gaps between its words, or characters where they stand close.
        row: A table row: the same, in need only.
        word: A single word: gaps between its characters.
    """

    unit: int
    row: int
    word: int


def refine(
    gaps: Gaps, characters: Characters, ruler: TokenRuler, caps: Caps
) -> tuple[Gaps, Positions]:
    """Add gaps between the words, then the characters, of units that are over their cap.

    Returns:
        All gaps, and for each the tokens before it.
    """
    before = ruler.before(gaps.positions)
    for step in (_between_words, _between_close_characters, _between_characters):
        cap = caps.word if step is _between_characters else caps.unit
        tokens = np.concatenate([before[1:], (ruler.total,)]) - before
        long = (tokens > cap).nonzero()[0]
        long = long[(tokens[long] > caps.row) | ~gaps.row[long]]
        if long.size:
            gaps = _open_up(gaps, characters, step, long)
            before = ruler.before(gaps.positions)
    return gaps, before


def _open_up(gaps: Gaps, characters: Characters, step: _Step, long: Positions) -> Gaps:
    stops = np.append(gaps.positions, characters.codes.size)
    found = [step(characters, int(stops[index]), int(stops[index + 1])) for index in long.tolist()]
    rows = [
        np.full(part.size, gaps.row[index]) for index, (part, _) in zip(long, found, strict=True)
    ]
    positions = np.concatenate([gaps.positions, *(part for part, _ in found)])
    order = np.argsort(positions, kind="stable")
    return Gaps(
        positions=positions[order],
        levels=np.concatenate([gaps.levels, *(part for _, part in found)])[order],
        row=np.concatenate([gaps.row, *rows])[order],
    )


def _between_words(characters: Characters, start: int, stop: int) -> tuple[Positions, Levels]:
    places = np.arange(start, stop)
    white = characters.is_any(places, WHITE)
    found = places[1:][white[:-1] & ~white[1:]]
    after_pause = characters.is_any(np.maximum(found - 2, start), _PAUSES)
    return found, np.where(after_pause, WRAP, WORD).astype(np.int8)


def _between_close_characters(
    characters: Characters, start: int, stop: int
) -> tuple[Positions, Levels]:
    close = _flags_at(characters, start, stop, _unspaced_table())
    return _thinned(characters, start, stop, np.append(False, close[1:] | close[:-1]))


def _between_characters(characters: Characters, start: int, stop: int) -> tuple[Positions, Levels]:
    everywhere = np.ones(stop - start, np.bool_)
    everywhere[:1] = False
    found = _thinned(characters, start, stop, everywhere)
    if found[0].size or stop - start <= _LONGEST_WITHOUT_GAP:
        return found
    evenly = np.arange(start + _LONGEST_WITHOUT_GAP, stop, _LONGEST_WITHOUT_GAP)
    evenly = evenly[~characters.is_any(evenly, WHITE)]
    return evenly, np.full(evenly.size, INSIDE_WORD, np.int8)


def _thinned(
    characters: Characters, start: int, stop: int, wanted: Flags
) -> tuple[Positions, Levels]:
    """Gaps among the wanted places: after pauses, and where the characters' mix is highest."""
    codes = characters.codes[start:stop].astype(np.uint64)
    clinging = _flags_at(characters, start, stop, _clinging_table())
    free = wanted & ~clinging
    free[1:] &= codes[:-1] != _JOINER
    white = _flags_at(characters, start, stop, None)
    free &= ~white
    pause = np.zeros(free.size, np.bool_)
    pause[1:] = characters.is_any(np.arange(start, stop - 1), _PAUSES)
    kept = free & (pause | _peaks(codes))
    kept[_even_places(np.flatnonzero(kept), free)] = True
    places = np.flatnonzero(kept)
    levels = np.where(pause[places], WORD, INSIDE_WORD).astype(np.int8)
    return places + start, levels


def _peaks(codes: npt.NDArray[np.uint64]) -> Flags:
    """Places whose mix of the characters around is above that of their neighbours."""
    padded = np.concatenate([np.zeros(2, np.uint64), codes, np.zeros(1, np.uint64)])
    mixed = padded[: codes.size] * np.uint64(0x9E3779B97F4A7C15)
    for shift in (1, 2, 3):
        mixed = (mixed ^ (mixed >> np.uint64(29))) + padded[shift : shift + codes.size]
        mixed *= np.uint64(0xC2B2AE3D27D4EB4F)
    peaks = np.ones(codes.size, np.bool_)
    for shift in range(1, _CLOSEST + 1):
        peaks[shift:] &= mixed[shift:] > mixed[:-shift]
        peaks[:-shift] &= mixed[:-shift] >= mixed[shift:]
    return peaks


def _even_places(kept: Positions, free: Flags) -> Positions:
    """Places set evenly in the stretches that have none, as far as they are free."""
    bounds = np.concatenate([np.zeros(1, np.int64), kept, np.full(1, free.size, np.int64)])
    wide = np.flatnonzero(np.diff(bounds) > _LONGEST_WITHOUT_GAP)
    step = _LONGEST_WITHOUT_GAP // 2
    found = [np.arange(bounds[i] + step, bounds[i + 1] - step // 2, step) for i in wide.tolist()]
    places = np.concatenate([np.zeros(0, np.int64), *found])
    allowed: Positions = places[free[places]]
    return allowed


def _flags_at(characters: Characters, start: int, stop: int, table: Flags | None) -> Flags:
    codes = characters.codes[start:stop]
    if table is None:
        return characters.is_any(np.arange(start, stop), WHITE)
    flags = look_up(table, codes)
    if codes.dtype == np.uint32 and table is _unspaced_table():
        flags |= (codes >= 0x20000) & (codes < 0x40000)
    elif codes.dtype == np.uint32:
        flags |= (codes >= 0x1F3FB) & (codes <= 0x1F3FF)
        flags |= (codes >= 0xE0000) & (codes < 0xE0200)
    return flags


@cache
def _unspaced_table() -> Flags:
    table = np.zeros(0x10000, np.bool_)
    for first, end in _UNSPACED:
        table[first:end] = True
    table.flags.writeable = False
    return table


@cache
def _clinging_table() -> Flags:
    """Characters that belong to the one before them: marks, joiners, closing punctuation."""
    table = np.zeros(0x10000, np.bool_)
    for code in range(0x300, 0x10000):
        table[code] = category(chr(code)) in ("Mn", "Mc", "Me", "Pe", "Pf")
    table[[_JOINER, *map(ord, "，。、；：！？ー々〜…")]] = True
    table.flags.writeable = False
    return table
