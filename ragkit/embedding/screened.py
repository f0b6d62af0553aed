"""What goes to a remote model with a question, without the secrets in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

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
    embed_all,
    embed_one,
)
from ragkit.models.fingerprint import Fingerprint
from ragkit.screening.screen import Screen

__all__ = ["ScreenedEmbedder", "ScreenedReranker"]


class ScreenedEmbedder:
    """An ``Embedder`` that masks questions as passages were masked.

    Passages come masked already, since their keys are digests of exactly what is sent. A key that
    is pasted into a question is still found by words, which never leave.

    Args:
        embedder: Sends.
        screen: Finds what is to be masked.
    """

    def __init__(self, embedder: Embedder, screen: Screen) -> None:
        self._embedder = embedder
        self._screen = screen

    @property
    def fingerprint(self) -> Fingerprint:
        """As ``Embedder.fingerprint``."""
        return self._embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """As ``Embedder.max_tokens``."""
        return self._embedder.max_tokens

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """As ``Embedder.embed``."""
        return self._embedder.embed(
            map(self._clean, inputs) if role == "query" else inputs, role=role
        )

    def _clean(self, query: EmbedInput) -> EmbedInput:
        if isinstance(query, str):
            return self._screen.clean(query)
        return replace(query, text=self._screen.clean(query.text))

    @property
    def knowledge(self) -> Knowledge | None:
        """As ``RemoteEmbedder.knowledge``."""
        embedder = self._embedder
        return embedder.knowledge if isinstance(embedder, RemoteEmbedder) else None

    def forecast(self, texts: int, tokens: int, *, asks: bool = True) -> Forecast:
        """As ``RemoteEmbedder.forecast``; one that is not remote takes no requests."""
        embedder = self._embedder
        if not isinstance(embedder, RemoteEmbedder):
            return Forecast()
        return embedder.forecast(texts, tokens, asks=asks)

    def pinned_to(self, provider: str) -> Embedder:
        """As ``RemoteEmbedder.pinned_to``; one that is not routed stays as it is."""
        embedder = self._embedder
        if not isinstance(embedder, RemoteEmbedder):
            return self
        return ScreenedEmbedder(embedder.pinned_to(provider), self._screen)

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """As ``Embedder.embed_documents``."""
        return embed_all(self, texts, "document")

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """As ``Embedder.embed_query``."""
        return embed_one(self, text)

    def close(self) -> None:
        """As ``Embedder.close``."""
        self._embedder.close()


class ScreenedReranker:
    """A ``Reranker`` that masks question and passages.

    A passage that begins inside of a private key is told by its lines alone.

    Args:
        reranker: Sends.
        screen: Finds what is to be masked.
    """

    def __init__(self, reranker: Reranker, screen: Screen) -> None:
        self._reranker = reranker
        self._screen = screen

    def rerank(self, query: str, documents: Sequence[str], *, model: str) -> RerankAnswer:
        """As ``Reranker.rerank``."""
        clean = self._screen.clean
        return self._reranker.rerank(clean(query), list(map(clean, documents)), model=model)

    def close(self) -> None:
        """As ``Reranker.close``."""
        self._reranker.close()
