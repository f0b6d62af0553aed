"""What a limit of rate counts, where its refusals do not say: requests or tokens."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from statistics import pstdev
from typing import Final, Literal, NamedTuple

__all__ = ["UnnamedLimit"]

# Refusals that are looked at: the last ones, since requests grow at first.
_LOOKED_AT: Final = 9
_SPANS_NEEDED: Final = 3
# Of the logarithms. Sizes that vary less tell nothing.
_SIZES_VARY: Final = 0.2
# One is steadier than the other.
_STEADIER: Final = 0.6


class _Empty(NamedTuple):
    """The allowance was used up at that moment, and so much had been accepted until then."""

    at_s: float
    requests: float
    tokens: float


class UnnamedLimit:
    """Tells by requests of different sizes. Not safe for threads: its owner locks.

    From one refusal to the next, a server that counts requests takes as many for each second
    whatever their size, and one that counts tokens takes as many tokens. Which of the two varies
    less is what it counts. Requests grow while a server answers quickly, so that sizes do differ.

    Attributes:
        counts: What is believed; requests, until sizes have told.
    """

    def __init__(self) -> None:
        self.counts: Literal["requests", "tokens"] = "requests"
        self._empty: deque[_Empty] = deque(maxlen=_LOOKED_AT)

    def refused(self, at_s: float, requests: float, tokens: float, *, is_first: bool) -> None:
        """The allowance is used up until *at_s*.

        Args:
            at_s: When the server takes the next, on the monotonic clock.
            requests: Accepted so far.
            tokens: Accepted so far.
            is_first: Whether it is the first of those that were on their way together.
        """
        if not is_first and self._empty:
            at_s = max(at_s, self._empty.pop().at_s)
        self._empty.append(_Empty(at_s, requests, tokens))
        spans = list(self._spans())
        if len(spans) < _SPANS_NEEDED:
            return
        by_size = pstdev(tokens - requests for requests, tokens in spans)
        by_requests = pstdev(requests for requests, _ in spans)
        by_tokens = pstdev(tokens for _, tokens in spans)
        if by_size < _SIZES_VARY:
            return
        if by_tokens < _STEADIER * by_requests:
            self.counts = "tokens"
        elif by_requests < _STEADIER * by_tokens:
            self.counts = "requests"

    def _spans(self) -> Iterator[tuple[float, float]]:
        """Logarithms of accepted requests and tokens per second, between refusals."""
        for before, after in pairwise(self._empty):
            elapsed_s, requests = after.at_s - before.at_s, after.requests - before.requests
            tokens = after.tokens - before.tokens
            if elapsed_s > 0 and requests >= 1 and tokens > 0:
                yield math.log(requests / elapsed_s), math.log(tokens / elapsed_s)
