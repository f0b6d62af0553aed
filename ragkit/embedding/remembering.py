"""Questions that are asked over and over are embedded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ragkit.embedding.seam import (
    EmbeddedBatch,
    Embedder,
    EmbedInput,
    FloatMatrix,
    FloatVector,
    Role,
    embed_all,
    embed_one,
)
from ragkit.models.fingerprint import Fingerprint

__all__ = ["RememberingEmbedder"]


class RememberingEmbedder:
    """An ``Embedder`` that keeps the vectors of all questions it was asked for as long as it lives.

    For measurements, which ask one set of questions in dozens of ways; a service that never ends
    would fill its memory.

    Args:
        embedder: Makes the vectors; whoever made it closes it.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, FloatVector] = {}

    @property
    def fingerprint(self) -> Fingerprint:
        """As ``Embedder.fingerprint``."""
        return self._embedder.fingerprint

    @property
    def max_tokens(self) -> int:
        """As ``Embedder.max_tokens``."""
        return self._embedder.max_tokens

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:
        """As ``Embedder.embed``; questions in words come as one batch, and cost once.

        Raises:
            InputRejected: For the first new question that the model does not take.
        """
        asked = list(inputs)
        if role != "query" or not all(isinstance(one, str) for one in asked):
            yield from self._embedder.embed(asked, role=role)
            return
        texts = [str(one) for one in asked]
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            self._known.update(zip(new, embed_all(self._embedder, new, role), strict=True))
        if texts:
            yield EmbeddedBatch(
                indexes=tuple(range(len(texts))),
                vectors=np.stack([self._known[text] for text in texts]),
                tokens=0,
            )

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """As ``Embedder.embed_documents``."""
        return self._embedder.embed_documents(texts)

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """As ``Embedder.embed_query``."""
        return embed_one(self, text)

    def close(self) -> None:
        """Nothing: the embedder belongs to whoever made it."""
