"""The lines of a text, and what each of them looks like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import Characters, Flags, Positions

__all__ = ["Lines", "read_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    r"""The lines that hold something; all arrays but ``ends`` have one entry for each of them.

    Attributes:
        ends: Where a line end stands: ``\n``, or ``\r`` without one after it. In order.
        first: First character of the line that is not white.
        stop: One past the last such character.
        after_blank: Whether the text begins here or the line before is blank.
    """

    ends: Positions
    first: Positions
    stop: Positions
    after_blank: Flags


def read_lines(characters: Characters) -> Lines:
    """Find the lines of a text."""
    codes = characters.codes
    ends = (codes == ord("\n")).nonzero()[0]
    if "\r" in characters.text:
        returns = (codes == ord("\r")).nonzero()[0]
        follows = np.minimum(returns + 1, codes.size - 1)
        lone = returns[codes[follows] != ord("\n")]
        ends = np.sort(np.concatenate([ends, lone]))
    starts = np.zeros(ends.size + 1, np.int64)
    np.add(ends, 1, out=starts[1:])
    stops = np.concatenate([ends, (codes.size,)])
    first = characters.skip_white(starts, stops)
    solid = (first < stops).nonzero()[0]
    first = first[solid]
    after_blank = np.ones(solid.size, np.bool_)
    np.greater(solid[1:], solid[:-1] + 1, out=after_blank[1:])
    return Lines(
        ends=ends,
        first=first,
        stop=characters.skip_white_back(stops[solid], first),
        after_blank=after_blank,
    )


def is_list_item(characters: Characters, lines: Lines) -> Flags:
    """Which lines begin with a bullet, or a number of up to three digits and a point."""
    last = lines.stop - 1
    place = lines.first
    bullet = characters.is_any(place, "-*+•–‣") & characters.is_any(
        np.minimum(place + 1, last), " \t"
    )
    digits = characters.is_any(place, "0123456789")
    numbered = np.zeros(place.size, np.bool_)
    running = digits.nonzero()[0]
    for width in (1, 2, 3):
        if not running.size:
            break
        after = np.minimum(place[running] + width, last[running])
        closed = characters.is_any(after, ".)")
        blank = characters.is_any(np.minimum(after + 1, last[running]), " \t")
        numbered[running[closed & blank]] = True
        running = running[characters.is_any(after, "0123456789")]
    return bullet | numbered


def is_wrapped(characters: Characters, lines: Lines) -> Flags:
    """Which lines only go on with the line before because that one was full.

    The line before ends in the middle of a sentence, the next begins with a letter, and the
    lines around are about equally long: the five lines at hand decide, so that an edit changes
    no judgement further away.
    """
    wrapped = np.zeros(lines.first.size, np.bool_)
    if lines.first.size < 3:
        return wrapped
    length = lines.stop - lines.first
    widest = length.copy()
    for step in (1, 2):
        np.maximum(widest[step:], length[:-step], out=widest[step:])
        np.maximum(widest[:-step], length[step:], out=widest[:-step])
    full = (widest >= 40) & (widest <= 120) & (length + 14 >= widest)
    open_end = ~characters.is_any(lines.stop - 1, '.!?:;|。！？…"”)')
    letter = _is_letter(characters.codes[lines.first])
    wrapped[1:] = full[:-1] & open_end[:-1] & letter[1:] & ~lines.after_blank[1:]
    return wrapped


def _is_letter(codes: npt.NDArray[np.unsignedinteger]) -> Flags:
    lower = codes | 0x20
    return ((lower >= ord("a")) & (lower <= ord("z"))) | (codes >= 0xC0)
