"""Exact ranking by inner product, the same to the bit whatever the batch and the threads.

A matrix product, numpy's or FAISS's, adds up in an order that depends on its shape, so that its
last bits differ from batch to batch and even between equal rows. It is therefore used as a sieve
only: every row that its rounding error leaves in question is scored again in float64, row by row,
and the order goes by those scores. That costs 0.1 ms for 200 rows of 384, and makes ties by id mean
something.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from ragkit.errors import CollectionDamaged
from ragkit.indexing.seam import FloatMatrix, FloatVector, IdArray, Ranking

__all__ = ["exact_scores", "rank_exactly", "rank_sieved", "sieve_error", "sieve_many"]

# Floats in one block of gathered rows or of scores: 32 MiB.
_BLOCK_FLOATS = 8 * 2**20
# Of a float64 copy that stays in the cache until it is added up: 1 MiB.
_WIDE_FLOATS = 128 * 2**10
# One thread reads this much in about 1 ms. The product would wake another thread for it, which
# saves half of that on an idle machine and costs 10 ms on a busy one.
_ALONE_FLOATS = 8 * 2**20

_BoolArray = npt.NDArray[np.bool_]


def sieve_error(dimensions: int) -> float:
    """How far a float32 inner product of two unit vectors can be from the true one.

    Twice the textbook bound for sums in any order, which is ``dimensions * eps / 2``: rows are of
    unit length only to the last bits.
    """
    return dimensions * float(np.finfo(np.float32).eps)


def exact_scores(matrix: FloatMatrix, rows: IdArray, query: FloatVector) -> FloatVector:
    """Inner products of some rows with *query*: float32 (len(rows),), correctly rounded.

    Each row is added up alone and in the same order, so equal rows score equal.
    """
    wide = query.astype(np.float64)
    scores = np.empty(len(rows), np.float32)
    step = max(1, _WIDE_FLOATS // max(matrix.shape[1], 1))
    for start in range(0, len(rows), step):
        block = matrix[rows[start : start + step]].astype(np.float64)
        block *= wide
        scores[start : start + step] = block.sum(axis=1)
    return scores


def sieve_many(
    matrix: FloatMatrix, used: _BoolArray | None, queries: FloatMatrix
) -> Iterator[FloatVector]:
    """Rough inner products of all rows with each query, float32 (rows,), in order of the queries.

    Args:
        matrix: float32 (rows, d).
        used: Which rows to look at; the scores of others mean nothing. None for all of them.
        queries: float32 (n, d).
    """
    rows = len(matrix)
    together = max(1, min(len(queries), 2 * _BLOCK_FLOATS // max(rows, 1)))
    # Reading through the gaps is cheaper than gathering until most of the matrix is gaps.
    gathered = None
    if used is not None and 4 * int(np.count_nonzero(used)) < rows:
        gathered = np.flatnonzero(used)
    for start in range(0, len(queries), together):
        batch = queries[start : start + together]
        scores = np.empty((len(batch), rows), np.float32)
        # Rows that are not used may hold anything, and whatever comes of them is not looked at.
        with np.errstate(all="ignore"):
            if gathered is None and len(batch) == 1 and matrix.size <= _ALONE_FLOATS:
                np.einsum("ij,j->i", matrix, batch[0], out=scores[0])
            elif gathered is None:
                np.matmul(batch, matrix.T, out=scores)
            else:
                step = max(1, _BLOCK_FLOATS // max(matrix.shape[1], 1))
                for first in range(0, len(gathered), step):
                    some = gathered[first : first + step]
                    scores[:, some] = batch @ matrix[some].T
        yield from scores


def rank_sieved(
    rough: FloatVector,
    k: int,
    *,
    ids: IdArray,
    rows: IdArray,
    among: IdArray | None,
    matrix: FloatMatrix,
    query: FloatVector,
) -> Ranking:
    """The k best of *ids*, by exact score, ties by id.

    Args:
        rough: Sieve scores, one for each id.
        k: How many; 1 or more.
        ids: Sorted ids.
        rows: Row of the matrix for each id.
        among: Positions in *ids* that may be returned; None for all.
        matrix: Where the exact scores come from.
        query: float32 (d,), unit length.

    Raises:
        CollectionDamaged: A vector is not finite.
    """
    if not len(ids):
        return Ranking(
            ids=np.empty(0, np.int64), scores=np.empty(0, np.float32), lowest=0.0, highest=0.0
        )
    if not np.isfinite(rough.sum()):
        bad = ids[~np.isfinite(rough)]
        raise CollectionDamaged(
            f"the vector of passage {bad[0] if len(bad) else ids[0]} is not a unit vector: the"
            " file of vectors is damaged, restore it or index again"
        )
    doubt = 2 * sieve_error(matrix.shape[1])
    lowest = exact_scores(matrix, np.unique(rows[rough <= rough.min() + doubt]), query).min()
    highest = exact_scores(matrix, np.unique(rows[rough >= rough.max() - doubt]), query).max()
    some = rough if among is None else rough[among]
    last = np.partition(some, len(some) - k)[len(some) - k] if 0 < k < len(some) else -np.inf
    candidates = np.flatnonzero(some >= last - doubt)
    if among is not None:
        candidates = among[candidates]
    best, scores = rank_exactly(ids[candidates], rows[candidates], k, matrix=matrix, query=query)
    return Ranking(ids=best, scores=scores, lowest=float(lowest), highest=float(highest))


def rank_exactly(
    ids: IdArray, rows: IdArray, k: int, *, matrix: FloatMatrix, query: FloatVector
) -> tuple[IdArray, FloatVector]:
    """The k best of a few ids and their exact scores, best first, ties by id.

    Args:
        ids: int64 (n,), in any order.
        rows: Row of the matrix for each id; a row that several share is scored once.
        k: How many; 1 or more.
        matrix: float32 (rows, d).
        query: float32 (d,), unit length.
    """
    distinct, back = np.unique(rows, return_inverse=True)
    scores = exact_scores(matrix, distinct, query)[back]
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]
