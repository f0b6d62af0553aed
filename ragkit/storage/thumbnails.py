"""Small pictures of the passages that are pictures: derived, for eyes alone.

The writer makes them while it has the picture; what is deleted is made again by the next sync.
Readers give their paths and never open them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ragkit.errors import CollectionDamaged
from ragkit.storage.files import open_plain

__all__ = ["Thumbnails"]

# A stranger's database may hold anything, and a name is made of this.
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SUFFIX: Final = ".jpg"


class Thumbnails:
    """A folder of JPEG files, named by the digests of the pictures.

    Args:
        directory: Made with the first of them.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def find(self, digest: str) -> str | None:
        """Absolute path of a picture's thumbnail; None when it is not there."""
        path = self._path(digest)
        return os.fspath(path) if path is not None and path.is_file() else None

    def keep(self, digest: str, content: bytes) -> None:
        """Write one, unless it is there; a disk that refuses leaves a hit without a thumbnail."""
        path = self._path(digest)
        if path is None or path.exists() or self._leads_away():
            return
        half = path.with_suffix(".new")
        with contextlib.suppress(OSError, CollectionDamaged):
            self.directory.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            with os.fdopen(open_plain(half, flags), "wb") as file:
                file.write(content)
                file.flush()
                # One with its name is never looked into again.
                os.fsync(file.fileno())
            half.replace(path)

    def missing(self, digests: Iterable[str]) -> set[str]:
        """Those of the pictures that have no thumbnail here."""
        there = self._names()
        if self._leads_away():
            return set()
        return {digest for digest in digests if f"{digest}{_SUFFIX}" not in there}

    def sweep(self, living: Iterable[str]) -> None:
        """Remove all others; a hit of an older generation is then without one."""
        if self._leads_away():
            return
        keep = {f"{digest}{_SUFFIX}" for digest in living}
        for name in self._names() - keep:
            with contextlib.suppress(OSError):
                (self.directory / name).unlink()

    def _leads_away(self) -> bool:
        """Whether a link stands in the folder's place, so that what is written would go elsewhere.

        Then there are no thumbnails, and none is missed.
        """
        return self.directory.is_symlink() or self.directory.parent.is_symlink()

    def _path(self, digest: str) -> Path | None:
        if _DIGEST.fullmatch(digest) is None:
            return None
        return self.directory / f"{digest}{_SUFFIX}"

    def _names(self) -> set[str]:
        try:
            return set(os.listdir(self.directory))  # noqa: PTH208 - names, not paths
        except OSError:
            return set()
