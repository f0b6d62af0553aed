"""The one writer of a collection, and the steps of a sync as it sees them.

Vectors are durable as soon as ``vectors.add`` returns. Documents are staged under the coming
generation, invisible and without need to last; ``seal`` gives them their ids, and ``commit`` makes
them visible with one update.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ragkit.errors import CollectionError
from ragkit.records import Document, Passage
from ragkit.screening.findings import Finding
from ragkit.storage.connecting import atomic
from ragkit.storage.expenses import Expense, add_expenses
from ragkit.storage.leftovers import remove_dead, undo_staged
from ragkit.storage.mending import Mending
from ragkit.storage.rows import (
    FileFacts,
    Problem,
    Root,
    document_values,
    image_value,
    links_value,
    masks_value,
    passage_values,
    path_value,
    place_values,
)
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import STAGED_SETTING, Staged
from ragkit.storage.sums import UNSEALED, seal_rows
from ragkit.storage.vectors import VectorWriter

__all__ = ["FileFacts", "Sealed", "Writer"]

_COPIED = """digest, ?, ?, media_type, reader_version, chunker_version, language, title, metadata,
    pages, sections, text, blocks, links, checksum"""
_DOCUMENT_COLUMNS = """root_id, source, raw_name, digest, size, mtime_ns, media_type,
    reader_version, chunker_version, language, title, metadata, pages, sections, text, blocks,
    links, checksum, born"""
_PASSAGE_COLUMNS = """document_id, ordinal, start, "end", text, headings, page, line, tokens, key,
    slot, image, table_header, boxes, encoded, masks, checksum"""

_PASSAGE_MARKS = ", ".join("?" * 19)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What the coming generation changes, as the indexes need to know it.

    Attributes:
        gone: Ids whose entry must go: the passage died, or its document has another name now.
        come: Ids whose entry must be made.
    """

    gone: npt.NDArray[np.int64]
    come: npt.NDArray[np.int64]


class Writer:
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

    # --- documents, staged

    def add_document(
        self,
        root: Root,
        document: Document,
        facts: FileFacts,
        passages: Sequence[tuple[Passage, bytes, int | None, Sequence[Finding]]],
        *,
        replaces: int | None,
        is_recut: bool = False,
    ) -> None:
        """Stage a document that is new or changed.

        Args:
            root: The root it belongs to.
            document: As its reader made it.
            facts: Of its file.
            passages: (passage, key, slot, masks) in order; slot None where the model refused the
                text, masks what of it was masked before it was sent.
            replaces: The living document that it takes the place of. Passages whose embedded text
                is the same keep their ids.
            is_recut: Whether that has the same text, and passages of the same span and headings
                keep their ids, whatever their keys are.
        """
        with atomic(self._connection):
            kept = self._ids_by_span(replaces) if is_recut else self._ids_by_key(replaces)
            if replaces is not None:
                self._bury(replaces)
            document_id = self._insert_document(root, document, facts)
            rows = []
            for ordinal, (passage, key, slot, masks) in enumerate(passages):
                columns = passage_values(passage, ordinal, key)
                more = (image_value(passage), *place_values(passage), masks_value(masks))
                values = (document_id, *columns, slot, *more)
                same = kept.get(_span_of(columns) if is_recut else key)
                id_ = same.popleft() if same else None
                rows.append((*values, UNSEALED, id_, self.generation + 1))
            self._connection.executemany(
                f"INSERT INTO passages ({_PASSAGE_COLUMNS}, id, born)"  # noqa: S608
                f" VALUES ({_PASSAGE_MARKS})",
                rows,
            )
            self._seal_document(document_id)

    def move_document(self, document_id: int, root: Root, source: str, facts: FileFacts) -> None:
        """Stage the same content under another name: texts, ids and vectors stay."""
        born = self.generation + 1
        with atomic(self._connection):
            self._bury(document_id)
            new = self._connection.execute(
                f"""INSERT INTO documents ({_DOCUMENT_COLUMNS})
                SELECT ?, ?, ?, {_COPIED}, ? FROM documents WHERE id = ? RETURNING id""",  # noqa: S608
                (root.id, source, facts.raw_name, facts.size, facts.mtime_ns, born, document_id),
            ).fetchone()[0]
            rows = self._connection.execute(
                f"SELECT {_PASSAGE_COLUMNS}, id FROM passages WHERE document_id = ?",  # noqa: S608
                (document_id,),
            ).fetchall()
            moved = [((new, *row[1:-2]), row[-1]) for row in rows]
            self._connection.executemany(
                f"INSERT INTO passages ({_PASSAGE_COLUMNS}, id, born)"  # noqa: S608
                f" VALUES ({_PASSAGE_MARKS})",
                [(*values, UNSEALED, id_, born) for values, id_ in moved],
            )
            self._seal_document(new)

    def remove_document(self, document_id: int) -> None:
        """Stage the end of a document."""
        with atomic(self._connection):
            self._bury(document_id)

    def touch(self, document_id: int, *, size: int, mtime_ns: int) -> None:
        """Remember that a file's time changed and its content did not."""
        with atomic(self._connection):
            self._connection.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?",
                (size, mtime_ns, document_id),
            )
            seal_rows(self._connection, "documents", "id = ?", (document_id,))

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

    def _insert_document(self, root: Root, document: Document, facts: FileFacts) -> int:
        contents = document_values(document)
        values = (
            root.id,
            document.source,
            facts.raw_name,
            facts.digest,
            facts.size,
            facts.mtime_ns,
            document.media_type,
            facts.reader_version,
            facts.chunker_version,
            facts.language,
            *contents,
        )
        row = self._connection.execute(
            f"INSERT INTO documents ({_DOCUMENT_COLUMNS})"  # noqa: S608
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                *values,
                links_value(facts.links),
                UNSEALED,
                self.generation + 1,
            ),
        ).fetchone()
        id_: int = row[0]
        return id_

    def _seal_document(self, document_id: int) -> None:
        seal_rows(self._connection, "documents", "id = ?", (document_id,))
        seal_rows(self._connection, "passages", "document_id = ?", (document_id,))

    def _ids_by_key(self, document_id: int | None) -> Mapping[object, deque[int]]:
        kept: defaultdict[object, deque[int]] = defaultdict(deque)
        query = "SELECT key, id FROM passages WHERE document_id = ? ORDER BY ordinal"
        for key, id_ in self._connection.execute(query, (document_id,)):
            kept[key].append(id_)
        return kept

    def _ids_by_span(self, document_id: int | None) -> Mapping[object, deque[int]]:
        query = """SELECT start, "end", headings, id FROM passages WHERE document_id = ?"""
        rows = self._connection.execute(query, (document_id,))
        return {tuple(row[:3]): deque([row[3]]) for row in rows}

    def _bury(self, document_id: int) -> None:
        died = self.generation + 1
        for table, column in (("documents", "id"), ("passages", "document_id")):
            self._connection.execute(
                f"UPDATE {table} SET died = ? WHERE {column} = ? AND died IS NULL",  # noqa: S608
                (died, document_id),
            )

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


def _span_of(columns: Sequence[object]) -> tuple[object, ...]:
    """Start, end and headings, out of ``passage_values``."""
    return (columns[1], columns[2], columns[4])
