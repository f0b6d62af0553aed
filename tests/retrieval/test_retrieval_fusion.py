"""Fusion against a brute-force oracle over all passages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragkit.indexing.seam import FloatVector, IdArray, Ranking
from ragkit.retrieval.fusion import Combined, combine, min_max


@dataclass
class Listed:
    """Passages with a cosine (NaN: no vector) and a BM25 score (0: no word of the query)."""

    cosines: list[float]
    bm25: list[float]

    @property
    def ids(self) -> IdArray:
        """1 to n."""
        return np.arange(1, len(self.cosines) + 1, dtype=np.int64)

    def semantic(self, depth: int) -> Ranking:
        """The best by cosine, of those with a vector."""
        scores = np.array(self.cosines, np.float32)
        known = ~np.isnan(scores)
        lowest = float(scores[known].min()) if known.any() else 0.0
        highest = float(scores[known].max()) if known.any() else 0.0
        return self._best(scores, known, depth, lowest, highest)

    def lexical(self, depth: int) -> Ranking:
        """The best by BM25, of those with a word of the query."""
        scores = np.array(self.bm25, np.float32)
        return self._best(scores, scores > 0, depth, 0.0, float(scores.max(initial=0.0)))

    def _best(
        self, scores: FloatVector, kept: np.ndarray, depth: int, lowest: float, highest: float
    ) -> Ranking:
        ids, scores = self.ids[kept], scores[kept]
        order = np.lexsort((ids, -scores))[:depth]
        return Ranking(ids=ids[order], scores=scores[order], lowest=lowest, highest=highest)

    def combined(self, depth: int, weight: float = 0.5) -> Combined:
        """What ``combine`` makes of both lists, read to a depth."""
        return combine(
            self.semantic(depth),
            self.lexical(depth),
            depth=depth,
            semantic_scores=lambda ids: np.array(self.cosines, np.float32)[ids - 1],
            lexical_scores=lambda ids: np.array(self.bm25, np.float32)[ids - 1],
            semantic_weight=weight,
        )

    def oracle(self, weight: float = 0.5) -> list[tuple[int, float]]:
        """(id, score) of every passage that has a vector or a word, in order."""
        cosines, bm25 = np.array(self.cosines, np.float64), np.array(self.bm25, np.float64)
        known = cosines[~np.isnan(cosines)]
        span = known.max() - known.min() if len(known) else 0.0
        by_vector = (cosines - known.min()) / span if span > 0 else np.ones_like(cosines)
        by_vector = np.where(np.isnan(cosines), 0.0, by_vector)
        by_words = bm25 / bm25.max() if bm25.max(initial=0.0) > 0 else np.zeros_like(bm25)
        scores = weight * by_vector + (1 - weight) * by_words
        seen = ~np.isnan(cosines) | (bm25 > 0)
        rows = [(int(one), float(scores[one - 1])) for one in self.ids if seen[one - 1]]
        return sorted(rows, key=lambda row: (-row[1], row[0]))


# Eighths are exact in float32, and few values make many ties.
NO_VECTOR = float("nan")
COSINES = st.one_of(st.integers(-8, 8).map(lambda n: n / 8), st.just(NO_VECTOR))
BM25 = st.one_of(st.just(0.0), st.integers(1, 16).map(lambda n: n / 8))
PASSAGES = st.lists(st.tuples(COSINES, BM25), max_size=30)


@given(passages=PASSAGES, depth=st.integers(1, 40), weight=st.sampled_from([0.0, 0.3, 0.5, 1.0]))
@example(passages=[(0.0, 0.0), (0.125, 0.0)], depth=1, weight=0.0)
@example(passages=[(0.125, 0.0), (NO_VECTOR, 0.125), (0.0, 0.25)], depth=2, weight=1.0)
@settings(deadline=None, max_examples=300)
def test_what_is_settled_is_the_full_combination(
    passages: list[tuple[float, float]], depth: int, weight: float
) -> None:
    """Lists read to any depth settle a prefix of the order over all passages, score for score."""
    listed = Listed([one for one, _ in passages], [other for _, other in passages])
    combined, oracle = listed.combined(depth, weight), listed.oracle(weight)
    settled = combined.settled
    assert combined.ids[:settled].tolist() == [one for one, _ in oracle[:settled]]
    assert combined.scores[:settled].tolist() == pytest.approx([s for _, s in oracle[:settled]])
    if depth > len(passages):
        assert settled == len(oracle)


@given(passages=PASSAGES, depth=st.integers(1, 40))
@settings(deadline=None, max_examples=100)
def test_scores_not_returned_are_filled_in(passages: list[tuple[float, float]], depth: int) -> None:
    """Each passage of the union has its cosine and its BM25, whichever list returned it."""
    listed = Listed([one for one, _ in passages], [other for _, other in passages])
    combined = listed.combined(depth)
    for index, one in enumerate(combined.ids.tolist()):
        assert combined.semantic[index] == pytest.approx(listed.cosines[one - 1], nan_ok=True)
        assert combined.lexical[index] == listed.bm25[one - 1]


def test_without_a_matching_word_the_order_is_the_semantic_one() -> None:
    """Where no passage has a word of the query, only the cosine counts."""
    combined = Listed([0.25, 0.75, 0.5, 0.0], [0.0] * 4).combined(depth=10)
    assert combined.ids.tolist() == [2, 3, 1, 4]
    assert combined.scores.tolist() == pytest.approx([0.5, 1 / 3, 1 / 6, 0.0])


def test_one_passage_alone_scores_highest() -> None:
    """With a single passage the ranges are empty: it has full score where it matches at all."""
    assert Listed([0.125], [2.0]).combined(depth=10).scores.tolist() == [1.0]
    assert Listed([0.125], [0.0]).combined(depth=10).scores.tolist() == [0.5]


def test_equal_scores_tie_by_id() -> None:
    """Passages that no list tells apart come in the order of their ids."""
    combined = Listed([0.5] * 4, [1.0] * 4).combined(depth=2)
    assert combined.ids.tolist() == [1, 2]
    assert combined.settled == 2


def test_no_passages_combine_to_none() -> None:
    """Two empty lists have an empty union, and it is complete."""
    combined = Listed([], []).combined(depth=5)
    assert combined.ids.tolist() == []
    assert combined.settled == 0


def test_min_max_stays_in_range() -> None:
    """Scores a rounding error outside of the range are clipped; NaN is 0."""
    scaled = min_max([-0.1, 0.0, 0.5, 1.0, 1.0000001, float("nan")], 0.0, 1.0)
    assert scaled.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0, 0.0]
