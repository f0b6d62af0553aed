"""Intervals and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import InvalidArgument
from ragkit.evaluation.intervals import mean_interval
from ragkit.evaluation.querysets import Question
from ragkit.evaluation.results import Evaluation, Outcome, compare, summarise

VALUES = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=40)


@settings(deadline=None, max_examples=40)
@given(values=VALUES)
def test_an_interval_holds_its_mean_and_stays_inside_the_values(values: list[float]) -> None:
    """Its ends lie between the lowest and the highest value, in order, the same at every call."""
    found = mean_interval(values)
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert min(values) - 1e-12 <= found.low <= found.high <= max(values) + 1e-12
    assert found == mean_interval(values)


@settings(deadline=None, max_examples=20)
@given(values=VALUES, shift=st.floats(-1, 1))
def test_an_interval_moves_with_the_values(values: list[float], shift: float) -> None:
    """Adding a number to every value adds it to the mean and to both ends."""
    moved, found = mean_interval([value + shift for value in values]), mean_interval(values)
    assert (moved.low - found.low, moved.high - found.high) == pytest.approx((shift, shift))


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 200 samples of 60 coins that show heads 7 times in 10, about 95 % cover 0.7."""
    random = np.random.default_rng(5)
    samples = (random.random((200, 60)) < 0.7).astype(float)
    covered = sum(found.low <= 0.7 <= found.high for found in map(mean_interval, samples))
    assert 180 <= covered <= 198


def test_many_values_are_resampled_in_turns() -> None:
    """A set larger than what is resampled at once has the interval that theory gives."""
    values = np.random.default_rng(1).random(3000)
    found = mean_interval(values)
    error = values.std() / 3000**0.5
    assert found.low == pytest.approx(found.mean - 1.96 * error, abs=error / 5)
    assert found.high == pytest.approx(found.mean + 1.96 * error, abs=error / 5)


def test_nothing_has_no_mean() -> None:
    """No values are an error and not a NaN."""
    with pytest.raises(InvalidArgument, match="nothing to average"):
        mean_interval([])


def evaluation(ranks: Sequence[int | None]) -> Evaluation:
    outcomes = tuple(
        Outcome(
            question=Question(question=f"question {number}", sources=("a",)),
            source_rank=rank,
            answer_rank=None,
            values={"source recall@1": float(rank == 1), "source ndcg@10": 1 / rank if rank else 0},
        )
        for number, rank in enumerate(ranks)
    )
    return Evaluation(
        collection="kb", model="m", mode="hybrid", k=(1,), measures=summarise(outcomes),
        outcomes=outcomes,
    )  # fmt: skip


@settings(deadline=None, max_examples=20)
@given(pairs=st.lists(st.tuples(*[st.none() | st.integers(1, 9)] * 2), min_size=1, max_size=20))
def test_a_comparison_is_the_other_way_round_from_the_other_side(
    pairs: list[tuple[int | None, int | None]],
) -> None:
    """Swapping the sides swaps the sign, the ends of the interval and the questions."""
    left, right = evaluation([one for one, _ in pairs]), evaluation([two for _, two in pairs])
    there, back = compare(left, right), compare(right, left)
    for one, other in zip(there.differences, back.differences, strict=True):
        assert one.difference == pytest.approx(-other.difference)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-12)
    assert there.worse == tuple((b, a) for a, b in back.better)


def test_a_verdict_needs_an_interval_without_zero() -> None:
    """Worse everywhere is worse; one question of thirty is no difference; nothing is its own."""
    good, bad = evaluation([1] * 30), evaluation([3] * 30)
    almost = evaluation([1] * 29 + [2])
    assert compare(good, bad).verdict == "better"
    assert compare(bad, good).verdict == "worse"
    assert compare(bad, good).decisive.difference == pytest.approx(1 / 3 - 1)
    assert compare(almost, good).verdict == compare(good, good).verdict == "no difference"
    assert [pair[0].question.question for pair in compare(almost, good).worse] == ["question 29"]


def test_only_the_same_questions_compare() -> None:
    """Two query sets are refused."""
    with pytest.raises(InvalidArgument, match="different questions"):
        compare(evaluation([1]), evaluation([1, 2]))
