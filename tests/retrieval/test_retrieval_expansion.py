"""What stands around a hit."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_parts import MemoryStore

from ragkit.answers import Hit
from ragkit.errors import InvalidArgument, SourceNotFound
from ragkit.models.tokens import count_tokens
from ragkit.records import Document, Passage
from ragkit.retrieval.expansion import StoreExpander


def hit_on(store: MemoryStore, id_: int) -> Hit:
    return Hit(passage=store.stored[id_].passage, rank=1, score=1.0, expander=StoreExpander(store))


def lines(count: int, headings: list[tuple[str, ...]] | None = None) -> MemoryStore:
    """A document of that many passages, a line each, of 20 tokens or so."""
    store = MemoryStore()
    texts = [f"Line {number} tells of pump {number} and of its valves." for number in range(count)]
    spans, start = [], 0
    for text in texts:
        spans.append((start, start + len(text)))
        start += len(text) + 1
    store.add(Document(source="a.md", text="\n".join(texts)), spans, headings or [])
    return store


@given(
    text=st.text(st.sampled_from("ab \n.é漢"), min_size=1, max_size=200),
    cuts=st.lists(st.integers(0, 200), max_size=30),
    tokens=st.integers(1, 120),
    data=st.data(),
)
@settings(deadline=None)
def test_any_expansion_is_a_span_within_its_budget(
    text: str, cuts: list[int], tokens: int, data: st.DataObject
) -> None:
    """It holds the hit, is the document's text at its offsets, and is no longer than asked."""
    store = MemoryStore()
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    store.add(Document(source="a.md", text=text), list(pairwise(places)))
    hit = hit_on(store, data.draw(st.sampled_from(sorted(store.stored))))
    wide = hit.expand(tokens=tokens)
    assert wide.text == text[wide.start : wide.end]
    assert wide.start <= hit.start <= hit.end <= wide.end
    assert count_tokens(wide.text) <= tokens or wide == hit.passage


def test_neighbours_are_taken_on_both_sides() -> None:
    """The hit stays in the middle, and whole passages are taken."""
    store = lines(40)
    wide = hit_on(store, 21).expand(tokens=100)
    passages = [one.passage for one in store.stored.values()]
    taken = [one for one in passages if wide.start <= one.start < wide.end]
    assert len(taken) > 3
    assert wide.end == taken[-1].end
    assert abs((21 - taken[0].id) - (taken[-1].id - 21)) <= 1
    assert wide.tokens == count_tokens(wide.text) > 100 - 20
    assert (wide.id, wide.line) == (0, taken[0].line)


def test_its_own_section_comes_first() -> None:
    """What stands under the same headings is taken before what does not, then that too."""
    headings: list[tuple[str, ...]] = [("Guide", "AAAABBBB"[place]) for place in range(8)]
    store = lines(8, headings)
    hit = hit_on(store, 5)
    # A line end may be a token of its own, or none.
    room = sum(1 + count_tokens(one.passage.text) for one in list(store.stored.values())[4:])
    section = hit.expand(tokens=room)
    assert (section.start, section.end) == (hit.start, len(store.documents[0].text))
    assert section.headings == ("Guide", "B")
    everything = hit.expand(tokens=1000)
    assert everything.text == store.documents[0].text
    assert everything.headings == ("Guide",)


def test_a_hit_that_is_larger_than_asked_comes_back_as_it_is() -> None:
    """Nothing is cut off."""
    hit = hit_on(lines(3), 2)
    assert hit.expand(tokens=1) == hit.passage


def test_a_passage_that_is_gone_is_not_guessed() -> None:
    """Neither a dead passage nor another text under its id is expanded."""
    store = lines(3)
    hit = hit_on(store, 2)
    other = Passage(id=2, source="a.md", start=0, end=5, text="other")
    with pytest.raises(SourceNotFound, match="search again"):
        Hit(passage=other, rank=1, score=1.0, expander=StoreExpander(store)).expand()
    store.dead.add(2)
    with pytest.raises(SourceNotFound, match="search again"):
        hit.expand()


def test_what_cannot_be_expanded_says_so() -> None:
    """A budget below 1, and a hit that no search found."""
    store = lines(3)
    with pytest.raises(InvalidArgument, match="tokens=0"):
        hit_on(store, 2).expand(tokens=0)
    with pytest.raises(InvalidArgument, match="knows no collection"):
        Hit(passage=store.stored[1].passage, rank=1, score=1.0).expand()
