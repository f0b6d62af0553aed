"""Tokens of every stretch of a text, from encoding it once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import WHITE, Characters, Positions
from ragkit.models.tokens import count_tokens, encode_slabs, token_lengths

__all__ = ["TokenRuler"]

Mixed = npt.NDArray[np.uint64]

# Between pieces that are encoded together: a blank and a line end, which no piece that begins and
# ends with something solid merges with.
_SEPARATOR = " \n"
_SEPARATOR_BYTES = 2


class TokenRuler:
    """Where the cl100k tokens of a text end, and a number for the content of each stretch."""

    __slots__ = ("_characters", "_ends", "_sums")

    def __init__(self, characters: Characters) -> None:
        ids = [slab.ids for slab in encode_slabs(characters.text)]
        joined = np.concatenate(ids) if len(ids) > 1 else ids[0]
        self._characters = characters
        self._ends = np.cumsum(token_lengths()[joined], dtype=np.int64)
        self._sums = np.cumsum(_mixers()[joined], dtype=np.uint64)

    @property
    def total(self) -> int:
        """Tokens of the whole text."""
        return int(self._ends.size)

    def before(self, positions: Positions) -> Positions:
        """How many tokens end at or before each position, in code points."""
        return np.searchsorted(self._ends, self._characters.byte_offsets(positions), side="right")

    def contents(self, tokens_before: Positions) -> Mixed:
        """A number made of the tokens up to each count; differences name the stretch between."""
        return np.concatenate([np.zeros(1, np.uint64), self._sums])[tokens_before]

    def exact(self, starts: Positions, ends: Positions) -> list[int]:
        """Length in tokens of each span as a text of its own.

        A span whose ends are ends of tokens has the tokens of the whole text. Else a token
        reaches over an end (a blank before its first word, a line end after its last point): then
        only the words at that end are encoded again, all of them together. Spans that do not
        stand between white space are encoded by themselves.
        """
        text = self._characters.text
        first, open_start = self._count_at(starts)
        last, open_end = self._count_at(ends)
        counts: list[int] = (last - first).tolist()
        alone = self._touches(starts, ends)
        pieces: list[str] = []
        owners: list[int] = []
        inner: list[tuple[int, int, int]] = []
        for index in np.flatnonzero(open_start | open_end | alone).tolist():
            start, end = int(starts[index]), int(ends[index])
            head = start if not open_start[index] else _part_forward(text, start, end)
            tail = end if not open_end[index] else _part_back(text, start, end)
            if alone[index] or head < 0 or tail < 0 or head > tail:
                pieces.append(text[start:end])
                owners.append(index)
                counts[index] = 0
                continue
            for begin, stop in ((start, head), (tail, end)):
                if begin < stop:
                    pieces.append(text[begin:stop])
                    owners.append(index)
            inner.append((index, head, tail))
        self._recount_inner(counts, inner)
        for owner, tokens in zip(owners, _count_together(pieces), strict=True):
            counts[owner] += tokens
        return counts

    def _count_at(self, positions: Positions) -> tuple[Positions, npt.NDArray[np.bool_]]:
        """Tokens that end at or before each position, and whether one reaches over it."""
        offsets = self._characters.byte_offsets(positions)
        before = np.searchsorted(self._ends, offsets, side="right")
        ended = np.where(before > 0, self._ends[np.maximum(before - 1, 0)], 0)
        return before, ended != offsets

    def _recount_inner(self, counts: list[int], inner: list[tuple[int, int, int]]) -> None:
        """Put the tokens between head and tail in place of those between start and end."""
        if not inner:
            return
        heads = np.array([head for _, head, _ in inner], np.int64)
        tails = np.array([tail for _, _, tail in inner], np.int64)
        between = self.before(tails) - self.before(heads)
        for (index, _, _), tokens in zip(inner, between.tolist(), strict=True):
            counts[index] = tokens

    def _touches(self, starts: Positions, ends: Positions) -> npt.NDArray[np.bool_]:
        """Which spans have something solid right before or after them."""
        size = self._characters.codes.size
        left = ~self._characters.is_any(np.maximum(starts - 1, 0), WHITE) & (starts > 0)
        right = ~self._characters.is_any(np.minimum(ends, size - 1), WHITE) & (ends < size)
        return left | right


def _part_forward(text: str, start: int, end: int) -> int:
    """The first blank after a word at or after ``start``; -1 if there is none before ``end``."""
    place = text.find(" ", start + 1, end)
    return place if place < 0 or not text[place - 1].isspace() else -1


def _part_back(text: str, start: int, end: int) -> int:
    """The last blank after a word before ``end``; -1 if there is none after ``start``."""
    place = text.rfind(" ", start + 1, end)
    return place if place < 0 or not text[place - 1].isspace() else -1


def _count_together(pieces: list[str]) -> list[int]:
    """Length of each piece in tokens, from one encoding of them all."""
    if len(pieces) <= 2:
        return [count_tokens(piece) for piece in pieces]
    joined = _SEPARATOR.join(pieces)
    ids = [slab.ids for slab in encode_slabs(joined)]
    ends = np.cumsum(token_lengths()[np.concatenate(ids)], dtype=np.int64)
    widths = [len(piece.encode("utf-8", "surrogatepass")) for piece in pieces]
    stops = np.cumsum(np.array(widths, np.int64) + _SEPARATOR_BYTES) - _SEPARATOR_BYTES
    begins = stops - widths
    counts: list[int] = (
        np.searchsorted(ends, stops, "right") - np.searchsorted(ends, begins, "right")
    ).tolist()
    return counts


@cache
def _mixers() -> Mixed:
    """A number for each token id, spread over 64 bits; always the same (SplitMix64)."""
    state = np.arange(1, token_lengths().size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Mixed = state ^ (state >> np.uint64(31))
    mixed.flags.writeable = False
    return mixed
