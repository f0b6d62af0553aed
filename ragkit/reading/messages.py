"""What parent and worker say to each other: msgpack in length-prefixed frames, never pickle."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from ragkit.reading.content import PreparedPicture
from ragkit.records import Document

__all__ = [
    "FRAME_HEADER",
    "FRAME_LIMIT_BYTES",
    "NO_REPLY",
    "OUT_OF_MEMORY",
    "READY",
    "REPLY",
    "Limits",
    "ReadReply",
    "ReadRequest",
]

# Kind of the frame, then the length of its body in bytes.
FRAME_HEADER = struct.Struct("<BI")
FRAME_LIMIT_BYTES = 2**32 - 1
READY, REPLY, OUT_OF_MEMORY, NO_REPLY = 1, 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a worker may use; the first thing that its parent sends.

    Attributes:
        memory_bytes: Most private memory of the process.
        timeout_s: Longest time for one request; the parent keeps it, and the worker ends itself a
            little later in case the parent is gone.
    """

    memory_bytes: int
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """A file to read.

    Attributes:
        path: Where it lies, absolute, as the file system spells it.
        source: Path inside its root, as ``Document.source``.
        root: Name of its root.
        max_file_bytes: A larger file is skipped.
        careful: Its reader has crashed on it, hung or run out of memory: read it in the way that
            knows less of its format, if there is one.
        pictures: Whether pictures are wanted, files of them and those inside other files.
    """

    path: bytes
    source: str
    root: str
    max_file_bytes: int
    careful: bool = False
    pictures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReply:
    """What became of a file: exactly one of ``document``, ``skipped`` and ``failed`` is set.

    Attributes:
        digest: SHA-256 of the bytes that were read; None if they were not.
        size: Length in bytes, of the opened file.
        mtime_ns: Modification time of the opened file; ``UNSETTLED`` where that is so recent that
            another write could have left the same.
        document: What its reader made of it.
        skipped: Why it is not to be indexed.
        failed: Why it could not be read.
        warnings: Remarks about how it was read.
        pictures: Those that the document names, by digest.
        links: (path from its folder, size, mtime_ns) of the picture files that it shows.
    """

    digest: bytes | None = None
    size: int = 0
    mtime_ns: int = 0
    document: Document | None = None
    skipped: str | None = None
    failed: str | None = None
    warnings: tuple[str, ...] = ()
    pictures: Mapping[str, PreparedPicture] = field(default_factory=dict)
    links: tuple[tuple[str, int, int], ...] = ()
