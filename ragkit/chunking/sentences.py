"""Where sentences begin inside a line."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import Characters, Flags, Positions
from ragkit.chunking.lines import Lines

__all__ = ["sentence_starts"]

# Ends that need a blank after them, and ends that stand close in their scripts.
_SPACED_ENDS = ".!?…؟۔।॥"
_CLOSE_ENDS = "。！？｡"
_CLOSERS = "\"')]*_`»”’」』）】〉》"
_BLANKS = " \t\xa0\u3000"
# What no sentence begins with.
_NOT_FIRST = "abcdefghijklmnopqrstuvwxyz,;:.!?)]}%&=+。，、；：！？）」』"
_ABBREVIATIONS = (
    "mr mrs ms dr prof st fig figs no nos vs etc al inc ltd co corp jr sr eq eqs sec ch vol pp ed"
    " eds cf ca approx dept est ref refs tab resp nr bzw usw str bd abb hrsg vgl sog jan feb mar"
    " apr jun jul aug sep sept oct nov dec gen col sgt capt rev hon gov sen rep mt ave blvd"
)
_LONGEST_ABBREVIATION = 6


def sentence_starts(characters: Characters, lines: Lines) -> Positions:
    """First characters of the sentences that begin inside a line, in order.

    Cautious: after initials, abbreviations and the number of a list item no sentence begins, nor
    with a small letter of ASCII.
    """
    close = characters.codes.dtype != np.uint8
    ends = characters.find_any(_SPACED_ENDS + _CLOSE_ENDS if close else _SPACED_ENDS)
    if not ends.size:
        return ends
    last = characters.codes.size - 1
    after = ends + 1
    for _ in range(3):
        inside = np.minimum(after, last)
        after = np.where((after <= last) & characters.is_any(inside, _CLOSERS), after + 1, after)
    kept = after <= last
    if close:
        kept &= characters.is_any(np.minimum(after, last), _BLANKS) | characters.is_any(
            ends, _CLOSE_ENDS
        )
    else:
        kept &= characters.codes[np.minimum(after, last)] == ord(" ")
    ends, after = ends[kept], after[kept]
    for _ in range(4):
        blank = characters.is_any(np.minimum(after, last), _BLANKS)
        after = np.where(blank, after + 1, after)
    kept = after <= last
    after = np.minimum(after, last)
    kept &= ~characters.is_any(after, _NOT_FIRST + _BLANKS + "\r\n\x0b\x0c")
    ends, after = ends[kept], after[kept]
    kept = ~(_ends_an_abbreviation(characters, ends) | _ends_a_number(ends, lines))
    return after[kept]


def _ends_a_number(ends: Positions, lines: Lines) -> Flags:
    """Whether the end stands within three characters of its line's first: "1. Install it"."""
    line = np.searchsorted(lines.first, ends, side="right") - 1
    return ends - lines.first[np.maximum(line, 0)] <= 3


def _ends_an_abbreviation(characters: Characters, ends: Positions) -> Flags:
    """Whether the point follows a single letter or a known abbreviation."""
    codes = characters.codes
    key = np.zeros(ends.size, np.int64)
    running = codes[ends] == ord(".")
    length = np.zeros(ends.size, np.int64)
    for back in range(1, _LONGEST_ABBREVIATION + 1):
        place = ends - back
        letter = codes[np.maximum(place, 0)].astype(np.int64) | 0x20
        running = running & (place >= 0) & (letter >= ord("a")) & (letter <= ord("z"))
        if not running.any():
            break
        key = np.where(running, (key << 8) | letter, key)
        length += running
    known = _abbreviation_keys()
    found = known[np.minimum(np.searchsorted(known, key), known.size - 1)] == key
    short: Flags = (length == 1) | found
    return short


@cache
def _abbreviation_keys() -> npt.NDArray[np.int64]:
    words = (word[::-1].encode() for word in _ABBREVIATIONS.split())
    keys = np.array(sorted(int.from_bytes(word, "big") for word in words), np.int64)
    keys.flags.writeable = False
    return keys
