"""Connections to ``collection.db``: how it is opened, shared and kept safe."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from ragkit.errors import CollectionDamaged, CollectionError, CollectionNotFound, NotACollection
from ragkit.storage.schema import check_version, migrate

__all__ = ["DATABASE_NAME", "Database", "atomic", "damage"]

DATABASE_NAME = "collection.db"
_BUSY_TIMEOUT_S = 30.0
_APPLICATION_ID = 0x7261676B  # "ragk": a database of another program is refused


class Database:
    """The database file of one collection.

    Readers take a connection from a pool for the length of one snapshot, since WAL gives each
    transaction its own unchanging view; the writer has one of its own.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.path = directory / DATABASE_NAME
        self._read_only = read_only
        self._idle: list[tuple[int, sqlite3.Connection]] = []
        self._guard = threading.Lock()

    @classmethod
    def create(cls, directory: Path) -> None:
        """Make an empty collection's database; one that exists is migrated.

        Raises:
            NotACollection: The directory holds other files and no collection.
        """
        path = directory / DATABASE_NAME
        if not path.exists() and directory.exists() and any(directory.iterdir()):
            raise NotACollection(
                f"{directory} is not empty and holds no collection: give another directory"
            )
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with damage(path), contextlib.closing(_connect(path, "rwc")) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, str(directory))
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        except OSError as error:
            raise CollectionError(
                f"a collection cannot be made at {directory}: {error.strerror}"
            ) from error

    def open_writer(self) -> sqlite3.Connection:
        """A connection of one's own for writing; what is committed is on the disk."""
        with damage(self.path):
            connection = _connect(self.path, "rw")
            connection.execute("PRAGMA synchronous = FULL")
            migrate(connection, str(self.path.parent))
        return connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a read transaction: it sees one state of the database throughout."""
        connection = self._take()
        try:
            with damage(self.path):
                connection.execute("BEGIN")
                yield connection
        finally:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
            with self._guard:
                self._idle.append((os.getpid(), connection))

    def close(self) -> None:
        """Close the idle connections; the object opens new ones when it is used again."""
        with self._guard:
            idle, self._idle = self._idle, []
        for process, connection in idle:
            # A connection that came over a fork is its parent's: closing it would drop its locks.
            if process == os.getpid():
                connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._guard:
            while self._idle:
                process, connection = self._idle.pop()
                if process == os.getpid():
                    return connection
        with damage(self.path):
            connection = self._open_reader()
            check_version(connection, str(self.path.parent))
        return connection

    def _open_reader(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise CollectionNotFound(f"there is no collection at {self.path.parent}")
        if not self._read_only and os.access(self.path.parent, os.W_OK):
            return _connect(self.path, "rw")
        try:
            return _connect(self.path, "ro")
        except sqlite3.OperationalError:
            # Without a -wal nothing is left to be merged, so that the file alone is the truth.
            if self.path.with_name(DATABASE_NAME + "-wal").exists():
                raise
            return _connect(self.path, "ro&immutable=1")


@contextlib.contextmanager
def atomic(connection: sqlite3.Connection) -> Iterator[None]:
    """One short write transaction: all of it, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        yield


@contextlib.contextmanager
def damage(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, with the file's name and what to do."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise CollectionError(f"{path} cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise CollectionDamaged(
            f"{path} is damaged ({error}): restore it from a copy, or delete the collection and"
            " index again"
        ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # isolation_level=None: transactions begin where the code says BEGIN, and nowhere else.
    connection = sqlite3.connect(
        f"file:{quote(os.fspath(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and owner != _APPLICATION_ID:
            _refuse_foreign(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    # The id is set last when a collection is made: one that was interrupted before that is ours.
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    if not {"settings", "documents", "passages", "vectors"} <= names:
        raise NotACollection(f"{path} was made by another program: give another directory")
