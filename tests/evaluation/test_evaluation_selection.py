"""Choosing among ways to search: luck is not taken for a gain, and a gain is not missed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.evaluation.intervals import mean_interval
from ragkit.evaluation.selection import choose, folds_of, held_out_gains

QUESTIONS, WAYS = 60, 18


def test_of_equals_the_one_that_changes_least_is_taken() -> None:
    """What is ahead by less than a standard error does not displace what there is."""
    now = np.array([1.0, 0.0] * 20)
    luckier = now.copy()
    luckier[1:5] = [1.0, 0.0, 1.0, 1.0]
    assert choose(np.array([now, luckier]), [0, 1]) == 0
    assert choose(np.array([now, np.ones(40), np.ones(40)]), [0, 2, 1]) == 2


def test_the_luck_of_many_ways_is_seldom_taken_for_a_gain() -> None:
    """Of eighteen ways that are alike the best looks better; held-out questions say otherwise."""
    claimed, seeming, changes = 0, 0.0, [0] + [1] * (WAYS - 1)
    for seed in range(120):
        values = np.random.default_rng(seed).random((WAYS, QUESTIONS))
        folds = folds_of([str(n) for n in range(QUESTIONS)], 5, seed)
        gains = held_out_gains(values, changes, folds)
        claimed += mean_interval(gains, level=0.99).low > 0
        seeming += (values.mean(axis=1).max() - values[0].mean()) / 120
    assert seeming > 0.05
    assert claimed <= 6


def test_a_gain_is_seen_by_questions_that_had_no_part_in_it() -> None:
    """One way that answers a third of the questions better is found in every fold."""
    random = np.random.default_rng(0)
    values = np.repeat(random.random((1, QUESTIONS)) / 2, WAYS, axis=0)
    values[7, ::3] += 0.5
    folds = folds_of([str(n) for n in range(QUESTIONS)], 5, 0)
    gains = held_out_gains(values, [0] + [1] * (WAYS - 1), folds)
    assert gains == pytest.approx(values[7] - values[0])
    assert mean_interval(gains).low > 0


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=10, max_size=60),
    st.integers(min_value=0, max_value=9),
)
def test_questions_of_one_document_are_held_out_together(groups: list[str], seed: int) -> None:
    """Folds never divide a document where there are as many documents as folds."""
    folds = folds_of(groups, 5, seed)
    assert (folds >= 0).all()
    assert (folds < 5).all()
    if len(set(groups)) >= 5:
        assert len(set(zip(groups, folds.tolist(), strict=True))) == len(set(groups))
    else:
        assert np.ptp(np.bincount(folds, minlength=5)) <= 1
    assert (folds == folds_of(groups, 5, seed)).all()
