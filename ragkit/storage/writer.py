"""The one writer of a collection, and the steps of a sync as it sees them.

Vectors are durable as soon as ``vectors.add`` returns. Documents are staged under the coming
generation, invisible and without need to last; ``seal`` gives them their ids, and ``commit`` makes
them visible with one update.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ragkit.errors import CollectionError
from ragkit.storage.connecting import atomic
from ragkit.storage.document_writer import DocumentWriter
from ragkit.storage.expenses import Expense, add_expenses
from ragkit.storage.leftovers import remove_dead, undo_staged
from ragkit.storage.mending import Mending
from ragkit.storage.rows import path_value
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import STAGED_SETTING, Staged
from ragkit.storage.states import Problem, Root
from ragkit.storage.sums import seal_rows
from ragkit.storage.vectors import VectorWriter

__all__ = ["Sealed", "Writer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What the coming generation changes, as the indexes need to know it.

    Attributes:
        gone: Ids whose entry must go: the passage died, or its document has another name now.
        come: Ids whose entry must be made.
    """

    gone: npt.NDArray[np.int64]
    come: npt.NDArray[np.int64]


class Writer(DocumentWriter):
    """Made by ``Store.writing`` only, which holds the lock."""

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._clear_leftovers()
        snapshot = self.snapshot()
        self.generation = snapshot.generation
        self.vectors = VectorWriter(directory, connection)
        self.vectors.write_to(snapshot.matrix)

    def close(self) -> None:
        """Give back the files."""
        self.vectors.close()
        self._connection.close()

    def snapshot(self, *, coming: bool = False) -> Snapshot:
        """The committed generation, or the staged one, through the writer's own connection."""
        return Snapshot(self._connection, coming=coming)

    # --- settings and roots

    def set(self, values: Mapping[str, object]) -> None:
        """Keep settings of the collection; values are plain JSON."""
        with atomic(self._connection):
            self._set(values)

    @contextlib.contextmanager
    def mending(self) -> Iterator[Mending]:
        """Mend rows of the newest generation, all of it in one transaction."""
        with atomic(self._connection):
            yield Mending(self.snapshot())

    def note(self, expenses: Iterable[Expense]) -> None:
        """Add to the ledger what was spent beside the texts."""
        with atomic(self._connection):
            add_expenses(self._connection, expenses)

    def decide(self, identity: Mapping[str, object]) -> None:
        """Keep the settings that decide the vectors, and let these lie in their matrix."""
        with atomic(self._connection):
            matrix = self.vectors.matrix_of(str(identity["fingerprint"]))
            self._set({**identity, "matrix": matrix})
        self.vectors.write_to(matrix)

    def add_root(self, name: str, path: str, *, is_file: bool) -> Root:
        """Stage a root, or give the one of that name its path."""
        coming = self._coming_roots()
        with atomic(self._connection):
            if name not in coming.union(root.name for root in self.snapshot().roots()):
                self._set({"coming_roots": sorted(coming | {name})})
            row = self._connection.execute(
                """INSERT INTO roots (name, path, is_file) VALUES (?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET path = excluded.path, is_file = excluded.is_file
                RETURNING id""",
                (name, path_value(path), is_file),
            ).fetchone()
            seal_rows(self._connection, "roots", "id = ?", row)
        return Root(id=row[0], name=name, path=path, is_file=is_file)

    # --- the end of a sync

    def seal(self) -> Sealed:
        """Give the staged passages their ids, in the order (root, source, start).

        The order does not depend on which batch was answered first; ids are never reused.
        """
        born, first = self.generation + 1, self.snapshot().setting("next_passage_id", 1)
        with atomic(self._connection):
            self._connection.execute(
                # The sum of a passage has its id above that of the rest.
                """UPDATE passages SET id = numbered.id, checksum = checksum + (numbered.id << 32)
                FROM (
                    SELECT passages.row AS row, ? - 1 + row_number() OVER (
                        ORDER BY roots.name, documents.source, passages.ordinal) AS id
                    FROM passages JOIN documents ON documents.id = passages.document_id
                    JOIN roots ON roots.id = documents.root_id
                    WHERE passages.born = ? AND passages.id IS NULL
                ) AS numbered WHERE passages.row = numbered.row""",
                (first, born),
            )
        # Words are looked up by path and cut to their stems by language, so that both count.
        places = """SELECT passages.id, root_id, source, language FROM passages
            JOIN documents ON documents.id = document_id WHERE passages."""
        old, new = f"{places}died = :born", f"{places}born = :born"
        return Sealed(gone=self._differing(old, new, born), come=self._differing(new, old, born))

    def _differing(self, these: str, those: str, born: int) -> npt.NDArray[np.int64]:
        # In SQLite, which sorts on the disk what does not fit its memory: after a change of the
        # passages' size these are all of them.
        query = f"SELECT DISTINCT id FROM ({these} EXCEPT {those}) ORDER BY id"  # noqa: S608
        rows = self._connection.execute(query, {"born": born})
        return np.fromiter((row[0] for row in rows), np.int64)

    def commit(
        self,
        *,
        settings: Mapping[str, object],
        problems: Iterable[Problem],
        roots: Iterable[Root],
        forgotten: Iterable[Root] = (),
    ) -> None:
        """Make the staged generation the one that readers see.

        Args:
            settings: To be kept in the same transaction, such as the name of the lexical index.
            problems: What is now known of files that are not in the collection, or not whole.
            roots: The roots whose problems these are all of; of others they are added.
            forgotten: Roots that end with it, all of whose documents do.
        """
        by_name = {root.name: root.id for root in roots}
        with self._last_transaction():
            if self.snapshot().staged is not None:
                raise CollectionError("a staged generation stands in the way of a sync: drop it")
            self._set({**settings, **self._next_id(), "generation": self.generation + 1})
            self._set({"coming_roots": []})
            self._connection.executemany(
                "DELETE FROM problems WHERE root_id = ?", [(id_,) for id_ in by_name.values()]
            )
            known = {root.name: root.id for root in self.snapshot().roots()}
            self._add_problems({**known, **by_name}, problems)
            for root in forgotten:
                self._forget(root.id)
        self.generation += 1

    def _forget(self, root_id: int) -> None:
        """Remove what names a root, and the root; readers are inside a read transaction."""
        documents = "SELECT id FROM documents WHERE root_id = ?"
        for statement in (
            f"DELETE FROM passages WHERE document_id IN ({documents})",  # noqa: S608
            "DELETE FROM documents WHERE root_id = ?",
            "DELETE FROM problems WHERE root_id = ?",
            "DELETE FROM roots WHERE id = ?",
        ):
            self._connection.execute(statement, (root_id,))

    # --- a generation beside the one that readers see

    def prepare(self, fingerprint: str) -> int:
        """Let what comes be vectors of another fingerprint; the number of their matrix."""
        with atomic(self._connection):
            matrix = self.vectors.matrix_of(fingerprint, deciding=False)
        self.vectors.write_to(matrix)
        return matrix

    def hold(self, settings: Mapping[str, object], problems: Iterable[Problem]) -> None:
        """Keep the staged generation as it is, complete, for ``switch``.

        Args:
            settings: Those that it has instead of the collection's own.
            problems: What its model remarked.
        """
        number = self.next_staging
        staged = Staged(number=number, settings=settings, problems=tuple(problems))
        with self._last_transaction():
            self._set({STAGED_SETTING: staged.as_json(), "stagings": number, **self._next_id()})

    @property
    def next_staging(self) -> int:
        """The number that the next generation to be held will have."""
        return self.snapshot().setting("stagings", 0) + 1

    def switch(self) -> None:
        """Make the generation that is held the one that readers see."""
        with self._last_transaction():
            snapshot = self.snapshot()
            staged = snapshot.staged
            if staged is None:
                raise CollectionError("there is no staged generation to switch to: migrate first")
            self._set({**staged.settings, "generation": self.generation + 1, STAGED_SETTING: {}})
            self._connection.execute("DELETE FROM problems WHERE of_model")
            by_name = {root.name: root.id for root in snapshot.roots()}
            self._add_problems(by_name, staged.problems)
        self.generation += 1

    def drop_staged(self) -> Staged | None:
        """Take back the generation that is held, if one is; its vectors stay."""
        staged = self.snapshot().staged
        if staged is not None:
            self._undo(self.generation)
        return staged

    @contextlib.contextmanager
    def _last_transaction(self) -> Iterator[None]:
        """One that is on the disk when it is over, with all before it."""
        self._connection.execute("PRAGMA synchronous = FULL")
        with atomic(self._connection):
            yield
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _next_id(self) -> dict[str, int]:
        row = self._connection.execute("SELECT coalesce(max(id), 0) + 1 FROM passages").fetchone()
        return {"next_passage_id": max(row[0], self.snapshot().setting("next_passage_id", 1))}

    def _add_problems(self, roots: Mapping[str, int], problems: Iterable[Problem]) -> None:
        self._connection.executemany(
            """INSERT OR REPLACE INTO problems (root_id, source, kind, reason, size, mtime_ns,
            reading_version, of_model) VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
            [
                (
                    roots[item.root],
                    item.source,
                    item.kind,
                    item.reason,
                    item.size,
                    item.mtime_ns,
                    item.reading_version,
                    item.of_model,
                )
                for item in problems
            ],
        )
        seal_rows(self._connection, "problems", "checksum IS NULL")

    def _set(self, values: Mapping[str, object]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in values.items()],
        )
        seal_rows(self._connection, "settings", "checksum IS NULL")

    def _clear_leftovers(self) -> None:
        snapshot = self.snapshot()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        if snapshot.staged is None:
            self._undo(snapshot.generation)
        remove_dead(self._connection, snapshot.generation)

    def _undo(self, generation: int) -> None:
        with atomic(self._connection):
            undo_staged(self._connection, generation)
            for name in self._coming_roots():
                self._connection.execute("DELETE FROM roots WHERE name = ?", (name,))
            self._set({"coming_roots": [], STAGED_SETTING: {}})

    def _coming_roots(self) -> frozenset[str]:
        return frozenset(self.snapshot().setting("coming_roots", list[str]()))
