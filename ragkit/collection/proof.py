"""Vectors that are looked at before anybody believes them."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import numpy as np

from ragkit.errors import CollectionDamaged
from ragkit.indexing.seam import FloatMatrix, FloatVector, IdArray, Ranking, VectorRanker
from ragkit.storage.snapshot import Snapshot

__all__ = ["Proof", "ProvenVectorRanker"]

# So many of the best are looked at: a vector that a changed byte made better than it is is there.
_FIRST = 100


class Proof:
    """Which rows of a generation's matrix are known to be what was stored; for all threads.

    Args:
        matrix: float32 (rows, d).
    """

    def __init__(self, matrix: FloatMatrix) -> None:
        self._matrix = matrix
        self._proven: set[int] = set()

    def prove(self, snapshot: Snapshot, ids: IdArray) -> None:
        """Compare the vectors of passages with their checksums, each of them once.

        Raises:
            CollectionDamaged: One is another.
        """
        new = [id_ for id_ in ids.tolist() if id_ not in self._proven]
        for id_, slot, known_slot, checksum in snapshot.vector_sums(new):
            row = self._matrix[slot] if 0 <= slot < len(self._matrix) else None
            if row is None or slot != known_slot or zlib.crc32(row.tobytes()) != checksum:
                raise CollectionDamaged(
                    f"the vector of passage {id_} is not what was stored: `ragkit verify` says"
                    " where, and `ragkit verify --repair` what to embed again"
                )
        self._proven.update(new)


class ProvenVectorRanker:
    """A ``VectorRanker`` that vouches for what it ranks first.

    Args:
        ranker: Ranks.
        prove: Raises where the vector of one of some passages is not what was stored.
    """

    def __init__(self, ranker: VectorRanker, prove: Callable[[IdArray], None]) -> None:
        self._ranker = ranker
        self._prove = prove

    def rank(self, vector: FloatVector, k: int, *, among: IdArray | None = None) -> Ranking:
        """As ``VectorRanker.rank``.

        Raises:
            CollectionDamaged: A vector is not what was stored.
        """
        ranking = self._ranker.rank(vector, k, among=among)
        self._prove(ranking.ids[:_FIRST])
        return ranking

    def scores(self, vector: FloatVector, ids: IdArray) -> FloatVector:
        """As ``VectorRanker.scores``.

        Raises:
            CollectionDamaged: A vector is not what was stored.
        """
        scores = self._ranker.scores(vector, ids)
        self._prove(np.asarray(ids)[:_FIRST])
        return scores

    def estimates(self, vector: FloatVector, ids: IdArray) -> tuple[FloatVector, float]:
        """As ``VectorRanker.estimates``; whatever is decided by them is asked for again."""
        return self._ranker.estimates(vector, ids)

    def sample(self) -> IdArray:
        """As ``VectorRanker.sample``."""
        return self._ranker.sample()

    def copies(self, id_: int) -> IdArray:
        """As ``VectorRanker.copies``."""
        return self._ranker.copies(id_)
