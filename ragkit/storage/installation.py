"""This installation's own key, which signs the derived files that it built."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
from pathlib import Path

from ragkit.config import state_directory

__all__ = ["installation_key"]

_NAME = "derived.key"
_LENGTH = 32


def installation_key(directory: Path | None = None) -> bytes:
    """32 secret bytes, made at the first call and kept in the user's state directory.

    Where that cannot be written the key lives as long as the process: its derived files are then
    rebuilt by the next one, which costs time and never trust.
    """
    path = (state_directory() if directory is None else directory) / _NAME
    for _ in range(2):
        with contextlib.suppress(OSError):
            key = path.read_bytes()
            if len(key) == _LENGTH:
                return key
        with contextlib.suppress(OSError):
            _write_once(path)
    return _process_key()


def _write_once(path: Path) -> None:
    """Make the key file whole or not at all; a key that another process made first stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, secrets.token_bytes(_LENGTH))
        os.fsync(file)
        os.close(file)
        if path.exists() and path.stat().st_size != _LENGTH:
            draft.replace(path)
        else:
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


@functools.cache
def _process_key() -> bytes:
    return secrets.token_bytes(_LENGTH)
