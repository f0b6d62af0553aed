"""How one query reads its lists: by words, by meaning, or both combined."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from ragkit.embedding.seam import Embedder, EmbedInput, FloatVector, embed_all
from ragkit.indexing.seam import IdArray, Ranking, VectorRanker, WordRanker
from ragkit.models.catalogue import profile
from ragkit.retrieval.arguments import Mode, mode_of, words_of
from ragkit.retrieval.calibration import Calibration
from ragkit.retrieval.copies import Copies
from ragkit.retrieval.fusion import CONTEXT_WEIGHT, Combined, Neighbours, Scale, combine
from ragkit.retrieval.relevance import Background
from ragkit.retrieval.weighing import FULL_WEIGHT, QUOTED_SHARE, agreement, language_weight

__all__ = ["DEEPER", "Candidates", "Lists", "Read", "first_depth"]

# Measured on 472 questions to 3,335 passages and 300 to 16,024: this deep put the first ten of
# 99.9 % of them in order at once; the others are read deeper.
FIRST_DEPTH = 150
DEPTH_PER_HIT = 6
DEEPER = 4

# Where words put no passage far before others, many are in doubt. Looking one up takes 2
# microseconds, and one more of the list a quarter of that.
ASKED_PER_READ = 2
DEEPER_BY_WORDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Passages in final order, as far down as the lists that were read can tell.

    Attributes:
        ids: Best first.
        scores: What the order goes by.
        details: ``Hit.scores`` of the i-th.
        scales: How the score of each list counts.
        complete: Whether there is nothing below.
        background: What their scores are held against; None where the collection is not calibrated.
        copies: Of one of them, those that share its vector and may be returned; None where no
            vectors are at hand.
    """

    ids: IdArray
    scores: npt.NDArray[np.floating]
    details: Callable[[int], dict[str, float]]
    scales: tuple[Scale, ...]
    complete: bool
    background: Background | None = None
    copies: Copies = None


# To a depth of each list.
Read = Callable[[int], Candidates]


def first_depth(mode: Mode, hits: int) -> int:
    """How deep to read for so many hits, some of which may be copies of others."""
    return max(FIRST_DEPTH, DEPTH_PER_HIT * hits) if mode == "hybrid" else 2 * hits


class Lists:
    """The lists of one generation.

    Args:
        embedder: Makes the query's vector.
        vectors: Ranks by cosine.
        words: Ranks by BM25.
        neighbours: The passages before and after each of some.
        semantic_weight: Share of the cosine in hybrid search, 0 to 1; None for what language and
            agreement of the lists make of it, at most 0.5.
        model_languages: Those that the model was made for, none for many; None for what is known of
            the embedder's model.
        calibration: Of the collection, where there is one.
        context_weight: Share of the neighbours in a passage's score, 0 to 1.
    """

    def __init__(
        self,
        *,
        embedder: Embedder,
        vectors: VectorRanker,
        words: WordRanker,
        neighbours: Neighbours,
        semantic_weight: float | None,
        model_languages: Collection[str] | None,
        calibration: Calibration | None = None,
        context_weight: float = CONTEXT_WEIGHT,
    ) -> None:
        self._embedder = embedder
        self._vectors = vectors
        self._words = words
        self._neighbours = neighbours
        self._semantic_weight = semantic_weight
        self._model_languages = model_languages
        self._calibration = calibration
        self._context_weight = context_weight

    def weighed(self, semantic_weight: float | None, context_weight: float | None) -> Lists:
        """The same lists, weighed otherwise; None leaves a weight to what is known of the lists."""
        other = copy(self)
        other._semantic_weight = semantic_weight
        other._context_weight = CONTEXT_WEIGHT if context_weight is None else context_weight
        return other

    def readers(
        self, queries: Sequence[EmbedInput], mode: Mode, among: IdArray | None
    ) -> Iterator[Read]:
        """How each query reads its lists; all are embedded at once.

        Raises:
            InvalidArgument: A picture without words, to be looked up by words.
        """
        modes = [mode_of(query, mode) for query in queries]
        if mode == "lexical":
            yield from (partial(self._by_words, words_of(query), among) for query in queries)
            return
        vectors = embed_all(self._embedder, queries, "query")
        for query, vector, own in zip(queries, vectors, modes, strict=True):
            if own == "semantic":
                yield partial(self._by_vector, vector, among)
            else:
                yield partial(self._by_both, words_of(query), vector, among)

    def _by_words(self, query: str, among: IdArray | None, depth: int) -> Candidates:
        ranking = self._words.rank(query, depth, among=among)
        background = self._background(None, ranking)
        return replace(_single(ranking, "lexical", depth), background=background)

    def _by_vector(self, vector: FloatVector, among: IdArray | None, depth: int) -> Candidates:
        ranking = self._vectors.rank(vector, depth, among=among)
        return replace(
            _single(ranking, "semantic", depth),
            background=self._background(self._everywhere(vector), None),
            copies=self._copies(among),
        )

    def _by_both(
        self, query: str, vector: FloatVector, among: IdArray | None, depth: int
    ) -> Candidates:
        semantic = self._vectors.rank(vector, depth, among=among)
        lexical = self._words.rank(query, depth, among=among)
        everywhere = self._everywhere(vector)
        weight, trust = self._weight(query, vector, lexical, everywhere)
        combined, lexical = self._combined(
            query, vector, among, semantic=semantic, lexical=lexical, depth=depth, weight=weight
        )
        ranks = {"semantic_rank": _ranks(semantic), "lexical_rank": _ranks(lexical)}

        def details(index: int) -> dict[str, float]:
            said: dict[str, float] = {}
            if not np.isnan(combined.semantic[index]):
                said["semantic"] = float(combined.semantic[index])
            if combined.lexical[index] > 0:
                said["lexical"] = float(combined.lexical[index])
            said["context"] = float(combined.context[index])
            passage_id = int(combined.ids[index])
            said.update({name: r[passage_id] for name, r in ranks.items() if passage_id in r})
            return said

        own = 1.0 - self._context_weight
        full = max(lexical.highest, lexical.full)
        return Candidates(
            ids=combined.ids,
            scores=combined.scores,
            details=details,
            scales=(
                _scale(semantic, "semantic", own * weight),
                Scale(name="lexical", lowest=0.0, highest=full, weight=own * (1.0 - weight)),
                Scale(name="context", lowest=0.0, highest=1.0, weight=self._context_weight),
            ),
            complete=combined.complete,
            background=self._background(everywhere, lexical, trust=trust),
            copies=self._copies(among),
        )

    def _combined(
        self,
        query: str,
        vector: FloatVector,
        among: IdArray | None,
        *,
        semantic: Ranking,
        lexical: Ranking,
        depth: int,
        weight: float,
    ) -> tuple[Combined, Ranking]:
        """Both lists combined, and that by words as far as it had to be read for that."""
        hits = max(1, depth // DEPTH_PER_HIT)
        lexical_depth = depth
        while True:
            combined = combine(
                semantic,
                lexical,
                depth=depth,
                lexical_depth=lexical_depth,
                most_asked=ASKED_PER_READ * lexical_depth,
                # Near copies beyond the last hit are folded into one before it.
                wanted=hits if depth == FIRST_DEPTH else 2 * hits,
                neighbours=self._neighbours,
                semantic_estimates=lambda ids: self._vectors.estimates(vector, ids),
                semantic_scores=lambda ids: self._vectors.scores(vector, ids),
                lexical_scores=lambda ids: self._words.scores(query, ids),
                semantic_weight=weight,
                context_weight=self._context_weight,
            )
            if combined is not None:
                return combined, lexical
            lexical_depth *= DEEPER_BY_WORDS
            lexical = self._words.rank(query, lexical_depth, among=among)

    def _everywhere(self, vector: FloatVector) -> FloatVector:
        """Cosines of a question with passages from everywhere."""
        return self._vectors.scores(vector, self._vectors.sample())

    def _weight(
        self, query: str, vector: FloatVector, lexical: Ranking, everywhere: FloatVector
    ) -> tuple[float, float]:
        """The share of the cosine for this question, the same with every filter, and its trust.

        In a language that the model was made for, meaning without a word in common is no reason
        to doubt it, but what it is for.
        """
        if self._semantic_weight is not None:
            return self._semantic_weight, 1.0
        known = self._model_languages
        if known is None:
            known = profile(self._embedder.fingerprint.model).languages
        full = language_weight(query, known=known, spoken=self._words.languages())
        weight = full * agreement(
            self._vectors.scores(vector, lexical.leading), lexical.leading_scores, everywhere
        )
        trust = 1.0 if full == FULL_WEIGHT else weight / FULL_WEIGHT
        return weight * (QUOTED_SHARE if lexical.is_quoted else 1.0), trust

    def _background(
        self, everywhere: FloatVector | None, lexical: Ranking | None, *, trust: float = 1.0
    ) -> Background | None:
        if self._calibration is None:
            return None
        average = None
        if everywhere is not None and len(everywhere):
            average = float(np.mean(everywhere))
        return Background(
            calibration=self._calibration,
            average=average,
            full=None if lexical is None else max(lexical.highest, lexical.full),
            trust=trust,
        )

    def _copies(self, among: IdArray | None) -> Copies:
        if among is None:
            return self._vectors.copies
        return lambda id_: np.intersect1d(self._vectors.copies(id_), among, assume_unique=True)


def _single(ranking: Ranking, name: str, depth: int) -> Candidates:
    """One list is in final order as it is."""
    return Candidates(
        ids=ranking.ids,
        scores=ranking.scores,
        details=lambda index: {name: float(ranking.scores[index]), f"{name}_rank": index + 1},
        scales=(replace(_scale(ranking, name, 1.0), is_alone=True),),
        complete=len(ranking.ids) < depth,
    )


def _scale(ranking: Ranking, name: str, weight: float) -> Scale:
    return Scale(name=name, lowest=ranking.lowest, highest=ranking.highest, weight=weight)


def _ranks(ranking: Ranking) -> dict[int, int]:
    return {passage_id: rank for rank, passage_id in enumerate(ranking.ids.tolist(), 1)}
