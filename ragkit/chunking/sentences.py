"""Where sentences begin inside a line."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import WHITE, Characters, Flags, Positions
from ragkit.chunking.lines import Lines

__all__ = ["sentence_starts"]

# Ends that need a blank after them, and ends that stand close in their scripts.
_SPACED_ENDS = ".!?…؟۔।॥"
_CLOSE_ENDS = "。！？｡"
_CLOSERS = "\"')]*_`»”’」』）】〉》"
_BLANKS = " \t\xa0\u3000"
# What no sentence begins with.
_NOT_FIRST = "abcdefghijklmnopqrstuvwxyz,;:.!?)]}%&=+。，、；：！？）」』"
# More than this is layout, and no sentence.
_MOST_CLOSERS = 3
_MOST_BLANKS = 4
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
    ends, after = _ends(characters)
    last = characters.codes.size - 1
    for _ in range(_MOST_BLANKS):
        blank = characters.is_any(after, _BLANKS).nonzero()[0]
        if not blank.size:
            break
        after[blank] += 1
        np.minimum(after, last, out=after)
    kept = ~characters.is_any(after, _NOT_FIRST + WHITE)
    ends, after = ends[kept], after[kept]
    kept = ~(_ends_an_abbreviation(characters, ends) | _ends_a_number(ends, lines))
    return after[kept]


def _ends(characters: Characters) -> tuple[Positions, Positions]:
    """Where signs that end a sentence stand, and what comes after them and closing quotes."""
    ends = characters.find_any(_SPACED_ENDS + _CLOSE_ENDS)
    ends = ends[: ends.searchsorted(characters.codes.size - 1)]
    spaced = ends[characters.is_any(ends + 1, _BLANKS + _CLOSERS)]
    if characters.codes.dtype != np.uint8:
        close = characters.is_any(ends, _CLOSE_ENDS)
        spaced = ends[close | characters.is_any(ends + 1, _BLANKS + _CLOSERS)]
    after = spaced + 1
    last = characters.codes.size - 1
    for _ in range(_MOST_CLOSERS):
        closer = characters.is_any(after, _CLOSERS).nonzero()[0]
        if not closer.size:
            break
        after[closer] += 1
        np.minimum(after, last, out=after)
    kept = characters.is_any(after, _BLANKS) | characters.is_any(spaced, _CLOSE_ENDS)
    return spaced[kept], after[kept]


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
