"""Open one file safely, read it whole, and let its reader make a document of it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.errors import DocumentSkipped, DocumentUnreadable, PathNotFound
from ragkit.reading.album import Album
from ragkit.reading.content import RawFile
from ragkit.reading.freshness import UNSETTLED, is_fresh
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.names import source_from_raw
from ragkit.reading.neighbours import Neighbours
from ragkit.reading.registry import has_careful_reader, load_reader, media_type, needs_guard

if TYPE_CHECKING:
    from ragkit.reading.content import Reading
    from ragkit.records import Document

__all__ = ["read_bytes", "read_file", "read_path"]

_MIB = 1024 * 1024
_READ_AT_ONCE_BYTES = 8 * _MIB
# The open of a FIFO returns at once, no terminal becomes ours, no child inherits the file.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CAREFUL = "read without its structure: its parser crashed on it, hung or ran out of memory"
_CHANGED = "changed while it was read: index again when nothing writes to it"


@dataclass(frozen=True, slots=True)
class _Content:
    data: bytes
    size: int
    mtime_ns: int
    settled: bool


def read_path(path: str | os.PathLike[str]) -> Document:
    """Read one file; see ``ragkit.reading.read``."""
    raw_path = os.fsencode(path)
    try:
        content = _read_content(raw_path, max_file_bytes=None, follow=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PathNotFound(f"{os.fspath(path)!r} is not there: check the path") from error
    except IsADirectoryError as error:
        raise PathNotFound(f"{os.fspath(path)!r} is a folder: name a file in it") from error
    except OSError as error:
        raise DocumentUnreadable(_system_reason(error)) from error
    source = source_from_raw(raw_path.rstrip(b"/").rpartition(b"/")[2])
    if content.data and needs_guard(media_type(source, content.data)):
        # Loaded by those who need it, and it loads this module in its process.
        from ragkit.reading.guarded import read_guarded  # noqa: PLC0415

        return read_guarded(os.path.realpath(raw_path), source)
    try:
        return read_bytes(content.data, source=source).document
    except RecursionError as error:
        raise DocumentUnreadable("nested too deeply") from error


def read_bytes(
    data: bytes,
    *,
    source: str,
    root: str = "",
    album: Album | None = None,
    beside: Neighbours | None = None,
    careful: bool = False,
) -> Reading:
    """Make a document of the bytes of a file.

    Args:
        data: The whole file.
        source: Its path inside its root; the extension counts.
        root: Name of the root.
        album: Where its pictures go; None leaves them out.
        beside: Where it lies, for the picture files that it shows.
        careful: Read it in the careful way, where its format has one.

    Raises:
        DocumentSkipped: It is not to be indexed.
        DocumentUnreadable: Its reader cannot read it.
    """
    if not data:
        raise DocumentSkipped("empty")
    kind = media_type(source, data)
    raw = RawFile(source=source, root=root, media_type=kind, data=data, album=album, beside=beside)
    reading = load_reader(kind, careful=careful)(raw)
    document = reading.document
    if not document.text.strip() and document.image is None and not document.figures:
        raise DocumentSkipped("empty: no text in it")
    return reading


def read_file(request: ReadRequest) -> ReadReply | None:
    """Read the file of a request: what a worker answers with.

    A file that changes while it is read is read once more, and is then reported as failed. The path
    itself must not be a symbolic link: the walk has resolved them, so one that is there now was put
    there since.

    Returns:
        None where the request is careful and the file's format has no careful way.
    """
    try:
        content = _read_content(request.path, request.max_file_bytes, follow=False)
        if not content.settled:
            content = _read_content(request.path, request.max_file_bytes, follow=False)
    except DocumentSkipped as skipped:
        return ReadReply(skipped=str(skipped))
    except OSError as error:
        return ReadReply(failed=_system_reason(error))
    if request.careful and not _has_careful_reader(request.source, content.data):
        return None
    return _reply(request, content)


def _has_careful_reader(source: str, data: bytes) -> bool:
    try:
        return has_careful_reader(media_type(source, data))
    except DocumentSkipped:
        return False


def _reply(request: ReadRequest, content: _Content) -> ReadReply:
    digest = hashlib.sha256(content.data).digest()
    size, mtime_ns = content.size, content.mtime_ns
    if not content.settled:
        return ReadReply(size=size, mtime_ns=mtime_ns, failed=_CHANGED)
    album = Album() if request.pictures else None
    beside = Neighbours(request.path, request.source) if request.pictures else None
    try:
        reading = read_bytes(
            content.data,
            source=request.source,
            root=request.root,
            album=album,
            beside=beside,
            careful=request.careful,
        )
    except DocumentSkipped as skipped:
        return ReadReply(digest=digest, size=size, mtime_ns=mtime_ns, skipped=str(skipped))
    except (DocumentUnreadable, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        return ReadReply(digest=digest, size=size, mtime_ns=mtime_ns, failed=reason)
    return ReadReply(
        digest=digest,
        size=size,
        mtime_ns=mtime_ns,
        document=reading.document,
        warnings=(
            *reading.warnings,
            *(() if album is None else album.remarks()),
            *((_CAREFUL,) if request.careful else ()),
        ),
        pictures={} if album is None else album.pictures,
        links=() if beside is None else tuple(beside.links.values()),
    )


def _read_content(path: bytes, max_file_bytes: int | None, *, follow: bool) -> _Content:
    descriptor = os.open(path, _OPEN_FLAGS | (0 if follow else os.O_NOFOLLOW))
    now_ns = time.time_ns()
    try:
        before = os.fstat(descriptor)
        if stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(before.st_mode):
            raise DocumentSkipped("not a regular file")
        if max_file_bytes is not None and before.st_size > max_file_bytes:
            raise DocumentSkipped(f"larger than {max_file_bytes // _MIB} MiB")
        data = _read_all(descriptor, before.st_size)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    settled = (
        len(data) == before.st_size == after.st_size
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_ctime_ns == after.st_ctime_ns
    )
    mtime_ns = UNSETTLED if is_fresh(after.st_mtime_ns, now_ns) else after.st_mtime_ns
    return _Content(data, after.st_size, mtime_ns, settled)


def _read_all(descriptor: int, size: int) -> bytes:
    """At most one byte more than the file had when opened: growth is seen, and bounded."""
    pieces: list[bytes] = []
    left = size + 1
    while left > 0:
        piece = os.read(descriptor, min(left, _READ_AT_ONCE_BYTES))
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _system_reason(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "became a symbolic link while the folder was indexed"
    what = error.strerror or type(error).__name__
    return f"cannot be opened: {what[0].lower()}{what[1:]}"
