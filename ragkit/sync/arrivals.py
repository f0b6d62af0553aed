"""Files become documents that are cut, one after another, or lines of the report."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ragkit.indexing.analysis import detect_language
from ragkit.reading.content import PreparedPicture
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.pool import WorkerFailure, WorkerPool
from ragkit.reading.registry import reader_version, reading_version
from ragkit.records import Document, Passage
from ragkit.storage.states import FileFacts, Link, Problem
from ragkit.sync.difference import Difference, ToRead, linked
from ragkit.sync.worker import CutReply, cut_passages

__all__ = ["Arrival", "CutDocument", "arrivals", "requests", "shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CutDocument:
    """A document with its passages and pictures, and what is kept of its file."""

    document: Document
    passages: Sequence[Passage]
    facts: FileFacts
    pictures: Mapping[str, PreparedPicture] = field(default_factory=dict)


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
    difference: Difference, pool: WorkerPool[CutReply], *, max_bytes: int, chunker_version: int
) -> Iterator[Arrival]:
    """Read and cut files in worker processes, a few of them ahead, and answer in their order.

    Args:
        difference: Names the files.
        pool: Its workers cut as the collection is cut.
        max_bytes: Larger files are skipped.
        chunker_version: Kept with each document.
    """
    replies = pool.run(requests(difference, max_bytes))
    for change, (_, reply) in zip(difference.reads, replies, strict=True):
        yield _arrival(change, reply, chunker_version, difference)


def requests(difference: Difference, max_bytes: int) -> Iterator[ReadRequest]:
    """What the workers are asked for its files."""
    for change in difference.reads:
        yield ReadRequest(
            path=os.fsencode(change.file.location),
            source=change.file.source,
            root=change.root,
            max_file_bytes=max_bytes,
            pictures=difference.pictures,
        )


def shown(change: ToRead, reply: CutReply, known: Collection[str]) -> list[Passage]:
    """The passages of a reply, without pictures of files that are not to be read.

    A page may show what its folder's rules leave out, or what the user did.
    """
    if reply.read.document is None:
        return []
    beside = {source for source, _, _ in linked(change.file.source, reply.read.links)}
    return [
        passage
        for passage in cut_passages(reply.read.document, reply.cuts)
        if passage.image is None or passage.image.path not in beside or passage.image.path in known
    ]


def _arrival(
    change: ToRead,
    reply: CutReply | WorkerFailure,
    chunker_version: int,
    difference: Difference,
) -> Arrival:
    version = reading_version(pictures=difference.pictures)
    arrival = Arrival(
        root=change.root,
        size=change.file.size,
        replaces=None if change.state is None else change.state.id,
    )
    if isinstance(reply, WorkerFailure):
        return replace(arrival, problems=(_problem(change, "failed", reply.reason, None, version),))
    read, known = reply.read, difference.known[change.root]
    warnings = tuple(
        _problem(change, "warning", warning, read, version) for warning in read.warnings
    )
    passages = shown(change, reply, known)
    if read.document is None or not passages:
        kind = "failed" if read.failed is not None else "skipped"
        reason = read.failed or read.skipped or "no text"
        return replace(
            arrival,
            problems=(*warnings, _problem(change, kind, reason, read, version)),
            # Where it could not even be opened nothing is known of the content, and the version
            # that is indexed stays.
            is_gone=read.digest is not None,
        )
    facts = FileFacts(
        raw_name=change.file.raw_name,
        digest=read.digest or b"",
        size=read.size,
        mtime_ns=read.mtime_ns,
        reader_version=reader_version(read.document.media_type, pictures=difference.pictures),
        chunker_version=chunker_version,
        language=detect_language(read.document.text),
        links=tuple(_links(change, read, known)),
    )
    cut = CutDocument(
        document=read.document, passages=passages, facts=facts, pictures=read.pictures
    )
    return replace(arrival, cut=cut, problems=warnings)


def _links(change: ToRead, read: ReadReply, known: Collection[str]) -> Iterator[Link]:
    """What a page shows; of a file that is not to be read, that it is not."""
    sources = linked(change.file.source, read.links)
    for (path, size, mtime_ns), (source, _, _) in zip(read.links, sources, strict=True):
        yield (path, size, mtime_ns) if source in known else (path, -1, 0)


def _problem(
    change: ToRead, kind: str, reason: str, read: ReadReply | None, version: int
) -> Problem:
    known = read is not None and read.digest is not None
    return Problem(
        root=change.root,
        source=change.file.source,
        kind=kind,
        reason=reason,
        size=read.size if known and read is not None else None,
        mtime_ns=read.mtime_ns if known and read is not None else None,
        reading_version=version,
    )
