"""The rows of a collection as they are, damaged or not, for whoever checks them.

A snapshot raises at the first row that cannot be right; an audit gives every row, and says of each
whether it is what was written.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ragkit.errors import CollectionDamaged
from ragkit.screening.findings import Finding
from ragkit.storage.matrix import map_rows, matrix_name
from ragkit.storage.rows import encoded_from_value, masks_from_value, unpack_text
from ragkit.storage.schema import APPLICATION_ID
from ragkit.storage.seam import IdArray
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.sums import SUMS, holds

__all__ = ["Audit", "AuditedDocument", "AuditedPassage"]

_MOST_COMPLAINTS = 100
_PAIRS_AT_ONCE = 10_000
# What stands in the first bytes of the file, which SQLite sums up no more than the rest.
_MARKS = (("application_id", APPLICATION_ID), ("encoding", "UTF-8"), ("auto_vacuum", 0))

# A passage without a vector whose document is read again by the next index, and is said to be. Its
# vector may be there already, where that index was interrupted.
_WAITS = """(passages.slot IS NULL AND EXISTS (SELECT 1 FROM problems
    WHERE problems.root_id = documents.root_id AND problems.source = documents.source
    AND kind = 'failed' AND problems.size IS NULL))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedPassage:
    """A passage as its row has it.

    Attributes:
        id: Its id.
        ordinal: Place among the passages of its document.
        start: First character.
        end: One past the last.
        text: Its text.
        headings: JSON.
        key: Of its vector.
        image: JSON, of a passage that is a picture.
        table_header: Of the table that it goes on with.
        encoded: Spans that are not embedded; empty where the row does not tell.
        masks: What of the embedded text was masked; empty where the row does not tell.
        born: Generation.
        died: Generation, or None.
        is_sound: Whether the row is what was written.
    """

    id: int
    ordinal: int
    start: int
    end: int
    text: str
    headings: str
    key: bytes
    image: str | None
    table_header: str | None
    encoded: tuple[tuple[int, int], ...]
    masks: tuple[Finding, ...]
    born: int
    died: int | None
    is_sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedDocument:
    """A document as its row has it, with its passages by ordinal.

    Attributes:
        id: Its id.
        root: Name of its root; None where there is none of that id.
        source: Path inside the root.
        title: Its stated title.
        text: None where it cannot be unpacked.
        size_bytes: Of what was read from the disk for it, about.
        born: Generation.
        died: Generation, or None.
        is_sound: Whether the row is what was written.
        passages: In order of their ordinals.
    """

    id: int
    root: str | None
    source: str
    title: str | None
    text: str | None
    size_bytes: int
    born: int
    died: int | None
    is_sound: bool
    passages: tuple[AuditedPassage, ...]

    @property
    def place(self) -> str:
        """What messages call it."""
        return f"{self.root}:{self.source}"


class Audit:
    """What the checkers of ``maintenance`` ask, of one generation; made by ``Store.auditing``."""

    def __init__(self, connection: sqlite3.Connection, snapshot: Snapshot, path: Path) -> None:
        self._connection = connection
        self.snapshot = snapshot
        self.path = path

    # --- the file

    def complaints(self) -> list[str]:
        """What SQLite finds wrong with the file, and what its first bytes are not."""
        # Asked of SQLite: whoever opened the file beside it would take its locks away.
        found = [
            f"its {name} is not {expected}"
            for name, expected in _MARKS
            if self._connection.execute(f"PRAGMA {name}").fetchone()[0] != expected
        ]
        with contextlib.closing(
            self._connection.execute(f"PRAGMA integrity_check({_MOST_COMPLAINTS})")
        ) as rows:
            found += [str(row[0]) for row in rows if row[0] != "ok"]
        return found

    # --- documents and passages

    def documents(self) -> Iterator[AuditedDocument]:
        """Every document of the generation, with all passages that name it."""
        roots = dict(self._connection.execute("SELECT id, name FROM roots").fetchall())
        query = f"""SELECT id, root_id, source, title, text, born, died,
            {holds("documents", "documents.text_checksum")} FROM documents
            WHERE {self._alive()} ORDER BY id"""  # noqa: S608
        for row in self._connection.execute(query):
            text = None
            with contextlib.suppress(CollectionDamaged):
                text = unpack_text(row[4])
            passages = tuple(self._passages_of(row[0]))
            yield AuditedDocument(
                id=row[0],
                root=roots.get(row[1]),
                source=str(row[2]),
                title=row[3],
                text=text,
                size_bytes=_size_of(row[4]) + sum(len(item.text) for item in passages),
                born=row[5],
                died=row[6],
                is_sound=bool(row[7]),
                passages=passages,
            )

    def _passages_of(self, document_id: int) -> Iterator[AuditedPassage]:
        query = f"""SELECT id, ordinal, start, "end", text, headings, key, image, table_header,
            encoded, masks, born, died, {holds("passages")} FROM passages
            WHERE document_id = ? ORDER BY ordinal, row"""  # noqa: S608
        for row in self._connection.execute(query, (document_id,)):
            encoded: tuple[tuple[int, int], ...] = ()
            masks: tuple[Finding, ...] = ()
            with contextlib.suppress(CollectionDamaged):
                encoded, masks = encoded_from_value(row[9]), masks_from_value(row[10])
            yield AuditedPassage(
                id=row[0],
                ordinal=row[1],
                start=row[2],
                end=row[3],
                text=row[4] if isinstance(row[4], str) else "",
                headings=str(row[5]),
                key=row[6],
                image=row[7],
                table_header=row[8] if isinstance(row[8], str) else None,
                encoded=encoded,
                masks=masks,
                born=row[11],
                died=row[12],
                is_sound=bool(row[13]),
            )

    def text_of(self, document_id: int) -> str | None:
        """A document's text; None where it cannot be unpacked."""
        query = "SELECT text FROM documents WHERE id = ?"
        try:
            return unpack_text(self._connection.execute(query, (document_id,)).fetchone()[0])
        except CollectionDamaged:
            return None

    def ids(self) -> IdArray:
        """Ids of the living passages, sorted; twice where one is there twice, -1 for none."""
        query = f"SELECT coalesce(id, -1) FROM passages WHERE {self._alive()} ORDER BY id"  # noqa: S608
        return np.fromiter((row[0] for row in self._connection.execute(query)), np.int64)

    def strays(self, most: int) -> list[tuple[int, int]]:
        """(id, document) of living passages whose document is not there, or not alive; some."""
        query = f"""SELECT coalesce(id, -1), document_id FROM passages
            WHERE {self._alive()} AND document_id NOT IN
            (SELECT id FROM documents WHERE {self._alive()}) LIMIT ?"""  # noqa: S608
        return self._connection.execute(query, (most,)).fetchall()

    # --- vectors

    def matrices(self) -> list[int]:
        """Numbers of the matrices that have vectors: those of a migration beside its own."""
        query = "SELECT DISTINCT matrix FROM vectors WHERE slot IS NOT NULL"
        others = {row[0] for row in self._connection.execute(query)} - {self.snapshot.matrix}
        return [self.snapshot.matrix, *sorted(others)]

    def rows(self, matrix: int) -> tuple[str, npt.NDArray[np.float32], int]:
        """Name of a matrix, as many of its rows as are there, and how many there should be."""
        path = self.path.with_name(matrix_name(matrix))
        query = "SELECT coalesce(width, 0) FROM matrices WHERE number = ?"
        (width,) = self._connection.execute(query, (matrix,)).fetchone() or (0,)
        query = "SELECT coalesce(max(slot) + 1, 0) FROM vectors WHERE matrix = ?"
        (expected,) = self._connection.execute(query, (matrix,)).fetchone()
        try:
            there = min(expected, path.stat().st_size // (4 * width)) if width else 0
        except OSError:
            there = 0
        rows = map_rows(self.path.parent, number=matrix, width=width, rows=there)
        return path.name, rows, expected

    def vectors(self, matrix: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Slots and checksums of all vectors of a matrix, by slot."""
        query = """SELECT slot, coalesce(checksum, -1) FROM vectors
            WHERE matrix = ? AND slot IS NOT NULL"""
        cursor = self._connection.execute(query, (matrix,))
        # An array takes numbers much faster than it takes pairs.
        some = iter(lambda: cursor.fetchmany(_PAIRS_AT_ONCE), [])
        flat = [np.fromiter(chain.from_iterable(rows), np.int64, 2 * len(rows)) for rows in some]
        pairs = np.concatenate([np.empty(0, np.int64), *flat]).reshape(-1, 2)
        order = np.argsort(pairs[:, 0], kind="stable")
        return pairs[order, 0], pairs[order, 1]

    def misplaced(self, most: int) -> list[tuple[int, str, str]]:
        """(id, document, what) of living passages that do not fit their vectors; some."""
        query = f"""SELECT passages.id, coalesce(roots.name, '?') || ':' || documents.source,
            CASE WHEN vectors.key IS NULL THEN 'its vector is not known'
                WHEN vectors.matrix != ? THEN 'its vector is of another model'
                ELSE 'it names another row than its vector lies in' END
            FROM passages LEFT JOIN vectors ON vectors.key = passages.key
            LEFT JOIN documents ON documents.id = document_id
            LEFT JOIN roots ON roots.id = root_id
            WHERE {self._alive("passages.")} AND NOT {_WAITS} AND (vectors.key IS NULL
                OR vectors.matrix != ? OR vectors.slot IS NOT passages.slot) LIMIT ?"""  # noqa: S608
        matrix = self.snapshot.matrix
        return self._connection.execute(query, (matrix, matrix, most)).fetchall()

    def waiting(self) -> int:
        """Living passages that the next index gives a vector."""
        query = f"""SELECT count(*) FROM passages LEFT JOIN vectors ON vectors.key = passages.key
            LEFT JOIN documents ON documents.id = document_id
            WHERE {self._alive("passages.")} AND {_WAITS}"""  # noqa: S608
        number: int = self._connection.execute(query).fetchone()[0]
        return number

    # --- the small tables

    def changed(self) -> Iterator[tuple[str, int]]:
        """(table, rows) of those small tables of which rows are not what was written."""
        for table, _ in SUMS:
            if table not in ("documents", "passages"):
                query = f"SELECT count(*) FROM {table} WHERE NOT ({holds(table)})"  # noqa: S608
                number = self._connection.execute(query).fetchone()[0]
                if number:
                    yield table, number
        query = """SELECT count(*) FROM vectors
            WHERE slot IS NULL AND checksum IS NOT row_sum(key, reason)"""
        number = self._connection.execute(query).fetchone()[0]
        if number:
            yield "vectors", number

    def orphans(self) -> Iterator[str]:
        """Rows that name what is not there."""
        for table, column, target, key in (
            ("problems", "root_id", "roots", "id"),
            ("spending", "run", "ledger", "run"),
            ("vectors", "matrix", "matrices", "number"),
        ):
            query = f"""SELECT count(*) FROM {table}
                WHERE {column} NOT IN (SELECT {key} FROM {target})"""  # noqa: S608
            number = self._connection.execute(query).fetchone()[0]
            if number:
                yield f"{number:,} rows of {table} name a {column} that is not in {target}"

    def ledger(self) -> Iterator[tuple[int, int, str, int, list[str]]]:
        """(run, tokens, cost, tokens of its documents, their costs) of runs told by document."""
        runs = "SELECT run, tokens, cost_usd FROM ledger"
        for run, tokens, cost in self._connection.execute(runs):
            shares = self._connection.execute(
                "SELECT tokens, cost_usd FROM spending WHERE run = ?", (run,)
            ).fetchall()
            if shares:
                yield run, tokens, cost, sum(row[0] for row in shares), [row[1] for row in shares]

    def _alive(self, table: str = "") -> str:
        g = int(self.snapshot.generation)
        return f"({table}born <= {g} AND ({table}died IS NULL OR {table}died > {g}))"


def _size_of(value: object) -> int:
    return len(value) if isinstance(value, (bytes, str)) else 0
