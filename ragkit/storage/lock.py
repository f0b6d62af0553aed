"""The writer's lock: one writer at a time, over threads and processes.

The operating system holds it for as long as the process lives, so that a lock cannot outlast its
owner; the file's content only says who that is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ragkit.errors import CollectionError, CollectionLocked

__all__ = ["LOCK_NAME", "writer_lock"]

LOCK_NAME = "lock"
_POLL_S = 0.05


@contextlib.contextmanager
def writer_lock(directory: Path, *, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the collection for writing.

    Raises:
        CollectionLocked: Another writer still holds it after *wait_s* seconds; names its PID.
    """
    path = directory / LOCK_NAME
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CollectionError(f"{directory} cannot be written: {error.strerror}") from error
    try:
        _acquire(file, directory, time.monotonic() + wait_s)
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.truncate(file, 0)
        os.pwrite(file, json.dumps(owner).encode(), 0)
        yield
        os.truncate(file, 0)
    finally:
        os.close(file)


def _acquire(file: int, directory: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
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
