"""The servers that the user of this installation has named, as opposed to a collection's word.

A collection says where its texts go. One that somebody else made could so have questions, and the
key of the environment, sent to a server of theirs.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ragkit.config import state_directory

__all__ = ["is_named", "name_server"]

_NAME = "servers"
_MOST = 1000


def is_named(base_url: str, directory: Path | None = None) -> bool:
    """Whether the user has ever named this server on this machine."""
    return base_url in _named(_file(directory))


def name_server(base_url: str, directory: Path | None = None) -> None:
    """Keep that the user named it; where that cannot be written, nothing is kept."""
    path = _file(directory)
    named = _named(path)
    if base_url in named or len(base_url.splitlines()) != 1:
        return
    draft = path.with_name(f"{_NAME}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft.write_text("\n".join([*named[1 - _MOST :], base_url]), encoding="utf-8")
        draft.replace(path)


def _file(directory: Path | None) -> Path:
    return (state_directory() if directory is None else directory) / _NAME


def _named(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
