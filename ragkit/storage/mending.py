"""What can be made right again in a damaged database, without a model and without a file.

Nothing here makes a text or a vector: rows that are not what was written go, and so does what only
they led to. What went is read or embedded again by the next sync.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ragkit.storage.rows import path_from_value
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.states import Root
from ragkit.storage.sums import holds, seal_rows

__all__ = ["Mending", "Wanted", "mend_settings", "rebuild_indexes"]

_VARIABLES = 500
# Settings that decide what the collection is; the others are learnt again, or told by the rows.
_IDENTITY = (
    *("fingerprint", "model", "base_url", "provider", "input_type", "passage_tokens", "profile"),
    *("dialect", "matrix"),
)
# Ids are never given twice: those of passages that are gone lie below this much more.
_SPARE_IDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A passage whose vector is not there, and not because the model refused its text.

    Attributes:
        id: Its id.
        root: Name of the root.
        source: Of its document.
    """

    id: int
    root: str
    source: str


def rebuild_indexes(connection: sqlite3.Connection) -> None:
    """Make every index of the database anew from its table."""
    connection.execute("REINDEX")


def mend_settings(connection: sqlite3.Connection) -> tuple[list[str], list[str]]:
    """Take out settings that are not what was written; those that the rows tell are made again.

    Belongs inside the caller's transaction.

    Returns:
        The names of those that are right again, and of those that nothing tells.
    """
    query = f"SELECT key FROM settings WHERE NOT ({holds('settings')})"  # noqa: S608
    names = [str(row[0]) for row in connection.execute(query)]
    lost = [name for name in names if name in _IDENTITY]
    for name in names:
        if name in lost:
            continue
        connection.execute("DELETE FROM settings WHERE key = ?", (name,))
        value = _told_by_rows(connection, name)
        if value is not None:
            connection.execute(
                "INSERT INTO settings (key, value) VALUES (?, ?)", (name, json.dumps(value))
            )
    seal_rows(connection, "settings", "checksum IS NULL")
    return [name for name in names if name not in lost], lost


def _told_by_rows(connection: sqlite3.Connection, name: str) -> int | None:
    if name == "next_passage_id":
        most = connection.execute("SELECT coalesce(max(id), 0) FROM passages").fetchone()[0]
        return int(most) + 1 + _SPARE_IDS
    if name == "generation":
        # Rows that were staged and never committed have no id yet, or one still to be given.
        row = connection.execute(
            """SELECT max(born) FROM passages WHERE id IS NOT NULL AND id < coalesce(
            (SELECT CAST(value AS INTEGER) FROM settings WHERE key = 'next_passage_id'), id + 1)"""
        ).fetchone()
        return int(row[0] or 0)
    return None


class Mending:
    """The steps of a repair, on the writer's connection and inside its transaction.

    Args:
        snapshot: The newest generation, through that connection.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._connection = snapshot.connection

    def drop_vectors(self, rows: Iterable[tuple[int, int]]) -> int:
        """Forget vectors, by matrix and slot, that are not what was stored; how many there were."""
        dropped = sum(
            self._connection.execute(
                "DELETE FROM vectors WHERE matrix = ? AND slot = ?", row
            ).rowcount
            for row in sorted(rows)
        )
        # What was noted of a refusal can be asked for again.
        return (
            dropped
            + self._connection.execute(
                """DELETE FROM vectors WHERE slot IS NULL AND checksum IS NOT row_sum(key, reason)
                OR matrix NOT IN (SELECT number FROM matrices)"""
            ).rowcount
        )

    def place_passages(self) -> int:
        """Let each passage name the row of its key, or none; how many did not."""
        slot = f"""(SELECT slot FROM vectors WHERE vectors.key = passages.key
            AND vectors.matrix = {int(self._snapshot.matrix)})"""  # noqa: S608
        return self._connection.execute(
            f"UPDATE passages SET slot = {slot} WHERE slot IS NOT {slot}"  # noqa: S608
        ).rowcount

    def remove_orphans(self) -> int:
        """Remove rows that name what is not there; how many there were."""
        removed = 0
        for statement in (
            "DELETE FROM documents WHERE root_id NOT IN (SELECT id FROM roots)",
            "DELETE FROM passages WHERE document_id NOT IN (SELECT id FROM documents)",
            "DELETE FROM problems WHERE root_id NOT IN (SELECT id FROM roots)",
            "DELETE FROM spending WHERE run NOT IN (SELECT run FROM ledger)",
            f"DELETE FROM problems WHERE NOT ({holds('problems')})",  # noqa: S608
        ):
            removed += self._connection.execute(statement).rowcount
        return removed

    def take_roots(self) -> list[Root]:
        """The roots that are not what was written, taken as they are so that they can go."""
        query = f"SELECT id, name, path, is_file FROM roots WHERE NOT ({holds('roots')})"  # noqa: S608
        rows = self._connection.execute(query).fetchall()
        seal_rows(self._connection, "roots")
        return [
            Root(id=row[0], name=str(row[1]), path=path_from_value(row[2]), is_file=bool(row[3]))
            for row in rows
        ]

    def unnameable(self, documents: Iterable[int]) -> Iterator[int]:
        """Those of the documents whose name or facts are not what was written."""
        query = f"SELECT 1 FROM documents WHERE id = ? AND NOT ({holds('documents')})"  # noqa: S608
        for id_ in documents:
            if self._connection.execute(query, (id_,)).fetchone():
                yield id_

    def mend_sums(self) -> int:
        """Take what was noted of money and models as it is; how many rows were otherwise written.

        What was spent cannot be asked for again.
        """
        mended = 0
        for table in ("ledger", "spending", "expenses", "matrices"):
            number = self._connection.execute(
                f"SELECT count(*) FROM {table} WHERE NOT ({holds(table)})"  # noqa: S608
            ).fetchone()[0]
            if number:
                seal_rows(self._connection, table)
                mended += number
        return mended

    def wanted(self) -> list[Wanted]:
        """Living passages that need a vector, one for each text, in the order of their ids."""
        rows = self._connection.execute(
            f"""SELECT min(passages.id), roots.name, documents.source FROM passages
            JOIN documents ON documents.id = document_id JOIN roots ON roots.id = root_id
            WHERE slot IS NULL AND key NOT IN (SELECT key FROM vectors)
            AND {self._alive()} GROUP BY key ORDER BY 1"""  # noqa: S608
        )
        return [Wanted(id=row[0], root=row[1], source=row[2]) for row in rows]

    def _alive(self) -> str:
        g = int(self._snapshot.generation)
        return f"passages.born <= {g} AND (passages.died IS NULL OR passages.died > {g})"
