"""What chance alone reaches in one collection, so that scores can be told from it; without labels.

Cosines of two models cannot be compared, nor can those of one model in two languages. What can be:
how much nearer than the average passage the best one is, in units of how much nearer a passage's
own nearest neighbour is. And a question's words are found together by chance as often as those of
questions that have nothing to do with the collection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from ragkit.indexing.seam import FloatMatrix, IdArray, WordRanker
from ragkit.retrieval.unrelated import UNRELATED

__all__ = [
    "CALIBRATION_SETTING",
    "MOST_ASKED",
    "Calibration",
    "calibrate",
    "calibration_from",
    "calibration_value",
]

# Where a collection keeps it, with each generation.
CALIBRATION_SETTING = "calibration"
_VERSION = 2

# Passages whose nearest neighbour is looked for: so many that it takes 0.1 s, within these bounds.
_MOST_PRODUCTS = 1_500_000_000
_FEWEST_ASKED, MOST_ASKED = 64, 512
_ROWS_TOGETHER = 8192
# As near as this are copies, which every model finds.
_COPY = 0.995
# Fewer passages have no neighbourhood to speak of.
_FEWEST = 12
# Two questions in one have about as many words as what people ask.
_TOGETHER = 2
_FIRST_TRIED = 2
_CLEARLY_FOREIGN = 0.05
_LEAST_CHANCE, _MOST_CHANCE = 0.1, 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of one collection's scores.

    Attributes:
        reach: How much higher the cosine of a passage with its nearest neighbour is than with any
            passage, in the median; None where there are too few to tell.
        by_chance: Share of the BM25 that a passage with all of its words would have, which the best
            passage reaches for a question that has nothing to do with the collection.
    """

    reach: float | None
    by_chance: float


def calibrate(
    *, some: IdArray, slots: IdArray, matrix: FloatMatrix, words: WordRanker
) -> Calibration:
    """Calibrate a collection by what it holds: nothing is embedded and nothing sent.

    Its own passages ask for their nearest neighbours, and everyday questions in many languages for
    what their words find.

    Args:
        some: Rows of some passages, up to ``MOST_ASKED``, in an order of chance.
        slots: Rows of all passages.
        matrix: float32 (rows, d), unit rows.
        words: Ranks the same passages.
    """
    rows = np.unique(slots)
    each = max(1, len(rows) * matrix.shape[1])
    number = min(max(_MOST_PRODUCTS // each, _FEWEST_ASKED), MOST_ASKED)
    return Calibration(
        reach=_reach(some[:number], rows, matrix) if len(rows) >= _FEWEST else None,
        by_chance=_by_chance(words),
    )


def calibration_value(found: Calibration, fingerprint: str) -> dict[str, object]:
    """A calibration as plain JSON, good for vectors of this fingerprint."""
    return {
        "version": _VERSION,
        "fingerprint": fingerprint,
        "reach": found.reach,
        "by_chance": found.by_chance,
    }


def calibration_from(value: Mapping[str, object], fingerprint: str | None) -> Calibration | None:
    """The inverse; None for another version or fingerprint, or for what is no calibration."""
    reach, by_chance = value.get("reach"), value.get("by_chance")
    if (value.get("version"), value.get("fingerprint")) != (_VERSION, fingerprint):
        return None
    if not isinstance(by_chance, float) or not 0 <= by_chance < 1:
        return None
    if reach is not None and not (isinstance(reach, float) and 0 < reach <= 2):
        return None
    return Calibration(reach=reach, by_chance=by_chance)


def _reach(asked: IdArray, rows: IdArray, matrix: FloatMatrix) -> float | None:
    queries = np.asarray(matrix[asked])
    nearest = np.full(len(asked), -1.0)
    total = 0.0
    for start in range(0, len(rows), _ROWS_TOGETHER):
        cosines = queries @ np.asarray(matrix[rows[start : start + _ROWS_TOGETHER]]).T
        total += float(cosines.sum())
        np.maximum(nearest, np.where(cosines < _COPY, cosines, -1.0).max(axis=1), out=nearest)
    average = total / (len(asked) * len(rows))
    found = float(np.median(nearest)) - average
    return found if found > 0 else None


def _by_chance(words: WordRanker) -> float:
    """In the language in which most is found: that is the collection's own."""
    most = 0.0
    for text in UNRELATED.values():
        lines = [line.strip() for line in text.strip().splitlines()]
        asked = [" ".join(lines[at : at + _TOGETHER]) for at in range(0, len(lines), _TOGETHER)]
        found = [_share(words, question) for question in asked[:_FIRST_TRIED]]
        if max(found) > _CLEARLY_FOREIGN:
            found += [_share(words, question) for question in asked[_FIRST_TRIED:]]
            most = max(most, median(found))
    return min(max(most, _LEAST_CHANCE), _MOST_CHANCE)


def _share(words: WordRanker, question: str) -> float:
    ranking = words.rank(question, 1)
    full = max(ranking.full, ranking.highest)
    return float(ranking.scores[0]) / full if len(ranking.scores) and full > 0 else 0.0
