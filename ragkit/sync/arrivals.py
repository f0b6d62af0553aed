"""Files become documents that are cut, one after another, or lines of the report."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ragkit.indexing.analysis import detect_language
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.pool import WorkerFailure, WorkerPool
from ragkit.reading.registry import reader_version, reading_version
from ragkit.records import Document, Passage
from ragkit.storage.rows import Problem
from ragkit.storage.writer import FileFacts
from ragkit.sync.difference import ToRead
from ragkit.sync.worker import CutReply, cut_passages

__all__ = ["Arrival", "CutDocument", "arrivals", "requests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutDocument:
    """A document with its passages, and what is kept of its file."""

    document: Document
    passages: Sequence[Passage]
    facts: FileFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What became of one document that is new or changed.

    Attributes:
        root: Name of its root.
        size: Of its file, for the progress.
        replaces: The living document that it takes the place of.
        cut: None where there is no document to be had.
        problems: Remarks of its reader, or why there is none.
        is_gone: Whether what was indexed of the file before has lost its content.
    """

    root: str
    size: int
    replaces: int | None = None
    cut: CutDocument | None = None
    problems: tuple[Problem, ...] = ()
    is_gone: bool = False


def arrivals(
    changes: Sequence[ToRead], pool: WorkerPool[CutReply], *, max_bytes: int, chunker_version: int
) -> Iterator[Arrival]:
    """Read and cut files in worker processes, a few of them ahead, and answer in their order.

    Args:
        changes: The files.
        pool: Its workers cut as the collection is cut.
        max_bytes: Larger files are skipped.
        chunker_version: Kept with each document.
    """
    replies = pool.run(requests(changes, max_bytes))
    for change, (_, reply) in zip(changes, replies, strict=True):
        yield _arrival(change, reply, chunker_version)


def requests(changes: Iterable[ToRead], max_bytes: int) -> Iterator[ReadRequest]:
    """What the workers are asked for these files."""
    for change in changes:
        yield ReadRequest(
            path=os.fsencode(change.file.location),
            source=change.file.source,
            root=change.root,
            max_file_bytes=max_bytes,
        )


def _arrival(change: ToRead, reply: CutReply | WorkerFailure, chunker_version: int) -> Arrival:
    arrival = Arrival(
        root=change.root,
        size=change.file.size,
        replaces=None if change.state is None else change.state.id,
    )
    if isinstance(reply, WorkerFailure):
        return replace(arrival, problems=(_problem(change, "failed", reply.reason, None),))
    read = reply.read
    warnings = tuple(_problem(change, "warning", warning, read) for warning in read.warnings)
    if read.document is None or not reply.cuts:
        kind = "failed" if read.failed is not None else "skipped"
        reason = read.failed or read.skipped or "no text"
        return replace(
            arrival,
            problems=(*warnings, _problem(change, kind, reason, read)),
            # Where it could not even be opened nothing is known of the content, and the version
            # that is indexed stays.
            is_gone=read.digest is not None,
        )
    facts = FileFacts(
        raw_name=change.file.raw_name,
        digest=read.digest or b"",
        size=read.size,
        mtime_ns=read.mtime_ns,
        reader_version=reader_version(read.document.media_type),
        chunker_version=chunker_version,
        language=detect_language(read.document.text),
    )
    passages = cut_passages(read.document, reply.cuts)
    cut = CutDocument(document=read.document, passages=passages, facts=facts)
    return replace(arrival, cut=cut, problems=warnings)


def _problem(change: ToRead, kind: str, reason: str, read: ReadReply | None) -> Problem:
    known = read is not None and read.digest is not None
    return Problem(
        root=change.root,
        source=change.file.source,
        kind=kind,
        reason=reason,
        size=read.size if known and read is not None else None,
        mtime_ns=read.mtime_ns if known and read is not None else None,
        reading_version=reading_version(),
    )
