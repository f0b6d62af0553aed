"""The seam between ragkit and whatever reads a query and a document together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from ragkit.errors import EmbeddingError

__all__ = ["RerankAnswer", "Reranker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankAnswer:
    """What came of asking a reranking model.

    Attributes:
        scores: By position of the document; higher is better, and a model's own: scores of two
            models cannot be compared. Documents that it did not score are absent.
        error: Why there are no scores; what was charged all the same stands beside it.
        tokens: That the server billed; 0 where it does not say.
        requests: Sent to the server, retries included.
        cost_usd: What the server charged; None where it does not say.
        provider: Who answered, where the server says so.
    """

    scores: Mapping[int, float] = field(default_factory=dict)
    error: EmbeddingError | None = None
    tokens: int = 0
    requests: int = 0
    cost_usd: Decimal | None = None
    provider: str | None = None


class Reranker(Protocol):
    """Scores documents for a query."""

    def rerank(self, query: str, documents: Sequence[str], *, model: str) -> RerankAnswer:
        """Ask about all of the documents, none of them blank.

        A server that fails is told in the answer and not raised: the search has hits without it.

        Raises:
            ConfigurationError: The model cannot be asked at all, as for want of a key.
        """
        ...

    def close(self) -> None:
        """Give back connections; twice is as good as once."""
        ...
