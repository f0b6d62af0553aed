"""Unit rows kept in a FAISS index, which sieves out the few that a query is about.

FAISS is imported with this module, so it is to be imported late: that takes 0.1 to 0.4 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss
import numpy as np

from ragkit.indexing.scan import sieve_error
from ragkit.indexing.seam import FloatMatrix, IdArray

__all__ = ["FlatRows"]

# Below this many rows the memory that a shrunken index holds is not worth a copy.
_SMALL_ROWS = 1024


class FlatRows:
    """Rows 0 to n - 1 in a ``faiss.IndexFlatIP``, the only copy of them.

    FAISS lets many search at a time, or one change: the caller sees to that.

    Args:
        dimensions: Width of the rows.
    """

    def __init__(self, dimensions: int) -> None:
        self._index = faiss.IndexFlatIP(dimensions)
        self._most = 0

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._index.ntotal)

    @property
    def matrix(self) -> FloatMatrix:
        """FAISS's own memory, float32 (n, d); not to be used after the next change of the rows."""
        count, dimensions = len(self), int(self._index.d)
        if not count:
            return np.empty((0, dimensions), np.float32)
        view: FloatMatrix = faiss.rev_swig_ptr(self._index.get_xb(), count * dimensions)
        return view.reshape(count, dimensions)

    def append(self, rows: FloatMatrix) -> None:
        """Add rows, float32 (m, d) of unit length, after those that are there."""
        self._index.add(rows)
        self._most = max(self._most, len(self))

    def move(self, sources: IdArray, targets: IdArray) -> None:
        """Copy some rows over others, int64 (m,) each; no row is both source and target."""
        self.matrix[targets] = self.matrix[sources]

    def keep(self, count: int) -> None:
        """Drop all rows from *count* on."""
        if len(self) > count:
            # From the end nothing is moved: 0.2 ms at 100,000 x 384, from the middle 12 ms. Dead
            # rows behind an IDSelector would shut out FAISS's matrix product for large batches.
            self._index.remove_ids(faiss.IDSelectorRange(count, len(self)))
        if max(4 * count, _SMALL_ROWS) < self._most:
            smaller = faiss.IndexFlatIP(int(self._index.d))
            smaller.add(self.matrix)
            self._index, self._most = smaller, count

    def in_question(self, queries: FloatMatrix, k: int) -> Iterator[IdArray]:
        """For each query the rows that may be among its k best by exact score, in no order.

        FAISS's scores are rounded, and differently from batch to batch. So a row is left out only
        if its score is further below the k-th than twice the error that rounding can make.

        Args:
            queries: float32 (q, d), unit rows, C order.
            k: How many; 1 or more.
        """
        count = len(self)
        # The margin holds the doubtful rows unless many vectors are nearly equal.
        wanted = k + k // 4 + 8
        if wanted >= count:
            yield from (np.arange(count, dtype=np.int64) for _ in queries)
            return
        if not len(queries):
            return
        with _one_thread():
            scores, rows = self._index.search(queries, wanted)
        doubt = 2 * sieve_error(int(self._index.d))
        for place, (rough, found) in enumerate(zip(scores, rows, strict=True)):
            cut = float(rough[k - 1]) - doubt
            if rough[-1] < cut:
                yield found[rough >= cut]
                continue
            # One more pass, however many are equal; doubling the margin takes up to a dozen.
            with _one_thread():
                _, _, above = self._index.range_search(queries[place : place + 1], cut)
            yield above


@contextmanager
def _one_thread() -> Iterator[None]:
    """FAISS searches on the calling thread alone, and nobody else's FAISS is touched.

    OpenMP keeps this number for each calling thread, not for the process. Without it FAISS shares
    even one query out among threads that wait by spinning: 0.6 ms at 10,000 x 384 become 30 ms on
    a busy machine. And a child that is forked after such a search hangs in its own first one.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
