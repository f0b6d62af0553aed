"""How well a ranking answers a question: pure functions over ids.

A ranking is a sequence of ids, best first; an id that comes twice counts where it comes first. What
is relevant is a set of ids, or for graded judgements a mapping from id to gain. Every function
returns a number from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import TypeVar

from ragkit.errors import InvalidArgument

__all__ = ["mrr", "ndcg_at_k", "recall_at_k"]

Id = TypeVar("Id", bound=Hashable)


def recall_at_k(ranked: Sequence[Id], relevant: Collection[Id], k: int) -> float:
    """Share of the relevant ids that are among the first k.

    Raises:
        InvalidArgument: Nothing is relevant, or k is below 1.
    """
    _check(relevant, k)
    wanted = set(relevant)
    return len(wanted.intersection(_once(ranked)[:k])) / len(wanted)


def ndcg_at_k(ranked: Sequence[Id], gains: Mapping[Id, float], k: int) -> float:
    """Discounted gain of the first k, as a share of the best there could be.

    The gain at rank r is divided by log2(r + 1), as trec_eval does it. Ids without a gain gain 0.

    Raises:
        InvalidArgument: No gain is above 0, one is below, or k is below 1.
    """
    _check([one for one, gain in gains.items() if gain > 0], k)
    if any(gain < 0 for gain in gains.values()):
        raise InvalidArgument("a gain is below 0: judge what harms as 0")
    best = _discounted(sorted(gains.values(), reverse=True)[:k])
    return _discounted([gains.get(one, 0.0) for one in _once(ranked)[:k]]) / best


def mrr(ranked: Sequence[Id], relevant: Collection[Id]) -> float:
    """1 / rank of the first relevant id; 0 when there is none. The mean is the caller's.

    Raises:
        InvalidArgument: Nothing is relevant.
    """
    _check(relevant, 1)
    wanted = set(relevant)
    return next((1.0 / rank for rank, one in enumerate(_once(ranked), 1) if one in wanted), 0.0)


def _once(ranked: Sequence[Id]) -> list[Id]:
    return list(dict.fromkeys(ranked))


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, 1))


def _check(relevant: Collection[Id], k: int) -> None:
    if not relevant:
        raise InvalidArgument("a question without a relevant answer cannot be scored: leave it out")
    if k < 1:
        raise InvalidArgument(f"k={k}: look at 1 hit or more")
