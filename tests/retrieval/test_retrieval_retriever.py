"""The retriever over small in-memory parts, against brute force."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_parts import CountedWords, HashedEmbedder, MatrixVectors, MemoryStore

from ragkit.answers import Hit
from ragkit.errors import InvalidArgument
from ragkit.records import Document
from ragkit.retrieval.late import LateEmbedder, LateVectorRanker, LateWordRanker
from ragkit.retrieval.retriever import Retriever

WORDS = ["key", "rotate", "backup", "disk", "alarm", "night", "user"]
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=25
)
QUERIES = st.lists(st.sampled_from([*WORDS, "unheard"]), min_size=1, max_size=3).map(" ".join)


class Rig:
    """A retriever over one passage for each text, and the parts that it is made of."""

    def __init__(self, texts: Sequence[str], *, dead: Sequence[int] = ()) -> None:
        self.store = MemoryStore()
        for number, text in enumerate(texts):
            folder = "even" if number % 2 == 0 else "odd"
            self.store.add(Document(source=f"{folder}/{number}.txt", text=text), [(0, len(text))])
        self.store.dead.update(dead)
        self.embedder = HashedEmbedder()
        ids = list(self.store.stored)
        self.vectors = MatrixVectors(ids, self.embedder.embed_documents(texts))
        self.words = CountedWords(dict(zip(ids, texts, strict=True)))
        self.embedder.calls.clear()
        self.retriever = Retriever(
            store=self.store, embedder=self.embedder, vectors=self.vectors, words=self.words
        )

    def oracle(self, query: str) -> list[tuple[int, float]]:
        """(id, score) of all living passages by the combination over the whole collection."""
        cosines = (self.vectors.matrix @ self.embedder.embed_query(query)).astype(np.float64)
        self.embedder.calls.clear()
        span = cosines.max() - cosines.min()
        by_vector = (cosines - cosines.min()) / span if span > 0 else np.ones_like(cosines)
        bm25 = self.words.scores(query, self.vectors.ids).astype(np.float64)
        by_words = bm25 / bm25.max() if bm25.max() > 0 else bm25
        scores = 0.5 * by_vector + 0.5 * by_words
        rows = [
            (one, score)
            for one, score in zip(self.vectors.ids.tolist(), scores.tolist(), strict=True)
            if one not in self.store.dead
        ]
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    def distinct(self, rows: Sequence[tuple[int, float]], k: int) -> list[tuple[int, float]]:
        """The first k of other words each, and the best of the rest where those are too few."""
        first: dict[str, tuple[int, float]] = {}
        for row in rows:
            first.setdefault(self.store.stored[row[0]].passage.text, row)
        chosen = list(first.values())[:k]
        chosen += [row for row in rows if row not in chosen][: k - len(chosen)]
        return [row for row in rows if row in chosen]


def ids_of(hits: Sequence[Hit]) -> list[int]:
    """The passages' ids, in the order of the hits."""
    return [hit.passage.id for hit in hits]


@given(texts=TEXTS, query=QUERIES, k=st.integers(1, 30), data=st.data())
@settings(deadline=None, max_examples=80)
def test_hybrid_equals_brute_force(
    texts: list[str], query: str, k: int, data: st.DataObject
) -> None:
    """Hybrid hits are the best k texts of the combination over all passages that are alive.

    Where there are fewer texts than k, the best copies are hits too.
    """
    dead = data.draw(st.sets(st.integers(1, len(texts)), max_size=len(texts)))
    rig = Rig(texts, dead=sorted(dead))
    oracle = rig.distinct(rig.oracle(query), k)
    hits = rig.retriever.search(query, k=k)
    assert len(hits) == min(k, len(oracle))
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    scores = dict(oracle)
    for hit, (_, score) in zip(hits, oracle, strict=False):
        # Equal texts may differ in the last bit of their cosine.
        assert hit.score == pytest.approx(score, abs=1e-6)
        assert hit.score == pytest.approx(scores[hit.passage.id], abs=1e-6)


def test_hybrid_reads_deeper_until_the_order_is_settled() -> None:
    """In a collection far larger than the first reading, hits equal those of brute force."""
    rng = np.random.default_rng(7)
    rig = Rig([" ".join(rng.choice(WORDS, 5)) + f" n{n}" for n in range(3000)])
    for query in ("key", "key rotate backup", "unheard night"):
        oracle = rig.oracle(query)[:300]
        hits = rig.retriever.search(query, k=300)
        assert [hit.score for hit in hits] == pytest.approx([s for _, s in oracle], abs=1e-6)


def test_semantic_and_lexical_return_their_own_scores() -> None:
    """Alone, a list's order and scores are its own: cosine, or BM25 of passages with a word."""
    rig = Rig(["key rotate", "backup disk", "key key", "alarm"])
    semantic = rig.retriever.search("rotate key", mode="semantic")
    cosines = rig.vectors.scores(rig.embedder.embed_query("rotate key"), rig.vectors.ids)
    assert ids_of(semantic) == (np.argsort(-cosines) + 1).tolist()
    assert [hit.score for hit in semantic] == pytest.approx(sorted(cosines.tolist())[::-1])
    lexical = rig.retriever.search("rotate key", mode="lexical")
    assert sorted(ids_of(lexical)) == [1, 3]
    assert lexical[0].scores == {"lexical": lexical[0].score, "lexical_rank": 1}
    assert semantic[1].scores == {"semantic": semantic[1].score, "semantic_rank": 2}


def test_hybrid_hits_say_what_each_list_said() -> None:
    """A hit carries its cosine, its BM25 and its rank in each list that saw it."""
    rig = Rig(["key rotate", "backup disk", "alarm"])
    best, second = rig.retriever.search("rotate key", k=2)
    assert best.scores["semantic"] == pytest.approx(1.0, abs=1e-3)
    assert best.scores["lexical"] == pytest.approx(2 / 1.2)
    assert (best.scores["semantic_rank"], best.scores["lexical_rank"]) == (1, 1)
    assert best.score == pytest.approx(1.0)
    assert set(second.scores) == {"semantic", "semantic_rank", "context"}


def test_no_matching_word_leaves_the_semantic_order() -> None:
    """A question without a word of any passage is answered by meaning alone."""
    rig = Rig(["key rotate", "backup disk", "alarm night", "user"])
    hybrid = rig.retriever.search("unheard", k=4)
    semantic = rig.retriever.search("unheard", k=4, mode="semantic")
    assert ids_of(hybrid) == ids_of(semantic)


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_a_filter_returns_k_hits_whenever_k_match(mode: str) -> None:
    """The filter is applied before the best are taken, and moves no score."""
    rig = Rig(["key"] * 20 + ["key backup disk alarm night user"] * 40)
    found = rig.retriever.search("key", k=30, mode=mode, where={"source": "odd/*"})  # type: ignore[arg-type]
    assert len(found) == 30
    assert {hit.source.split("/")[0] for hit in found} == {"odd"}
    everything = rig.retriever.search("key", k=60, mode=mode)  # type: ignore[arg-type]
    unfiltered = {hit.passage.id: hit.score for hit in everything}
    assert [hit.score for hit in found] == pytest.approx([unfiltered[i] for i in ids_of(found)])


def test_a_filter_that_nothing_fits_finds_nothing() -> None:
    """No match means no hits, and the query is not embedded for it."""
    rig = Rig(["key", "backup"])
    assert rig.retriever.search("key", where={"source": "none/*"}) == []
    assert rig.embedder.calls == []


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_the_dead_are_replaced_by_the_next_best(mode: str) -> None:
    """Ids that the generation does not have are dropped, and others take their place."""
    rig = Rig(["key"] * 50, dead=range(1, 48))
    assert ids_of(rig.retriever.search("key", k=3, mode=mode)) == [48, 49, 50]  # type: ignore[arg-type]


def test_equal_passages_come_in_the_order_of_their_ids() -> None:
    """Ties break by id."""
    rig = Rig(["key"] * 6)
    assert ids_of(rig.retriever.search("key", k=4)) == [1, 2, 3, 4]


def test_many_queries_are_embedded_in_one_call() -> None:
    """Each query gets the hits it gets alone, and the model is asked once."""
    rig = Rig(["key rotate", "backup disk", "alarm"])
    many = rig.retriever.search_many(["key", "disk"], k=2)
    assert rig.embedder.calls == [["key", "disk"]]
    assert many == [rig.retriever.search(query, k=2) for query in ("key", "disk")]
    assert rig.retriever.search_many([]) == []


def test_lexical_search_loads_neither_embedder_nor_vectors() -> None:
    """Parts made on first use stay unmade while nothing needs them, and are made once."""
    rig = Rig(["key rotate", "backup disk"])
    embedder = LateEmbedder(lambda: rig.embedder)
    vectors = LateVectorRanker(lambda: rig.vectors)
    words = LateWordRanker(lambda: rig.words)
    retriever = Retriever(store=rig.store, embedder=embedder, vectors=vectors, words=words)
    assert ids_of(retriever.search("disk", mode="lexical")) == [2]
    assert (embedder.is_made, vectors.is_made, words.is_made) == (False, False, True)
    assert ids_of(retriever.search("disk", mode="semantic")) == [2, 1]
    assert (embedder.is_made, vectors.is_made) == (True, True)
    assert embedder.part is rig.embedder


def test_a_part_that_could_not_be_made_is_tried_again() -> None:
    """A failure to make a part is the caller's to see, and not remembered."""
    rig = Rig(["key"])
    attempts: list[int] = []

    def make() -> HashedEmbedder:
        attempts.append(1)
        if len(attempts) == 1:
            raise OSError("no room")
        return rig.embedder

    late = LateEmbedder(make)
    late.close()
    with pytest.raises(OSError, match="no room"):
        late.embed_query("key")
    assert late.embed_query("key").shape == (32,)
    assert late.max_tokens == rig.embedder.max_tokens
    late.close()


def test_an_empty_collection_answers_with_nothing() -> None:
    """Without passages every mode finds nothing."""
    rig = Rig(["key"])
    rig.vectors.ids, rig.vectors.matrix = rig.vectors.ids[:0], rig.vectors.matrix[:0]
    rig.words.words.clear()
    assert [rig.retriever.search("key", mode=m) for m in ("hybrid", "semantic", "lexical")] == [
        [],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": "  \n"}, "blank"),
        ({"query": 7}, "type int"),
        ({"k": 0}, "k=0"),
        ({"k": True}, "k=True"),
        ({"k": 2.0}, "k=2.0"),
        ({"mode": "fuzzy"}, "hybrid, semantic, lexical"),
        ({"where": ["source"]}, "where of type list"),
        ({"where": {"source": 3}}, "name and a glob"),
        ({"rerank": "some/model"}, "has no reranker"),
        ({"rerank": " "}, "name a model"),
        ({"min_relevance": 2.0}, "from 0 to 1"),
    ],
)
def test_what_no_search_could_use_is_refused(arguments: dict[str, object], message: str) -> None:
    """Each bad value is named, and nothing is embedded for it."""
    rig = Rig(["key"])
    with pytest.raises(InvalidArgument, match=message):
        rig.retriever.search(**{"query": "key", **arguments})  # type: ignore[arg-type]
    assert rig.embedder.calls == []


def test_one_string_is_not_a_list_of_queries() -> None:
    """A string given to search_many would be searched letter by letter; it is refused."""
    with pytest.raises(InvalidArgument, match="queries is one string"):
        Rig(["key"]).retriever.search_many("key")


def test_the_weight_of_the_lists_is_a_share() -> None:
    """All weight on one list gives that list's order; a weight outside 0 to 1 is refused."""
    rig = Rig(["key rotate", "backup disk", "key key key", "alarm"])
    parts = {"embedder": rig.embedder, "vectors": rig.vectors, "words": rig.words}
    semantic = Retriever(store=rig.store, semantic_weight=1.0, **parts)  # type: ignore[arg-type]
    expected = ids_of(rig.retriever.search("key rotate", mode="semantic"))
    assert ids_of(semantic.search("key rotate")) == expected
    with pytest.raises(InvalidArgument, match="semantic_weight"):
        Retriever(store=rig.store, semantic_weight=1.5, **parts)  # type: ignore[arg-type]
