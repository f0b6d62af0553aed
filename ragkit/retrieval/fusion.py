"""Two rankings become one: min-max scaled scores are added, and neighbours lend each other some.

Rank fusion was measured against the convex combination and lost on every set where one list is much
weaker than the other (nDCG@10 0.846 against 0.945 on German questions to an English model), because
ranks forget how far apart the scores were.

Small passages are exact but know little of what surrounds them. Three eighths of a passage's score
are therefore what the passages before and after it score, under the same headings of the same
document; one without a neighbour on a side stands in for it itself, so that a short document is not
worth less. On 472 questions for short spans a third gave 2.3 points of mean recall, for whole
sections 5.2, and nothing was lost where documents are single passages; three eighths add 0.4 and
0.2 (``benchmarks/quality/README.md``).

Pure functions over arrays: nothing here knows of stores, models or indexes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ragkit.indexing.seam import FloatVector, IdArray, Ranking

__all__ = ["CONTEXT_WEIGHT", "Combined", "Neighbours", "Scale", "combine", "min_max"]

# What the neighbours are worth of a passage's score; 0.33 to 0.44 measure alike.
CONTEXT_WEIGHT = 0.375

Scores = npt.NDArray[np.float64]
ScoresOf = Callable[[IdArray], FloatVector]
# And how far from the true ones they can be.
EstimatesOf = Callable[[IdArray], tuple[FloatVector, float]]
# The passages before and after each of some; -1 where there is none.
Neighbours = Callable[[IdArray], tuple[IdArray, IdArray]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The best passages by the combined score, in the order that all passages would have.

    Attributes:
        ids: int64 (n,), best first; ties by id. No other passage scores more than the last.
        scores: float64 (n,), 0 to 1.
        semantic: float64 (n,), cosine; NaN for a passage without a vector.
        lexical: float64 (n,), BM25; 0 for a passage without a word of the query.
        context: float64 (n,), mean of what the two neighbours score, 0 to 1.
        complete: Whether no other passage scores anything.
    """

    ids: IdArray
    scores: Scores
    semantic: Scores
    lexical: Scores
    context: Scores
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How scores of one list count.

    Attributes:
        name: ``semantic``, ``lexical`` or ``context``.
        lowest: Score that becomes 0.
        highest: Score that becomes 1.
        weight: Of the scaled score.
        is_alone: No other list counts, and nothing is scaled.
    """

    name: str
    lowest: float
    highest: float
    weight: float = 1.0
    is_alone: bool = False


def min_max(values: npt.ArrayLike, lowest: float, highest: float) -> Scores:
    """Scale so that *lowest* becomes 0 and *highest* becomes 1; NaN becomes 0.

    Where all scores are equal they say nothing about the order, and each is as high as any: 1.
    """
    scores = np.asarray(values, np.float64)
    span = float(highest) - float(lowest)
    scaled = (scores - lowest) / span if span > 0 else np.ones_like(scores)
    # Scores filled in one by one may differ from those of a whole scan in the last bit.
    return np.where(np.isnan(scores), 0.0, np.clip(scaled, 0.0, 1.0))


def combine(
    semantic: Ranking,
    lexical: Ranking,
    *,
    depth: int,
    lexical_depth: int | None = None,
    most_asked: int | None = None,
    wanted: int,
    neighbours: Neighbours,
    semantic_estimates: EstimatesOf,
    semantic_scores: ScoresOf,
    lexical_scores: ScoresOf,
    semantic_weight: float,
    context_weight: float = CONTEXT_WEIGHT,
) -> Combined | None:
    """Combine the best *depth* of either list as if both lists were complete.

    A passage that neither list returned, and none of whose neighbours did, scores at most what the
    last of each list would together, so everything above that bound is in its final place (the
    threshold algorithm of Fagin). The others are the candidates; what they and their neighbours
    have in the other list is asked for. It is asked for only where it decides the order of the
    first *wanted*: a cosine can be no farther from its estimate than the error, and a passage that
    the list by words did not return has less than the list's last.

    Args:
        semantic: The best passages by cosine.
        lexical: The best passages by BM25.
        depth: How many were asked of each; a shorter list is a complete one.
        lexical_depth: How many were asked of the list by words, where that is not as many.
        most_asked: How many BM25 may be asked for; None for any number.
        wanted: How many passages to put in order; more or fewer may come.
        neighbours: Those of given ids.
        semantic_estimates: Cosines of given ids and how far from the true ones they can be.
        semantic_scores: Cosines of given ids, NaN for those without a vector.
        lexical_scores: BM25 of given ids, 0 for those without a word of the query.
        semantic_weight: 0 to 1; the lexical list weighs the rest.
        context_weight: 0 to 1; what the neighbours are worth of a passage's score.

    Returns:
        None where more BM25 than *most_asked* would be asked for.
    """
    listed = _joined(semantic.ids, lexical.ids)
    pool = _Pool.around(listed, neighbours, context_weight)

    def by_vector(cosine: npt.ArrayLike) -> Scores:
        return semantic_weight * min_max(cosine, semantic.lowest, semantic.highest)

    def by_words(score: npt.ArrayLike) -> Scores:
        return (1.0 - semantic_weight) * _from_zero(score, max(lexical.highest, lexical.full))

    # A list that is shorter than it was asked to be is complete: what is below it adds 0.
    unread = [
        (ranking, float(share(ranking.scores[-1])))
        for ranking, share, asked in (
            (semantic, by_vector, depth),
            (lexical, by_words, lexical_depth or depth),
        )
        if len(ranking.ids) >= asked
    ]
    cosines, seen = _listed(pool.scored, semantic)
    cosines[~seen], most = semantic_estimates(pool.scored[~seen])
    error = np.where(seen, 0.0, most)
    bm25, seen = _listed(pool.scored, lexical)
    least = by_vector(cosines - error) + by_words(bm25)
    most_by_words = sum(share for ranking, share in unread if ranking is lexical)
    missing = np.where(seen, 0.0, most_by_words)
    chosen, certain = pool.chosen(
        least, by_vector(cosines + error) + by_words(bm25) + missing, wanted
    )
    around = pool.around_of(chosen)
    without = around[missing[around] > 0]
    if most_asked is not None and len(without) > most_asked:
        return None
    for scores_of, values, doubtful in (
        (semantic_scores, cosines, around[error[around] > 0]),
        (lexical_scores, bm25, without),
    ):
        if len(doubtful):
            values[doubtful] = scores_of(pool.scored[doubtful])
    own = by_vector(cosines) + by_words(bm25)
    scores = pool.blended(own)
    order = chosen[np.lexsort((pool.ids[chosen], -scores[chosen]))]
    order = order[scores[order] >= certain]
    order = order[: _settled(pool.ids[order], scores[order], unread)]
    places = pool.places[order]
    return Combined(
        ids=pool.ids[order],
        scores=scores[order],
        semantic=cosines[places],
        lexical=bm25[places],
        context=pool.context(own)[order],
        complete=not unread,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    """The candidates, and all that their scores are made of.

    Attributes:
        ids: The candidates, sorted.
        scored: They and their neighbours, sorted.
        places: Of each candidate in ``scored``.
        before: Place of the passage before each; its own where there is none.
        after: Place of the passage after each; its own where there is none.
        context_weight: What the neighbours are worth of a score.
    """

    ids: IdArray
    scored: IdArray
    places: IdArray
    before: IdArray
    after: IdArray
    context_weight: float

    @classmethod
    def around(cls, listed: IdArray, neighbours: Neighbours, context_weight: float) -> _Pool:
        """The passages of the lists, and those that may rise through them."""
        ids = _joined(listed, *neighbours(listed))
        before, after = neighbours(ids)
        scored = _joined(ids, before, after)
        places = np.searchsorted(scored, ids)
        return cls(
            ids=ids,
            scored=scored,
            places=places,
            before=np.where(before < 0, places, np.searchsorted(scored, before)),
            after=np.where(after < 0, places, np.searchsorted(scored, after)),
            context_weight=context_weight,
        )

    def context(self, own: Scores) -> Scores:
        """Mean of what the neighbours of each candidate score."""
        mean: Scores = (own[self.before] + own[self.after]) / 2
        return mean

    def blended(self, own: Scores) -> Scores:
        """The score of each candidate; that of equal neighbours is their own, to the bit."""
        self_own = own[self.places]
        scores: Scores = self_own + self.context_weight * (self.context(own) - self_own)
        return scores

    def chosen(self, lowest: Scores, highest: Scores, wanted: int) -> tuple[IdArray, float]:
        """The candidates that may be among the best, and the score from which on all of them are.

        Args:
            lowest: What each passage scores itself at least.
            highest: What it scores at most.
            wanted: How many of the best are to be known.
        """
        least, most = self.blended(lowest), self.blended(highest)
        if wanted >= len(least) or (most == least).all():
            return np.arange(len(self.ids)), -np.inf
        certain = float(np.partition(least, -wanted)[-wanted])
        return np.flatnonzero(most >= certain), certain

    def around_of(self, chosen: IdArray) -> IdArray:
        """Places of some candidates and their neighbours."""
        return _joined(self.places[chosen], self.before[chosen], self.after[chosen])


def _joined(*arrays: IdArray) -> IdArray:
    """All of them that are not negative, sorted, each once."""
    # numpy's unique goes by hashes, which takes twice as long.
    joined = np.sort(np.concatenate(arrays))
    is_kept = joined >= 0
    is_kept[1:] &= joined[1:] != joined[:-1]
    kept: IdArray = joined[is_kept]
    return kept


def _settled(ids: IdArray, scores: Scores, unread: Sequence[tuple[Ranking, float]]) -> int:
    """How many from the front no passage outside can overtake.

    Args:
        ids: Candidates, best first.
        scores: Their scores.
        unread: The lists that go on, with what their last passage gets from them. A passage
            outside gets no more from each, and neither do its neighbours. One that gets as much
            ties with that last one, so its id is higher; where that is 0, it may also be a passage
            that the list does not have.
    """
    if not unread:
        return len(ids)
    bound = sum(share for _, share in unread)
    last_id = max((int(ranking.ids[-1]) for ranking, share in unread if share > 0), default=-1)
    is_settled = (scores > bound) | ((scores == bound) & (ids <= last_id))
    return len(ids) if is_settled.all() else int(np.argmin(is_settled))


def _from_zero(values: npt.ArrayLike, highest: float) -> Scores:
    """BM25 scaled from 0; all 0 where no passage has a word of the query."""
    scores = np.asarray(values, np.float64)
    return min_max(scores, 0.0, highest) if highest > 0 else np.zeros_like(scores)


def _listed(ids: IdArray, ranking: Ranking) -> tuple[Scores, npt.NDArray[np.bool_]]:
    """The ranking's score for each of the sorted *ids*, 0 where it has none, and where it has one.

    A complete list has one for each: what it did not return scores 0, or has no vector.
    """
    scores = np.zeros(len(ids), np.float64)
    seen = np.zeros(len(ids), np.bool_)
    places = np.searchsorted(ids, ranking.ids)
    scores[places] = ranking.scores
    seen[places] = True
    return scores, seen
