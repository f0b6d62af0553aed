"""An embedder that asks nobody: what a repair may do costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ragkit.embedding.seam import (
    EmbeddedBatch,
    EmbedInput,
    FloatMatrix,
    FloatVector,
    Role,
)
from ragkit.errors import InputRejected
from ragkit.models.fingerprint import Fingerprint

__all__ = ["UnaskedEmbedder"]

_LATER = "a repair asks no model; the next index does"


class UnaskedEmbedder:
    """Puts every text off to the next index, so that only what is known gets a vector.

    Args:
        fingerprint: Of the model that will be asked.
        max_tokens: Of it.
    """

    def __init__(self, fingerprint: Fingerprint, max_tokens: int) -> None:
        self.fingerprint = fingerprint
        self.max_tokens = max_tokens

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:  # noqa: ARG002
        """One empty batch for each input."""
        none = np.empty((0, 0), np.float32)
        for index, _ in enumerate(inputs):
            yield EmbeddedBatch(indexes=(), vectors=none, tokens=0, postponed=((index, _LATER),))

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:  # noqa: ARG002
        """Raises InputRejected."""
        raise InputRejected(0, _LATER)

    def embed_query(self, text: EmbedInput) -> FloatVector:  # noqa: ARG002
        """Raises InputRejected."""
        raise InputRejected(0, _LATER)

    def close(self) -> None:
        """Nothing is open."""
