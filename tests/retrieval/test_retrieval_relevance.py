"""Relevance: scores told from what chance alone reaches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrieval_parts import (
    CountedWords,
    HashedEmbedder,
    LengthReranker,
    MatrixVectors,
    MemoryStore,
    words_of,
)

from ragkit.errors import InvalidArgument
from ragkit.indexing.seam import FloatMatrix, IdArray, Ranking
from ragkit.records import Document
from ragkit.retrieval.calibration import (
    Calibration,
    calibrate,
    calibration_from,
    calibration_value,
)
from ragkit.retrieval.relevance import Background
from ragkit.retrieval.retriever import Mode, Retriever

MARK = '{"model":"m"}'
KNOWN = Calibration(reach=0.5, by_chance=0.2)
COSINES = st.floats(-1, 1)
BM25 = st.floats(0, 40)


class SharedWords(CountedWords):
    """Scores by the share of the question's words that a passage has."""

    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``WordRanker.rank``, out of 1."""
        asked = set(words_of(query))
        found = {one: len(asked & set(words)) / len(asked) for one, words in self.words.items()}
        ids = [one for one in found if found[one] and (among is None or one in among)]
        ids.sort(key=lambda one: (-found[one], one))
        scores = np.array([found[one] for one in ids[:k]], np.float32)
        highest = max(found.values(), default=0.0)
        return Ranking(
            ids=np.array(ids[:k], np.int64), scores=scores, lowest=0.0, highest=highest, full=1.0
        )


TOPICS = (
    "pump water valve hill night",
    "violin string bow concert wood",
    "glacier ice valley rock",
)


def retriever(*, calibrated: bool = True) -> Retriever:
    """Passages on three topics, five words of one topic each."""
    store = MemoryStore()
    rng = np.random.default_rng(4)
    for number in range(24):
        text = " ".join([*rng.permutation(TOPICS[number % 3].split())[:4], f"n{number}"])
        store.add(Document(source=f"{number}.md", text=text), [(0, len(text))])
    ids = list(store.stored)
    embedder = HashedEmbedder()
    matrix = embedder.embed_documents([store.stored[one].passage.text for one in ids])
    words = SharedWords({one: store.stored[one].passage.text for one in ids})
    numbers = np.array(ids, np.int64)
    known = calibrate(some=numbers - 1, slots=numbers - 1, matrix=matrix, words=words)
    return Retriever(
        store=store,
        embedder=embedder,
        vectors=MatrixVectors(ids, matrix),
        words=words,
        calibration=known if calibrated else None,
    )


@given(
    cosines=st.tuples(COSINES, COSINES),
    words=st.tuples(BM25, BM25),
    average=st.none() | COSINES,
    full=st.none() | st.floats(0.1, 50),
    trust=st.floats(0, 1),
)
def test_more_evidence_is_never_less_relevant(
    cosines: tuple[float, float],
    words: tuple[float, float],
    average: float | None,
    full: float | None,
    trust: float,
) -> None:
    """From 0 to 1, rising with cosine and BM25; None where neither can be judged."""
    background = Background(calibration=KNOWN, average=average, full=full, trust=trust)
    less = background.relevance({"semantic": min(cosines), "lexical": min(words)})
    more = background.relevance({"semantic": max(cosines), "lexical": max(words)})
    if average is None and full is None:
        assert less is more is None
    else:
        assert less is not None
        assert more is not None
        assert 0 < less <= more < 1


def test_a_passage_that_a_list_lacks_is_judged_by_chance() -> None:
    """No vector counts as an average one, no word as none."""
    background = Background(calibration=KNOWN, average=0.1, full=10.0)
    assert background.relevance({}) == background.relevance({"semantic": 0.1, "lexical": 0.0})
    words_alone = Background(calibration=KNOWN, full=10.0)
    assert words_alone.relevance({"lexical": 10.0}) == pytest.approx(1.0, abs=1e-3)
    assert words_alone.relevance({"lexical": 1.0}) == pytest.approx(0.0, abs=0.03)


def test_a_cosine_that_is_not_trusted_leaves_it_to_the_words() -> None:
    """Without trust relevance is that of a search by words; between, it is between."""
    scores = {"semantic": 0.9, "lexical": 3.0}
    told = [
        Background(calibration=KNOWN, average=0.1, full=10.0, trust=trust).relevance(scores)
        for trust in (0.0, 0.5, 1.0)
    ]
    assert told[0] == Background(calibration=KNOWN, full=10.0).relevance(scores)
    assert told[0] is not None
    assert told[1] is not None
    assert told[2] is not None
    assert told[0] < told[1] < told[2]


@given(share=st.floats(0, 0.95))
def test_a_model_whose_vectors_crowd_together_is_judged_alike(share: float) -> None:
    """What all vectors have in common moves every cosine and no relevance."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((60, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    query = rows[7] + 0.6 * rows[8]
    query /= np.linalg.norm(query)
    told = [relevances(rows, query, common) for common in (0.0, share)]
    assert told[1] == pytest.approx(told[0], abs=2e-3)


def relevances(rows: FloatMatrix, query: FloatMatrix, share: float) -> list[float | None]:
    """Of each row, where all vectors share a direction to this part of their square."""

    def crowded(vectors: FloatMatrix) -> FloatMatrix:
        common = np.full((len(vectors), 1), np.sqrt(share), np.float32)
        return np.hstack([np.sqrt(1 - share) * vectors, common]).astype(np.float32)

    matrix, vector = crowded(rows), crowded(query[None, :])[0]
    ids = np.arange(1, len(rows) + 1, dtype=np.int64)
    known = calibrate(some=ids - 1, slots=ids - 1, matrix=matrix, words=CountedWords({}))
    vectors = MatrixVectors(ids.tolist(), matrix)
    cosines = vectors.scores(vector, ids)
    background = Background(calibration=known, average=float(cosines.mean()))
    return [background.relevance({"semantic": float(cosine)}) for cosine in cosines]


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_what_the_passages_are_about_is_relevant(mode: Mode) -> None:
    """A question in a topic's words is answered, one in words of no topic is not."""
    found = retriever()
    inside = found.search("pump water valve hill", k=3, mode=mode)
    assert inside.relevant is True
    assert inside[0].relevance is not None
    assert inside[0].relevance > 0.9
    outside = found.search("pump parliament tax violin election budget law", k=3, mode=mode)
    assert outside.relevant is False
    assert all(hit.relevance is not None and hit.relevance < 0.5 for hit in outside)


def test_what_is_not_relevant_enough_is_left_out() -> None:
    """With a least relevance only hits that reach it come, ranked from 1, or a typed nothing."""
    found = retriever()
    everything = found.search("pump water valve hill", k=24)
    least = 0.5
    some = found.search("pump water valve hill", k=24, min_relevance=least)
    kept = [hit for hit in everything if hit.relevance is not None and hit.relevance >= least]
    assert 0 < len(kept) < len(everything)
    assert [hit.passage for hit in some] == [hit.passage for hit in kept]
    assert [hit.rank for hit in some] == list(range(1, len(kept) + 1))
    none = found.search("pump parliament tax violin election budget law", min_relevance=least)
    assert list(none) == []
    assert none.relevant is False


def test_a_model_is_given_what_is_relevant_enough_alone() -> None:
    """The k best by the model of all that reach the least relevance; nothing is paid for none."""
    found, model = retriever(), LengthReranker()
    found._reranker = model
    query, least = "pump water valve hill", 0.5
    enough = found.search(query, k=24, min_relevance=least)
    hits = found.search(query, k=2, min_relevance=least, rerank="test/long-is-good")
    assert len(model.asked[0][1]) == len(enough) > 2
    best = sorted(enough, key=lambda hit: (-len(hit.text), hit.rank))[:2]
    assert [hit.passage for hit in hits] == [hit.passage for hit in best]
    assert [hit.rank for hit in hits] == [1, 2]
    assert hits.relevant is True
    none = found.search(
        "pump parliament tax violin election budget law", min_relevance=least, rerank="m"
    )
    assert (list(none), none.relevant, len(model.asked)) == ([], False, 1)


def test_without_a_calibration_nothing_is_claimed() -> None:
    """Relevance is None, and whoever asks for one is told why there is none."""
    found = retriever(calibrated=False)
    hits = found.search("pump water")
    assert hits.relevant is None
    assert {hit.relevance for hit in hits} == {None}
    with pytest.raises(InvalidArgument, match="the next index"):
        found.search("pump water", min_relevance=0.5)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", True])
def test_no_probability_is_refused(value: float) -> None:
    """A least relevance outside of 0 to 1 is named."""
    with pytest.raises(InvalidArgument, match="from 0 to 1"):
        retriever().search("pump", min_relevance=value)


def test_a_few_passages_are_judged_by_words_alone() -> None:
    """Where there is no neighbourhood to compare with, meaning is not judged."""
    ids = np.array([1, 2, 3], np.int64)
    known = calibrate(
        some=ids - 1,
        slots=ids - 1,
        matrix=np.eye(3, dtype=np.float32),
        words=CountedWords({}),
    )
    assert known.reach is None
    assert Background(calibration=known, average=0.1).relevance({"semantic": 0.9}) is None
    assert Background(calibration=known, average=0.1, full=1.0).relevance({"lexical": 1.0})


def test_copies_do_not_stretch_the_scale() -> None:
    """A passage's nearest neighbour is another text: copies change nothing."""
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((40, 16)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    ids, words = np.arange(1, 81, dtype=np.int64), CountedWords({})
    some, slots = ids[:40] - 1, ids - 1
    once = calibrate(some=some, slots=slots[:40], matrix=rows, words=words)
    twice = calibrate(some=some, slots=slots, matrix=np.vstack([rows, rows]), words=words)
    assert once.reach is not None
    assert twice.reach == pytest.approx(once.reach, abs=1e-5)


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)


@given(key=st.sampled_from(["version", "fingerprint", "reach", "by_chance"]), value=JSONS)
def test_a_setting_that_is_no_calibration_is_none(key: str, value: object) -> None:
    """A calibration is read back as it was written; of anything else nothing is taken."""
    written = calibration_value(KNOWN, MARK)
    read = calibration_from(written, MARK)
    assert read is not None
    assert read == KNOWN
    assert calibration_from(written, "another model") is None
    assert calibration_from({}, MARK) is None
    changed = calibration_from({**written, key: value}, MARK)
    assert changed is None or calibration_value(changed, MARK) == {**written, key: value}
