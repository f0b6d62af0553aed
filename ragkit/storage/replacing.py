"""All files of a collection replaced by new ones, at once for everyone who opens it.

A compacted or purged collection is written anew beside the old one, so that nothing of what was
dropped is in it, and then takes its place:

1. ``collection.db.new`` and ``vectors.new`` are written and durable. Nothing has happened yet; the
   next writer removes them.
2. ``collection.db.new`` is renamed to ``collection.db.next``: from here on the new one is the
   collection.
3. The old database's log goes (SQLite would replay it over any file of that name), ``vectors.new``
   takes the name of the matrix, and what the new database does not name is deleted.
4. ``collection.db.next`` is renamed to ``collection.db``.

Whoever opens a collection between 2 and 4 waits for the process that is at it, or, when that is
dead, goes on in its place. Readers of the old files keep them until they let go.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path

from ragkit.errors import CollectionError, CollectionLocked, remedy
from ragkit.storage.connecting import connect, damage
from ragkit.storage.files import DATABASE_NAME, remove_tree, sync_directory
from ragkit.storage.lock import writer_lock
from ragkit.storage.matrix import FIRST_MATRIX, matrix_files, matrix_name

__all__ = [
    "NEW_DATABASE",
    "NEW_MATRIX",
    "await_replacement",
    "clear_drafts",
    "is_pending",
    "replace_files",
]

NEW_DATABASE = f"{DATABASE_NAME}.new"
NEW_MATRIX = "vectors.new"
_NEXT = f"{DATABASE_NAME}.next"
_LOGS = ("-wal", "-shm", "-journal")
# A derived folder of one generation: made whole, and named by a setting.
_OF_A_GENERATION = re.compile(r"[a-z]+-[0-9]+(-[0-9]+)?")
_PATIENCE_S = 30.0
_POLL_S = 0.01


def is_pending(directory: Path) -> bool:
    """Whether the collection is to be what lies beside it."""
    return os.path.lexists(directory / _NEXT)


def replace_files(directory: Path) -> None:
    """Let what was written anew take the place of the collection; the caller holds the lock.

    Raises:
        OSError: The disk refuses; whoever opens the collection next goes on.
    """
    (directory / NEW_DATABASE).rename(directory / _NEXT)
    sync_directory(directory)
    _finish(directory)


def clear_drafts(directory: Path) -> None:
    """Go on with a replacement that was interrupted, or remove what never became one.

    The caller holds the lock.

    Raises:
        CollectionError: The disk refuses.
    """
    try:
        if is_pending(directory):
            _finish(directory)
        for name in (NEW_DATABASE, NEW_MATRIX, *(NEW_DATABASE + log for log in _LOGS)):
            remove_tree(directory / name)
    except OSError as error:
        raise CollectionError(
            f"{directory} cannot be written: {error.strerror}; {remedy(error)}"
        ) from error


def await_replacement(directory: Path) -> None:
    """Return when the collection is what it is to be.

    Raises:
        CollectionError: Another process takes too long over it, or the directory, which an
            interrupted process left in mid-work, cannot be written.
    """
    deadline_s = time.monotonic() + _PATIENCE_S
    while is_pending(directory):
        if not os.access(directory, os.W_OK):
            raise CollectionError(
                f"{directory} was left by a writer in mid-work and cannot be read where it cannot"
                " be written: open it once where it can, or make a copy"
            )
        try:
            with writer_lock(directory):
                clear_drafts(directory)
        except CollectionLocked:
            if time.monotonic() > deadline_s:
                raise
            time.sleep(_POLL_S)


def _finish(directory: Path) -> None:
    """Steps 3 and 4, each of which may have been done before."""
    keep = _named_in(directory / _NEXT)
    for log in _LOGS:
        remove_tree(directory / (DATABASE_NAME + log))
    live = directory / matrix_name(FIRST_MATRIX)
    if (directory / NEW_MATRIX).exists():
        (directory / NEW_MATRIX).replace(live)
    for path in matrix_files(directory):
        if path != live:
            path.unlink()
    _sweep(directory / "derived", keep)
    sync_directory(directory)
    (directory / _NEXT).replace(directory / DATABASE_NAME)
    sync_directory(directory)


def _named_in(database: Path) -> set[str]:
    """Every word among the settings: a derived folder that is named lives on."""
    with damage(database), contextlib.closing(connect(database, "ro&immutable=1")) as connection:
        rows = connection.execute("SELECT value FROM settings").fetchall()
    with contextlib.suppress(ValueError, RecursionError):
        return {value for row in rows if isinstance(value := json.loads(row[0]), str)}
    return set()


def _sweep(derived: Path, keep: set[str]) -> None:
    if derived.is_symlink() or not derived.is_dir():
        return
    for path in list(derived.iterdir()):
        if _OF_A_GENERATION.fullmatch(path.name) and path.name not in keep:
            remove_tree(path)
