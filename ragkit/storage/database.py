"""Connections to ``collection.db``: how it is opened, shared and kept safe."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ragkit.errors import (
    CollectionError,
    CollectionNotFound,
    GenerationGone,
    NotACollection,
    remedy,
)
from ragkit.storage.connecting import Connection, connect, damage
from ragkit.storage.files import DATABASE_NAME, make_directory
from ragkit.storage.lock import LOCK_NAME
from ragkit.storage.replacing import await_replacement, is_pending
from ragkit.storage.schema import (
    SCHEMA_VERSION,
    check_version,
    migrate,
    schema_version,
)

__all__ = ["OLDEST_SETTING", "Database", "Origin"]

# The first generation that may still be read: those before it hold what was purged.
OLDEST_SETTING = "oldest_generation"
# What an interrupted ``Store.discard`` may leave; SQLite drops the log of a database that is gone.
_REMAINS = {LOCK_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"}
# Device, inode, and for a file that is read as immutable its size and time too: a collection that
# was deleted and made again is another one, whatever its generation is called.
Origin = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Reader:
    """A connection for reading, with the process that opened it and the file that it reads."""

    connection: Connection
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
        # The oldest generation that may be read, by the file that says so.
        self._oldest: dict[Origin, int] = {}
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
        await_replacement(directory)
        try:
            if not path.exists() and directory.exists():
                _refuse_others({entry.name for entry in directory.iterdir()}, directory)
            make_directory(directory, parents=True)
            with damage(path), contextlib.closing(connect(path, "rwc")) as connection:
                _prepare(connection, directory)
        except OSError as error:
            raise CollectionError(
                f"a collection cannot be made at {directory}: {error.strerror}; {remedy(error)}"
            ) from error

    def open_writer(self) -> sqlite3.Connection:
        """A connection of one's own for writing; what is committed is on the disk."""
        with damage(self.path):
            connection = connect(self.path, "rw")
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
        origin = self._origin(immutable=False)
        with damage(self.path), contextlib.closing(connect(self.path, "rw")) as connection:
            if schema_version(connection) != SCHEMA_VERSION:
                raise CollectionError(f"{name} is of an older version until it is indexed again")
            connection.execute(f"PRAGMA busy_timeout = {round(patience_s * 1000)}")
            connection.execute("PRAGMA synchronous = NORMAL")
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise CollectionError(f"{name} is being written: {error}") from error
            with connection:
                # Whoever replaces the file holds a transaction of this kind until it is replaced.
                if not self._is_at(origin):
                    raise CollectionError(f"{name} is being compacted")
                yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[sqlite3.Connection, Origin]]:
        """A connection inside a read transaction: it sees one state of the database throughout.

        With it comes what tells this database from one made later in its place. A statement on it
        raises GenerationGone once what it would read was purged.
        """
        reader = self._take()
        try:
            with damage(self.path):
                reader.connection.execute("BEGIN")
                reader.connection.watch = partial(self._see_that_it_stands, reader)
                # Each time: a newer program may have migrated it since the last.
                check_version(reader.connection, str(self.path.parent))
                yield reader.connection, reader.origin
        finally:
            reader.connection.watch = None
            with contextlib.suppress(sqlite3.Error):
                reader.connection.rollback()
            with self._guard:
                self._idle.append(reader)

    def is_current(self, origin: Origin) -> bool:
        """Whether what was read from there is not replaced, nor about to be."""
        return not is_pending(self.path.parent) and self._is_at(origin)

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
                elif self.is_current(reader.origin):
                    return reader
                else:
                    reader.connection.close()
        with damage(self.path):
            while True:
                await_replacement(self.path.parent)
                opened = self._open_reader()
                # Opened while its file was being replaced, it may have met the log of the other.
                if self.is_current(opened.origin):
                    return opened
                opened.connection.close()

    def _is_at(self, origin: Origin) -> bool:
        return origin == self._origin(immutable=len(origin) > 2)

    def _see_that_it_stands(self, reader: _Reader) -> None:
        """Raise GenerationGone if what the reader sees was purged meanwhile.

        A database that was only compacted says the same as before.
        """
        try:
            status = self.path.stat()
        except OSError:
            return
        place = (status.st_dev, status.st_ino)
        if place == reader.origin[:2]:
            return
        oldest = self._oldest.get(place)
        if oldest is None:
            with self.reading() as (connection, _):
                oldest = _setting(connection, OLDEST_SETTING)
            self._oldest = {place: oldest}
        own = _setting(reader.connection, "generation")
        if own < oldest:
            raise GenerationGone(
                f"generation {own} of the collection at {self.path.parent} was purged: search again"
                " for what is there now"
            )

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
            connection, immutable = connect(self.path, "rw"), False
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

    def _open_unwritten(self) -> tuple[Connection, bool]:
        """A connection that changes nothing, and whether it takes the file to be unchanging."""
        try:
            return connect(self.path, "ro"), False
        except sqlite3.OperationalError as error:
            # Without a -wal nothing is left to be merged, so that the file alone is the truth.
            log = self.path.with_name(DATABASE_NAME + "-wal")
            if log.exists() and log.stat().st_size:
                raise CollectionError(
                    f"{self.path} was left by a writer in mid-work and cannot be read where it"
                    " cannot be written: open it once where it can, or make a copy"
                ) from error
            return connect(self.path, "ro&immutable=1"), True

    def _finish_making(self, connection: sqlite3.Connection) -> None:
        """A collection whose making was interrupted before it had any table."""
        if self._read_only or not os.access(self.path.parent, os.W_OK):
            raise CollectionNotFound(
                f"the collection at {self.path.parent} was never filled: `ragkit index FOLDER`"
                " does that"
            )
        _prepare(connection, self.path.parent)


def _setting(connection: sqlite3.Connection, key: str) -> int:
    """A number among the settings, read without looking around."""
    query = "SELECT value FROM settings WHERE key = ?"
    row = sqlite3.Connection.execute(connection, query, (key,)).fetchone()
    return int(row[0]) if row is not None and str(row[0]).isdigit() else 0


def _prepare(connection: sqlite3.Connection, directory: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    migrate(connection, str(directory))


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
