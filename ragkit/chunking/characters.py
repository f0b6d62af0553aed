"""A text as an array of code points, so that its structure is found without a loop over it."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["Characters", "Codes", "Flags", "Positions", "look_up"]

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

    __slots__ = ("codes", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.codes: Codes = _codes(text)

    def is_any(self, positions: Positions, characters: str) -> Flags:
        """Which positions hold one of the characters; all positions lie inside the text."""
        return look_up(_table(characters), self.codes[positions])

    def find_any(self, characters: str) -> Positions:
        """Where one of the characters stands."""
        if self.codes.dtype == np.uint8:
            found = np.zeros(self.codes.size, np.bool_)
            for character in characters:
                if character.isascii():
                    found |= self.codes == ord(character)
            return np.flatnonzero(found)
        return np.flatnonzero(look_up(_table(characters), self.codes))

    def skip_white(self, positions: Positions, stops: Positions) -> Positions:
        """The first place at or after each position that is not white, ``stops`` at most."""
        places = positions.copy()
        active = np.flatnonzero(places < stops)
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
        active = np.flatnonzero(places > floors)
        for _ in range(_ROUNDS):
            active = active[self.is_any(places[active] - 1, WHITE)]
            if not active.size:
                return places
            places[active] -= 1
            active = active[places[active] > floors[active]]
        for index in active.tolist():
            places[index] = floors[index] + len(self.text[floors[index] : places[index]].rstrip())
        return places

    def byte_offsets(self, positions: Positions) -> Positions:
        """How many bytes of UTF-8 stand before each position; a lone surrogate counts as three."""
        if self.codes.dtype == np.uint8:
            return positions
        widths = (self.codes >= 0x80).astype(np.uint8)
        widths += self.codes >= 0x800
        if self.codes.dtype == np.uint32:
            widths += self.codes >= 0x10000
        extra = np.zeros(self.codes.size + 1, np.int64)
        np.cumsum(widths, out=extra[1:])
        return positions + extra[positions]


def look_up(table: Flags, codes: Codes) -> Flags:
    """The flag of each code point; false for those beyond the first plane."""
    found: Flags = table[np.minimum(codes, 0xFFFF) if codes.dtype == np.uint32 else codes]
    return found


def _codes(text: str) -> Codes:
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    wide = text.encode("utf-16-le", "surrogatepass")
    if len(wide) == 2 * len(text):
        return np.frombuffer(wide, np.uint16)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


@cache
def _table(characters: str) -> Flags:
    table = np.zeros(0x10000, np.bool_)
    table[[ord(character) for character in characters]] = True
    table[0xFFFF] = False
    table.flags.writeable = False
    return table
