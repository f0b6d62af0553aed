"""The metrics, against values worked out by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import InvalidArgument
from ragkit.evaluation.metrics import mrr, ndcg_at_k, recall_at_k

IDS = st.integers(0, 20)


def test_recall_counts_the_relevant_among_the_first_k() -> None:
    """Two of three relevant ids among the first four are a recall of 2/3."""
    assert recall_at_k(["a", "x", "b", "y", "c"], {"a", "b", "c"}, 4) == pytest.approx(2 / 3)


def test_an_id_that_comes_twice_counts_once() -> None:
    """Repeats neither fill the first k nor count as found again."""
    assert recall_at_k(["x", "x", "a"], {"a"}, 2) == 1.0
    assert ndcg_at_k(["a", "a", "b"], {"a": 1, "b": 1}, 3) == 1.0
    assert mrr(["x", "x", "a"], {"a"}) == 0.5


def test_ndcg_weighs_gains_by_rank() -> None:
    """Gains 3 and 1 found at ranks 3 and 1 score as the formula says."""
    found = 1 / math.log2(2) + 3 / math.log2(4)
    best = 3 / math.log2(2) + 1 / math.log2(3)
    assert ndcg_at_k(["low", "x", "high"], {"high": 3, "low": 1}, 10) == pytest.approx(found / best)


def test_ndcg_can_be_perfect_with_more_relevant_than_k() -> None:
    """The best possible ranking of k scores 1 also where more than k ids are relevant."""
    assert ndcg_at_k(["a", "b"], {"a": 1, "b": 1, "c": 1}, 2) == pytest.approx(1.0)


def test_mrr_looks_at_the_first_relevant_only() -> None:
    """The first relevant id at rank 2 gives 1/2; none gives 0."""
    assert mrr(["x", "b", "a"], {"a", "b"}) == 0.5
    assert mrr(["x", "y"], {"a"}) == 0.0


def test_a_question_that_cannot_be_scored_is_refused() -> None:
    """Without anything relevant, with a gain below 0 or with k below 1 there is no score."""
    with pytest.raises(InvalidArgument, match="without a relevant answer"):
        recall_at_k(["a"], [], 5)
    with pytest.raises(InvalidArgument, match="without a relevant answer"):
        ndcg_at_k(["a"], {"a": 0}, 5)
    with pytest.raises(InvalidArgument, match="below 0"):
        ndcg_at_k(["a"], {"a": 1, "b": -1}, 5)
    with pytest.raises(InvalidArgument, match="k=0"):
        recall_at_k(["a"], ["a"], 0)


@given(
    ranked=st.lists(IDS, max_size=15),
    gains=st.dictionaries(IDS, st.integers(1, 3), min_size=1, max_size=8),
    k=st.integers(1, 12),
)
@settings(deadline=None, max_examples=60)
def test_every_metric_is_between_zero_and_one(
    ranked: list[int], gains: dict[int, int], k: int
) -> None:
    """No ranking scores outside 0 to 1, and the ideal one scores 1 in nDCG and in MRR."""
    for value in (recall_at_k(ranked, gains, k), ndcg_at_k(ranked, gains, k), mrr(ranked, gains)):
        assert 0.0 <= value <= 1.0 + 1e-12
    ideal = sorted(gains, key=lambda one: -gains[one])
    assert ndcg_at_k(ideal, gains, k) == pytest.approx(1.0)
    assert mrr(ideal, gains) == 1.0
