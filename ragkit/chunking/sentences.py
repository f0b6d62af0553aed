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
    _step_over(characters, after, _BLANKS, _MOST_BLANKS)
    kept = ~characters.is_any(after, _NOT_FIRST + WHITE)
    ends, after = ends[kept], after[kept]
    kept = ~(_ends_an_abbreviation(characters, ends) | _ends_a_number(ends, lines))
    return after[kept]


def _ends(characters: Characters) -> tuple[Positions, Positions]:
    """Where signs that end a sentence stand, and what comes after them and closing quotes."""
    ends = characters.find_any(_SPACED_ENDS + _CLOSE_ENDS)
    ends = ends[: ends.searchsorted(characters.codes.size - 1)]
    beyond = characters.codes.dtype != np.uint8
    spaced = characters.is_any(ends + 1, _BLANKS + _CLOSERS)
    if beyond:
        spaced |= characters.is_any(ends, _CLOSE_ENDS)
    ends = ends[spaced]
    after = ends + 1
    _step_over(characters, after, _CLOSERS, _MOST_CLOSERS)
    kept = characters.is_any(after, _BLANKS)
    if beyond:
        kept |= characters.is_any(ends, _CLOSE_ENDS)
    return ends[kept], after[kept]


def _step_over(characters: Characters, places: Positions, signs: str, most: int) -> None:
    """Move each place past the signs that stand there, at most so many, inside the text."""
    last = characters.codes.size - 1
    moving = characters.is_any(places, signs).nonzero()[0]
    for _ in range(most):
        if not moving.size:
            return
        here = np.minimum(places[moving] + 1, last)
        places[moving] = here
        moving = moving[characters.is_any(here, signs)]


def _ends_a_number(ends: Positions, lines: Lines) -> Flags:
    """Whether the end stands within three characters of its line's first: "1. Install it"."""
    line = lines.first.searchsorted(ends, "right") - 1
    return ends - lines.first[np.maximum(line, 0)] <= 3


def _ends_an_abbreviation(characters: Characters, ends: Positions) -> Flags:
    """Whether the point follows a single letter or a known abbreviation."""
    codes = characters.codes
    points = (codes[ends] == ord(".")).nonzero()[0]
    places = ends[points, None] - np.arange(1, _LONGEST_ABBREVIATION + 1)
    letters = codes[np.maximum(places, 0)] | 0x20
    running = (letters - ord("a") < 26) & (places >= 0)
    np.logical_and.accumulate(running, axis=1, out=running)
    # The last letter is the lowest byte of the key.
    spelled = np.zeros((points.size, 8), np.uint8)
    spelled[:, :_LONGEST_ABBREVIATION] = np.where(running, letters, 0)
    keys = spelled.view("<u8")[:, 0]
    known = _abbreviation_keys()
    found = known[np.minimum(known.searchsorted(keys), known.size - 1)] == keys
    short = np.zeros(ends.size, np.bool_)
    short[points] = found | (running[:, 0] & ~running[:, 1])
    return short


@cache
def _abbreviation_keys() -> npt.NDArray[np.uint64]:
    words = (word.encode() for word in _ABBREVIATIONS.split())
    keys = np.array(sorted(int.from_bytes(word, "big") for word in words), np.uint64)
    keys.flags.writeable = False
    return keys
