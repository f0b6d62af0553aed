"""Vectors as a writer sees them: which it has, and how one is bought for good."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ragkit.errors import FingerprintMismatch
from ragkit.storage.connecting import atomic
from ragkit.storage.ledger import LedgerWriter, Share
from ragkit.storage.matrix import FIRST_MATRIX, FloatMatrix, MatrixWriter, map_rows
from ragkit.storage.sums import seal_rows

__all__ = ["VectorWriter"]

_VARIABLES = 500


class VectorWriter:
    """The vectors of one fingerprint, each durable as soon as ``add`` returns.

    A key names fingerprint and text together, so that what is known of a key is always of the
    matrix that it belongs in.
    """

    def __init__(self, directory: Path, connection: sqlite3.Connection) -> None:
        self._directory = directory
        self._connection = connection
        self._ledger = LedgerWriter(connection)
        self.matrix = FIRST_MATRIX
        self._width = 0
        self._file = MatrixWriter(directory, next_slot=0)

    def write_to(self, matrix: int) -> None:
        """Add what comes to this matrix, after its last committed row."""
        width = self._connection.execute(
            "SELECT width FROM matrices WHERE number = ?", (matrix,)
        ).fetchone()
        rows = self._connection.execute(
            "SELECT coalesce(max(slot) + 1, 0) FROM vectors WHERE matrix = ?", (matrix,)
        ).fetchone()[0]
        self._file.close()
        self._file = MatrixWriter(self._directory, number=matrix, next_slot=rows)
        self._width = (width and width[0]) or 0
        self.matrix = matrix

    def matrix_of(self, fingerprint: str, *, deciding: bool = True) -> int:
        """The matrix of a fingerprint; a new one is noted if it has none yet.

        Belongs inside the caller's transaction. *deciding* lets it take over a matrix that never
        got a vector: the first model may have been a mistake.
        """
        statements = ["SELECT number FROM matrices WHERE fingerprint = ? ORDER BY number DESC"]
        if deciding:
            statements.append(
                """UPDATE matrices SET fingerprint = ?, checksum = NULL WHERE number = (
                SELECT min(number) FROM matrices WHERE width IS NULL
                AND number NOT IN (SELECT matrix FROM vectors)) RETURNING number"""
            )
        statements.append("INSERT INTO matrices (fingerprint) VALUES (?) RETURNING number")
        for statement in statements:
            found = self._connection.execute(statement, (fingerprint,)).fetchall()
            if found:
                seal_rows(self._connection, "matrices", "checksum IS NULL")
                return int(found[0][0])
        raise AssertionError("an inserted row comes back")

    @property
    def width(self) -> int:
        """Dimensions of its vectors; 0 before the first one."""
        return self._width

    def rows(self) -> FloatMatrix:
        """The rows of its matrix, those just written among them, mapped: float32 (rows, width)."""
        rows = self._file.next_slot
        return map_rows(self._directory, number=self.matrix, width=self._width, rows=rows)

    def known(self, keys: Iterable[bytes]) -> dict[bytes, int | None]:
        """Slots of those keys that the collection has; None where the model refused the text."""
        wanted = list(set(keys))
        found: dict[bytes, int | None] = {}
        for start in range(0, len(wanted), _VARIABLES):
            some = wanted[start : start + _VARIABLES]
            query = f"SELECT key, slot FROM vectors WHERE key IN ({','.join('?' * len(some))})"  # noqa: S608
            found.update(self._connection.execute(query, some).fetchall())
        return found

    def refusals(self, keys: Iterable[bytes]) -> dict[bytes, str]:
        """Why the model refused these texts."""
        query = "SELECT reason FROM vectors WHERE key = ? AND slot IS NULL"
        rows = ((key, self._connection.execute(query, (key,)).fetchone()) for key in set(keys))
        return {key: row[0] for key, row in rows if row is not None}

    def add(
        self,
        keys: Sequence[bytes],
        vectors: npt.NDArray[np.float32],
        *,
        refused: Mapping[bytes, str],
        spent: tuple[str, int, int, Decimal],
        shares: Sequence[Share] = (),
        are_pictures: bool = False,
    ) -> dict[bytes, int]:
        """Store one answered batch durably, with what it cost, before anything else happens.

        Args:
            keys: One for each row, not yet known.
            vectors: float32, shape (len(keys), d), rows of unit length.
            refused: Reason for each text that the model will never take.
            spent: (model, tokens, requests, cost_usd) for the ledger.
            shares: Of the documents that the texts belong to.
            are_pictures: Whether all of them are of pictures, which are priced in another way.

        Returns:
            The slot of each key.
        """
        if self._width and len(keys) and vectors.shape[1] != self._width:
            raise FingerprintMismatch(
                f"the model gave vectors of {vectors.shape[1]} dimensions and the collection at"
                f" {self._directory} has {self._width}: the server has changed it, so embed all of"
                f" it anew with `ragkit migrate --dimensions {vectors.shape[1]}`"
            )
        written = self._file.append(vectors) if len(keys) else []
        self._connection.execute("PRAGMA synchronous = FULL")
        with atomic(self._connection):
            self._connection.executemany(
                "INSERT INTO vectors (key, matrix, slot, checksum) VALUES (?, ?, ?, ?)",
                [
                    (key, self.matrix, slot, crc)
                    for key, (slot, crc) in zip(keys, written, strict=True)
                ],
            )
            self._connection.executemany(
                """INSERT OR IGNORE INTO vectors (key, matrix, reason, checksum)
                VALUES (?1, ?2, ?3, row_sum(?1, ?3))""",
                [(key, self.matrix, reason) for key, reason in refused.items()],
            )
            if not self._width and len(keys):
                self._width = int(vectors.shape[1])
                self._connection.execute(
                    "UPDATE matrices SET width = ? WHERE number = ?", (self._width, self.matrix)
                )
                seal_rows(self._connection, "matrices", "number = ?", (self.matrix,))
            self._ledger.charge(spent, len(keys), shares, are_pictures=are_pictures)
        self._connection.execute("PRAGMA synchronous = NORMAL")
        return {key: slot for key, (slot, _) in zip(keys, written, strict=True)}

    def save(self, model: str, passages: int, tokens: int) -> None:
        """Note in the ledger the passages that needed no vector, with their cl100k tokens."""
        with atomic(self._connection):
            self._ledger.save(model, passages, tokens)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
