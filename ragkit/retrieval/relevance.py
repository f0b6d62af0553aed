"""How sure it is that a passage answers, from 0 to 1, by what its scores exceed chance.

A logistic function of at most two kinds of evidence. Its weights are of no collection: they were
fitted on twelve (speeches, articles, chats, filings, papers, manuals; four languages), each left
out in turn; ``benchmarks/quality/relevance.py`` measures what comes of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ragkit.indexing.seam import FloatVector, VectorRanker
from ragkit.retrieval.calibration import Calibration

__all__ = ["RELEVANT", "Background", "average_cosine"]

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
    """

    calibration: Calibration
    average: float | None = None
    full: float | None = None

    def relevance(self, scores: Mapping[str, float]) -> float | None:
        """Of a passage with these scores, 0 to 1; None where there is nothing to judge by."""
        nearness, words = self._nearness(scores), self._words(scores)
        if nearness is None and words is None:
            return None
        by = _BY_MEANING if words is None else _BY_WORDS if nearness is None else _BY_BOTH
        evidence = by[0] * (nearness or 0.0) + by[1] * (words or 0.0) - by[2]
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


def average_cosine(
    calibration: Calibration, vectors: VectorRanker, vector: FloatVector
) -> float | None:
    """A question's average cosine with the collection; None when none of the sample is left."""
    cosines = vectors.scores(vector, calibration.sample)
    known = cosines[~np.isnan(cosines)]
    return float(known.mean()) if len(known) else None
