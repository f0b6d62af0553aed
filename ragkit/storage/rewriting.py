"""A collection written anew with only what a generation shows, row by row.

Nothing is deleted here and no page is copied: what is not written is not there, in free pages
neither. Rows keep their checksums, so that damage stays what it is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import numpy as np

from ragkit.storage.ledger import add_spending
from ragkit.storage.matrix import FIRST_MATRIX
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.sums import seal_rows

__all__ = ["Rewriting", "Selection"]

_Row = tuple[Any, ...]
# Settings of what is not taken along: migrations on their way, and the way back from them.
_LEFT_BEHIND = ("coming_roots", "staged", "migrating", "previous")


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a generation is written.

    Attributes:
        without: Documents that are left out.
        unnamed: (root, source) whose names are left out of the ledger and the problems.
        settings: To be put over the collection's own.
        dropped: Settings that are left out.
        root_path: What a root's path becomes.
    """

    without: Collection[int] = frozenset()
    unnamed: Collection[tuple[str, str]] = frozenset()
    settings: Mapping[str, object] = field(default_factory=dict)
    dropped: Collection[str] = ()
    root_path: Callable[[str | bytes], str | bytes] = lambda path: path


class Rewriting:
    """Copies table by table; a column that some later schema adds is copied like the others.

    Its vectors lie in the first matrix, in their old order and without gaps.

    Args:
        snapshot: The generation.
        target: An empty database of the newest schema, inside a transaction.
        selection: What is left out, and what is written instead.
        told: Called for each row.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        target: sqlite3.Connection,
        selection: Selection,
        told: Callable[[], None],
    ) -> None:
        self._snapshot = snapshot
        self._source = snapshot.connection
        self._target = target
        self._selection = selection
        self._told = told
        # Which rows of the old matrix are taken along.
        self.used = np.zeros(snapshot.matrix_rows(), np.bool_)
        self._slots = np.empty(0, np.int64)

    def write(self) -> None:
        """All of it."""
        self._find_used()
        self._write_settings()
        self._write_roots()
        self._copy("documents", self._living("id"), values={"died": "NULL"})
        self._copy(
            "passages", self._living("document_id"), self._renumbered, values={"died": "NULL"}
        )
        self._write_vectors()
        self._copy("ledger")
        self._write_spending()
        self.copy_expenses()

    def set(self, values: Mapping[str, object]) -> None:
        """Keep settings; values are plain JSON."""
        self._target.executemany(
            "INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)",
            [(key, json.dumps(value)) for key, value in values.items()],
        )
        seal_rows(self._target, "settings", "checksum IS NULL")

    def copy_expenses(self) -> None:
        """What searches cost, which they note without the writer's lock."""
        self._target.execute("DELETE FROM expenses")
        self._copy("expenses")

    def _find_used(self) -> None:
        query = f"""SELECT slot FROM passages
            WHERE slot IS NOT NULL AND {self._living("document_id")}"""  # noqa: S608
        for (slot,) in self._source.execute(query):
            if 0 <= slot < len(self.used):
                self.used[slot] = True
        self._slots = np.cumsum(self.used) - 1

    def _renumbered(self, rows: Iterable[_Row], at: Mapping[str, int]) -> Iterator[_Row]:
        """With the rows' places in the new matrix, where nothing stands between them."""
        place = at["slot"]
        for row in rows:
            slot = row[place]
            # A slot that no matrix has is damage, and stays it.
            if slot is None or not 0 <= slot < len(self._slots):
                yield row
            else:
                yield (*row[:place], int(self._slots[slot]), *row[place + 1 :])

    def _write_settings(self) -> None:
        self._copy("settings", f"key NOT IN {(*_LEFT_BEHIND, *self._selection.dropped)}")
        self.set({**self._selection.settings, "matrix": FIRST_MATRIX})

    def _write_roots(self) -> None:
        roots = self._snapshot.roots()
        known = ",".join(str(root.id) for root in roots)
        self._copy("roots", f"id IN ({known})")
        for id_, path in self._target.execute("SELECT id, path FROM roots").fetchall():
            changed = self._selection.root_path(path)
            if changed != path:
                self._target.execute("UPDATE roots SET path = ? WHERE id = ?", (changed, id_))
                seal_rows(self._target, "roots", "id = ?", (id_,))
        names = {root.id: root.name for root in roots}

        def named(rows: Iterable[_Row], at: Mapping[str, int]) -> Iterator[_Row]:
            for row in rows:
                place = (names.get(row[at["root_id"]], ""), row[at["source"]])
                if place not in self._selection.unnamed:
                    yield row

        self._copy("problems", f"root_id IN ({known})", named)

    def _write_vectors(self) -> None:
        matrix, first = int(self._snapshot.matrix), str(FIRST_MATRIX)
        self._copy("matrices", f"number = {matrix}", values={"number": first})
        if matrix != FIRST_MATRIX:
            seal_rows(self._target, "matrices")
        # Numbers are not given twice, since a reader of an old generation may still come for one.
        self._target.execute("DELETE FROM sqlite_sequence")
        self._copy("sqlite_sequence")
        refused = "SELECT DISTINCT key FROM passages WHERE slot IS NULL"
        keys = {row[0] for row in self._target.execute(refused)}

        def living(rows: Iterable[_Row], at: Mapping[str, int]) -> Iterator[_Row]:
            key, slot = at["key"], at["slot"]
            for row in rows:
                place = row[slot]
                if row[key] in keys if place is None else self.used[place]:
                    yield row

        self._copy(
            "vectors",
            f"matrix = {matrix}",
            lambda rows, at: self._renumbered(living(rows, at), at),
            values={"matrix": first},
        )

    def _write_spending(self) -> None:
        """What was spent stays spent, though the names may go."""
        unnamed: list[_Row] = []

        def named(rows: Iterable[_Row], at: Mapping[str, int]) -> Iterator[_Row]:
            for row in rows:
                if (row[at["root"]], row[at["source"]]) in self._selection.unnamed:
                    unnamed.append(row[:6])
                else:
                    yield row

        self._copy("spending", "1", named)
        for run, _, _, texts, tokens, cost_usd in unnamed:
            add_spending(self._target, (run, "", ""), (texts, tokens, Decimal(cost_usd)))

    def _living(self, document: str) -> str:
        g = int(self._snapshot.generation)
        without = ",".join(str(int(id_)) for id_ in self._selection.without)
        return f"born <= {g} AND (died IS NULL OR died > {g}) AND {document} NOT IN ({without})"

    def _copy(
        self,
        table: str,
        where: str = "1",
        through: Callable[[Iterable[_Row], Mapping[str, int]], Iterable[_Row]] | None = None,
        values: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Copy a table.

        Args:
            table: Its name.
            where: Which rows.
            through: What becomes of them, told the place of each column.
            values: SQL that stands for a column.
        """
        columns = [row[1] for row in self._target.execute(f"PRAGMA table_info({table})")]
        names = ", ".join(f'"{name}"' for name in columns)
        read = ", ".join(values.get(name, f'"{name}"') for name in columns)
        rows: Iterable[_Row] = self._source.execute(f"SELECT {read} FROM {table} WHERE {where}")  # noqa: S608
        if through is not None:
            rows = through(rows, {name: place for place, name in enumerate(columns)})
        marks = ", ".join("?" * len(columns))
        self._target.executemany(
            f"INSERT INTO {table} ({names}) VALUES ({marks})",  # noqa: S608
            self._counted(rows),
        )

    def _counted(self, rows: Iterable[_Row]) -> Iterator[_Row]:
        for row in rows:
            self._told()
            yield row
