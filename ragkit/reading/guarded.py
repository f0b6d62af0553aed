"""One file read in a process of its own."""

from __future__ import annotations

from ragkit.config import Settings
from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.pool import WorkerFailure, WorkerPool
from ragkit.records import Document

__all__ = ["read_guarded"]

_MIB = 1024 * 1024
# Whoever names one file wants it, however large it is; the limit of memory remains.
_ANY_SIZE = 2**63 - 1


def read_guarded(path: bytes, source: str) -> Document:
    """Read a file as an index would, with the limits that an index has by default.

    Args:
        path: Absolute, and not a symbolic link.
        source: The document's.

    Raises:
        DocumentSkipped: It is not to be indexed.
        DocumentUnreadable: It cannot be read.
        ReadingError: No process can be started.
    """
    limits = Settings()
    request = ReadRequest(
        path=path, source=source, root="", max_file_bytes=_ANY_SIZE, pictures=True
    )
    with WorkerPool(
        ReadReply,
        workers=1,
        timeout_s=limits.file_timeout_s,
        memory_bytes=limits.file_memory_mib * _MIB,
    ) as pool:
        ((_, reply),) = pool.run([request])
    if isinstance(reply, WorkerFailure):
        raise DocumentUnreadable(reply.reason)
    if reply.document is None:
        if reply.skipped is not None:
            raise DocumentSkipped(reply.skipped)
        raise DocumentUnreadable(reply.failed or "no answer")
    return reply.document
