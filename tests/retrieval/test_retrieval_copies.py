"""Texts that are there more than once are one hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from retrieval_parts import MemoryStore

from ragkit.records import Document
from ragkit.retrieval.copies import Found, fold
from ragkit.storage.seam import StoredPassage

LONG = (
    "Before the valve is opened the operator closes the main tap by hand and waits until the"
    " pressure has fallen, then tells the control room and writes the time into the book."
)


class Shelf:
    """Documents of one text each, or of several passages."""

    def __init__(self, *documents: str | Sequence[str]) -> None:
        self.store = MemoryStore()
        self.asked: list[int] = []
        for number, texts in enumerate(documents):
            parts = [texts] if isinstance(texts, str) else list(texts)
            whole, spans, start = "\n".join(parts), [], 0
            for part in parts:
                spans.append((start, start + len(part)))
                start += len(part) + 1
            self.store.add(Document(source=f"{number}.txt", text=whole), spans)

    def passages(self, ids: Sequence[int]) -> Mapping[int, StoredPassage]:
        """As ``PassageStore.passages``."""
        self.asked += ids
        return self.store.passages(ids)

    def copies(self, id_: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Passages of exactly the same text."""
        text = self.store.stored[id_].passage.text
        same = [one for one, stored in self.store.stored.items() if stored.passage.text == text]
        return np.array(same, np.int64)

    def fold(self, ids: Sequence[int], number: int, query: str = "?", **more: bool) -> list[Found]:
        """What is found among candidates."""
        return fold(ids, self.passages, number=number, query=query, copies=self.copies, **more)


def told(found: Sequence[Found]) -> list[tuple[int, list[int]]]:
    """(id of the hit, ids of its other places)."""
    return [(one.stored.passage.id, [other.passage.id for other in one.others]) for one in found]


def test_copies_are_named_even_where_they_are_no_candidates() -> None:
    """The hit says of all passages of its text, and the dead are none."""
    shelf = Shelf("tap", "key", "tap", "tap", "tap")
    shelf.store.dead.add(4)
    assert told(shelf.fold([3, 2], 2)) == [(3, [1, 5]), (2, [])]
    assert 4 in shelf.asked


def test_within_a_document_the_first_copy_stands_for_all() -> None:
    """What a document repeats is cited where it first says it; other documents are other places."""
    shelf = Shelf("tap", ["key", "tap", "key", "tap"])
    assert told(shelf.fold([5, 2], 2)) == [(3, [1, 5]), (2, [4])]


def test_copies_make_room_for_other_texts() -> None:
    """Three copies take one of two places, in the order of the best of them."""
    shelf = Shelf("tap", "tap", "key", "tap", "door")
    assert told(shelf.fold([4, 1, 2, 5, 3], 2)) == [(4, [1, 2]), (5, [])]


def test_whoever_asks_for_all_gets_all() -> None:
    """Where there are fewer texts than wanted, the best copies are hits, in their own places."""
    shelf = Shelf("tap", "tap", "key", "tap")
    ids = [4, 1, 3, 2]
    assert told(shelf.fold(ids, 3, complete=True)) == [(4, [2]), (1, []), (3, [])]
    assert told(shelf.fold(ids, 9, complete=True)) == [(4, []), (1, []), (3, []), (2, [])]
    assert told(shelf.fold(ids, 9)) == [(4, [1, 2]), (3, [])]


@pytest.mark.parametrize(
    ("other", "query", "is_copy"),
    [
        (LONG.upper(), "?", True),
        (LONG.replace(" ", "\n  ").replace(",", ""), "?", True),
        (LONG.replace("waits until", "waits till"), "?", True),
        (LONG.replace("waits until", "waits till"), "till when?", False),
        (LONG.replace("by hand", "by 2 hands"), "?", False),
        (LONG.replace("the main tap", "the Main-7 tap"), "?", False),
        (LONG.replace("control room", "Rotterdam office"), "?", False),
        (LONG.replace("and waits until the pressure has fallen", "at once"), "?", False),
        (LONG + " " + LONG, "?", False),
        ("Before the valve is opened.", "?", False),
    ],
)
def test_what_is_a_copy(other: str, query: str, is_copy: bool) -> None:
    """Case, signs and blanks do not count, nor a few plain words; numbers and names do."""
    found = Shelf(LONG, other).fold([1, 2], 2, query)
    assert told(found) == ([(1, [2])] if is_copy else [(1, []), (2, [])])


def test_short_texts_are_copies_only_word_for_word() -> None:
    """One word is much of a short text; and two texts of signs are not known to be the same."""
    shelf = Shelf("Turn the tap left.", "turn the tap LEFT", "Turn the tap right.", "---", "***")
    assert told(shelf.fold([1, 2, 3, 4, 5], 5)) == [(1, [2]), (3, []), (4, []), (5, [])]


def test_a_text_in_a_thousand_places_names_fifty() -> None:
    """Nobody reads on; all of them are folded, and none is asked for again."""
    shelf = Shelf(*["tap"] * 1000, "key")
    ((hit, others), (other, _)) = told(shelf.fold([*range(1, 1002)], 2))
    assert (hit, len(others), other) == (1, 50, 1001)
    assert len(shelf.asked) < 100
