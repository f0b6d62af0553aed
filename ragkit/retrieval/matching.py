"""Where a quotation stands in a text: exactly, or up to white space, case and typography.

Folding is one character for one, save for runs of white space, so that a place in the folded text
is a place in the text.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

__all__ = ["Match", "QuotableText"]

# Writers of answers change one kind into another, and nested ones always.
_QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u2032\u2033\u2039\u203a«»"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
_SAME = str.maketrans(dict.fromkeys(_QUOTES, "'") | dict.fromkeys(_DASHES, "-"))
# Whatever is not one plain blank between words.
_GAP = re.compile(rf"[\s{_INVISIBLE}]{{2,}}+|[^\S ]|[{_INVISIBLE}]")
# Files from some systems have their accents apart.
_FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
_PUNCTUATION = ".,;:!?\u2026"
# The first script whose words touch.
_UNSPACED_FROM = "\u0e00"
# A quotation of two letters in a megabyte of one letter would be tried at every place.
_MOST_TRIES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A place of a text.

    Attributes:
        start: First character.
        end: One past the last.
        kind: ``exact``, or ``alike`` up to white space, case and typography.
    """

    start: int
    end: int
    kind: Literal["exact", "alike"]


class QuotableText:
    """A text that quotations are looked for in; it is folded once, when it is needed."""

    def __init__(self, text: str) -> None:
        self.text = text

    def find(self, quotation: str) -> Match | None:
        """The first place of a quotation, an exact one before others."""
        return next(self.places(quotation), None)

    def places(self, quotation: str) -> Iterator[Match]:
        """All places of a quotation: the exact ones, or where there is none those alike; in order.

        A quotation neither begins nor ends inside a word of the text. Signs that end its sentence
        may be of the sentence around it, as American typesetting has it.
        """
        quoted = quotation.strip()
        if not quoted:
            return
        found = False
        for place in _wholes(self.text, quoted):
            found = True
            yield Match(start=place, end=place + len(quoted), kind="exact")
        if found:
            return
        shorter = quoted.rstrip(_PUNCTUATION)
        forms = [unicodedata.normalize(form, one) for one in (quoted, shorter) for form in _FORMS]
        for wanted in dict.fromkeys(_fold(form).text for form in (quoted, *forms)):
            for place in _wholes(self._folded.text, wanted) if wanted else ():
                found = True
                last = self._folded.origin(place + len(wanted) - 1)
                yield Match(start=self._folded.origin(place), end=last + 1, kind="alike")
            if found:
                return

    @cached_property
    def _folded(self) -> _Folded:
        return _fold(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folded:
    """A folded text, with where its pieces came from.

    Attributes:
        text: Folded.
        starts: Where in it each piece that was moved as one begins; in order.
        origins: Where that piece began before.
    """

    text: str
    starts: list[int]
    origins: list[int]

    def origin(self, place: int) -> int:
        """The place in the text of a place in the folded one."""
        piece = bisect_right(self.starts, place) - 1
        return self.origins[piece] + place - self.starts[piece]


def _fold(text: str) -> _Folded:
    plain = _lower(text.translate(_SAME))
    pieces: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = position = 0
    for gap in _GAP.finditer(plain):
        blank = "" if not gap[0].strip(_INVISIBLE) else " "
        for piece, origin in ((plain[position : gap.start()], position), (blank, gap.start())):
            if piece:
                pieces.append(piece)
                starts.append(length)
                origins.append(origin)
                length += len(piece)
        position = gap.end()
    pieces.append(plain[position:])
    starts.append(length)
    origins.append(position)
    return _Folded(text="".join(pieces), starts=starts, origins=origins)


def _lower(text: str) -> str:
    """In lower case, character by character where that would change the length."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)


def _wholes(text: str, wanted: str) -> Iterator[int]:
    """Where the wanted text stands without cutting a word at its ends; in order, apart."""
    place = 0
    for _ in range(_MOST_TRIES):
        place = text.find(wanted, place)
        if place < 0:
            return
        end = place + len(wanted)
        cuts_word = (place > 0 and _is_inside_word(text[place - 1], wanted[0])) or (
            end < len(text) and _is_inside_word(wanted[-1], text[end])
        )
        if not cuts_word:
            yield place
        place = place + 1 if cuts_word else end


def _is_inside_word(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and max(left, right) < _UNSPACED_FROM
