"""A text as an array of code points, so that its structure is found without a loop over it."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["Characters", "Codes", "Flags", "Positions", "look_up", "table_of"]

Positions = npt.NDArray[np.int64]
Codes = npt.NDArray[np.uint8] | npt.NDArray[np.uint16] | npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]

# What str.isspace() and str.strip() take for white space; all of it is in the first plane.
WHITE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
# Runs of white space are stepped over together this often, then one by one with str methods.
_ROUNDS = 24


class Characters:
    """The code points of a text, in the narrowest type that holds them.

    Attributes:
        text: The text.
        codes: uint8 for ASCII, else uint16 or uint32; shape (characters,).
    """

    __slots__ = ("_extra_bytes", "_wide", "codes", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.codes: Codes = _codes(text)
        # Characters beyond ASCII, and how many bytes more than one each those before take.
        self._wide = np.zeros(0, np.int64)
        self._extra_bytes = np.zeros(1, np.int64)
        if self.codes.dtype != np.uint8:
            self._wide = (self.codes >= 0x80).nonzero()[0]
            codes = self.codes[self._wide]
            extra = 1 + (codes >= 0x800) + (codes >= 0x10000).astype(np.int64)
            self._extra_bytes = np.concatenate([self._extra_bytes, extra.cumsum()])

    def is_any(self, positions: Positions, characters: str) -> Flags:
        """Which positions hold one of the characters; all positions lie inside the text."""
        return look_up(table_of(characters), self.codes.take(positions))

    def find_any(self, characters: str) -> Positions:
        """Where one of the characters stands, in order."""
        found = np.zeros(self.codes.size, np.bool_)
        for character in characters:
            if character.isascii():
                found |= self.codes == ord(character)
        if self._wide.size:
            beyond = "".join(each for each in characters if not each.isascii())
            found[self._wide[self.is_any(self._wide, beyond)]] = True
        return found.nonzero()[0]

    def skip_white(self, positions: Positions, stops: Positions) -> Positions:
        """The first place at or after each position that is not white, ``stops`` at most."""
        places = positions.copy()
        active = (places < stops).nonzero()[0]
        for _ in range(_ROUNDS):
            active = active[self.is_any(places[active], WHITE)]
            if not active.size:
                return places
            places[active] += 1
            active = active[places[active] < stops[active]]
        for index in active.tolist():
            rest = self.text[places[index] : stops[index]]
            places[index] += len(rest) - len(rest.lstrip())
        return places

    def skip_white_back(self, positions: Positions, floors: Positions) -> Positions:
        """One past the last place before each position that is not white, ``floors`` at least."""
        places = positions.copy()
        active = (places > floors).nonzero()[0]
        for _ in range(_ROUNDS):
            active = active[self.is_any(places[active] - 1, WHITE)]
            if not active.size:
                return places
            places[active] -= 1
            active = active[places[active] > floors[active]]
        for index in active.tolist():
            places[index] = floors[index] + len(self.text[floors[index] : places[index]].rstrip())
        return places

    def utf8(self) -> npt.NDArray[np.uint8]:
        """The bytes of the text; a lone surrogate has three, like U+FFFD in its place."""
        return np.frombuffer(self.text.encode("utf-8", "surrogatepass"), np.uint8)

    def byte_offsets(self, positions: Positions) -> Positions:
        """How many bytes of UTF-8 stand before each position."""
        if self.codes.dtype == np.uint8:
            return positions
        return positions + self._extra_bytes[self._wide.searchsorted(positions)]


def look_up(table: Flags, codes: Codes) -> Flags:
    """The flag of each code point; false for those beyond the first plane."""
    # ``take`` costs half of what indexing by a narrow type does.
    found: Flags = table.take(np.minimum(codes, 0xFFFF) if codes.dtype == np.uint32 else codes)
    return found


def _codes(text: str) -> Codes:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    wide = text.encode("utf-16-le", "surrogatepass")
    if len(wide) == 2 * len(text):
        return np.frombuffer(wide, np.uint16)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@cache
def table_of(characters: str) -> Flags:
    """A flag for each code point of the first plane: whether it is one of the characters."""
    table = np.zeros(0x10000, np.bool_)
    table[[ord(character) for character in characters]] = True
    table[0xFFFF] = False
    table.flags.writeable = False
    return table
