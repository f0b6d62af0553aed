"""How a collection is searched where a search does not say otherwise.

``tune`` finds such settings with questions whose answers are known, and a collection keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ragkit.errors import InvalidArgument
from ragkit.retrieval.arguments import check_k, check_weight

__all__ = ["DEFAULT_K", "NO_RERANK", "SearchSettings"]

DEFAULT_K = 10
# Named instead of a model, it leaves a collection's own aside.
NO_RERANK = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What may be set of a search; None leaves a thing to ragkit.

    Attributes:
        semantic_weight: Share of the cosine in hybrid search, 0 to 1. Without one it is 0.5, and
            less where language or agreement of the lists speak against it.
        context_weight: Share of the passages around it in a passage's score, 0 to 1; 3/8 without.
        rerank: Name of a model that puts the hits in its own order.
        k: How many hits; 10 without.

    Raises:
        InvalidArgument: A value that no search could use.
    """

    semantic_weight: float | None = None
    context_weight: float | None = None
    rerank: str | None = None
    k: int | None = None

    def __post_init__(self) -> None:
        check_weight("semantic_weight", self.semantic_weight)
        check_weight("context_weight", self.context_weight)
        if self.k is not None:
            check_k(self.k)
        if self.rerank is not None and not str(self.rerank).strip():
            raise InvalidArgument(
                f"rerank={self.rerank!r}: name a model, such as cohere/rerank-v3.5"
            )

    def k_of(self, asked: int | None) -> int:
        """How many hits a search returns that was asked for so many, or for no number."""
        return asked if asked is not None else self.k or DEFAULT_K

    def rerank_of(self, asked: str | None) -> str | None:
        """The model that reranks a search that names this one, ``none``, or nothing."""
        if asked is not None:
            return None if asked == NO_RERANK else asked
        return self.rerank

    @property
    def json(self) -> dict[str, object]:
        """What is set, as plain JSON."""
        pairs = {
            "semantic_weight": self.semantic_weight,
            "context_weight": self.context_weight,
            "rerank": self.rerank,
            "k": self.k,
        }
        return {name: value for name, value in pairs.items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> SearchSettings:
        """The inverse.

        Raises:
            InvalidArgument: It is none of these.
        """
        try:
            return cls(**value)  # type: ignore[arg-type]
        except TypeError as error:
            raise InvalidArgument(f"{value!r} are no settings of a search") from error

    def __str__(self) -> str:
        """For people: ``semantic weight 0.7, neighbours 0.33``; ``defaults`` where nothing is."""
        said = []
        if self.semantic_weight is not None:
            said.append(f"semantic weight {self.semantic_weight:.3g}")
        if self.context_weight is not None:
            said.append(f"neighbours {self.context_weight:.2g}")
        if self.rerank is not None:
            said.append(f"reranked by {self.rerank}")
        if self.k is not None:
            said.append(f"{self.k} hits")
        return ", ".join(said) or "defaults"
