"""Ranking by cosine, exact: two indexes for two places where vectors lie.

``MatrixIndex`` serves collections. Their vectors lie in a file, which is mapped and searched where
it is, by numpy; FAISS would have to copy all of it into memory first. ``VectorIndex`` is for
vectors of one's own: a FAISS index keeps them in memory, to be added, removed and searched. Both
rank by the same exact scores, so that the same vectors give the same answer to the bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ragkit.errors import InvalidArgument
from ragkit.indexing.access import SharedAccess
from ragkit.indexing.scan import (
    exact_scores,
    rank_exactly,
    rank_sieved,
    sieve_error,
    sieve_many,
)
from ragkit.indexing.seam import FloatMatrix, FloatVector, IdArray, Ranking

__all__ = ["MatrixIndex", "VectorIndex"]

_SAMPLED = 512


class MatrixIndex:
    """Exact search over rows of a matrix that stays where it is, on disk or in memory.

    One query reads the whole matrix once, as fast as memory gives it; nothing is built or copied.
    Numpy's product is used rather than FAISS, whose index would be a second copy of the matrix,
    in memory. For one query FAISS is no quicker, for a batch of 64 FAISS 1.15 takes nine times as
    long at 100,000 x 384, and importing it would cost a search from the shell 0.1 to 0.4 s. Safe
    from several threads.

    Args:
        ids: int64 (n,), sorted, each once.
        slots: int64 (n,), the row of each id; passages of equal text share one.
        matrix: float32 (rows, d) with unit rows; rows that no slot names may hold anything.

    Raises:
        InvalidArgument: The arrays do not fit each other.
    """

    def __init__(self, *, ids: IdArray, slots: IdArray, matrix: FloatMatrix) -> None:
        self._ids = np.asarray(ids, np.int64)
        self._slots = np.asarray(slots, np.int64)
        # A plain view: np.memmap runs Python code on every slice.
        self._matrix = np.asarray(matrix)
        if self._matrix.ndim != 2 or self._ids.shape != self._slots.shape or self._ids.ndim != 1:
            raise InvalidArgument(
                f"ids {self._ids.shape}, slots {self._slots.shape} and matrix {self._matrix.shape}"
                " do not fit: give (n,), (n,) and (rows, d)"
            )
        if len(self._ids) > 1 and not (np.diff(self._ids) > 0).all():
            raise InvalidArgument("the ids are not sorted, or one is there twice: sort them")
        if len(slots) and not 0 <= self._slots.min() <= self._slots.max() < len(self._matrix):
            raise InvalidArgument(
                f"a slot lies outside the matrix of {len(self._matrix):,} rows: give its rows"
            )
        users = np.bincount(self._slots, minlength=len(self._matrix))
        self._used = None if users.all() else users > 0
        self._shared = users > 1
        # A hybrid search that is not sure yet asks again, deeper: it need not read it all twice.
        self._last: tuple[bytes, FloatVector] | None = None

    def __len__(self) -> int:
        """Number of ids."""
        return len(self._ids)

    def rank(self, vector: FloatVector, k: int, *, among: IdArray | None = None) -> Ranking:
        """The k best passages by cosine, ties by id; as ``VectorRanker.rank``.

        Args:
            vector: float32 (d,), unit length.
            k: How many; 1 or more.
            among: Sorted int64 ids that may be returned; those not in the index are passed over.

        Raises:
            InvalidArgument: k or the vector's shape cannot be used.
        """
        return self.rank_many(np.asarray(vector, np.float32)[None, :], k, among=among)[0]

    def rank_many(
        self, vectors: FloatMatrix, k: int, *, among: IdArray | None = None
    ) -> list[Ranking]:
        """``rank`` for each row of *vectors*, to the bit what each alone would give.

        Raises:
            InvalidArgument: k or the vectors' shape cannot be used.
        """
        _check_count("k", k)
        queries = self._checked(vectors)
        places = None if among is None else self._places(np.asarray(among, np.int64))[0]
        return [
            rank_sieved(
                rough,
                k,
                ids=self._ids,
                rows=self._slots,
                among=places,
                matrix=self._matrix,
                query=query,
            )
            for query, rough in zip(queries, self._sieved(queries), strict=True)
        ]

    def _sieved(self, queries: FloatMatrix) -> Iterator[FloatVector]:
        """Rough scores of all ids with each query; of a single one they are kept for its next."""
        last, key = self._last, queries[0].tobytes() if len(queries) == 1 else None
        if last is not None and last[0] == key:
            yield last[1]
            return
        for rough in sieve_many(self._matrix, self._used, queries):
            sieved = rough[self._slots]
            if key is not None:
                self._last = (key, sieved)
            yield sieved

    def scores(self, vector: FloatVector, ids: IdArray) -> FloatVector:
        """Cosine of given ids, float32 (len(ids),), the same to the bit as ``rank`` gives.

        NaN stands for an id that is not in the index.

        Raises:
            InvalidArgument: The vector's shape cannot be used.
        """
        query = self._checked(np.asarray(vector, np.float32)[None, :])[0]
        places, known = self._places(np.asarray(ids, np.int64))
        scores = np.full(len(ids), np.nan, np.float32)
        scores[known] = exact_scores(self._matrix, self._slots[places], query)
        return scores

    def estimates(self, vector: FloatVector, ids: IdArray) -> tuple[FloatVector, float]:
        """Cosines as ``scores``, to the error that is given beside them.

        After ``rank`` with the same vector nothing is computed.

        Raises:
            InvalidArgument: The vector's shape cannot be used.
        """
        query = self._checked(np.asarray(vector, np.float32)[None, :])
        places, known = self._places(np.asarray(ids, np.int64))
        estimates = np.full(len(ids), np.nan, np.float32)
        if len(places):
            (sieved,) = self._sieved(query)
            estimates[known] = sieved[places]
        return estimates, sieve_error(self._matrix.shape[1])

    def sample(self) -> IdArray:
        """512 ids, evenly spaced, or all there are; as ``VectorRanker.sample``."""
        places = np.linspace(0, len(self._ids) - 1, min(_SAMPLED, len(self._ids)))
        return self._ids[places.astype(np.int64)]

    def copies(self, id_: int) -> IdArray:
        """Sorted ids that share the row of this one, itself included; as ``VectorRanker.copies``.

        Where there are any, one million passages are looked through in 0.5 ms.
        """
        places, _ = self._places(np.array([id_], np.int64))
        if not self._shared[self._slots[places]].any():
            return self._ids[places]
        same: IdArray = self._ids[self._slots == self._slots[places[0]]]
        return same

    def _places(self, ids: IdArray) -> tuple[IdArray, npt.NDArray[np.bool_]]:
        """Positions of those ids that are in the index, and which they are."""
        places = np.searchsorted(self._ids, ids)
        known = places < len(self._ids)
        known[known] = self._ids[places[known]] == ids[known]
        return places[known], known

    def _checked(self, vectors: FloatMatrix) -> FloatMatrix:
        queries = np.ascontiguousarray(vectors, np.float32)
        if queries.ndim != 2 or queries.shape[1] != self._matrix.shape[1]:
            raise InvalidArgument(
                f"a query of shape {queries.shape[1:]} does not fit vectors of"
                f" {self._matrix.shape[1]} dimensions: embed it with the same model"
            )
        if not np.isfinite(queries).all():
            raise InvalidArgument("the query vector is not finite: embed the query again")
        return queries


class VectorIndex:
    """Exact cosine search over vectors of one's own, kept in memory by FAISS.

    FAISS finds the few rows in question, and those are scored again in float64. Scores are the
    same to the bit whatever the order of adding, the batch or the number of threads; hits of equal
    score come in the order of their ids. Safe from several threads: searches run beside each
    other, each on its caller's thread; adding and removing wait for those that are under way.

    Args:
        dimensions: Width of the vectors.

    Raises:
        InvalidArgument: The width is not a whole number of 1 or more.
    """

    def __init__(self, dimensions: int) -> None:
        _check_count("dimensions", dimensions)
        # Importing FAISS takes 0.1 to 0.4 s, which a search in a collection does not need.
        from ragkit.indexing.flat import FlatRows  # noqa: PLC0415

        self._dimensions = int(dimensions)
        self._rows = FlatRows(self._dimensions)
        # The id of each row, with room for more, and the row of each id.
        self._ids = np.empty(0, np.int64)
        self._places: dict[int, int] = {}
        self._access = SharedAccess()

    def __len__(self) -> int:
        """Number of vectors."""
        with self._access.shared():
            return len(self._places)

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        return self._dimensions

    def add(self, ids: Sequence[int] | IdArray, vectors: npt.ArrayLike) -> None:
        """Add vectors under ids; either all of them or, when it raises, none.

        Args:
            ids: n whole numbers from 0 up, each once and none of them in the index.
            vectors: (n, dimensions); copied as float32 and brought to unit length.

        Raises:
            InvalidArgument: An id is there already, twice or negative; a vector is of the wrong
                width, not finite, or zero.
        """
        names = _as_ids(ids)
        rows = unit_rows(vectors, self._dimensions)
        if len(names) != len(rows):
            raise InvalidArgument(f"{len(names)} ids for {len(rows)} vectors: give as many of each")
        with self._access.alone():
            known = next((id_ for id_ in names if id_ in self._places), None)
            if known is not None:
                raise InvalidArgument(f"id {known} is in the index already: remove it first")
            first = len(self._places)
            last = first + len(names)
            if last > len(self._ids):
                grown = np.empty(max(last, 2 * first), np.int64)
                grown[:first] = self._ids[:first]
                self._ids = grown
            self._ids[first:last] = names
            try:
                self._rows.append(rows)
                self._places.update(zip(names, range(first, last), strict=True))
            finally:
                # Out of memory or interrupted: rows without an id must not be found.
                self._rows.keep(len(self._places))

    def remove(self, ids: Sequence[int] | IdArray) -> None:
        """Remove vectors; either all of them or, when it raises, none.

        Raises:
            InvalidArgument: An id is not in the index, or given twice.
        """
        names = _as_ids(ids)
        with self._access.alone():
            unknown = next((id_ for id_ in names if id_ not in self._places), None)
            if unknown is not None:
                raise InvalidArgument(f"id {unknown} is not in the index: leave it out")
            # The last rows fill the gaps: the cost goes with what is removed, and none is dead.
            left = len(self._places) - len(names)
            gone = np.fromiter((self._places[id_] for id_ in names), np.int64, len(names))
            gaps = gone[gone < left]
            last = np.arange(left, len(self._places), dtype=np.int64)
            last = last[~np.isin(last, gone)]
            self._rows.move(last, gaps)
            self._ids[gaps] = self._ids[last]
            for id_ in names:
                del self._places[id_]
            self._places.update(zip(self._ids[gaps].tolist(), gaps.tolist(), strict=True))
            self._rows.keep(left)

    def search(self, vectors: npt.ArrayLike, k: int) -> tuple[FloatMatrix, npt.NDArray[np.int64]]:
        """The k nearest of each query by cosine, best first, ties by id.

        Args:
            vectors: (n, dimensions), or (dimensions,) for one query; any length but zero.
            k: How many; 1 or more.

        Returns:
            Cosines float32 (n, k) and ids int64 (n, k). Where the index holds fewer than k
            vectors, the places left over have the id -1 and the score -inf.

        Raises:
            InvalidArgument: k is below 1; a query is of the wrong width, not finite, or zero.
        """
        _check_count("k", k)
        queries = unit_rows(vectors, self._dimensions, single=True)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        with self._access.shared():
            matrix = self._rows.matrix
            for place, rows in enumerate(self._rows.in_question(queries, int(k))):
                best, cosines = rank_exactly(
                    self._ids[rows], rows, k, matrix=matrix, query=queries[place]
                )
                ids[place, : len(best)] = best
                scores[place, : len(best)] = cosines
        return scores, ids


def unit_rows(vectors: npt.ArrayLike, dimensions: int, *, single: bool = False) -> FloatMatrix:
    """A float32 copy, (n, dimensions), each row brought to unit length.

    Args:
        vectors: (n, dimensions); with *single* also (dimensions,).
        dimensions: Width that is asked for.
        single: Whether one vector may stand without its list.

    Raises:
        InvalidArgument: The width is wrong, or a row is not finite or zero.
    """
    try:
        with np.errstate(over="ignore"):
            rows = np.array(vectors, np.float32, order="C")
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"the vectors are not numbers in rows of one length: give (n, {dimensions})"
        ) from error
    if rows.ndim == 1 and (single or not len(rows)):
        rows = rows[None, :] if len(rows) else rows.reshape(0, dimensions)
    if rows.ndim != 2 or rows.shape[1] != dimensions:
        raise InvalidArgument(f"vectors of shape {rows.shape}: give (n, {dimensions})")
    # Squares in float64: those of a large float32 vector would overflow.
    with np.errstate(invalid="ignore"):
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        kind = "zero" if lengths[bad[0]] == 0 else "not finite"
        raise InvalidArgument(f"vector {bad[0]} is {kind}: it has no direction, leave it out")
    np.divide(rows, lengths[:, None], out=rows, casting="same_kind")
    return rows


def _as_ids(ids: Sequence[int] | IdArray) -> list[int]:
    names = np.asarray(ids)
    if names.ndim != 1 or (names.size and names.dtype.kind not in "iu"):
        raise InvalidArgument("the ids are not a list of whole numbers: give one for each vector")
    listed: list[int] = names.tolist()
    if len(set(listed)) != len(listed):
        raise InvalidArgument("an id is given twice: give each once")
    if listed and not 0 <= min(listed) <= max(listed) < 2**63:
        raise InvalidArgument("an id is negative or over 2**63 - 1: ids are int64 from 0 up")
    return listed


def _check_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InvalidArgument(f"{name}={value!r}: give a whole number, 1 or more")
