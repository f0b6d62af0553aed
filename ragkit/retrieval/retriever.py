"""A query becomes hits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from ragkit.answers import Expander, Hit, Hits
from ragkit.embedding.rerank_seam import Reranker
from ragkit.embedding.seam import Embedder, EmbedInput, ImageInput
from ragkit.indexing.seam import IdArray, VectorRanker, WordRanker
from ragkit.retrieval.arguments import (
    Mode,
    check_k,
    check_min_relevance,
    check_mode,
    check_queries,
    check_rerank,
    check_weight,
    check_where,
    words_of,
)
from ragkit.retrieval.calibration import Calibration
from ragkit.retrieval.copies import Found, fold
from ragkit.retrieval.expansion import StoreExpander
from ragkit.retrieval.fusion import CONTEXT_WEIGHT, Neighbours
from ragkit.retrieval.lists import DEEPER, Candidates, Lists, Read, first_depth
from ragkit.retrieval.relevance import RELEVANT
from ragkit.retrieval.reranking import candidates_for, reranked
from ragkit.storage.seam import PassageStore

__all__ = ["Mode", "Retriever"]

# Passages that are asked of the store at once.
_TOGETHER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One query, as far as it matters after the lists are read."""

    query: str
    k: int
    where: Mapping[str, str] | None
    explain: bool
    by_picture: bool = False


class Retriever:
    """Finds the passages that answer a query.

    Thread-safe where its parts are. Searching by words touches neither the embedder nor the
    vectors.

    Args:
        store: One generation of a collection.
        embedder: Makes the query's vector; the same model made the passages'.
        vectors: Ranks by cosine.
        words: Ranks by BM25.
        neighbours: ``store.neighbours``, or what answers like it and faster.
        semantic_weight: Share of the cosine in hybrid search, 0 to 1. None for 0.5, and less for a
            language that the model was not made for, or where it knows nothing of the passages that
            have the question's words.
        model_languages: ISO 639-1 codes of the languages that the model was made for; none for many
            or unknown ones. None for what is known of the embedder's model.
        reranker: Asked where a search names a model to rerank with.
        expander: What ``Hit.expand`` asks; without one the store is asked.
        calibration: What relevance is told by; without one it is not told.
        context_weight: Share of the passages around it in a passage's score, 0 to 1.
    """

    def __init__(
        self,
        *,
        store: PassageStore,
        embedder: Embedder,
        vectors: VectorRanker,
        words: WordRanker,
        neighbours: Neighbours | None = None,
        semantic_weight: float | None = None,
        model_languages: Collection[str] | None = None,
        reranker: Reranker | None = None,
        expander: Expander | None = None,
        calibration: Calibration | None = None,
        context_weight: float = CONTEXT_WEIGHT,
    ) -> None:
        check_weight("semantic_weight", semantic_weight)
        check_weight("context_weight", context_weight)
        self._store = store
        self._words = words
        self._lists = Lists(
            embedder=embedder,
            vectors=vectors,
            words=words,
            neighbours=neighbours or store.neighbours,
            semantic_weight=semantic_weight,
            model_languages=model_languages,
            calibration=calibration,
            context_weight=context_weight,
        )
        self._is_calibrated = calibration is not None
        self._reranker = reranker
        self._expander = StoreExpander(store) if expander is None else expander

    @property
    def words(self) -> WordRanker:
        """What it ranks words by."""
        return self._words

    def weighed(self, semantic_weight: float | None, context_weight: float | None) -> Retriever:
        """A retriever over the same parts that weighs them otherwise; None as without the weight.

        Raises:
            InvalidArgument: A weight that is no share from 0 to 1.
        """
        check_weight("semantic_weight", semantic_weight)
        check_weight("context_weight", context_weight)
        other = copy(self)
        other._lists = self._lists.weighed(semantic_weight, context_weight)
        return other

    def search(
        self,
        query: EmbedInput,
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
        rerank: str | None = None,
        min_relevance: float | None = None,
        exact: bool = False,
        explain: bool = False,
    ) -> Hits:
        """The k best passages, best first; ties by id.

        Passages of the same text are one hit, which names the others in ``also_in``; they are hits
        of their own only where there would be fewer than k otherwise.

        ``Hit.score`` is the combined score from 0 to 1 in hybrid mode, the cosine in semantic
        mode, BM25 in lexical mode. Hybrid equals the combination of both scores over all passages,
        semantic equals exact cosine search; lexical returns only passages with a word of the query.

        Args:
            query: What is asked; a picture is looked for by its vector, and by the words with it.
            k: How many; fewer come only where fewer passages match.
            mode: ``hybrid``, ``semantic`` or ``lexical``.
            where: Conditions that a passage's document must fit, as ``PassageStore.matching``.
            rerank: Name of a model that is given the query with the first 100 hits, or twice k, and
                whose order counts from then on. Where it fails the hits stay in the order that
                they had, and ``Hits.rerank`` says why.
            min_relevance: Hits whose relevance is less are left out, from 0 to 1.
            exact: Search is exact with or without it in this version.
            explain: Give each hit an ``Explanation``.

        Raises:
            InvalidArgument: A value that no search could use.
            EmbeddingError: The query could not be embedded.
            ConfigurationError: The reranking model cannot be asked, as for want of a key.
        """
        return self.search_many(
            [query],
            k=k,
            mode=mode,
            where=where,
            rerank=rerank,
            min_relevance=min_relevance,
            exact=exact,
            explain=explain,
        )[0]

    def search_many(
        self,
        queries: Sequence[EmbedInput],
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
        rerank: str | None = None,
        min_relevance: float | None = None,
        exact: bool = False,  # noqa: ARG002 - search is exact either way until there are tiers
        explain: bool = False,
    ) -> list[Hits]:
        """``search`` for each query, in their order; they are embedded in one call.

        Raises:
            InvalidArgument: A value that no search could use.
            EmbeddingError: A query could not be embedded.
            ConfigurationError: The reranking model cannot be asked, as for want of a key.
        """
        check_min_relevance(min_relevance, queries, is_possible=self._is_calibrated)
        return [
            self._answer(hits, k, min_relevance)
            for hits in self.candidates(
                queries,
                k=k,
                mode=mode,
                where=where,
                rerank=rerank,
                min_relevance=min_relevance,
                explain=explain,
            )
        ]

    def _answer(self, hits: Hits, k: int, min_relevance: float | None) -> Hits:
        """The k best, and whether any of them is relevant."""
        best = hits[:k]
        least = RELEVANT if min_relevance is None else min_relevance
        is_any = any(map(_is_relevant(least), best))
        # Of a picture nobody can tell: as long as one might answer, nothing is said to be wanting.
        is_told = is_any or all(hit.relevance is not None for hit in best)
        relevant = is_any if self._is_calibrated and is_told else None
        return Hits(best, rerank=hits.rerank, relevant=relevant)

    def candidates(
        self,
        queries: Sequence[EmbedInput],
        *,
        k: int = 10,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
        rerank: str | None = None,
        min_relevance: float | None = None,
        explain: bool = False,
    ) -> list[Hits]:
        """All that ``search_many`` looks at to find the k best: more than k where it reranks."""
        check_queries(queries)
        check_k(k)
        check_mode(mode)
        check_where(where)
        check_rerank(rerank, queries, is_possible=self._reranker is not None)
        among = self._store.matching(where) if where else None
        readers: Iterator[Read] = iter(())
        if queries and (among is None or len(among)):
            readers = self._lists.readers(queries, mode, among)
        number = k if rerank is None else candidates_for(k)
        found = []
        for query in queries:
            words = words_of(query)
            by_picture = isinstance(query, ImageInput)
            asked = _Asked(
                query=words, k=number, where=where, explain=explain, by_picture=by_picture
            )
            read = next(readers, None)
            hits = [] if read is None else self._best(read, asked, first_depth(mode, number))
            if min_relevance is not None:
                # Before a model is paid for what would be left out.
                enough = filter(_is_relevant(min_relevance), hits)
                hits = [replace(hit, rank=rank) for rank, hit in enumerate(enough, 1)]
            found.append(self._reranked(hits, words, rerank))
        return found

    def _reranked(self, hits: Sequence[Hit], query: str, model: str | None) -> Hits:
        if model is None or self._reranker is None:
            return Hits(hits)
        return reranked(hits, query, model=model, by=self._reranker)

    def standing(
        self,
        query: str,
        ids: IdArray,
        *,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
    ) -> Hit | None:
        """The best of given passages, explained, with the rank that a search without end gives it.

        Costs as much as reading both lists that far.

        Args:
            query: What is asked.
            ids: Passages that the store has.
            mode: As for ``search``.
            where: As for ``search``.

        A copy stands where the hit does that it is folded into.

        Returns:
            None when the search would never return one of them.
        """
        check_queries([query])
        among = self._store.matching(where) if where else None
        if among is not None and not len(among):
            return None
        (read,) = self._lists.readers([query], mode, among)
        asked = _Asked(query=query, k=1, where=where, explain=True)
        depth = first_depth(mode, _TOGETHER)
        while True:
            candidates = read(depth)
            places = np.flatnonzero(np.isin(candidates.ids, ids))
            if len(places):
                upto = candidates.ids[: int(places[0]) + 1].tolist()
                found = self._distinct(replace(candidates, complete=False), upto, asked, len(upto))
                rank = next(n for n, one in enumerate(found, 1) if upto[-1] in one.ids)
                stored = self._store.passages(upto[-1:])[upto[-1]]
                standing = Found(index=len(upto) - 1, stored=stored)
                return self._hit(candidates, asked, rank, standing)
            if candidates.complete:
                return None
            depth *= DEEPER

    def _best(self, read: Read, asked: _Asked, depth: int) -> list[Hit]:
        """The first k distinct texts, reading deeper until there are as many."""
        while True:
            candidates = read(depth)
            found = self._distinct(candidates, candidates.ids.tolist(), asked, asked.k)
            if len(found) >= asked.k or candidates.complete:
                return [
                    self._hit(candidates, asked, rank, one) for rank, one in enumerate(found, 1)
                ]
            depth *= DEEPER

    def _distinct(
        self, candidates: Candidates, ids: list[int], asked: _Asked, number: int
    ) -> list[Found]:
        return fold(
            ids,
            self._store.passages,
            number=number,
            query=asked.query,
            copies=candidates.copies,
            complete=candidates.complete,
        )

    def _hit(self, candidates: Candidates, asked: _Asked, rank: int, found: Found) -> Hit:
        scores, passage = candidates.details(found.index), found.stored.passage
        # Fitted on words: the cosines of pictures lie elsewhere.
        by_words = not asked.by_picture and passage.image is None
        background = candidates.background if by_words else None
        hit = Hit(
            passage=passage,
            rank=rank,
            score=float(candidates.scores[found.index]),
            relevance=None if background is None else background.relevance(scores),
            scores=scores,
            title=found.stored.title,
            also_in=tuple(other.passage for other in found.others),
            expander=self._expander,
        )
        if not asked.explain:
            return hit
        from ragkit.retrieval.explaining import explained  # noqa: PLC0415 - loads the stemmer

        explanation = explained(
            hit, found.stored, query=asked.query, scales=candidates.scales, where=asked.where
        )
        return replace(hit, explanation=explanation)


def _is_relevant(least: float) -> Callable[[Hit], bool]:
    return lambda hit: hit.relevance is not None and hit.relevance >= least
