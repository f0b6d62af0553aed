"""A collection that is written anew beside itself, and then becomes itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ragkit.storage.connecting import atomic, connect
from ragkit.storage.matrix import FloatMatrix, write_rows
from ragkit.storage.replacing import NEW_DATABASE, NEW_MATRIX, is_pending, replace_files
from ragkit.storage.rewriting import Rewriting, Selection
from ragkit.storage.schema import migrate
from ragkit.storage.snapshot import Snapshot

__all__ = ["Draft"]


class Draft:
    """What a generation shows, or a selection of it, in files of its own.

    Args:
        directory: Where the new files are written, under names that no reader knows.
        snapshot: The generation.
        selection: What of it is written.
        told: Called for each row.

    Raises:
        OSError: The disk is full or refuses.
    """

    def __init__(
        self, directory: Path, snapshot: Snapshot, selection: Selection, told: Callable[[], None]
    ) -> None:
        self._directory = directory
        self.database = directory / NEW_DATABASE
        self.matrix = directory / NEW_MATRIX
        self._connection = connect(self.database, "rwc")
        # Until it has its name, nobody minds what becomes of it.
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        migrate(self._connection, str(self.database))
        self._rewriting = Rewriting(snapshot, self._connection, selection, told)
        with atomic(self._connection):
            self._rewriting.write()

    def add_matrix(self, rows: FloatMatrix) -> None:
        """Write those vectors that are taken along.

        Args:
            rows: float32 (n, d), all rows of the generation's matrix.
        """
        write_rows(self.matrix, rows, self._rewriting.used)

    def snapshot(self) -> Snapshot:
        """What is written, as a reader will see it."""
        return Snapshot(self._connection)

    def set(self, values: Mapping[str, object]) -> None:
        """Keep settings."""
        with atomic(self._connection):
            self._rewriting.set(values)

    def finish(self) -> None:
        """Make the files whole and durable.

        Raises:
            OSError: The disk is full or refuses.
        """
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.close()
        with self.database.open("rb+") as file:
            os.fsync(file.fileno())

    def publish(self, snapshot: Snapshot, release: Callable[[], None]) -> None:
        """Let it become the collection; the caller holds the lock.

        Args:
            snapshot: Through the writer's connection.
            release: Closes the writer.

        Raises:
            OSError: The disk refuses.
        """
        # Searches note what they cost without the lock; from here on until there is a new file
        # they cannot.
        snapshot.connection.execute("BEGIN IMMEDIATE")
        with atomic(self._connection):
            self._rewriting.copy_expenses()
        self.finish()
        replace_files(self._directory)
        release()

    def close(self) -> None:
        """Remove what never became a collection."""
        self._connection.close()
        # What was half put in place is gone on with by whoever opens the collection next.
        if is_pending(self._directory):
            return
        with contextlib.suppress(OSError):
            self.database.unlink(missing_ok=True)
            self.matrix.unlink(missing_ok=True)
