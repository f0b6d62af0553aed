"""A change of mind: every document cut and embedded anew, beside what is searched meanwhile.

The documents are those that the collection holds; no file is read. Their new passages are staged as
the coming generation, their vectors lie in a matrix of their own, and one commit switches. Vectors
are kept by their keys whatever happens in between, so that nothing is bought twice; the rest is
staged again from the beginning, which costs no more than time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ragkit.chunking import CHUNKER_VERSION
from ragkit.embedding.seam import Embedder
from ragkit.errors import BudgetSpent, CollectionNotFound, EmbeddingError, OutOfCredit
from ragkit.maintenance.unfinished import unfinished_migration
from ragkit.models.catalogue import ModelProfile
from ragkit.records import Document
from ragkit.reports import SyncPlan, SyncReport
from ragkit.retrieval.calibration import CALIBRATION_SETTING
from ragkit.screening.screen import Screen
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import MIGRATING_SETTING, PREVIOUS_SETTING
from ragkit.storage.states import Problem
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer
from ragkit.sync.arrivals import Arrival, CutDocument
from ragkit.sync.calibrating import derive_calibration
from ragkit.sync.counting import token_estimate
from ragkit.sync.derive import derive, sweep_words, words_are_usable, words_directory
from ragkit.sync.outgoing import Outgoing
from ragkit.sync.pipeline import Outcome, Pipeline
from ragkit.sync.pricing import Pricing, saved_usd
from ragkit.sync.progress import ProgressListener

__all__ = ["Migration"]

_SIZE_SETTING = "passage_tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """From what a collection's vectors are made by to something else.

    Attributes:
        store: The collection.
        embedder: Makes the new vectors.
        profile: What is known of its model.
        identity: Settings that decide them, plain JSON: fingerprint, model, passage size and so on.
        key: Signs the lexical index.
        screen: What is masked before a text leaves; None where none does.
        learnt: Settings that were learnt on the way, kept with the switch.
    """

    store: Store
    embedder: Embedder
    profile: ModelProfile
    identity: Mapping[str, object]
    key: bytes
    screen: Screen | None
    learnt: Callable[[], Mapping[str, object]] = dict

    def plan(self, price: Callable[[Snapshot], Pricing]) -> SyncPlan:
        """What it would do and cost; nothing is sent or written.

        Raises:
            CollectionNotFound: The collection holds nothing yet.
        """
        mark, outgoing = self.embedder.fingerprint, Outgoing(self.screen)
        tokens_by_key: dict[bytes, int] = {}
        passages = 0
        with self.store.snapshot() as snapshot:
            self._check(snapshot)
            tell = token_estimate(
                mark, self.profile.tokenizer, snapshot.rate(mark.model).billed_per_counted
            )
            listed = snapshot.document_ids() if self._changes_passages(snapshot) else []
            for arrival in self._cut(snapshot, [id_ for id_, _ in listed]):
                if arrival.cut is None:
                    continue
                sent = outgoing.of(arrival.cut.document, arrival.cut.passages).texts
                passages += len(sent)
                texts = {one.key(mark): one.text for one in sent if not one.is_empty}
                new = snapshot.unknown_keys(texts.keys() - tokens_by_key.keys())
                tokens_by_key.update((key, tell.count(texts[key])) for key in new)
            pricing = price(snapshot) if tokens_by_key else Pricing(usd_per_token=Decimal(0))
        tokens = tell.billed(sum(tokens_by_key.values()))
        return SyncPlan(
            updated=len(listed),
            passages=passages,
            to_embed=len(tokens_by_key),
            tokens=tokens,
            cost_usd=pricing.of(tokens),
            basis="; ".join(filter(None, (tell.said, pricing.said))) if tokens_by_key else "",
        )

    def run(
        self,
        *,
        stage_only: bool = False,
        wait_s: float = 0.0,
        listener: ProgressListener | None = None,
        stop: threading.Event | None = None,
    ) -> SyncReport:
        """Do it, from wherever an earlier run was interrupted.

        When *stop* is set, or money runs out, the vectors that were bought are kept, the report
        says why it ended, and readers go on with what they have.

        Args:
            stage_only: Hold the new generation ready to be compared, and do not switch to it.
            wait_s: How long to wait for another writer.
            listener: Told how far it is.
            stop: Set it to end early.

        Raises:
            CollectionNotFound: The collection holds nothing yet.
            CollectionLocked: Another writer holds the collection.
            EmbeddingError: The texts cannot be embedded now; what was answered is kept.
        """
        started = time.monotonic()
        with self.store.snapshot() as snapshot:
            self._check(snapshot)
            if self._is_done(snapshot) and unfinished_migration(snapshot) is None:
                return SyncReport()
        with self.store.writing(wait_s=wait_s, stop=stop) as writer:
            report = self._write(writer, stage_only, listener, stop or threading.Event())
        return replace(report, seconds=time.monotonic() - started)

    def _write(
        self,
        writer: Writer,
        stage_only: bool,
        listener: ProgressListener | None,
        stop: threading.Event,
    ) -> SyncReport:
        before = writer.snapshot()
        self._check(before)
        if self._is_done(before):
            return _give_up(writer)
        if not self._changes_passages(before):
            # Another address of the same model: no vector changes.
            writer.set({**self.identity, **self._way_back(before)})
            return SyncReport()
        if self._is_staged(before):
            passages = writer.snapshot(coming=True).count("passages")
            updated = len(before.document_ids())
            report = SyncReport(updated=updated, passages=passages, reused=passages)
        else:
            report = self._stage(writer, listener, stop)
        if report.stopped is None and not stage_only:
            writer.switch()
            # One generation back is kept for a reader that has just looked up its name.
            sweep_words(self.store, {*_words_of(before), *_words_of(writer.snapshot())})
        return report

    def _check(self, snapshot: Snapshot) -> None:
        if snapshot.fingerprint is None:
            raise CollectionNotFound(
                f"the collection at {self.store.directory} holds nothing to migrate: index with the"
                " model that you want"
            )

    def _changes_passages(self, snapshot: Snapshot) -> bool:
        return any(
            snapshot.setting(name, None) != self.identity[name]
            for name in ("fingerprint", _SIZE_SETTING)
        )

    def _is_done(self, snapshot: Snapshot) -> bool:
        return self._way_back(snapshot)[PREVIOUS_SETTING] == self.identity

    def _way_back(self, snapshot: Snapshot) -> dict[str, dict[str, object]]:
        return {PREVIOUS_SETTING: {name: snapshot.setting(name, None) for name in self.identity}}

    def _is_staged(self, snapshot: Snapshot) -> bool:
        staged = snapshot.staged
        return staged is not None and all(
            staged.settings.get(name) == value for name, value in self.identity.items()
        )

    # --- the new generation

    def _stage(
        self, writer: Writer, listener: ProgressListener | None, stop: threading.Event
    ) -> SyncReport:
        writer.drop_staged()
        before = writer.snapshot()
        begun = before.setting(MIGRATING_SETTING, dict[str, object]())
        writer.set({MIGRATING_SETTING: dict(self.identity)})
        matrix = writer.prepare(self.embedder.fingerprint.json)
        pipeline = Pipeline(
            writer=writer,
            roots={root.name: root for root in before.roots()},
            embedder=self.embedder,
            listener=listener,
            stop=stop,
            screen=self.screen,
            thumbnails=self.store.thumbnails,
            is_recut=True,
        )
        try:
            stopped = self._embed(before, pipeline, stop)
        except EmbeddingError:
            if not pipeline.outcome.embedded:
                # A wrong name or key: there is nothing to go on with.
                writer.set({MIGRATING_SETTING: begun})
            raise
        if stopped is None:
            self._hold(writer, pipeline.outcome, matrix)
        elif not pipeline.outcome.embedded:
            writer.set({MIGRATING_SETTING: begun})
        return self._report(writer.snapshot(), pipeline.outcome, stopped)

    def _embed(self, snapshot: Snapshot, pipeline: Pipeline, stop: threading.Event) -> str | None:
        """Cut and embed every document; why that ended early, or None."""
        listed = snapshot.document_ids()
        arrivals = self._cut(snapshot, [id_ for id_, _ in listed])
        try:
            pipeline.run(arrivals, total_bytes=sum(size for _, size in listed))
        except (BudgetSpent, OutOfCredit) as error:
            return str(error)
        except EmbeddingError:
            if not stop.is_set():
                raise
        return "interrupted" if stop.is_set() else None

    def _cut(self, snapshot: Snapshot, ids: Sequence[int]) -> Iterator[Arrival]:
        from ragkit.chunking import Chunker  # noqa: PLC0415 - loads numpy

        chunker = Chunker(
            model=self.profile,
            max_tokens=self.embedder.max_tokens,
            passage_tokens=int(str(self.identity[_SIZE_SETTING])),
        )
        for id_ in ids:
            stored = snapshot.stored_document(id_)
            # What was cut by less than a reader sees is read again at the next index.
            version = CHUNKER_VERSION if stored.whole else 0
            arrival = Arrival(
                root=stored.document.root,
                size=stored.facts.size,
                replaces=id_,
                problems=(_left_out(stored.document),) if stored.shows_pictures else (),
            )
            passages = chunker.split(stored.document)
            if not passages:
                yield replace(arrival, is_gone=True)
                continue
            facts = replace(stored.facts, chunker_version=version)
            cut = CutDocument(document=stored.document, passages=passages, facts=facts)
            yield replace(arrival, cut=cut)

    def _hold(self, writer: Writer, outcome: Outcome, matrix: int) -> None:
        if outcome.reused:
            model = self.embedder.fingerprint.model
            writer.vectors.save(model, outcome.reused, outcome.reused_tokens)
        before, sealed = writer.snapshot(), writer.seal()
        settings = {
            **self.identity,
            **self.learnt(),
            **self._way_back(before),
            MIGRATING_SETTING: {},
            "matrix": matrix,
        }
        changed = len(sealed.gone) or len(sealed.come)
        mark, words = self.embedder.fingerprint.json, words_directory(self.store, before)
        if changed or words is None or not words_are_usable(self.store, before, self.key):
            number = writer.next_staging
            settings |= derive(
                self.store, writer, sealed, self.key, fingerprint=mark, staging=number
            )
        else:
            # The same words, and other vectors to judge by.
            found = derive_calibration(writer, sealed, words, self.key, mark)
            settings[CALIBRATION_SETTING] = found
        writer.hold(settings, outcome.problems)
        sweep_words(self.store, _words_of(writer.snapshot()))

    def _report(self, snapshot: Snapshot, outcome: Outcome, stopped: str | None) -> SyncReport:
        model = self.embedder.fingerprint.model
        lines = {
            kind: tuple(
                sorted((item.source, item.reason) for item in outcome.problems if item.kind == kind)
            )
            for kind in ("failed", "warning")
        }
        return SyncReport(
            updated=outcome.updated,
            passages=outcome.passages,
            embedded=outcome.embedded,
            reused=outcome.reused,
            tokens=outcome.tokens,
            requests=outcome.requests,
            cost_usd=outcome.cost_usd,
            failed=lines["failed"],
            warnings=lines["warning"],
            stopped=stopped,
            saved_tokens=outcome.reused_tokens,
            saved_usd=saved_usd(snapshot, model, outcome.reused_tokens),
        )


def _give_up(writer: Writer) -> SyncReport:
    """Stay with what the collection is; a sync drops what is staged in the same way."""
    unfinished = unfinished_migration(writer.snapshot())
    writer.drop_staged()
    writer.set({MIGRATING_SETTING: {}})
    if unfinished is None:
        return SyncReport()
    said = f"the migration to {unfinished.model} is given up; its vectors are kept until compacting"
    return SyncReport(warnings=((".", said),))


def _left_out(document: Document) -> Problem:
    """Of a picture a collection keeps a thumbnail, from which nothing can be embedded."""
    return Problem(
        root=document.root,
        source=document.source,
        kind="warning",
        reason="pictures, which the next index reads from their files if the model takes images",
        of_model=True,
    )


def _words_of(snapshot: Snapshot) -> set[str]:
    """The lexical indexes that a reader of it, or of what is held beside it, may come for."""
    held = snapshot.staged
    names = {snapshot.setting("words", "")}
    return names if held is None else names | {str(held.settings.get("words", ""))}
