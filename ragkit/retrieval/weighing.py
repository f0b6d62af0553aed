"""How much the cosine counts for a question: by language, and by what the lists agree on.

A model that was not made for a language still returns cosines, and they look like any others. Two
things tell. Its family says which languages it was trained for, and question and passages say which
they are in. And where it knows what a text is about, the passages that have most of the question's
words are near the question: an English model puts them 4 to 5 deviations above the mean for English
questions, 3 for German ones, 1.3 for Chinese and 0.3 for Arabic.

nDCG@10 on XQuAD, words alone against both at 0.5 and both weighed so: German 0.939, 0.930, 0.953;
Chinese 0.957, 0.888, 0.962; Arabic 0.912, 0.566, 0.914. English questions keep their order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from ragkit.indexing.languages import LANGUAGES, language_of
from ragkit.indexing.seam import FloatVector

__all__ = ["FULL_WEIGHT", "QUOTED_SHARE", "agreement", "language_weight"]

FULL_WEIGHT = 0.5
# For a language that the model was not made for.
_FOREIGN_WEIGHT = 0.2

# What is left of the weight where the whole question is quoted from a passage: whoever asks for a
# sentence wants the place where it stands, whatever else is about the same. Of phrases of eight
# words from the middles of 112 files 102 were found first without this and 108 with it, 107 and 110
# of them among the first five (``benchmarks/quality/formats.py``).
QUOTED_SHARE = 0.2

# From so many deviations above the mean on the cosine counts in full.
_FULL_AGREEMENT = 1.5
_LEAST_AGREEMENT = 0.1
# Of fewer passages a mean and a deviation say nothing.
_FEWEST_SAMPLED = 50

# A language that fewer of the passages are in may be a mistake.
_LEAST_SPOKEN = 0.01
_MOSTLY_SPOKEN = 0.5


def language_weight(query: str, *, known: Collection[str], spoken: Mapping[str, float]) -> float:
    """The share of the cosine, by the language of a question, or else of the passages.

    Args:
        query: What is asked.
        known: Languages that the model was made for; none for many or unknown ones.
        spoken: Share of the passages that are in each language.
    """
    if not known:
        return FULL_WEIGHT
    usual = [code for code, share in spoken.items() if share >= _LEAST_SPOKEN]
    latin = sorted(LANGUAGES.keys() & {*known, *usual})
    language = language_of(query, tuple(latin))
    if language is None:
        mostly = [code for code, share in spoken.items() if share > _MOSTLY_SPOKEN]
        language = mostly[0] if mostly else None
    return FULL_WEIGHT if language is None or language in known else _FOREIGN_WEIGHT


def agreement(leaders: FloatVector, shares: FloatVector, sample: FloatVector) -> float:
    """How far the cosine agrees with the words: from 1 down to 0.1 where it knows nothing.

    Args:
        leaders: Cosines of the passages with most of the question's words.
        shares: What each of them counts, as its BM25.
        sample: Cosines of passages from everywhere.
    """
    sampled = sample[~np.isnan(sample)].astype(np.float64)
    has_vector = ~np.isnan(leaders)
    if len(sampled) < _FEWEST_SAMPLED or not has_vector.any() or not sampled.std():
        return 1.0
    mean = np.average(leaders[has_vector].astype(np.float64), weights=shares[has_vector])
    deviations = float((mean - sampled.mean()) / sampled.std())
    return min(1.0, max(_LEAST_AGREEMENT, deviations / _FULL_AGREEMENT))
