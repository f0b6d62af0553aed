"""Parts that are made on first use, so that a search pays only for what it touches.

A search by words must not load a model, and opening a collection must not read a matrix: the
collection hands these to the retriever in place of the parts themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from ragkit.embedding.forecast import Forecast
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.rerank_seam import RerankAnswer, Reranker
from ragkit.embedding.seam import (
    EmbeddedBatch,
    Embedder,
    EmbedInput,
    FloatMatrix,
    FloatVector,
    RemoteEmbedder,
    Role,
    embed_one,
)
from ragkit.indexing.seam import IdArray, Ranking, VectorRanker, WordRanker
from ragkit.models.fingerprint import Fingerprint

__all__ = ["LateEmbedder", "LateReranker", "LateVectorRanker", "LateWordRanker"]

T = TypeVar("T")


class _Late(Generic[T]):
    """A value made once, by whichever thread asks first; a failed attempt is tried again."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    @property
    def part(self) -> T:
        """The part itself."""
        # A name of its own, since ``close`` may take the list away at any moment.
        made = self._made
        if not made:
            with self._lock:
                made = self._made
                if not made:
                    made.append(self._make())
        return made[0]

    @property
    def is_made(self) -> bool:
        """Whether anything asked for the part yet."""
        return bool(self._made)

    def _taken(self) -> list[T]:
        """The part, if it was made, which the next use makes anew."""
        with self._lock:
            made, self._made = self._made, []
        return made


class LateVectorRanker(_Late[VectorRanker]):
    """A ``VectorRanker`` made on first use."""

    def rank(self, vector: FloatVector, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``VectorRanker.rank``."""
        return self.part.rank(vector, k, among=among)

    def scores(self, vector: FloatVector, ids: IdArray) -> FloatVector:
        """As ``VectorRanker.scores``."""
        return self.part.scores(vector, ids)

    def estimates(self, vector: FloatVector, ids: IdArray) -> tuple[FloatVector, float]:
        """As ``VectorRanker.estimates``."""
        return self.part.estimates(vector, ids)

    def sample(self) -> IdArray:
        """As ``VectorRanker.sample``."""
        return self.part.sample()

    def copies(self, id_: int) -> IdArray:
        """As ``VectorRanker.copies``."""
        return self.part.copies(id_)


class LateWordRanker(_Late[WordRanker]):
    """A ``WordRanker`` made on first use."""

    def languages(self) -> Mapping[str, float]:
        """As ``WordRanker.languages``."""
        return self.part.languages()

    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``WordRanker.rank``."""
        return self.part.rank(query, k, among=among)

    def scores(self, query: str, ids: IdArray) -> FloatVector:
        """As ``WordRanker.scores``."""
        return self.part.scores(query, ids)


class LateReranker(_Late[Reranker]):
    """A ``Reranker`` made on first use."""

    def rerank(self, query: str, documents: Sequence[str], *, model: str) -> RerankAnswer:
        """As ``Reranker.rerank``."""
        return self.part.rerank(query, documents, model=model)

    def close(self) -> None:
        """Close the reranker if it was made; the next use makes another."""
        for part in self._taken():
            part.close()


class LateEmbedder(_Late[Embedder]):
    """An ``Embedder`` made on first use.

    Args:
        make: Makes it.
        queried: Told of each batch of queries, with the model's name, as soon as it is answered.
    """

    def __init__(
        self,
        make: Callable[[], Embedder],
        queried: Callable[[str, EmbeddedBatch], None] | None = None,
    ) -> None:
        super().__init__(make)
        self._queried = queried

    @property
    def fingerprint(self) -> Fingerprint:
        """As ``Embedder.fingerprint``."""
        return self.part.fingerprint

    @property
    def max_tokens(self) -> int:
        """As ``Embedder.max_tokens``."""
        return self.part.max_tokens

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """As ``Embedder.embed``."""
        batches = self.part.embed(inputs, role=role)
        if role != "query" or self._queried is None:
            return batches
        return self._told(batches, self._queried)

    def _told(
        self, batches: Iterator[EmbeddedBatch], queried: Callable[[str, EmbeddedBatch], None]
    ) -> Iterator[EmbeddedBatch]:
        for batch in batches:
            queried(self.fingerprint.model, batch)
            yield batch

    @property
    def knowledge(self) -> Knowledge | None:
        """As ``RemoteEmbedder.knowledge``; nothing of one that was not made or is not remote."""
        part = self.part if self.is_made else None
        return part.knowledge if isinstance(part, RemoteEmbedder) else None

    def forecast(self, texts: int, tokens: int, *, asks: bool = True) -> Forecast:
        """As ``RemoteEmbedder.forecast``; one that is not remote takes no requests."""
        part = self.part
        if not isinstance(part, RemoteEmbedder):
            return Forecast()
        return part.forecast(texts, tokens, asks=asks)

    def pinned_to(self, provider: str) -> Embedder:
        """As ``RemoteEmbedder.pinned_to``; one that is not routed stays as it is."""
        part = self.part
        return part.pinned_to(provider) if isinstance(part, RemoteEmbedder) else part

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """As ``Embedder.embed_documents``."""
        return self.part.embed_documents(texts)

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """As ``Embedder.embed_query``."""
        return embed_one(self, text)

    def close(self) -> None:
        """Close the embedder if it was made; the next use makes another."""
        for part in self._taken():
            part.close()
