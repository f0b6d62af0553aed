"""The writer's lock: one writer at a time, over threads and processes.

The operating system holds it for as long as the process lives, so that a lock cannot outlast its
owner; the file's content only says who that is. A child that is forked meanwhile would hold it too,
and for longer, so that it closes it at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ragkit.errors import CollectionError, CollectionLocked, InvalidArgument, remedy
from ragkit.storage.files import open_plain

__all__ = ["LOCK_NAME", "writer_lock"]

LOCK_NAME = "lock"
_POLL_S = 0.05


@contextlib.contextmanager
def writer_lock(
    directory: Path, *, wait_s: float = 0.0, stop: threading.Event | None = None
) -> Iterator[None]:
    """Hold the collection for writing.

    Args:
        directory: Of the collection.
        wait_s: How long to wait for another writer.
        stop: Once set, there is no waiting.

    Raises:
        InvalidArgument: *wait_s* is below 0 or nan, with which a wait would have no end.
        CollectionLocked: Another writer still holds it after *wait_s* seconds; names its PID.
        CollectionError: The directory cannot be written.
    """
    if not wait_s >= 0:
        raise InvalidArgument(f"wait_s={wait_s!r}: give a time in seconds, 0 or more")
    file = _locked_file(directory, time.monotonic() + wait_s, stop)
    owner, held = os.getpid(), _held()
    held.add(file)
    try:
        _sign(file, directory)
        yield
        if os.getpid() == owner:
            # The work is done, and what the file says is no lock.
            with contextlib.suppress(OSError):
                os.truncate(file, 0)
    finally:
        if os.getpid() == owner:
            held.discard(file)
            os.close(file)


@functools.cache
def _held() -> set[int]:
    """Descriptors of the locks that this process holds."""
    held: set[int] = set()

    def let_go() -> None:
        for file in held:
            os.close(file)
        held.clear()

    os.register_at_fork(after_in_child=let_go)
    return held


def _locked_file(directory: Path, deadline_s: float, stop: threading.Event | None) -> int:
    path = directory / LOCK_NAME
    while True:
        try:
            file = open_plain(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise CollectionError(
                f"{directory} cannot be written: {error.strerror}; {remedy(error)}"
            ) from error
        try:
            _acquire(file, directory, deadline_s, stop)
            # Whoever discards an empty collection deletes its lock while others wait for it.
            if _is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sign(file: int, directory: Path) -> None:
    """Say whose the lock is, for those who are refused."""
    try:
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.truncate(file, 0)
        os.pwrite(file, json.dumps(owner).encode(), 0)
    except OSError as error:
        raise CollectionError(
            f"{directory} cannot be written: {error.strerror}; {remedy(error)}"
        ) from error


def _acquire(file: int, directory: Path, deadline_s: float, stop: threading.Event | None) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s or (stop is not None and stop.is_set()):
                raise CollectionLocked(
                    f"{directory} is being written by {_owner(file)}: wait for it, or use --wait"
                ) from None
            time.sleep(_POLL_S)
        else:
            return


def _owner(file: int) -> str:
    try:
        owner = json.loads(os.pread(file, 4096, 0))
        return f"process {owner['pid']} on {owner['host']} since {owner['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
