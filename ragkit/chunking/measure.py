"""Tokens of every stretch of a text, from encoding it once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import WHITE, Characters, Flags, Positions, table_of
from ragkit.models.tokens import count_tokens, encode_slabs, token_lengths, trimmed_tokens

__all__ = ["TokenRuler"]

# Between pieces that are encoded together: a blank and a line end, which no piece that begins and
# ends with something solid merges with.
_SEPARATOR = " \n"
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class TokenRuler:
    """Where the cl100k tokens of a text end, and a number for the content of each stretch."""

    __slots__ = ("_bytes", "_characters", "_ends", "_ids")

    def __init__(self, characters: Characters) -> None:
        ids = [slab.ids for slab in encode_slabs(characters.text)]
        self._ids = np.concatenate(ids) if len(ids) > 1 else ids[0]
        self._ends = _token_ends(self._ids)
        self._bytes = characters.utf8()
        self._characters = characters

    @property
    def total(self) -> int:
        """Tokens of the whole text."""
        return int(self._ends.size)

    def before(self, positions: Positions) -> Positions:
        """How many tokens end at or before each position, in code points."""
        return self._ends.searchsorted(self._characters.byte_offsets(positions), "right")

    def contents(self, tokens_before: Positions) -> Positions:
        """For each stretch between such counts, the sum of its token ids, to tell it by.

        A stretch in which no token ends has the id of the token that it lies in.
        """
        first = np.minimum(tokens_before, self._ids.size - 1)
        return np.add.reduceat(self._ids, first, dtype=np.uint32).astype(np.int64)

    def exact(self, starts: Positions, ends: Positions) -> list[int]:
        """Length in tokens of each span as a text of its own.

        A span whose ends are ends of tokens has the tokens of the whole text. Else a token
        reaches over an end: a blank before the first word, a line end after the last point. Most
        such tokens are one token without it too, and the table or the look of the last word
        proves it; the other spans have the words at that end encoded again, all together.
        """
        first, head_open = self._count_at(starts)
        last, tail_open = self._count_at(ends)
        counts = last - first
        unclear = self._touches(starts, ends) | ((head_open | tail_open) & (counts < 3))
        head_open &= ~self._head_is_token(first)
        tail_token = tail_open & self._tail_is_token(last, ends)
        counts += tail_token
        tail_open &= ~tail_token
        found: list[int] = counts.tolist()
        again = (head_open | tail_open | unclear).nonzero()[0].tolist()
        if again:
            self._count_again(found, again, (starts, ends), (head_open, tail_open, unclear))
        return found

    def _count_again(
        self,
        counts: list[int],
        again: list[int],
        spans: tuple[Positions, Positions],
        why: tuple[Flags, Flags, Flags],
    ) -> None:
        """Replace the counts of some spans by exact ones, encoding as little as it takes."""
        text = self._characters.text
        head_open, tail_open, unclear = why
        pieces: list[str] = []
        owners: list[int] = []
        inner: list[tuple[int, int, int]] = []
        for index in again:
            start, end = int(spans[0][index]), int(spans[1][index])
            head = _part_forward(text, start, end) if head_open[index] else start
            tail = _part_back(text, start, end) if tail_open[index] else end
            if unclear[index] or head < 0 or tail < 0 or head > tail:
                head = tail = end
            for begin, stop in ((start, head), (tail, end)):
                if begin < stop:
                    pieces.append(text[begin:stop])
                    owners.append(index)
            inner.append((head, tail, int(tail_open[index])))
        parts = np.array(inner, np.int64)
        closed = np.minimum(parts[:, 1], spans[1][again])
        between = self.before(closed) - self.before(parts[:, 0])
        ended = (parts[:, 0] < spans[1][again]) & ~tail_open[again]
        between += ended & self._count_at(spans[1][again])[1]
        for index, tokens in zip(again, between.tolist(), strict=True):
            counts[index] = tokens
        for owner, tokens in zip(owners, _count_together(pieces), strict=True):
            counts[owner] += tokens

    def _count_at(self, positions: Positions) -> tuple[Positions, Flags]:
        """Tokens that end at or before each position, and whether one reaches over it."""
        offsets = self._characters.byte_offsets(positions)
        before = self._ends.searchsorted(offsets, "right")
        ended = self._ends[before - 1]
        ended[before == 0] = 0
        return before, ended != offsets

    def _head_is_token(self, index: Positions) -> Flags:
        """Whether the token is a blank and a whole word that is a token without the blank too."""
        index = np.minimum(index, self._ids.size - 1)
        end = self._ends[index]
        letters = table_of(_ALPHABET)
        last: Flags = letters[self._bytes[end - 1]]
        after = self._bytes[np.minimum(end, self._bytes.size - 1)]
        closed = (end == self._bytes.size) | ((after < 0x80) & ~letters[after])
        last &= trimmed_tokens().without_blank[self._ids[index]]
        last &= closed
        return last

    def _tail_is_token(self, index: Positions, ends: Positions) -> Flags:
        """Whether the token is signs after a letter or digit, and a token without its line end."""
        ids = self._ids[np.minimum(index, self._ids.size - 1)]
        begin = self._ends[np.minimum(index, self._ids.size - 1)] - token_lengths()[ids]
        solid = self._characters.byte_offsets(ends) - begin
        word = table_of(_ALPHABET + "0123456789")
        alone: Flags = word[self._bytes[np.maximum(begin - 1, 0)]]
        alone &= trimmed_tokens().solid_bytes[ids] == solid
        return alone

    def _touches(self, starts: Positions, ends: Positions) -> Flags:
        """Which spans have something solid right before or after them."""
        size = self._characters.codes.size
        left = ~self._characters.is_any(np.maximum(starts - 1, 0), WHITE) & (starts > 0)
        right = ~self._characters.is_any(np.minimum(ends, size - 1), WHITE) & (ends < size)
        return left | right


def _token_ends(ids: npt.NDArray[np.uint32]) -> Positions:
    """Where each token ends, in bytes."""
    return token_lengths().take(ids).cumsum(dtype=np.int64)


def _part_forward(text: str, start: int, end: int) -> int:
    """The first blank after a word at or after ``start``; -1 if there is none before ``end``."""
    place = text.find(" ", start + 1, end)
    return place if place < 0 or not text[place - 1].isspace() else -1


def _part_back(text: str, start: int, end: int) -> int:
    """The last place before ``end`` where a word ends anyway; -1 if there is none after ``start``.

    That is before a blank that follows a word, and after a line end that no blank follows.
    """
    place = end
    while (place := max(text.rfind(" ", start + 1, place), text.rfind("\n", start + 1, place))) > 0:
        if text[place] == "\n" and not text[place + 1].isspace():
            return place + 1
        if text[place] == " " and not text[place - 1].isspace():
            return place
    return -1


def _count_together(pieces: list[str]) -> list[int]:
    """Length of each piece in tokens, from one encoding of them all."""
    if len(pieces) <= 2:
        return [count_tokens(piece) for piece in pieces]
    joined = _SEPARATOR.join(pieces)
    ids = [slab.ids for slab in encode_slabs(joined)]
    ends = _token_ends(np.concatenate(ids))
    widths = [len(piece.encode("utf-8", "surrogatepass")) for piece in pieces]
    stops = np.cumsum(np.array(widths, np.int64) + len(_SEPARATOR)) - len(_SEPARATOR)
    counted = ends.searchsorted(stops, "right") - ends.searchsorted(stops - widths, "right")
    counts: list[int] = counted.tolist()
    return counts
