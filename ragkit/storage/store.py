"""A collection's directory: its database, its matrix, its lock."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ragkit.errors import CollectionNotFound
from ragkit.storage.database import DATABASE_NAME, Database
from ragkit.storage.lock import LOCK_NAME, writer_lock
from ragkit.storage.matrix import FloatMatrix, map_rows
from ragkit.storage.rows import Root
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.writer import Writer

__all__ = ["Store"]


class Store:
    """What lasts of one collection. Opening it reads nothing but one header."""

    def __init__(self, directory: Path, *, create: bool = True, read_only: bool = False) -> None:
        """Open the collection at *directory*, or make one.

        Raises:
            CollectionNotFound: There is none, and none may be made.
            NotACollection: The directory holds something else.
        """
        self.directory = directory
        if not self.exists(directory):
            if read_only or not create:
                raise CollectionNotFound(
                    f"there is no collection at {directory}: `ragkit index FOLDER` makes one"
                )
            Database.create(directory)
        self._database = Database(directory, read_only=read_only)

    def ensure(self) -> None:
        """Make the database again if it was discarded."""
        if not self.exists(self.directory):
            Database.create(self.directory)

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether there is a collection at the directory."""
        return (directory / DATABASE_NAME).is_file()

    @property
    def derived(self) -> Path:
        """Where what can be rebuilt lives."""
        return self.directory / "derived"

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The newest generation, unchanging for as long as the context lasts."""
        with self._database.reading() as connection:
            yield Snapshot(connection)

    @contextlib.contextmanager
    def writing(self, *, wait_s: float = 0.0) -> Iterator[Writer]:
        """Hold the collection for writing; leftovers of an interrupted sync are cleared first.

        Raises:
            CollectionLocked: Another writer holds it.
        """
        with writer_lock(self.directory, wait_s=wait_s):
            writer = Writer(self.directory, self._database.open_writer())
            try:
                yield writer
            finally:
                writer.close()

    def rows(self, snapshot: Snapshot) -> FloatMatrix:
        """The committed rows of the matrix, mapped: float32 (rows, width)."""
        width = snapshot.setting("width", 0)
        return map_rows(self.directory, width=width, rows=snapshot.matrix_rows())

    def place_of(self, root: Root) -> Path:
        """Where a root is now, absolute; ``..`` is taken out without asking the file system."""
        return Path(os.path.abspath(self.directory / root.path))  # noqa: PTH100

    def is_empty(self) -> bool:
        """Whether nothing was ever committed to it."""
        with self.snapshot() as snapshot:
            return snapshot.generation == 0 and snapshot.matrix_rows() == 0

    def discard(self) -> None:
        """Remove an empty collection's own files, and its directory if nothing else is in it."""
        self.close()
        names = (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm", LOCK_NAME)
        for name in names:
            (self.directory / name).unlink(missing_ok=True)
        shutil.rmtree(self.derived, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def size_bytes(self) -> int:
        """Bytes of all files of the collection."""
        return sum(path.stat().st_size for path in self.directory.rglob("*") if path.is_file())

    def close(self) -> None:
        """Close what is open; the store opens it again when it is used."""
        self._database.close()
