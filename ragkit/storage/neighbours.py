"""Which passages stand before and after others, under the same headings of the same document.

Pictures come after all of a document's text: they have one another for neighbours, and no text. So
have passages that are all letters of a file: they say nothing about the text around them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ragkit.storage.seam import IdArray

__all__ = ["NeighbourMap", "read_neighbours"]

_VARIABLES = 500
# The first schemas that have pictures, and that know what is a file.
_PICTURES, _ENCODED = 4, 10


def read_neighbours(
    connection: sqlite3.Connection,
    ids: IdArray,
    alive: Callable[[str], str],
    *,
    schema: int,
) -> tuple[IdArray, IdArray]:
    """Neighbours of a few passages, as ``PassageStore.neighbours``; 200 of them take 2 ms.

    Args:
        connection: Inside a read transaction.
        ids: Any ids.
        alive: The condition that a row of a table (by its name in the statement) is alive.
        schema: Of the database.
    """
    found: dict[tuple[int, int], int] = {}
    listed = ids.tolist()
    for start in range(0, len(listed), _VARIABLES):
        some = listed[start : start + _VARIABLES]
        query = f"""SELECT here.id, beside.ordinal - here.ordinal, beside.id
            FROM passages AS here JOIN passages AS beside
            ON beside.document_id = here.document_id
            AND beside.ordinal IN (here.ordinal - 1, here.ordinal + 1)
            AND beside.headings = here.headings
            AND {_kind("beside", schema)} = {_kind("here", schema)}
            WHERE here.id IN ({",".join("?" * len(some))})
            AND {alive("here")} AND {alive("beside")}"""  # noqa: S608
        found.update(((row[0], row[1]), row[2]) for row in connection.execute(query, some))
    before = [found.get((id_, -1), -1) for id_ in listed]
    after = [found.get((id_, 1), -1) for id_ in listed]
    return np.array(before, np.int64), np.array(after, np.int64)


class NeighbourMap:
    """The neighbours of all living passages of a generation, in memory: 24 bytes a passage.

    100,000 passages take 0.15 s to read; after that a thousand are answered in 0.1 ms.
    """

    def __init__(self, ids: IdArray, before: IdArray, after: IdArray) -> None:
        self._ids = ids
        self._before = before
        self._after = after

    @classmethod
    def read(
        cls, connection: sqlite3.Connection, alive: Callable[[str], str], *, schema: int
    ) -> NeighbourMap:
        """Read them inside a read transaction."""
        query = f"""SELECT id, document_id, headings, {_kind("passages", schema)} FROM passages
            WHERE {alive("passages")} ORDER BY document_id, ordinal"""  # noqa: S608
        rows = connection.execute(query).fetchall()
        ids = np.array([row[0] for row in rows], np.int64)
        beside = np.array([one[1:] == next_[1:] for one, next_ in pairwise(rows)], np.bool_)
        before, after = np.full(len(ids), -1, np.int64), np.full(len(ids), -1, np.int64)
        before[1:][beside] = ids[:-1][beside]
        after[:-1][beside] = ids[1:][beside]
        order = np.argsort(ids, kind="stable")
        return cls(ids[order], before[order], after[order])

    def of(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """As ``PassageStore.neighbours``."""
        places = np.searchsorted(self._ids, ids)
        places[places == len(self._ids)] = 0
        known = self._ids[places] == ids if len(self._ids) else np.zeros(len(ids), np.bool_)
        before, after = np.full(len(ids), -1, np.int64), np.full(len(ids), -1, np.int64)
        before[known] = self._before[places[known]]
        after[known] = self._after[places[known]]
        return before, after


def _kind(table: str, schema: int) -> str:
    """0 for text, 1 for a picture, 2 for letters of a file, as SQL."""
    picture = f"{table}.image IS NOT NULL" if schema >= _PICTURES else "0"
    encoded = f"{table}.encoded IS NOT NULL AND {table}.slot IS NULL"
    return (
        f"CASE WHEN {picture} THEN 1 WHEN {encoded if schema >= _ENCODED else 0} THEN 2 ELSE 0 END"
    )
