"""Picture files that a page shows: found beside it, and nowhere else than in its own root."""

from __future__ import annotations

import os
import posixpath
import stat
import time
from typing import Final
from urllib.parse import unquote, urlsplit

from ragkit.reading.content import Beside
from ragkit.reading.freshness import UNSETTLED, is_fresh

__all__ = ["Link", "Neighbours"]

# Path from the document's folder, size, mtime_ns.
Link = tuple[str, int, int]

_EXTENSIONS: Final = (".png", ".jpg", ".jpeg", ".webp", ".gif")
_MOST_LINKS: Final = 2000
_LARGEST_BYTES: Final = 64 * 1024 * 1024
_OPEN_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW


class Neighbours:
    """Reads the files that one document refers to.

    Attributes:
        links: The files that were looked for, by their paths from the document's folder.
    """

    def __init__(self, path: bytes, source: str) -> None:
        """Prepare for a document.

        Args:
            path: Where it lies, absolute.
            source: Its path inside its root.
        """
        raw_source = os.fsencode(source)
        # Reached through a link, its own folder is all that is known of its root.
        inside = raw_source if path.endswith(b"/" + raw_source) else os.path.basename(path)  # noqa: PTH119
        self._root = path[: len(path) - len(inside)] or b"/"
        self._folder = posixpath.dirname(os.fsdecode(inside))
        self._prefix = posixpath.dirname(source)
        self.links: dict[str, Link] = {}

    def __call__(self, reference: str) -> Beside | None:
        """The picture at a relative URL; None where there is none that may be read."""
        target = self._target(reference)
        if target is None:
            return None
        path = self._root + os.fsencode(target)
        # A link on the way could lead anywhere.
        real = os.path.realpath(path)
        if real != path and not real.startswith(os.path.realpath(self._root) + b"/"):
            return None
        relative = posixpath.relpath(target, self._folder or ".")
        if len(self.links) < _MOST_LINKS:
            self.links[relative] = (relative, *_stated(real))
        try:
            data = _content(real)
        except OSError:
            return None
        if data is None:
            return None
        return Beside(name=posixpath.normpath(posixpath.join(self._prefix, relative)), data=data)

    def _target(self, reference: str) -> str | None:
        """The path inside the root that a URL means."""
        try:
            parts = urlsplit(reference.strip())
        except ValueError:
            return None
        path = unquote(parts.path)
        if parts.scheme or parts.netloc or not path.lower().endswith(_EXTENSIONS) or "\0" in path:
            return None
        # From the top of a site is from the top of the root.
        joined = path.lstrip("/") if path.startswith("/") else posixpath.join(self._folder, path)
        target = posixpath.normpath(joined)
        hidden = any(part.startswith(".") for part in target.split("/"))
        return None if hidden else target


def _stated(path: bytes) -> tuple[int, int]:
    """Size and time of a file; -1 and 0 for one that is not there, and may come."""
    try:
        status = os.stat(path)  # noqa: PTH116 - bytes
    except OSError:
        return -1, 0
    fresh = is_fresh(status.st_mtime_ns, time.time_ns())
    return status.st_size, UNSETTLED if fresh else status.st_mtime_ns


def _content(path: bytes) -> bytes | None:
    descriptor = os.open(path, _OPEN_FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
            return None
        return file.read(_LARGEST_BYTES)
