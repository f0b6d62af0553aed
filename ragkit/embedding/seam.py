"""The seam between ragkit and whatever makes vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ragkit.embedding.forecast import Forecast
from ragkit.embedding.images import EmbedInput, ImageInput
from ragkit.embedding.knowledge import Knowledge
from ragkit.errors import InputRejected, InvalidArgument
from ragkit.models.fingerprint import Fingerprint

__all__ = [
    "EmbedInput",
    "EmbeddedBatch",
    "Embedder",
    "FloatMatrix",
    "FloatVector",
    "ImageInput",
    "RemoteEmbedder",
    "Role",
    "check_text",
    "embed_all",
    "embed_one",
]

FloatMatrix = npt.NDArray[np.float32]
FloatVector = npt.NDArray[np.float32]

# Retrieval models are asymmetric: a question and a passage are embedded differently.
Role = Literal["query", "document"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedBatch:
    """One answered batch, every check passed.

    Attributes:
        indexes: Positions in the inputs of the call, one for each row.
        vectors: float32, shape (len(indexes), d), rows of unit length, in the order of ``indexes``.
        tokens: What the server billed, or the model counted.
        cost_usd: What the server charged; 0 for the embedded model.
        requests: Requests that were sent for it, retries included; 0 for the embedded model.
        provider: Who answered, where the server says so.
        failed: (index, reason) of inputs that the model will never take; they have no row.
        postponed: (index, reason) of inputs that this server does not take now, though nothing is
            wrong with them; they have no row either.
        notes: (index, remark) on texts whose vector is not as good as it could be.
    """

    indexes: tuple[int, ...]
    vectors: FloatMatrix
    tokens: int
    cost_usd: Decimal = Decimal(0)
    requests: int = 0
    provider: str | None = None
    failed: tuple[tuple[int, str], ...] = ()
    postponed: tuple[tuple[int, str], ...] = ()
    notes: tuple[tuple[int, str], ...] = ()


class Embedder(Protocol):
    """Texts, and pictures where the model takes them, to unit vectors."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides the vectors; two embedders with equal ones make the same vectors."""
        ...

    @property
    def max_tokens(self) -> int:
        """Most tokens of this model that one text may have, prompts not counted."""
        ...

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """Embed a stream of texts and pictures.

        ``inputs`` is read lazily, only as far ahead as the batches in flight need, so that memory
        stays flat; batches come as they are answered, in any order. An input that the model will
        never take is reported in ``failed``, not raised. Closing the iterator stops the work.

        Raises:
            EmbeddingError: The rest cannot be embedded either: wrong key, no credit, no answer.
        """
        ...

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """float32 (n, d), unit rows in the order of *texts*; raises InputRejected."""
        ...

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """float32 (d,), unit length; raises InputRejected."""
        ...

    def close(self) -> None:
        """Give back connections and threads; twice is as good as once."""
        ...


@runtime_checkable
class RemoteEmbedder(Embedder, Protocol):
    """An ``Embedder`` that asks a server, which may be a router to several providers."""

    @property
    def knowledge(self) -> Knowledge | None:
        """What was found out about the server so far; None before anything was asked."""
        ...

    def forecast(self, texts: int, tokens: int, *, asks: bool = True) -> Forecast:
        """How long so many texts with so many tokens in all take at least.

        Args:
            texts: To be embedded.
            tokens: Of all of them.
            asks: Whether the server may be asked for what decides it.
        """
        ...

    def pinned_to(self, provider: str) -> Embedder:
        """The same embedder, on the same budget, asking one provider and no other.

        For comparisons: its vectors are not stored, since a pin is part of the fingerprint.
        """
        ...


def check_text(index: int, item: object) -> None:
    """See that an input that is no picture is a text.

    Raises:
        InvalidArgument: It is something else, such as tokens.
    """
    if not isinstance(item, str):
        kind = type(item).__name__
        raise InvalidArgument(
            f"input {index} is of type {kind}: give texts, and pictures as ImageInput"
        )


def embed_all(embedder: Embedder, inputs: Sequence[EmbedInput], role: Role) -> FloatMatrix:
    """Collect the stream into float32 (n, d), rows in the order of *inputs*.

    Raises:
        InputRejected: For the first input that the model does not take.
        EmbeddingError: As ``Embedder.embed``.
    """
    rows: FloatMatrix | None = None
    for batch in embedder.embed(inputs, role=role):
        for index, reason in (*batch.failed, *batch.postponed):
            is_asked = role == "query" and len(inputs) == 1
            raise InputRejected(index, reason, what="the query" if is_asked else None)
        if rows is None:
            rows = np.empty((len(inputs), batch.vectors.shape[1]), np.float32)
        rows[list(batch.indexes)] = batch.vectors
    return np.empty((0, 0), np.float32) if rows is None else rows


def embed_one(embedder: Embedder, query: EmbedInput) -> FloatVector:
    """The vector of one query, float32 (d,); raises like ``embed_all``."""
    vector: FloatVector = embed_all(embedder, [query], "query")[0]
    return vector
