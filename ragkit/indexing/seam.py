"""The seams of the indexes: one ranks passages by a vector, one by words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["FloatMatrix", "FloatVector", "IdArray", "Ranking", "VectorRanker", "WordRanker"]

FloatVector = npt.NDArray[np.float32]
FloatMatrix = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The best passages of one list.

    Attributes:
        ids: int64 (n,), best first; ties by id.
        scores: float32 (n,), higher is better: cosine or BM25.
        lowest: The lowest score of any passage in the index, for min-max scaling; 0 for words,
            where a passage without a word of the query scores 0.
        highest: The highest score of any passage in the index, whatever the filter.
        full: What counts as having all that was asked for: ``highest``, or more where no passage
            does. For words it is what each word of the query would score, once in a passage of
            average length.
        leading: Ids of the best few passages in the index, whatever the filter; for words alone.
        leading_scores: Their scores.
        is_quoted: Whether passages have the whole question word for word, and that is so long that
            it is no chance; for words alone.
    """

    ids: IdArray
    scores: FloatVector
    lowest: float
    highest: float
    full: float = 0.0
    leading: IdArray = field(default_factory=lambda: np.empty(0, np.int64))
    leading_scores: FloatVector = field(default_factory=lambda: np.empty(0, np.float32))
    is_quoted: bool = False


class VectorRanker(Protocol):
    """Ranks passages by cosine with a query vector."""

    def rank(self, vector: FloatVector, k: int, *, among: IdArray | None = None) -> Ranking:
        """The k best passages, or all there are; ``among`` (sorted ids) restricts them.

        ``lowest`` and ``highest`` are of the whole index, so that a filter does not move scores.
        """
        ...

    def scores(self, vector: FloatVector, ids: IdArray) -> FloatVector:
        """Cosine of these passages, float32 (len(ids),); NaN for an id that is not in the index."""
        ...

    def estimates(self, vector: FloatVector, ids: IdArray) -> tuple[FloatVector, float]:
        """Cosines as ``scores``, but cheap, and how far from those they can be: 0 or more."""
        ...

    def sample(self) -> IdArray:
        """Sorted ids of passages from everywhere in the index, some hundred or all there are."""
        ...

    def copies(self, id_: int) -> IdArray:
        """Sorted ids of the passages whose embedded text, and so vector, is that of this one.

        It is among them, unless it is not in the index.
        """
        ...


class WordRanker(Protocol):
    """Ranks passages by BM25 with the words of a query."""

    def languages(self) -> Mapping[str, float]:
        """Share of the passages that are in each language, by ISO 639-1 code."""
        ...

    def rank(self, query: str, k: int, *, among: IdArray | None = None) -> Ranking:
        """The k best passages with a word of the query; ``among`` (sorted ids) restricts them."""
        ...

    def scores(self, query: str, ids: IdArray) -> FloatVector:
        """BM25 of these passages, float32 (len(ids),); 0 for one without a word of the query."""
        ...
