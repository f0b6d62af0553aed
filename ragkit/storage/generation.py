"""One generation of a collection: what it was set to, and which rows are alive in it."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from ragkit.errors import CollectionDamaged
from ragkit.storage.database import Origin
from ragkit.storage.matrix import FIRST_MATRIX
from ragkit.storage.rows import parsed, passage_columns
from ragkit.storage.schema import schema_version
from ragkit.storage.staging import STAGED_SETTING, Staged
from ragkit.storage.sums import SUMS_SCHEMA, holds
from ragkit.storage.thumbnails import Thumbnails

__all__ = ["MATRICES", "PICTURES", "Generation"]

_T = TypeVar("_T")

# The first schemas that have them.
MATRICES = 3
PICTURES = 4


class Generation:
    """What all that reads a generation goes by; valid inside its read transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        coming: bool = False,
        origin: Origin = (),
        thumbnails: Thumbnails | None = None,
    ) -> None:
        self._connection = connection
        self._schema = schema_version(connection)
        self._thumbnails = thumbnails
        self._passage_columns = passage_columns(self._schema)
        self.origin = origin
        self._settings = self._read_settings()
        self.generation: int = self.setting("generation", 0)
        self._stands: Staged | None = None
        if coming:
            self.generation += 1
            self._stands = self.staged
        if self._stands is not None:
            self._settings.update(self._stands.settings)

    def setting(self, key: str, default: _T) -> _T:
        """A setting of the collection, or the default.

        Raises:
            CollectionDamaged: It is of another type than the default, unless that is None.
        """
        value = self._settings.get(key, default)
        if default is not None and not isinstance(value, type(default)):
            raise CollectionDamaged(
                f"the collection's setting {key!r} is no {type(default).__name__}: it is damaged or"
                " was tampered with; restore it from a copy"
            )
        return value  # type: ignore[return-value]

    @property
    def connection(self) -> sqlite3.Connection:
        """What it is read through; for the rest of this room."""
        return self._connection

    @property
    def staged(self) -> Staged | None:
        """What a migration holds ready beside this generation."""
        value: dict[str, object] = self.setting(STAGED_SETTING, {})
        return Staged.from_json(value) if value else None

    @property
    def matrix(self) -> int:
        """Number of the matrix that its vectors lie in."""
        return self.setting("matrix", FIRST_MATRIX)

    @property
    def width(self) -> int:
        """Dimensions of its vectors; 0 before the first one."""
        if not self._is_of(MATRICES):
            return self.setting("width", 0)
        query = "SELECT width FROM matrices WHERE number = ?"
        row = self._connection.execute(query, (self.matrix,)).fetchone()
        return 0 if row is None else row[0] or 0

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint that its vectors have, as JSON; None until it has decided for one.

        A collection decides with its first vectors or its first generation.
        """
        decided = self.generation > 0 or self.matrix_rows() > 0
        return (self.setting("fingerprint", "") or None) if decided else None

    def count(self, table: str) -> int:
        """Living rows of ``documents`` or ``passages``; all ``vectors`` of its matrix."""
        condition = (
            self._in_matrix("slot IS NOT NULL") if table == "vectors" else self._alive(table)
        )
        query = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608
        number: int = self._connection.execute(query).fetchone()[0]
        return number

    def all_vectors(self) -> int:
        """Vectors of every matrix, those of earlier models and of a migration included."""
        query = "SELECT count(*) FROM vectors WHERE slot IS NOT NULL"
        number: int = self._connection.execute(query).fetchone()[0]
        return number

    def matrix_rows(self) -> int:
        """Rows of its matrix that are committed."""
        query = f"SELECT coalesce(max(slot) + 1, 0) FROM vectors WHERE {self._in_matrix('1')}"  # noqa: S608
        rows: int = self._connection.execute(query).fetchone()[0]
        return rows

    def _is_of(self, schema: int) -> bool:
        """Whether it has what that schema brought; a reader takes older collections as they are."""
        return self._schema >= schema

    def _read_settings(self) -> dict[str, object]:
        sound = holds("settings") if self._is_of(SUMS_SCHEMA) else "1"
        query = f"SELECT key, value, {sound} FROM settings"  # noqa: S608
        read: dict[str, object] = {}
        for key, value, is_sound in self._connection.execute(query):
            if not is_sound:
                raise CollectionDamaged(
                    f"the collection's setting {key!r} is not what was written: `ragkit verify`"
                    " says what to do"
                )
            read[str(key)] = parsed(value, object)
        return read

    def _in_matrix(self, condition: str) -> str:
        if not self._is_of(MATRICES):
            return condition
        return f"{condition} AND matrix = {int(self.matrix)}"

    def _alive(self, table: str) -> str:
        # The generation is our own integer, so that it may stand in the statement.
        g = int(self.generation)
        return f"({table}.born <= {g} AND ({table}.died IS NULL OR {table}.died > {g}))"
