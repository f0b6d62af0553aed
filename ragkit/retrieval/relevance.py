"""How sure it is that a passage answers, from 0 to 1, by what its scores exceed chance.

A logistic function of at most two kinds of evidence. Its weights are of no collection: they were
fitted on twelve (speeches, articles, chats, filings, papers, manuals; four languages), each left
out in turn; ``benchmarks/quality/relevance.py`` measures what comes of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ragkit.retrieval.calibration import Calibration

__all__ = ["RELEVANT", "Background"]

# From here on it is more likely than not that the question is answered.
RELEVANT = 0.5

# Unrelated questions come as near as this to their best passage, in units of the reach, and being
# nearer than a passage's own neighbour says no more.
_NEAR_BY_CHANCE, _NEAREST = 0.45, 1.0
# What nearness weighs, what words weigh, and what stands against them.
_BY_BOTH = (10.0, 9.0, 2.5)
_BY_WORDS = (0.0, 12.0, 2.5)
_BY_MEANING = (13.0, 0.0, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What the scores of one question's passages are held against.

    Attributes:
        calibration: Of the collection.
        average: The question's average cosine with its passages; None where meaning is not asked.
        full: BM25 of a passage that has all of the question's words; None where words are not
            asked.
        trust: In the cosine, from 1 down to 0, where both are asked; the rest goes to the words.
    """

    calibration: Calibration
    average: float | None = None
    full: float | None = None
    trust: float = 1.0

    def relevance(self, scores: Mapping[str, float]) -> float | None:
        """Of a passage with these scores, 0 to 1; None where there is nothing to judge by."""
        nearness, words = self._nearness(scores), self._words(scores)
        if nearness is None and words is None:
            return None
        if words is None:
            evidence = _told(_BY_MEANING, nearness, words)
        elif nearness is None:
            evidence = _told(_BY_WORDS, nearness, words)
        else:
            evidence = self.trust * _told(_BY_BOTH, nearness, words)
            evidence += (1.0 - self.trust) * _told(_BY_WORDS, nearness, words)
        return 1.0 / (1.0 + math.exp(-evidence))

    def _nearness(self, scores: Mapping[str, float]) -> float | None:
        """How much nearer than by chance; what is farther than that says no less than chance."""
        reach = self.calibration.reach
        if reach is None or self.average is None:
            return None
        above = (scores.get("semantic", self.average) - self.average) / reach
        return min(max(above, _NEAR_BY_CHANCE), _NEAREST) - _NEAR_BY_CHANCE

    def _words(self, scores: Mapping[str, float]) -> float | None:
        """How much more of the question's words than by chance, of what there is above that."""
        if not self.full:
            return None
        chance = self.calibration.by_chance
        share = min(scores.get("lexical", 0.0) / self.full, 1.0)
        return (share - chance) / (1.0 - chance)


def _told(
    weights: tuple[float, float, float], nearness: float | None, words: float | None
) -> float:
    return weights[0] * (nearness or 0.0) + weights[1] * (words or 0.0) - weights[2]
