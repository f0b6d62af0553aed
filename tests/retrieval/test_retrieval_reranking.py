"""What reranking promises: the model's order where there is one, the search's own where not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_parts import (
    CountedWords,
    HashedEmbedder,
    LengthReranker,
    MatrixVectors,
    MemoryStore,
)

from ragkit.answers import Hit, Hits
from ragkit.errors import ServerUnreachable
from ragkit.records import Document
from ragkit.retrieval.reranking import candidates_for, shown_text
from ragkit.retrieval.retriever import Retriever

MODEL = "test/long-is-good"


class Rig:
    """A retriever with a reranker over texts that all have the word "key"."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.store = MemoryStore()
        for number, text in enumerate(texts):
            self.store.add(
                Document(source=f"{number % 2}/{number}.txt", text=text), [(0, len(text))]
            )
        embedder = HashedEmbedder()
        ids = list(self.store.stored)
        self.reranker = LengthReranker()
        self.retriever = Retriever(
            store=self.store,
            embedder=embedder,
            vectors=MatrixVectors(ids, embedder.embed_documents(texts)),
            words=CountedWords(dict(zip(ids, texts, strict=True))),
            reranker=self.reranker,
        )


def keys(number: int) -> list[str]:
    """Different texts in no order of length."""
    words = random.Random(7)  # noqa: S311 - the same texts each time
    return ["key " + f"{words.random()} " * words.randrange(1, 9) for _ in range(number)]


def ids_of(hits: Sequence[Hit]) -> list[int]:
    return [hit.passage.id for hit in hits]


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
@pytest.mark.parametrize("k", [1, 10, 60])
def test_the_models_order_counts(mode: str, k: int) -> None:
    """The k best by the model of the first 100 candidates, or twice k; each says where it stood."""
    rig = Rig(keys(150))
    before = rig.retriever.search("key", k=candidates_for(k), mode=mode)  # type: ignore[arg-type]
    hits = rig.retriever.search("key", k=k, mode=mode, rerank=MODEL)  # type: ignore[arg-type]
    ((query, documents, model),) = rig.reranker.asked
    assert (query, model, len(documents)) == ("key", MODEL, max(100, 2 * k))
    assert documents == [hit.text for hit in before]
    expected = sorted(before, key=lambda hit: (-len(hit.text), hit.rank))[:k]
    assert ids_of(hits) == ids_of(expected)
    assert [hit.rank for hit in hits] == list(range(1, k + 1))
    for hit, old in zip(hits, expected, strict=True):
        assert hit.score == hit.scores["rerank"] == len(hit.text) / 1000
        assert (hit.scores["fused"], hit.scores["fused_rank"]) == (old.score, old.rank)
        assert hit.scores["rerank_rank"] == hit.rank
    told = hits.rerank
    assert told is not None
    assert (told.applied, told.note, told.candidates) == (True, "", len(documents))
    assert (told.cost_usd, told.tokens, told.requests) == (Decimal("0.002"), 7, 1)


@given(data=st.data(), number=st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_what_was_not_scored_stays_below(data: st.DataObject, number: int) -> None:
    """Unscored hits keep their order below the scored ones, and scores go down the list."""
    rig = Rig(keys(number))
    before = rig.retriever.search("key", k=number)
    rig.reranker.unscored = data.draw(st.sets(st.integers(0, number - 1), max_size=number - 1))
    hits = rig.retriever.search("key", k=number, rerank=MODEL)
    scored = number - len(rig.reranker.unscored)
    assert sorted(ids_of(hits)) == sorted(ids_of(before))
    assert all("rerank" in hit.scores for hit in hits[:scored])
    rest = [hit.passage.id for place, hit in enumerate(before) if place in rig.reranker.unscored]
    assert ids_of(hits[scored:]) == rest
    assert not any("rerank" in hit.scores for hit in hits[scored:])
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)


def test_a_failure_leaves_the_order_and_says_so() -> None:
    """The hits are those of the search without a model; what the failure cost is told."""
    rig = Rig(keys(30))
    rig.reranker.error = ServerUnreachable("no answer from http://x: check that it runs")
    hits = rig.retriever.search("key", rerank=MODEL)
    assert hits == rig.retriever.search("key")
    told = hits.rerank
    assert told is not None
    assert not told.applied
    assert told.note == (
        "not reranked, the order is that of the search: no answer from http://x: check that it runs"
    )
    assert (told.cost_usd, told.requests) == (Decimal("0.001"), 3)


def test_a_model_that_scores_nothing() -> None:
    """An answer without a score leaves the order too."""
    rig = Rig(keys(3))
    rig.reranker.unscored = {0, 1, 2}
    hits = rig.retriever.search("key", rerank=MODEL)
    assert hits == rig.retriever.search("key")
    assert hits.rerank is not None
    assert hits.rerank.note.endswith("test/long-is-good scored no passage")


def test_conditions_come_before_the_model() -> None:
    """Only passages that fit where are sent; where none does nothing is sent."""
    rig = Rig(keys(40))
    hits = rig.retriever.search("key", rerank=MODEL, where={"source": "1/*"})
    assert {hit.source[0] for hit in hits} == {"1"}
    assert len(rig.reranker.asked[0][1]) == 20
    none = rig.retriever.search("key", rerank=MODEL, where={"source": "7/*"})
    assert none == []
    assert none.rerank is not None
    assert (none.rerank.applied, none.rerank.note, none.rerank.requests) == (False, "", 0)
    assert len(rig.reranker.asked) == 1


def test_without_a_model_nothing_is_told() -> None:
    """Plain hits are a list like any other, with nothing said of a reranking."""
    hits = Rig(keys(3)).retriever.search("key")
    assert isinstance(hits, list)
    assert hits.rerank is None
    assert Hits() == []


def test_the_explanation_has_the_models_part() -> None:
    """The parts still add up to the score before, and the model's own score stands beside them."""
    rig = Rig(keys(20))
    rig.reranker.unscored = {0}
    *hits, last = rig.retriever.search("key", k=20, rerank=MODEL, explain=True)
    lowest, highest = hits[-1].score, hits[0].score
    for hit in hits:
        assert hit.explanation is not None
        shares = sum(part.share for part in hit.explanation.parts)
        assert shares == pytest.approx(hit.scores["fused"])
        part = hit.explanation.rerank
        assert part is not None
        assert (part.name, part.score, part.share) == ("rerank", hit.score, hit.score)
        assert (part.rank, part.lowest, part.highest) == (hit.rank, lowest, highest)
    assert last.explanation is not None
    assert last.explanation.rerank is None


def test_many_queries_are_reranked_one_by_one() -> None:
    """Each query has its own request and its own account."""
    rig = Rig(keys(5))
    found = rig.retriever.search_many(["key", "other key"], k=2, rerank=MODEL)
    assert [asked[0] for asked in rig.reranker.asked] == ["key", "other key"]
    assert [len(hits) for hits in found] == [2, 2]
    assert all(hits.rerank is not None and hits.rerank.applied for hits in found)


def test_the_model_reads_headings_and_text() -> None:
    """Title and headings stand above the passage, each once; a path does not."""
    store = MemoryStore()
    document = Document(source="a/secret-path.md", title="Keys", text="Every ninety days.")
    store.add(document, [(0, 18)], headings=[("Keys", "Rotation\n of keys")])
    passage = store.stored[1].passage
    hit = Hit(passage=passage, rank=1, score=1.0, title="Keys")
    assert shown_text(hit) == "Keys > Rotation of keys\nEvery ninety days."
    matter = "---\ntitle: Keys\n---\n"
    whole = Document(source="b.md", title="Keys", text=f"{matter}Every ninety days.")
    store.add(whole, [(0, len(whole.text))])
    front = Hit(passage=store.stored[2].passage, rank=1, score=1.0, title="Keys")
    assert shown_text(front) == "Keys\nEvery ninety days."
    bare = Hit(passage=Rig(["Just text."]).store.stored[1].passage, rank=1, score=1.0)
    assert shown_text(bare) == "Just text."


@pytest.mark.parametrize("text", ["   ", "data:image/png;base64," + "QUJD" * 100])
def test_what_holds_no_words_is_not_sent(text: str) -> None:
    """A passage without a word is not given to the model, and stands below those that were."""
    rig = Rig(["key one", "key key two two"])
    document = Document(source="0/blank.txt", text=text)
    (number,) = rig.store.add(document, [(0, len(text))])
    rows = HashedEmbedder().embed_documents(["key one", "key key two two", "key"])
    rig.retriever._lists._vectors = MatrixVectors([1, 2, number], rows)
    assert ids_of(rig.retriever.search("key", mode="semantic"))[0] == number
    hits = rig.retriever.search("key", mode="semantic", rerank=MODEL)
    assert sorted(rig.reranker.asked[0][1]) == ["key key two two", "key one"]
    assert ids_of(hits) == [2, 1, number]
