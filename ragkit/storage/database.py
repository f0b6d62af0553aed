"""Connections to ``collection.db``: how it is opened, shared and kept safe."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ragkit.errors import CollectionDamaged, CollectionError, CollectionNotFound, NotACollection
from ragkit.storage.files import refuse_links
from ragkit.storage.lock import LOCK_NAME
from ragkit.storage.schema import (
    SCHEMA_VERSION,
    check_objects,
    check_version,
    migrate,
    schema_version,
)

__all__ = ["DATABASE_NAME", "Database", "Origin", "atomic", "damage"]

DATABASE_NAME = "collection.db"
_BUSY_TIMEOUT_S = 30.0
_APPLICATION_ID = 0x7261676B  # "ragk": a database of another program is refused
# What an interrupted ``Store.discard`` may leave; SQLite drops the log of a database that is gone.
_REMAINS = {LOCK_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"}
# The longest value of a row, the longest statement, the most columns, that a file may have SQLite
# allocate for; what a collection of ours holds stays far below.
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, 2**29),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 2**17),
    (sqlite3.SQLITE_LIMIT_COLUMN, 64),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
)
# A rollback journal that ends so names another file, which SQLite would open and may delete.
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")

# Device, inode, and for a file that is read as immutable its size and time too: a collection that
# was deleted and made again is another one, whatever its generation is called.
Origin = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """A connection for reading, with the process that opened it and the file that it reads."""

    connection: sqlite3.Connection
    process: int
    origin: Origin
    immutable: bool


class Database:
    """The database file of one collection.

    Readers take a connection from a pool for the length of one snapshot, since WAL gives each
    transaction its own unchanging view; the writer has one of its own.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.path = directory / DATABASE_NAME
        self._read_only = read_only
        self._idle: list[_Reader] = []
        self._inherited: list[_Reader] = []
        # Reentrant: a snapshot may be given back by the garbage collector, in any place.
        self._guard = threading.RLock()
        # Whoever forgets to close gets no warnings about it at the end of the program.
        weakref.finalize(self, _close_own, self._idle)

    @classmethod
    def create(cls, directory: Path) -> None:
        """Make an empty collection's database; one that exists is migrated.

        Raises:
            NotACollection: The directory holds other files and no collection.
        """
        path = directory / DATABASE_NAME
        try:
            if not path.exists() and directory.exists():
                _refuse_others({entry.name for entry in directory.iterdir()}, directory)
            directory.mkdir(parents=True, exist_ok=True)
            with damage(path), contextlib.closing(_connect(path, "rwc")) as connection:
                _prepare(connection, directory)
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
    def noting(self, patience_s: float) -> Iterator[sqlite3.Connection]:
        """A connection inside one short write transaction, beside the writer's own.

        Whoever writes has the file to itself for the length of a transaction only: nothing is
        migrated here, and no generation may depend on what is written.

        Args:
            patience_s: How long to wait for a transaction of others to end.

        Raises:
            CollectionError: It cannot be written, or not now.
        """
        name = self.path.parent
        if self._read_only:
            raise CollectionError(f"{name} was opened read-only")
        if not os.access(self.path.parent, os.W_OK):
            raise CollectionError(f"{name} cannot be written")
        with damage(self.path), contextlib.closing(_connect(self.path, "rw")) as connection:
            if schema_version(connection) != SCHEMA_VERSION:
                raise CollectionError(f"{name} is of an older version until it is indexed again")
            connection.execute(f"PRAGMA busy_timeout = {round(patience_s * 1000)}")
            connection.execute("PRAGMA synchronous = NORMAL")
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise CollectionError(f"{name} is being written: {error}") from error
            with connection:
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, Origin]]:
        """A connection inside a read transaction: it sees one state of the database throughout.

        With it comes what tells this database from one made later in its place.
        """
        reader = self._take()
        try:
            with damage(self.path):
                reader.connection.execute("BEGIN")
                # Each time: a newer program may have migrated it since the last.
                check_version(reader.connection, str(self.path.parent))
                yield reader.connection, reader.origin
        finally:
            with contextlib.suppress(sqlite3.Error):
                reader.connection.rollback()
            with self._guard:
                self._idle.append(reader)

    def close(self) -> None:
        """Close the idle connections; the object opens new ones when it is used again."""
        with self._guard:
            _close_own(self._idle)

    def _take(self) -> _Reader:
        with self._guard:
            while self._idle:
                reader = self._idle.pop()
                if reader.process != os.getpid():
                    # It came over a fork and is the parent's: it is left alone, not even closed.
                    self._inherited.append(reader)
                elif reader.origin == self._origin(immutable=reader.immutable):
                    return reader
                else:
                    reader.connection.close()
        with damage(self.path):
            return self._open_reader()

    def _origin(self, *, immutable: bool) -> Origin:
        try:
            status = self.path.stat()
        except OSError as error:
            raise CollectionNotFound(f"there is no collection at {self.path.parent}") from error
        place = (status.st_dev, status.st_ino)
        return (*place, status.st_size, status.st_mtime_ns) if immutable else place

    def _open_reader(self) -> _Reader:
        origin = self._origin(immutable=False)
        if not self._read_only and os.access(self.path.parent, os.W_OK):
            connection, immutable = _connect(self.path, "rw"), False
        else:
            connection, immutable = self._open_unwritten()
        try:
            if immutable:
                origin = self._origin(immutable=True)
            if not schema_version(connection):
                self._finish_making(connection)
        except BaseException:
            connection.close()
            raise
        return _Reader(connection, os.getpid(), origin, immutable)

    def _open_unwritten(self) -> tuple[sqlite3.Connection, bool]:
        """A connection that changes nothing, and whether it takes the file to be unchanging."""
        try:
            return _connect(self.path, "ro"), False
        except sqlite3.OperationalError as error:
            # Without a -wal nothing is left to be merged, so that the file alone is the truth.
            log = self.path.with_name(DATABASE_NAME + "-wal")
            if log.exists() and log.stat().st_size:
                raise CollectionError(
                    f"{self.path} was left by a writer in mid-work and cannot be read where it"
                    " cannot be written: open it once where it can, or make a copy"
                ) from error
            return _connect(self.path, "ro&immutable=1"), True

    def _finish_making(self, connection: sqlite3.Connection) -> None:
        """A collection whose making was interrupted before it had any table."""
        if self._read_only or not os.access(self.path.parent, os.W_OK):
            raise CollectionNotFound(
                f"the collection at {self.path.parent} was never filled: `ragkit index FOLDER`"
                " does that"
            )
        _prepare(connection, self.path.parent)


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
        full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
        advice = "; make room and run the same command again" if full else ""
        raise CollectionError(f"{path} cannot be used: {error}{advice}") from error
    except sqlite3.DatabaseError as error:
        raise CollectionDamaged(
            f"{path} is damaged ({error}): restore it from a copy, or delete the collection and"
            " index again"
        ) from error


def _prepare(connection: sqlite3.Connection, directory: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, str(directory))
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")


def _refuse_others(names: set[str], directory: Path) -> None:
    if not names <= _REMAINS:
        raise NotACollection(
            f"{directory} is not empty and holds no collection: give another directory"
        )


def _close_own(readers: list[_Reader]) -> None:
    """Close what this process opened; what came over a fork is its parent's."""
    own = [reader for reader in readers if reader.process == os.getpid()]
    readers[:] = [reader for reader in readers if reader.process != os.getpid()]
    for reader in own:
        reader.connection.close()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    _refuse_strange_files(path)
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
        for limit, most in _LIMITS:
            connection.setlimit(limit, most)
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and owner != _APPLICATION_ID:
            _refuse_foreign(connection, path)
        check_objects(connection, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_strange_files(path: Path) -> None:
    """See that SQLite, which follows links and trusts journals, is not led out of the directory."""
    journal = path.with_name(f"{path.name}-journal")
    refuse_links(path, journal, *(path.with_name(path.name + end) for end in ("-wal", "-shm")))
    with contextlib.suppress(FileNotFoundError), journal.open("rb") as file:
        file.seek(max(0, journal.stat().st_size - len(_NAMES_ANOTHER)))
        if file.read() == _NAMES_ANOTHER:
            raise CollectionDamaged(
                f"{journal} names a file outside of the collection, which no ragkit wrote: do not"
                " use this collection unless you know who made it"
            )


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    # The id is set last when a collection is made: one that was interrupted before that is ours.
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    if not {"settings", "documents", "passages", "vectors"} <= names:
        raise NotACollection(f"{path} was made by another program: give another directory")
