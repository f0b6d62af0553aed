"""How much of the answers a list of passages holds: at budgets of tokens, and in the first five."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from question_sets import Asked, Span

from ragkit.models.tokens import count_tokens

__all__ = ["BUDGETS", "Measured", "Place", "SpanMeasures", "interval"]

BUDGETS = (250, 500, 1000, 2000)
_FIRST = 5
_RESAMPLES = 2000

# A file and a span of it.
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Of one question: recall at each budget; recall, precision and IoU of the first five."""

    budgets: tuple[float, ...]
    recall: float
    precision: float
    overlap: float

    @property
    def mean_recall(self) -> float:
        """The headline: recall over the budgets."""
        return sum(self.budgets) / len(self.budgets)


@dataclass(slots=True, kw_only=True)
class SpanMeasures:
    """Measures over files, and keeps their tokens.

    Characters that were shown before cost nothing again, and the last passage is cut to what is
    left of the budget.
    """

    files: dict[str, str]
    _tokens: dict[Place, int] = field(default_factory=dict)

    def of(self, asked: Asked, ranked: Sequence[Place]) -> Measured:
        """Of one question's passages, best first."""
        wanted = _joined(asked.spans)
        total = _length(wanted)
        first = ranked[:_FIRST]
        held = _common(wanted, [place[1:] for place in first if place[0] == asked.file])
        shown = sum(end - start for _, start, end in first)
        return Measured(
            budgets=tuple(
                _common(wanted, self._within(budget, asked.file, ranked)) / total
                for budget in BUDGETS
            ),
            recall=held / total,
            precision=held / shown if shown else 0.0,
            overlap=held / (shown + total - held),
        )

    def _within(self, budget: int, file: str, ranked: Sequence[Place]) -> list[Span]:
        """What of a file is shown within a budget."""
        shown: dict[str, list[Span]] = {}
        left = budget
        for name, start, end in ranked:
            for piece in _without((start, end), shown.get(name, [])):
                cost = self._cost((name, *piece))
                if cost > left:
                    shown.setdefault(name, []).append(self._cut((name, *piece), left))
                    return shown.get(file, [])
                shown.setdefault(name, []).append(piece)
                left -= cost
        return shown.get(file, [])

    def _cost(self, place: Place) -> int:
        if place not in self._tokens:
            name, start, end = place
            self._tokens[place] = count_tokens(self.files[name][start:end])
        return self._tokens[place]

    def _cut(self, place: Place, tokens: int) -> Span:
        """As much of a passage from its start as fits."""
        name, start, end = place
        low, high = start, end
        while low < high:
            middle = (low + high + 1) // 2
            fits = count_tokens(self.files[name][start:middle]) <= tokens
            low, high = (middle, high) if fits else (low, middle - 1)
        return start, low


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % bootstrap interval of a mean."""
    sample: npt.NDArray[np.float64] = np.asarray(values, np.float64)
    picks = np.random.default_rng(0).integers(0, len(sample), (_RESAMPLES, len(sample)))
    low, high = np.percentile(sample[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _joined(spans: Sequence[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _length(spans: Sequence[Span]) -> int:
    return sum(end - start for start, end in spans)


def _common(wanted: Sequence[Span], shown: Sequence[Span]) -> int:
    """Characters that both have."""
    return sum(
        max(0, min(end, stop) - max(start, begin))
        for start, end in wanted
        for begin, stop in _joined(shown)
    )


def _without(span: Span, shown: Sequence[Span]) -> list[Span]:
    """The parts of a span that were not shown yet."""
    parts = []
    start, end = span
    for begin, stop in _joined(shown):
        if begin > start:
            parts.append((start, min(begin, end)))
        start = max(start, stop)
        if start >= end:
            break
    if start < end:
        parts.append((start, end))
    return [(begin, stop) for begin, stop in parts if begin < stop]
