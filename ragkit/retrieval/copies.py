"""The same text is one hit: copies are folded into it, and it says where else they are.

A copy has the words of another passage, up to case, signs and white space. A near copy differs in a
few words that say nothing of their own: no numbers, no names, none that were asked for. Two
versions of a table that differ in a year are two answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ragkit.indexing.seam import IdArray
from ragkit.storage.seam import StoredPassage

__all__ = ["Copies", "Found", "fold"]

# The passages that share a vector with one, it included; None where no vectors are at hand.
Copies = Callable[[int], IdArray] | None

_WORD = re.compile(r"\w+")
# Shorter texts are copies only if all of their words are the same.
_FEWEST_WORDS = 20
_DIFFERING_SHARE = 0.1
# More places than anybody looks at; a licence may stand in ten thousand files.
_MOST_COPIES = 50
_LOOKED_AT_PER_HIT = 2


@dataclass(slots=True, kw_only=True)
class Found:
    """A text that was found, and where.

    Attributes:
        index: Of the candidate that it was found by, the best of its copies.
        stored: The passage that stands for it: of the best one's document, the first that has it.
        others: Its other places, in order of id.
    """

    index: int
    stored: StoredPassage
    others: list[StoredPassage] = field(default_factory=list)

    @property
    def ids(self) -> frozenset[int]:
        """Of the passage and its other places."""
        return frozenset(one.passage.id for one in (self.stored, *self.others))


def fold(
    ids: Sequence[int],
    passages: Callable[[Sequence[int]], Mapping[int, StoredPassage]],
    *,
    number: int,
    query: str,
    copies: Copies = None,
    complete: bool = False,
) -> list[Found]:
    """The first *number* distinct texts among candidates.

    Args:
        ids: Candidates, best first.
        passages: Those that are alive, of some.
        number: How many are wanted.
        query: What was asked.
        copies: Of a candidate, as far as they may be returned.
        complete: Whether there are no other candidates. Then copies, the best first, are hits of
            their own where distinct texts are too few: whoever asks for ten passages gets ten where
            there are ten.
    """
    folding = _Folding(number=number, query=query, passages=passages, copies=copies)
    # A little beyond the last hit, since near copies are known only where they are seen.
    end = number * _LOOKED_AT_PER_HIT
    for index, stored in _alive(ids, passages, number, folding.is_folded):
        if len(folding.found) == number and index >= end:
            return folding.found
        folding.add(index, stored)
    if complete and len(folding.found) < number:
        folding.fill(number, {id_: index for index, id_ in enumerate(ids)})
    return folding.found


def _alive(
    ids: Sequence[int],
    passages: Callable[[Sequence[int]], Mapping[int, StoredPassage]],
    together: int,
    is_known: Callable[[int], bool],
) -> Iterator[tuple[int, StoredPassage]]:
    """(position, passage) of the candidates that are alive and not known yet, some at a time."""
    for start in range(0, len(ids), together):
        some = [id_ for id_ in ids[start : start + together] if not is_known(id_)]
        alive = passages(some)
        for index, id_ in enumerate(ids[start : start + together], start):
            if id_ in alive and not is_known(id_):
                yield index, alive[id_]


class _Folding:
    """What has been found so far, and what was folded into it."""

    def __init__(
        self,
        *,
        number: int,
        query: str,
        passages: Callable[[Sequence[int]], Mapping[int, StoredPassage]],
        copies: Copies,
    ) -> None:
        self.found: list[Found] = []
        self._number = number
        self._asked = frozenset(word.casefold() for word in _WORD.findall(query))
        self._passages = passages
        self._copies = copies
        self._words: list[_Words] = []
        self._folded: set[int] = set()
        # Every passage that was looked at, by id.
        self._seen: dict[int, StoredPassage] = {}

    def is_folded(self, id_: int) -> bool:
        """Whether a passage is part of something found."""
        return id_ in self._folded

    def add(self, index: int, stored: StoredPassage) -> None:
        """Take a candidate: as another place of a text that is there, or as one while any fit."""
        words = _Words.of(stored.passage.text)
        places = self._places(stored)
        self._folded.update(places)
        self._seen.update(places)
        for found, known in zip(self.found, self._words, strict=True):
            if words.says_the_same(known, self._asked):
                found.others += places.values()
                return
        if len(self.found) == self._number:
            return
        first = min(
            (place for place in places.values() if place.document_id == stored.document_id),
            key=lambda place: place.ordinal,
        )
        others = [place for id_, place in places.items() if id_ != first.passage.id]
        self.found.append(Found(index=index, stored=first, others=others))
        self._words.append(words)

    def fill(self, number: int, places: Mapping[int, int]) -> None:
        """Make hits of copies, until there are as many as wanted or no more copies.

        Args:
            number: How many hits are wanted.
            places: Of each candidate in their order.
        """
        taken = {found.stored.passage.id for found in self.found}
        left = sorted(
            (places[id_], id_) for id_ in self._seen if id_ in places and id_ not in taken
        )
        for index, id_ in left[: number - len(self.found)]:
            taken.add(id_)
            self.found.append(Found(index=index, stored=self._seen[id_]))
        self.found.sort(key=lambda found: found.index)
        for found in self.found:
            found.others = [one for one in found.others if one.passage.id not in taken]

    def _places(self, stored: StoredPassage) -> dict[int, StoredPassage]:
        """The passage and its copies, as far as they are alive, by id."""
        own = stored.passage.id
        if self._copies is None:
            return {own: stored}
        same = [id_ for id_ in self._copies(own).tolist() if id_ != own]
        alive = {**self._passages(same[:_MOST_COPIES]), own: stored}
        self._folded.update(same)
        return {id_: alive[id_] for id_ in sorted(alive)}


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text as they stand there, and without regard to case."""

    written: tuple[str, ...]
    folded: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> _Words:
        written = tuple(_WORD.findall(text))
        return cls(written, tuple(word.casefold() for word in written))

    def says_the_same(self, other: _Words, asked: frozenset[str]) -> bool:
        """Whether the texts are copies of each other, or nearly."""
        if self.folded == other.folded:
            # Two texts of signs alone are not known to be the same.
            return bool(self.folded)
        longer = max(len(self.folded), len(other.folded))
        allowed = longer * _DIFFERING_SHARE
        if longer < _FEWEST_WORDS or abs(len(self.folded) - len(other.folded)) > allowed:
            return False
        if len(set(self.folded).symmetric_difference(other.folded)) > 2 * allowed:
            return False
        mine, theirs = Counter(self.written), Counter(other.written)
        differing = [*(mine - theirs).elements(), *(theirs - mine).elements()]
        return len(differing) <= 2 * allowed and all(
            word.islower() and word not in asked for word in differing
        )
