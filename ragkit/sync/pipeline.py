"""Cut documents become stored ones: embedded as they come, written once.

One stream runs through all of it. The embedder pulls texts, which pulls documents out of whatever
cuts them, so that neither runs further ahead than the batches in flight: memory stays flat however
many there are.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ragkit.embedding.images import data_url
from ragkit.embedding.seam import EmbeddedBatch, Embedder, EmbedInput, ImageInput
from ragkit.reading.content import PreparedPicture
from ragkit.reading.registry import reading_version
from ragkit.records import Passage
from ragkit.screening.screen import Screen
from ragkit.storage.ledger import Share
from ragkit.storage.states import Problem, Root
from ragkit.storage.thumbnails import Thumbnails
from ragkit.storage.writer import Writer
from ragkit.sync.arrivals import Arrival, CutDocument
from ragkit.sync.counting import PrefixedCounts
from ragkit.sync.outgoing import Outgoing, SentText
from ragkit.sync.progress import Progress, ProgressListener

__all__ = ["Outcome", "Pipeline"]


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
    """An input on its way, and the document that it is embedded for."""

    key: bytes
    sent: SentText
    picture: PreparedPicture | None
    passage: Passage
    root: str
    source: str

    @property
    def input(self) -> EmbedInput:
        """What is sent: a picture is encoded when it is asked for, since it is large."""
        if self.picture is None:
            return self.sent.text
        url = data_url(self.picture.content, self.picture.media_type)
        return ImageInput(image=url, text=self.sent.text)


@dataclass(slots=True, kw_only=True)
class _Pending:
    """A document that waits for its last vectors."""

    arrival: Arrival
    cut: CutDocument
    texts: Sequence[SentText]
    keys: list[bytes]
    slots: dict[bytes, int | None] = field(default_factory=dict)
    missing: set[bytes] = field(default_factory=set)
    remarks: dict[bytes, str] = field(default_factory=dict)
    postponed: dict[bytes, str] = field(default_factory=dict)
    reused: int = 0
    reused_tokens: int = 0
    bytes_told: int = 0


class Pipeline:
    """One run over documents that are new or changed.

    Args:
        writer: Where documents and vectors go.
        roots: By name.
        embedder: Its fingerprint names the vectors.
        listener: Told after each batch and document; None when nobody looks.
        stop: Once set, nothing new is begun, and what is in flight is still kept.
        screen: What is masked before a text leaves; None for a model that runs here.
        thumbnails: Where small pictures of the pictures go.
        is_recut: Whether each document has the text of the one that it takes the place of, so that
            its spans tell which passages stay, as keys of another fingerprint do not.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        roots: Mapping[str, Root],
        embedder: Embedder,
        listener: ProgressListener | None,
        stop: threading.Event,
        screen: Screen | None,
        thumbnails: Thumbnails,
        is_recut: bool = False,
    ) -> None:
        self._writer = writer
        self._roots = roots
        self._embedder = embedder
        self._listener = listener
        self._stop = stop
        self._is_recut = is_recut
        self._outgoing = Outgoing(screen)
        self._thumbnails = thumbnails
        self.outcome = Outcome()
        self._in_flight: dict[int, _Sent] = {}
        self._counts = PrefixedCounts(embedder.fingerprint.document_prompt)
        self._waiting: defaultdict[bytes, list[_Pending]] = defaultdict(list)
        self._progress = Progress(total_bytes=0)

    def run(self, arrivals: Iterable[Arrival], *, total_bytes: int) -> None:
        """Embed and stage all that arrives; the outcome is complete up to any error.

        Args:
            arrivals: Taken as the embedder has room for their texts.
            total_bytes: Size of all their files, for the progress.

        Raises:
            EmbeddingError: The rest cannot be embedded now; what was answered is stored.
        """
        self._progress = Progress(total_bytes=total_bytes)
        self._tell()
        for batch in self._embedder.embed(self._inputs(arrivals), role="document"):
            self._store(batch)

    # --- from documents to texts

    def _inputs(self, arrivals: Iterable[Arrival]) -> Iterator[EmbedInput]:
        sent = 0
        for arrival in arrivals:
            if self._stop.is_set():
                return
            pending = self._accept(arrival)
            if pending is None:
                continue
            for item in self._claim(pending):
                self._in_flight[sent] = item
                sent += 1
                yield item.input
                if self._stop.is_set():
                    return

    def _accept(self, arrival: Arrival) -> _Pending | None:
        self.outcome.problems += arrival.problems
        cut = arrival.cut
        if cut is None:
            if arrival.replaces is not None and arrival.is_gone:
                self._writer.remove_document(arrival.replaces)
                self.outcome.removed += 1
            self._advance(arrival.size)
            return None
        for digest, picture in cut.pictures.items():
            self._thumbnails.keep(digest, picture.thumbnail)
        outgoing = self._outgoing.of(cut.document, cut.passages)
        for remark in outgoing.remarks:
            self._report(arrival, cut, "warning", remark)
        mark = self._embedder.fingerprint
        keys = [one.key(mark) for one in outgoing.texts]
        return _Pending(arrival=arrival, cut=cut, texts=outgoing.texts, keys=keys)

    def _claim(self, pending: _Pending) -> Iterator[_Sent]:
        """The texts of a document that nobody has a vector for, each of them once."""
        pending.slots = self._writer.vectors.known(pending.keys)
        pending.missing = set(pending.keys) - pending.slots.keys()
        new = []
        for passage, sent, key in zip(
            pending.cut.passages, pending.texts, pending.keys, strict=True
        ):
            if key in pending.missing and key not in self._waiting:
                new.append(
                    _Sent(
                        key=key,
                        sent=sent,
                        picture=_picture_of(pending.cut, sent),
                        passage=passage,
                        root=pending.arrival.root,
                        source=pending.cut.document.source,
                    )
                )
                self._waiting[key] = []
            elif not sent.is_empty:
                pending.reused += 1
                pending.reused_tokens += passage.tokens
        for key in pending.missing:
            self._waiting[key].append(pending)
        if not pending.missing:
            self._finish(pending)
        # Those that are on their way are all that is still needed of them.
        pending.cut = replace(pending.cut, pictures={})
        yield from new

    # --- from vectors to rows

    def _store(self, batch: EmbeddedBatch) -> None:
        remarks = {self._in_flight[index].key: remark for index, remark in batch.notes}
        sent = [self._in_flight.pop(index) for index in batch.indexes]
        keys = [item.key for item in sent]
        refused = {self._in_flight.pop(index).key: reason for index, reason in batch.failed}
        postponed = {self._in_flight.pop(index).key: reason for index, reason in batch.postponed}
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
            are_pictures=bool(sent) and sent[0].picture is not None,
        )
        self.outcome.embedded += len(keys)
        self.outcome.tokens += batch.tokens
        self.outcome.requests += batch.requests
        self.outcome.cost_usd += batch.cost_usd
        for key in (*keys, *refused, *postponed):
            for pending in self._waiting.pop(key):
                pending.slots[key] = slots.get(key)
                if key in postponed:
                    pending.postponed[key] = postponed[key]
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
            counted[place] += self._counts.count(item.sent.text, item.passage) if remote else 0
        return [
            Share(root=root, source=source, texts=number, counted=counted[root, source])
            for (root, source), number in texts.items()
        ]

    def _finish(self, pending: _Pending) -> None:
        arrival, cut = pending.arrival, pending.cut
        slots = [pending.slots[key] for key in pending.keys]
        masks = [text.masks for text in pending.texts]
        self._writer.add_document(
            self._roots[arrival.root],
            cut.document,
            cut.facts,
            list(zip(cut.passages, pending.keys, slots, masks, strict=True)),
            replaces=arrival.replaces,
            is_recut=self._is_recut,
        )
        refused = [
            key
            for key, text in zip(pending.keys, pending.texts, strict=True)
            if pending.slots[key] is None and not text.is_empty
        ]
        reasons = self._writer.vectors.refusals(refused) if refused else {}
        self._report_passages(pending, "failed", "no vector", reasons)
        self._report_passages(pending, "failed", "no vector", pending.postponed, is_settled=False)
        self._report_passages(pending, "warning", "a vector", pending.remarks)
        self.outcome.passages += len(cut.passages)
        self.outcome.reused += pending.reused
        self.outcome.reused_tokens += pending.reused_tokens
        if arrival.replaces is None:
            self.outcome.added += 1
        else:
            self.outcome.updated += 1
        self._advance(arrival.size - pending.bytes_told)

    def _report_passages(
        self,
        pending: _Pending,
        kind: str,
        what: str,
        reasons: Mapping[bytes, str],
        *,
        is_settled: bool = True,
    ) -> None:
        """One line for each reason: a file of noise may be refused a hundred times.

        What is not settled is tried again by the next sync.
        """
        lines: defaultdict[str, list[int]] = defaultdict(list)
        for passage, key in zip(pending.cut.passages, pending.keys, strict=True):
            if key in reasons:
                lines[reasons[key]].append(passage.line)
        for reason, at in lines.items():
            count = "1 passage has" if len(at) == 1 else f"{len(at)} passages have"
            where = f"at line {at[0]}" if len(at) == 1 else f"the first at line {at[0]}"
            said = f"{count} {what}, {where}: {reason}"
            self._report(pending.arrival, pending.cut, kind, said, is_settled=is_settled)

    def _report(
        self, arrival: Arrival, cut: CutDocument, kind: str, reason: str, *, is_settled: bool = True
    ) -> None:
        """A line that another model would not have."""
        self.outcome.problems.append(
            Problem(
                root=arrival.root,
                source=cut.document.source,
                kind=kind,
                reason=reason,
                size=cut.facts.size if is_settled else None,
                mtime_ns=cut.facts.mtime_ns if is_settled else None,
                reading_version=reading_version(),
                of_model=True,
            )
        )

    # --- progress

    def _advance_within(self, pending: _Pending) -> None:
        """A large document moves the bar while it waits, by the share of its passages."""
        share = 1 - len(pending.missing) / len(set(pending.keys))
        told = int(pending.arrival.size * share)
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


def _picture_of(cut: CutDocument, sent: SentText) -> PreparedPicture | None:
    return None if sent.image is None else cut.pictures[sent.image.digest]
