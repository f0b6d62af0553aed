"""Choosing among ways to search without being fooled by the luck of the questions.

The best of many is partly the luckiest. So what differs from the best by less than a standard error
counts as its equal, and of equals the one is taken that changes least (the one-standard-error rule
of Breiman and others, 1984). And what a choice gains is told by questions that had no part in it:
each question is judged by the choice that all questions of other documents make.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["choose", "folds_of", "held_out_gains"]

Values = npt.NDArray[np.float64]
Folds = npt.NDArray[np.int64]


def choose(values: Values, changes: Sequence[int]) -> int:
    """Which of some ways to take.

    Args:
        values: float64 (ways, questions): how well each question was answered.
        changes: For each way how much it changes; the first is what there is, and changes nothing.
    """
    means = values.mean(axis=1)
    best = int(np.argmax(means))
    differences = values[best] - values
    spread = differences.std(axis=1, ddof=1) if values.shape[1] > 1 else np.zeros(len(values))
    error = spread / values.shape[1] ** 0.5
    equal = np.flatnonzero(differences.mean(axis=1) <= error).tolist()
    return int(min(equal, key=lambda way: (changes[way], -means[way], way)))


def folds_of(groups: Sequence[str], number: int, seed: int) -> Folds:
    """A fold from 0 for each question; those of one group stay together, and folds are alike large.

    Args:
        groups: Of each question: its document, so that no fold learns from another's.
        number: How many folds; of fewer groups, each question is a group of its own.
        seed: Decides which groups come together.
    """
    if len(set(groups)) < number:
        groups = [str(place) for place in range(len(groups))]
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    sizes = [0] * number
    fold_of: dict[str, int] = {}
    for place in order.tolist():
        smallest = sizes.index(min(sizes))
        fold_of[names[place]] = smallest
        sizes[smallest] += groups.count(names[place])
    return np.array([fold_of[group] for group in groups], np.int64)


def held_out_gains(values: Values, changes: Sequence[int], folds: Folds) -> Values:
    """What each question gains over the first way by the way that the other folds choose.

    Returns:
        float64 (questions,).
    """
    gains = np.zeros(values.shape[1])
    for fold in np.unique(folds):
        is_in = folds == fold
        if is_in.all():
            continue
        way = choose(values[:, ~is_in], changes)
        gains[is_in] = values[way, is_in] - values[0, is_in]
    return gains
