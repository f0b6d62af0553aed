"""What a hit's score is made of, and which words of the query it has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ragkit.answers import Explanation, Hit, ScorePart
from ragkit.chunking.recipe import embedded_text
from ragkit.indexing.analysis import Analyzer, detect_language, surfaces
from ragkit.indexing.questions import query_terms
from ragkit.retrieval.fusion import Scale, min_max
from ragkit.storage.seam import StoredPassage

__all__ = ["explained", "words_in"]

_SEPARATORS = re.compile(r"[\W_]+")
# Longer queries are pasted texts; what of them matched is more than anybody reads.
_MOST_WORDS = 200


def explained(
    hit: Hit,
    stored: StoredPassage,
    *,
    query: str,
    scales: Sequence[Scale],
    where: Mapping[str, str] | None,
) -> Explanation:
    """Why the hit has its score."""
    matched, missing, common = words_in(query, stored)
    return Explanation(
        parts=tuple(_part(hit, scale) for scale in scales),
        matched=matched,
        missing=missing,
        common=common,
        where=dict(where or {}),
    )


def words_in(
    query: str, stored: StoredPassage
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Words of the query that the indexed text has, those it lacks, and those that do not count.

    Each as typed, once, in the query's order.
    """
    passage = stored.passage
    indexed = f"{embedded_text(stored.title, passage)}\n{_SEPARATORS.sub(' ', passage.source)}"
    language = stored.language or detect_language(indexed)
    has = set(Analyzer(language).terms(indexed))
    counting = set(query_terms(query, [language]))
    matched: dict[str, None] = {}
    missing: dict[str, None] = {}
    common: dict[str, None] = {}
    for word in list(dict.fromkeys(surfaces(query)))[:_MOST_WORDS]:
        terms = counting.intersection(Analyzer(language).terms(word))
        (common if not terms else missing if terms.isdisjoint(has) else matched)[word] = None
    return tuple(matched), tuple(missing), tuple(common)


def _part(hit: Hit, scale: Scale) -> ScorePart:
    score = hit.scores.get(scale.name)
    rank = hit.scores.get(f"{scale.name}_rank")
    if scale.is_alone:
        scaled = hit.score
    elif score is None:
        # No vector, or no word of the query.
        scaled = 0.0
    else:
        scaled = float(min_max(score, scale.lowest, scale.highest))
    return ScorePart(
        name=scale.name,
        score=score,
        rank=None if rank is None else int(rank),
        lowest=scale.lowest,
        highest=scale.highest,
        scaled=scaled,
        weight=scale.weight,
    )
