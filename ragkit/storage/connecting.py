"""Connections to a database that a stranger may have made."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ragkit.errors import CollectionDamaged, CollectionError, NotACollection, remedy
from ragkit.storage.files import refuse_links
from ragkit.storage.schema import APPLICATION_ID, check_objects
from ragkit.storage.sums import add_function

__all__ = ["Connection", "atomic", "connect", "damage"]

_BUSY_TIMEOUT_S = 30.0
# The longest value of a row, the longest statement, the most columns, that a file may have SQLite
# allocate for; what a collection of ours holds stays far below.
_LIMITS = (
    (sqlite3.SQLITE_LIMIT_LENGTH, 2**29),
    (sqlite3.SQLITE_LIMIT_SQL_LENGTH, 2**17),
    (sqlite3.SQLITE_LIMIT_COLUMN, 64),
    (sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 1),
)
# SQLite tells of an exceeded quota as of a failing disk.
_REMEDIES = {
    sqlite3.SQLITE_FULL: "make room and run the same command again",
    sqlite3.SQLITE_IOERR: "make room if the disk or your quota is full, else see to the disk, which"
    " may be failing, and run the same command again",
    sqlite3.SQLITE_READONLY: "see that it may be written and run the same command again",
    sqlite3.SQLITE_PERM: "see that it may be written and run the same command again",
    sqlite3.SQLITE_CANTOPEN: "see that its directory is there and may be used, and run the same"
    " command again",
    sqlite3.SQLITE_BUSY: "another program has held it for long: end that, and run the same command"
    " again",
}
# A rollback journal that ends so names another file, which SQLite would open and may delete.
_NAMES_ANOTHER = bytes.fromhex("d9d505f920a163d7")


class Connection(sqlite3.Connection):
    """A connection that may be told to look around before each statement.

    Attributes:
        watch: Called before each statement; raises where it must not be run. None for nothing.
    """

    watch: Callable[[], None] | None = None

    def execute(self, *arguments: Any) -> sqlite3.Cursor:  # noqa: ANN401 - as sqlite3 has it
        """As ``sqlite3.Connection.execute``."""
        if self.watch is not None:
            self.watch()
        return super().execute(*arguments)


def connect(path: Path, mode: str) -> Connection:
    """A connection that runs nothing of what the file says, and follows it nowhere.

    Args:
        path: Of the database.
        mode: As SQLite's URI takes it, with what may follow it.

    Raises:
        CollectionDamaged: It holds something that ragkit did not make, or leads elsewhere.
        CollectionError: Its directory cannot be used.
        NotACollection: Another program made it.
        sqlite3.Error: It cannot be opened.
    """
    try:
        _refuse_strange_files(path)
    except OSError as error:
        raise CollectionError(
            f"{error.filename or path} cannot be used: {error.strerror}; {remedy(error)}"
        ) from error
    # isolation_level=None: transactions begin where the code says BEGIN, and nowhere else.
    connection = sqlite3.connect(
        f"file:{quote(os.fspath(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        for limit, most in _LIMITS:
            connection.setlimit(limit, most)
        add_function(connection)
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if tables and owner != APPLICATION_ID:
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
    # An earlier ragkit set the id last: a collection whose making was interrupted has none.
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    if not {"settings", "documents", "passages", "vectors"} <= names:
        raise NotACollection(f"{path} was made by another program: give another directory")


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
    except sqlite3.DatabaseError as error:
        # Text that is no UTF-8 is found by Python, which knows of no code for it.
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, sqlite3.OperationalError) and code is not None:
            advice = _REMEDIES.get(code & 0xFF, "run the same command again")
            raise CollectionError(f"{path} cannot be used: {error}; {advice}") from error
        # SQLite tells of a page that the disk does not give as of one that is damaged.
        first = "see to the disk and run `ragkit verify`; if it says so again, "
        raise CollectionDamaged(
            f"{path} is damaged ({error}): {first if code == sqlite3.SQLITE_CORRUPT else ''}restore"
            " it from a copy, or delete the collection and index again"
        ) from error
