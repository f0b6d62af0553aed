"""Files become stored documents: read and cut in workers, embedded as they come, written once.

One stream runs through all of it. The embedder pulls texts, which pulls files out of the worker
pool, so that neither runs further ahead than the batches in flight: memory stays flat however
large the folder is.
"""

from __future__ import annotations

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ragkit.chunking.recipe import embedded_text
from ragkit.embedding.seam import EmbeddedBatch, Embedder
from ragkit.indexing.analysis import detect_language
from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.reading.pool import WorkerFailure, WorkerPool
from ragkit.reading.registry import reader_version, reading_version
from ragkit.records import Document, Passage
from ragkit.storage.ledger import Share
from ragkit.storage.rows import Problem, Root
from ragkit.storage.writer import FileFacts, Writer
from ragkit.sync.counting import PrefixedCounts
from ragkit.sync.difference import ToRead
from ragkit.sync.progress import Progress, ProgressListener
from ragkit.sync.worker import CutReply, cut_passages

__all__ = ["Outcome", "Pipeline", "requests"]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the pipeline did; grows while it runs."""

    added: int = 0
    updated: int = 0
    removed: int = 0
    passages: int = 0
    embedded: int = 0
    reused: int = 0
    reused_tokens: int = 0
    tokens: int = 0
    requests: int = 0
    cost_usd: Decimal = Decimal(0)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    """A text on its way, and the document that it is embedded for."""

    key: bytes
    text: str
    passage: Passage
    root: str
    source: str


@dataclass(slots=True, kw_only=True)
class _Pending:
    """A document that waits for its last vectors."""

    change: ToRead
    document: Document
    facts: FileFacts
    passages: list[Passage]
    keys: list[bytes]
    slots: dict[bytes, int | None]
    missing: set[bytes]
    remarks: dict[bytes, str] = field(default_factory=dict)
    bought: int = 0
    reused_tokens: int = 0
    bytes_told: int = 0


class Pipeline:
    """One run over the changed files of a sync.

    Args:
        writer: Where documents and vectors go.
        roots: By name.
        embedder: Its fingerprint names the vectors.
        chunker_version: Kept with each document.
        listener: Told after each batch and document; None when nobody looks.
        stop: Once set, nothing new is begun, and what is in flight is still kept.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        roots: dict[str, Root],
        embedder: Embedder,
        chunker_version: int,
        listener: ProgressListener | None,
        stop: threading.Event,
    ) -> None:
        self._writer = writer
        self._roots = roots
        self._embedder = embedder
        self._chunker_version = chunker_version
        self._listener = listener
        self._stop = stop
        self.outcome = Outcome()
        self._in_flight: dict[int, _Sent] = {}
        self._counts = PrefixedCounts(embedder.fingerprint.document_prompt)
        self._waiting: defaultdict[bytes, list[_Pending]] = defaultdict(list)
        self._progress = Progress(total_bytes=0)

    def run(self, changes: Sequence[ToRead], pool: WorkerPool[CutReply], max_bytes: int) -> None:
        """Read, embed and stage all of the changes; the outcome is complete up to any error.

        Raises:
            EmbeddingError: The rest cannot be embedded now; what was answered is stored.
        """
        total = sum(change.file.size for change in changes)
        self._progress = Progress(total_bytes=total)
        self._tell()
        stream = self._texts(changes, pool, max_bytes)
        for batch in self._embedder.embed(stream, role="document"):
            self._store(batch)

    # --- from files to texts

    def _texts(
        self, changes: Sequence[ToRead], pool: WorkerPool[CutReply], max_bytes: int
    ) -> Iterator[str]:
        sent = 0
        replies = pool.run(requests(changes, max_bytes))
        for change, (_, reply) in zip(changes, replies, strict=True):
            if self._stop.is_set():
                return
            pending = self._accept(change, reply)
            if pending is None:
                continue
            for item in self._claim(pending):
                self._in_flight[sent] = item
                sent += 1
                yield item.text
                if self._stop.is_set():
                    return

    def _accept(self, change: ToRead, reply: CutReply | WorkerFailure) -> _Pending | None:
        if isinstance(reply, WorkerFailure):
            self._report(change, "failed", reply.reason, read=None)
            self._advance(change.file.size)
            return None
        read = reply.read
        for warning in read.warnings:
            self._report(change, "warning", warning, read=read)
        if read.document is None or not reply.cuts:
            self._refuse(change, read)
            return None
        passages = cut_passages(read.document, reply.cuts)
        title, key = read.document.title, self._embedder.fingerprint.key
        return _Pending(
            change=change,
            document=read.document,
            facts=FileFacts(
                raw_name=change.file.raw_name,
                digest=read.digest or b"",
                size=read.size,
                mtime_ns=read.mtime_ns,
                reader_version=reader_version(read.document.media_type),
                chunker_version=self._chunker_version,
                language=detect_language(read.document.text),
            ),
            passages=passages,
            keys=[key(embedded_text(title, passage)) for passage in passages],
            slots={},
            missing=set(),
        )

    def _refuse(self, change: ToRead, read: ReadReply) -> None:
        """A file that gives no document; what was indexed of it before is gone with its content.

        Where it could not even be opened nothing is known of the content, and the version that is
        indexed stays.
        """
        kind = "failed" if read.failed is not None else "skipped"
        self._report(change, kind, read.failed or read.skipped or "no text", read=read)
        if change.state is not None and read.digest is not None:
            self._writer.remove_document(change.state.id)
            self.outcome.removed += 1
        self._advance(change.file.size)

    def _report(self, change: ToRead, kind: str, reason: str, *, read: ReadReply | None) -> None:
        known = read is not None and read.digest is not None
        self.outcome.problems.append(
            Problem(
                root=change.root,
                source=change.file.source,
                kind=kind,
                reason=reason,
                size=read.size if known and read is not None else None,
                mtime_ns=read.mtime_ns if known and read is not None else None,
                reading_version=reading_version(),
            )
        )

    def _claim(self, pending: _Pending) -> Iterator[_Sent]:
        """The texts of a document that nobody has a vector for, each of them once."""
        pending.slots = self._writer.vectors.known(pending.keys)
        pending.missing = set(pending.keys) - pending.slots.keys()
        new = []
        for passage, key in zip(pending.passages, pending.keys, strict=True):
            if key in pending.missing and key not in self._waiting:
                new.append(
                    _Sent(
                        key=key,
                        text=embedded_text(pending.document.title, passage),
                        passage=passage,
                        root=pending.change.root,
                        source=pending.document.source,
                    )
                )
                self._waiting[key] = []
            else:
                pending.reused_tokens += passage.tokens
        pending.bought = len(new)
        for key in pending.missing:
            self._waiting[key].append(pending)
        if not pending.missing:
            self._finish(pending)
        yield from new

    # --- from vectors to rows

    def _store(self, batch: EmbeddedBatch) -> None:
        remarks = {self._in_flight[index].key: remark for index, remark in batch.notes}
        sent = [self._in_flight.pop(index) for index in batch.indexes]
        keys = [item.key for item in sent]
        refused = {self._in_flight.pop(index).key: reason for index, reason in batch.failed}
        slots = self._writer.vectors.add(
            keys,
            batch.vectors,
            refused=refused,
            spent=(
                self._embedder.fingerprint.model,
                batch.tokens,
                batch.requests,
                batch.cost_usd,
            ),
            shares=self._shares(sent, remote=batch.requests > 0),
        )
        self.outcome.embedded += len(keys)
        self.outcome.tokens += batch.tokens
        self.outcome.requests += batch.requests
        self.outcome.cost_usd += batch.cost_usd
        for key in (*keys, *refused):
            for pending in self._waiting.pop(key):
                pending.slots[key] = slots.get(key)
                if key in remarks:
                    pending.remarks[key] = remarks[key]
                pending.missing.discard(key)
                if not pending.missing:
                    self._finish(pending)
                else:
                    self._advance_within(pending)
        self._tell()

    def _shares(self, sent: Sequence[_Sent], *, remote: bool) -> list[Share]:
        """What each document has of a batch; the embedded model's tokens are not counted again."""
        texts: Counter[tuple[str, str]] = Counter()
        counted: Counter[tuple[str, str]] = Counter()
        for item in sent:
            place = (item.root, item.source)
            texts[place] += 1
            counted[place] += self._counts.count(item.text, item.passage) if remote else 0
        return [
            Share(root=root, source=source, texts=number, counted=counted[root, source])
            for (root, source), number in texts.items()
        ]

    def _finish(self, pending: _Pending) -> None:
        change = pending.change
        slots = [pending.slots[key] for key in pending.keys]
        self._writer.add_document(
            self._roots[change.root],
            pending.document,
            pending.facts,
            list(zip(pending.passages, pending.keys, slots, strict=True)),
            replaces=None if change.state is None else change.state.id,
        )
        refused = [key for key in pending.keys if pending.slots[key] is None]
        reasons = self._writer.vectors.refusals(refused) if refused else {}
        self._report_passages(pending, "failed", "no vector", reasons)
        self._report_passages(pending, "warning", "a vector", pending.remarks)
        self.outcome.passages += len(pending.passages)
        self.outcome.reused += len(pending.passages) - pending.bought
        self.outcome.reused_tokens += pending.reused_tokens
        if change.kind == "added":
            self.outcome.added += 1
        else:
            self.outcome.updated += 1
        self._advance(change.file.size - pending.bytes_told)

    def _report_passages(
        self, pending: _Pending, kind: str, what: str, reasons: Mapping[bytes, str]
    ) -> None:
        """One line for each reason: a file of noise may be refused a hundred times."""
        lines: defaultdict[str, list[int]] = defaultdict(list)
        for passage, key in zip(pending.passages, pending.keys, strict=True):
            if key in reasons:
                lines[reasons[key]].append(passage.line)
        for reason, at in lines.items():
            count = "1 passage has" if len(at) == 1 else f"{len(at)} passages have"
            where = f"at line {at[0]}" if len(at) == 1 else f"the first at line {at[0]}"
            self.outcome.problems.append(
                Problem(
                    root=pending.change.root,
                    source=pending.document.source,
                    kind=kind,
                    reason=f"{count} {what}, {where}: {reason}",
                    size=pending.facts.size,
                    mtime_ns=pending.facts.mtime_ns,
                    reading_version=reading_version(),
                    of_model=True,
                )
            )

    # --- progress

    def _advance_within(self, pending: _Pending) -> None:
        """A large document moves the bar while it waits, by the share of its passages."""
        share = 1 - len(pending.missing) / len(set(pending.keys))
        told = int(pending.change.file.size * share)
        self._advance(max(0, told - pending.bytes_told))
        pending.bytes_told = max(told, pending.bytes_told)

    def _advance(self, size: int) -> None:
        before, outcome = self._progress, self.outcome
        self._progress = Progress(
            total_bytes=before.total_bytes,
            done_bytes=before.done_bytes + size,
            documents=outcome.added + outcome.updated,
            texts=outcome.embedded,
            tokens=outcome.tokens,
            cost_usd=outcome.cost_usd,
        )

    def _tell(self) -> None:
        if self._listener is not None:
            self._listener(self._progress)


def requests(changes: Iterable[ToRead], max_bytes: int) -> Iterator[ReadRequest]:
    """What the workers are asked for these files."""
    for change in changes:
        yield ReadRequest(
            path=os.fsencode(change.file.location),
            source=change.file.source,
            root=change.root,
            max_file_bytes=max_bytes,
        )
