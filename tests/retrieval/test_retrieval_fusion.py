"""Fusion against a brute-force oracle over all passages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ragkit.indexing.seam import FloatVector, IdArray, Ranking
from ragkit.retrieval.fusion import CONTEXT_WEIGHT, Combined, combine, min_max

FloatArray = npt.NDArray[np.float64]


@dataclass
class Listed:
    """Passages with a cosine (NaN: no vector) and a BM25 score (0: no word of the query).

    Each stands in a section; a neighbour is the one before or after it in the same section.
    """

    cosines: list[float]
    bm25: list[float]
    sections: list[int] | None = None
    full: float = 0.0

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

    def neighbours(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """The ids before and after each, in its section; -1 for none."""
        count = len(self.cosines)
        sections = [-1, *(self.sections or range(count)), -1]
        before = [n - 1 if sections[n - 1] == sections[n] else -1 for n in ids.tolist()]
        after = [n + 1 if sections[n + 1] == sections[n] else -1 for n in ids.tolist()]
        return np.array(before, np.int64), np.array(after, np.int64)

    def estimates(self, ids: IdArray) -> tuple[FloatVector, float]:
        """Cosines nearly as far off as they may be, up and down in turn."""
        off = np.where(ids % 2, np.float32(0.19), np.float32(-0.19))
        return np.array(self.cosines, np.float32)[ids - 1] + off, 0.2

    def combined(
        self,
        depth: int,
        weight: float = 0.5,
        wanted: int = 100,
        context: float = CONTEXT_WEIGHT,
        *,
        further: int = 0,
    ) -> Combined:
        """What ``combine`` makes of both lists, read to a depth, that by words so much further."""
        combined = combine(
            self.semantic(depth),
            replace(self.lexical(depth + further), full=self.full),
            depth=depth,
            lexical_depth=depth + further,
            wanted=wanted,
            neighbours=self.neighbours,
            semantic_estimates=self.estimates,
            semantic_scores=lambda ids: np.array(self.cosines, np.float32)[ids - 1],
            lexical_scores=lambda ids: np.array(self.bm25, np.float32)[ids - 1],
            semantic_weight=weight,
            context_weight=context,
        )
        assert combined is not None
        return combined

    def own(self, weight: float = 0.5) -> FloatArray:
        """What each passage scores itself."""
        cosines, bm25 = np.array(self.cosines, np.float64), np.array(self.bm25, np.float64)
        known = cosines[~np.isnan(cosines)]
        span = known.max() - known.min() if len(known) else 0.0
        by_vector = (cosines - known.min()) / span if span > 0 else np.ones_like(cosines)
        by_vector = np.where(np.isnan(cosines), 0.0, by_vector)
        highest = max(bm25.max(initial=0.0), self.full)
        by_words = bm25 / highest if highest > 0 else np.zeros_like(bm25)
        return np.asarray(weight * by_vector + (1 - weight) * by_words)

    def oracle(
        self, weight: float = 0.5, context: float = CONTEXT_WEIGHT
    ) -> list[tuple[int, float]]:
        """(id, score) of every passage that scores anything or was in a list, in order."""
        own = self.own(weight)
        before, after = self.neighbours(self.ids)
        rows = []
        for one, left, right in zip(self.ids.tolist(), before, after, strict=True):
            beside = [own[(one if near < 0 else near) - 1] for near in (left, right)]
            score = own[one - 1] * (1 - context) + context * sum(beside) / 2
            near = [one, *(int(n) for n in (left, right) if n > 0)]
            if any(not np.isnan(self.cosines[n - 1]) or self.bm25[n - 1] > 0 for n in near):
                rows.append((one, float(score)))
        return sorted(rows, key=lambda row: (-round(row[1], 12), row[0]))


# Eighths are exact in float32, and few values make many ties.
NO_VECTOR = float("nan")
COSINES = st.one_of(st.integers(-8, 8).map(lambda n: n / 8), st.just(NO_VECTOR))
BM25 = st.one_of(st.just(0.0), st.integers(1, 16).map(lambda n: n / 8))
PASSAGES = st.lists(st.tuples(COSINES, BM25, st.integers(0, 2)), max_size=30)
Passages = list[tuple[float, float, int]]


def listed_of(passages: Passages, full: float = 0.0) -> Listed:
    """The passages, in sections of one, two or more that follow each other."""
    starts = np.cumsum([step == 0 for _, _, step in passages])
    return Listed(
        [one for one, _, _ in passages], [one for _, one, _ in passages], starts.tolist(), full
    )


@given(
    passages=PASSAGES,
    depths=st.tuples(st.integers(1, 40), st.integers(0, 30)),
    wanted=st.integers(1, 40),
    weights=st.tuples(
        st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from([0.0, CONTEXT_WEIGHT, 1.0])
    ),
    full=st.sampled_from([0.0, 1.0, 4.0]),
)
@example(
    passages=[(0.0, 0.0, 0), (0.125, 0.0, 0)],
    depths=(1, 0),
    wanted=9,
    weights=(0.0, CONTEXT_WEIGHT),
    full=0.0,
)
@example(
    passages=[(0.125, 0.0, 0), (NO_VECTOR, 0.125, 0), (0.0, 0.25, 0)],
    depths=(2, 0),
    wanted=9,
    weights=(1.0, CONTEXT_WEIGHT),
    full=0.0,
)
@settings(deadline=None, max_examples=400)
def test_the_order_is_that_of_all_passages(
    passages: Passages,
    depths: tuple[int, int],
    wanted: int,
    weights: tuple[float, float],
    full: float,
) -> None:
    """Lists read to any depth give the beginning of the order over all passages and neighbours."""
    listed = listed_of(passages, full)
    (depth, further), (weight, context) = depths, weights
    combined = listed.combined(depth, weight, wanted, context, further=further)
    oracle = listed.oracle(weight, context)
    count = len(combined.ids)
    assert combined.scores.tolist() == pytest.approx([score for _, score in oracle[:count]])
    scores = dict(oracle)
    assert combined.scores.tolist() == pytest.approx([scores[one] for one in combined.ids.tolist()])
    if depth > len(passages):
        assert combined.complete
        assert count == len(oracle)


@given(passages=PASSAGES, depth=st.integers(1, 40), wanted=st.integers(1, 40))
@settings(deadline=None, max_examples=100)
def test_what_was_not_returned_is_filled_in(passages: Passages, depth: int, wanted: int) -> None:
    """Each passage has its cosine, its BM25 and its neighbours' mean, whichever list had them."""
    listed = listed_of(passages)
    combined, own = listed.combined(depth, wanted=wanted), listed.own()
    for index, one in enumerate(combined.ids.tolist()):
        assert combined.semantic[index] == pytest.approx(listed.cosines[one - 1], nan_ok=True)
        assert combined.lexical[index] == listed.bm25[one - 1]
        before, after = listed.neighbours(np.array([one]))
        beside = [own[(one if near[0] < 0 else near[0]) - 1] for near in (before, after)]
        assert combined.context[index] == pytest.approx(sum(beside) / 2)


def test_a_passage_rises_through_its_neighbours() -> None:
    """Of two passages that say the same, the one among others that match comes first."""
    alone = [(0.5, 0.0), (0.1, 0.0), (0.1, 0.0)]
    among = [(0.4, 0.0), (0.5, 0.0), (0.4, 0.0)]
    cosines = [one for one, _ in (*alone, *among)]
    combined = Listed(cosines, [0.0] * 6, [0, 1, 1, 2, 2, 2]).combined(depth=10)
    assert combined.ids.tolist()[:2] == [1, 5]
    combined = Listed(cosines, [0.0] * 6, [0, 0, 0, 2, 2, 2]).combined(depth=10)
    assert combined.ids.tolist()[0] == 5


def test_a_neighbour_is_found_that_no_list_returned() -> None:
    """A passage without a vector or a word of the query comes after those that it stands beside."""
    combined = Listed([0.5, NO_VECTOR, 0.25], [1.0, 0.0, 0.0], [0, 0, 1]).combined(depth=10)
    assert combined.ids.tolist() == [1, 2, 3]
    assert combined.scores[1] == pytest.approx(3 / 16)


def test_words_that_no_passage_has_make_words_count_less() -> None:
    """Where the best has half of what was asked for, BM25 weighs half."""
    few = Listed([0.0, 1.0], [2.0, 0.0], full=4.0).combined(depth=10)
    assert dict(zip(few.ids.tolist(), few.scores.tolist(), strict=True)) == {2: 0.5, 1: 0.25}


def test_few_scores_are_asked_for() -> None:
    """Scores are asked for where they may decide the first ten, and not for all that were listed.

    A cosine that nobody asked for is an estimate.
    """
    rng = np.random.default_rng(3)
    listed = Listed(rng.random(3000).tolist(), rng.random(3000).tolist(), list(range(3000)))
    asked: list[int] = []

    def semantic_true(ids: IdArray) -> FloatVector:
        return np.array(listed.cosines, np.float32)[ids - 1]

    def semantic_scores(ids: IdArray) -> FloatVector:
        asked.extend(ids.tolist())
        return semantic_true(ids)

    def lexical_scores(ids: IdArray) -> FloatVector:
        asked.extend(ids.tolist())
        return np.array(listed.bm25, np.float32)[ids - 1]

    combined = combine(
        listed.semantic(500),
        listed.lexical(500),
        depth=500,
        wanted=10,
        neighbours=listed.neighbours,
        semantic_estimates=lambda ids: (semantic_true(ids) + np.float32(1e-4), 2e-4),
        semantic_scores=semantic_scores,
        lexical_scores=lexical_scores,
        semantic_weight=0.5,
    )
    assert combined is not None
    assert combined.ids.tolist()[:10] == [one for one, _ in listed.oracle()[:10]]
    assert len(asked) < 100


def test_more_is_not_asked_for_than_allowed() -> None:
    """Where more BM25 would decide the order than may be asked for, nothing is and none comes."""
    rng = np.random.default_rng(3)
    listed = Listed(rng.random(3000).tolist(), [1.0] * 3000, list(range(3000)))
    asked: list[int] = []

    def lexical_scores(ids: IdArray) -> FloatVector:
        asked.append(len(ids))
        return np.array(listed.bm25, np.float32)[ids - 1]

    def combined(most_asked: int | None) -> Combined | None:
        return combine(
            listed.semantic(50),
            listed.lexical(50),
            depth=50,
            most_asked=most_asked,
            wanted=10,
            neighbours=listed.neighbours,
            semantic_estimates=listed.estimates,
            semantic_scores=lambda ids: np.array(listed.cosines, np.float32)[ids - 1],
            lexical_scores=lexical_scores,
            semantic_weight=0.5,
        )

    assert combined(None) is not None
    (needed,) = asked
    assert combined(needed - 1) is None
    assert asked == [needed]
    assert combined(needed) is not None


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


def test_no_passages_combine_to_none() -> None:
    """Two empty lists have an empty union, and it is complete."""
    combined = Listed([], []).combined(depth=5)
    assert combined.ids.tolist() == []
    assert combined.complete


def test_min_max_stays_in_range() -> None:
    """Scores a rounding error outside of the range are clipped; NaN is 0."""
    scaled = min_max([-0.1, 0.0, 0.5, 1.0, 1.0000001, float("nan")], 0.0, 1.0)
    assert scaled.tolist() == [0.0, 0.0, 0.5, 1.0, 1.0, 0.0]
