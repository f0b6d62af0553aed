"""A sync from beginning to end: compare, read, embed, index, commit."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ragkit.chunking import CHUNKER_VERSION
from ragkit.config import DEFAULT_PASSAGE_TOKENS, Settings
from ragkit.embedding.seam import Embedder
from ragkit.errors import BudgetSpent, EmbeddingError, FingerprintMismatch, OutOfCredit
from ragkit.models.catalogue import LOCAL_MODELS
from ragkit.reading.names import source_from_raw
from ragkit.reading.pool import WorkerPool
from ragkit.reading.walk import FoundFile, SkippedFile, walk
from ragkit.reports import SyncReport
from ragkit.screening.screen import Screen
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.states import FileFacts, Problem
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer
from ragkit.sync.arrivals import arrivals
from ragkit.sync.derive import derive, sweep_words, words_are_usable
from ragkit.sync.difference import Difference, Move, Rules, compare
from ragkit.sync.pipeline import Outcome, Pipeline
from ragkit.sync.pricing import TakesImages, saved_usd, takes_none
from ragkit.sync.progress import ProgressListener, foretold
from ragkit.sync.roots import UNPLACED_SETTING, Scope, scopes, stored_path
from ragkit.sync.route import watch_route
from ragkit.sync.thumbnails import Lost, lost_thumbnails, restore_thumbnails, sweep_thumbnails
from ragkit.sync.worker import CutReply, worker_arguments

__all__ = ["Options", "Synchroniser"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a sync is to be done.

    Attributes:
        include: Globs; with any, only files that fit one are indexed.
        exclude: Globs of files that are not.
        rules: What counts as a change.
        wait_s: How long to wait for another writer.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchroniser:
    """Makes a collection mirror its folders.

    Attributes:
        store: The collection.
        embedder: Makes its vectors.
        settings: Sizes, limits, numbers of workers.
        key: Signs the lexical index.
        identity: Settings that decide the vectors, kept with the first of them.
        screen: What is masked before a text leaves; None where none does.
        learnt: Settings that were learnt on the way, kept with the next commit.
        takes_images: Whether the model takes pictures.
    """

    store: Store
    embedder: Embedder
    settings: Settings
    key: bytes
    identity: Mapping[str, object]
    screen: Screen | None
    learnt: Callable[[], Mapping[str, object]] = dict
    takes_images: TakesImages = takes_none

    # --- what would be done

    def compare(
        self, snapshot: Snapshot, paths: Sequence[Path], options: Options
    ) -> tuple[list[Scope], Difference]:
        """What changed, file by file; reads no more than sizes and times.

        Raises:
            FingerprintMismatch: The collection is of another model or passage size by now.
        """
        self.check_identity(snapshot)
        unplaced: list[str] = snapshot.setting(UNPLACED_SETTING, [])
        covered = scopes(paths, self.store, snapshot.roots(), unplaced)

        def files(scope: Scope) -> Iterator[FoundFile | SkippedFile]:
            return self._files(scope, options)

        def compared(*, pictures: bool) -> Difference:
            return compare(
                covered,
                walk=files,
                states=snapshot.document_states(),
                problems=snapshot.problems(),
                chunker_version=CHUNKER_VERSION,
                rules=options.rules,
                pictures=pictures,
            )

        decided = self.takes_images(snapshot)
        difference = compared(pictures=bool(decided))
        # Asked once: what the server's list says is kept, and that it says nothing too.
        asks = decided is None and difference.may_show(is_known=self.settings.profile.is_known)
        if asks and self.takes_images(snapshot, ask=True):
            difference = compared(pictures=True)
        return covered, difference

    def check_identity(self, snapshot: Snapshot) -> None:
        """See that the collection has not decided otherwise, in another process or by its file.

        Raises:
            FingerprintMismatch: It has.
        """
        own = snapshot.fingerprint
        if own is None:
            return
        if own != self.identity["fingerprint"]:
            raise FingerprintMismatch(
                f"the collection at {self.store.directory} was given model"
                f" {snapshot.setting('model', '?')} meanwhile, not {self.identity['model']}: open"
                " it again, or index into another collection with -c"
            )
        stored = snapshot.setting("passage_tokens", DEFAULT_PASSAGE_TOKENS)
        if stored != self.identity["passage_tokens"]:
            raise FingerprintMismatch(
                f"the collection at {self.store.directory} has passages of {stored} tokens, not"
                f" {self.identity['passage_tokens']} as passage_tokens says: leave the setting out,"
                " cut and embed all of it anew with `ragkit migrate --passage-tokens"
                f" {self.identity['passage_tokens']}`, or index into another collection with -c"
            )

    def pool(self) -> WorkerPool[CutReply]:
        """Worker processes that read and cut as this collection is cut."""
        workers = self.settings.workers or min(4, os.cpu_count() or 1)
        return WorkerPool(
            CutReply,
            module="ragkit.sync.worker",
            arguments=worker_arguments(
                model=self.settings.profile,
                max_tokens=self.embedder.max_tokens,
                passage_tokens=self.settings.passage_tokens or DEFAULT_PASSAGE_TOKENS,
            ),
            workers=workers,
            timeout_s=self.settings.file_timeout_s,
            memory_bytes=self.settings.file_memory_mib << 20,
        )

    @property
    def max_file_bytes(self) -> int:
        """Larger files are skipped."""
        return self.settings.max_file_mib << 20

    # --- doing it

    def sync(
        self,
        paths: Sequence[Path],
        options: Options,
        *,
        listener: ProgressListener | None = None,
        stop: threading.Event | None = None,
    ) -> SyncReport:
        """Bring the paths into step; nothing else of the collection is touched.

        An unchanged folder takes no lock and writes nothing. When ``stop`` is set, or money runs
        out, the documents that are complete become a generation and the report says why it ended.

        Raises:
            CollectionLocked: Another writer holds the collection.
            FingerprintMismatch: The collection is of another model or passage size by now.
            EmbeddingError: After what was complete has been committed.
        """
        started = time.monotonic()
        with self.store.snapshot() as snapshot:
            covered, difference = self.compare(snapshot, paths, options)
            generation = snapshot.generation
            # Derived files of another installation stay where they cannot be mended.
            if _in_step(snapshot, covered, difference) and (
                words_are_usable(self.store, snapshot, self.key) or not self.store.is_writable
            ):
                if self.store.is_writable and (lost := self._lost(snapshot)):
                    with self.store.writing(wait_s=options.wait_s, stop=stop):
                        self._restore(lost)
                return _report(Outcome(), difference, seconds=time.monotonic() - started)
        with self.store.writing(wait_s=options.wait_s, stop=stop) as writer:
            self.check_identity(writer.snapshot())
            if writer.generation != generation:
                covered, difference = self.compare(writer.snapshot(), paths, options)
            run = _Run(self, writer, covered, difference)
            report, error = run.finish(listener, stop or threading.Event())
            if error is None and (lost := self._lost(writer.snapshot())):
                self._restore(lost)
        if error is not None and report.stopped is None:
            raise error
        return replace(report, seconds=time.monotonic() - started)

    def _lost(self, snapshot: Snapshot) -> list[Lost]:
        return lost_thumbnails(self.store, snapshot, self.max_file_bytes)

    def _restore(self, lost: Sequence[Lost]) -> None:
        with self.pool() as pool:
            restore_thumbnails(self.store, lost, pool)

    def _files(self, scope: Scope, options: Options) -> Iterator[FoundFile | SkippedFile]:
        own = os.path.join(os.path.realpath(self.store.directory), "")  # noqa: PTH118
        own_source = source_from_raw(
            os.fsencode(os.path.relpath(own, os.path.realpath(scope.path)))
        )
        own_source = f"{own_source}/"
        for item in walk(
            scope.path,
            include=options.include,
            exclude=options.exclude,
            max_file_bytes=self.max_file_bytes,
        ):
            if isinstance(item, FoundFile):
                inside = item.location.startswith(own)
            else:
                inside = f"{item.source.rstrip('/')}/".startswith(own_source)
            if scope.covers(item.source) and not inside:
                yield item


class _Run:
    """One sync, with the lock held."""

    def __init__(
        self,
        synchroniser: Synchroniser,
        writer: Writer,
        covered: Sequence[Scope],
        difference: Difference,
    ) -> None:
        self._synchroniser = synchroniser
        self._store = synchroniser.store
        self._writer = writer
        self._covered = covered
        self._difference = difference
        self._dropped = writer.drop_staged()
        if writer.snapshot().fingerprint is None:
            writer.decide(synchroniser.identity)
        self._roots = {root.name: root for root in writer.snapshot().roots()}
        for scope in covered:
            path = stored_path(scope.path, self._store.directory)
            self._roots[scope.name] = writer.add_root(scope.name, path, is_file=scope.is_file)

    def finish(
        self, listener: ProgressListener | None, stop: threading.Event
    ) -> tuple[SyncReport, EmbeddingError | None]:
        """Do the steps; an embedding error comes back after what was complete is committed."""
        synchroniser, difference = self._synchroniser, self._difference
        for state in difference.removed:
            self._writer.remove_document(state.id)
        for move in difference.moves:
            self._move(move)
        for state, file in difference.touched:
            self._writer.touch(state.id, size=file.size, mtime_ns=file.mtime_ns)
        model = synchroniser.embedder.fingerprint.model
        watch = None
        if difference.reads and model not in LOCAL_MODELS:
            watch = watch_route(synchroniser.embedder, self._writer, self._store)
        pipeline = Pipeline(
            writer=self._writer,
            roots=self._roots,
            embedder=watch or synchroniser.embedder,
            listener=foretold(listener, synchroniser.embedder),
            stop=stop,
            screen=synchroniser.screen,
            thumbnails=self._store.thumbnails,
        )
        error: EmbeddingError | None = None
        with synchroniser.pool() as pool:
            try:
                coming = arrivals(
                    difference,
                    pool,
                    max_bytes=synchroniser.max_file_bytes,
                    chunker_version=CHUNKER_VERSION,
                )
                total_bytes = sum(change.file.size for change in difference.reads)
                pipeline.run(coming, total_bytes=total_bytes)
            except EmbeddingError as raised:
                error = raised
        outcome = pipeline.outcome
        drift: list[str] = []
        if watch is not None and error is None and not stop.is_set():
            drift = watch.settle(self._writer, outcome)
        if self._is_worth_keeping(outcome, error):
            self._commit(outcome)
            if watch is not None:
                watch.keep(self._writer)
        report = _report(outcome, difference, stopped=_why(stop, error))
        caveat = synchroniser.settings.profile.caveat
        of_model = [(model, sentence) for sentence in drift]
        of_model += [(model, caveat)] if caveat and outcome.embedded else []
        return replace(
            report,
            saved_usd=saved_usd(self._writer.snapshot(), model, outcome.reused_tokens),
            warnings=(*of_model, *report.warnings, *self._staging_lost()),
        ), error

    def _is_worth_keeping(self, outcome: Outcome, error: EmbeddingError | None) -> bool:
        """An error that let nothing through, such as a wrong key, changes nothing.

        Without money moves and removals are done all the same, as they cost none.
        """
        done = bool(outcome.added or outcome.updated)
        if isinstance(error, (BudgetSpent, OutOfCredit)):
            done = done or bool(
                self._difference.moves or self._difference.removed or outcome.removed
            )
        return error is None or done

    def _move(self, move: Move) -> None:
        state, file = move.state, move.file
        facts = FileFacts(
            raw_name=file.raw_name,
            digest=state.digest,
            size=file.size,
            mtime_ns=file.mtime_ns,
            reader_version=state.reader_version,
            chunker_version=state.chunker_version,
        )
        self._writer.move_document(state.id, self._roots[move.root], file.source, facts)

    def _staging_lost(self) -> list[tuple[str, str]]:
        if self._dropped is None:
            return []
        model = self._dropped.settings.get("model")
        return [
            (
                ".",
                f"the generation that was staged with {model} was made from other documents and is"
                " dropped; its vectors are kept, and `ragkit migrate` stages it again",
            )
        ]

    def _commit(self, outcome: Outcome) -> None:
        if outcome.reused:
            self._writer.vectors.save(
                self._synchroniser.embedder.fingerprint.model, outcome.reused, outcome.reused_tokens
            )
        sealed = self._writer.seal()
        settings = dict(self._synchroniser.learnt())
        before, key = self._writer.snapshot(), self._synchroniser.key
        placed = {scope.name for scope in self._covered}
        unplaced: list[str] = before.setting(UNPLACED_SETTING, [])
        if not placed.isdisjoint(unplaced):
            settings[UNPLACED_SETTING] = [name for name in unplaced if name not in placed]
        previous = before.setting("words", "")
        changed = len(sealed.gone) or len(sealed.come)
        if changed or not previous or not words_are_usable(self._store, before, key):
            mark = self._synchroniser.embedder.fingerprint.json
            settings |= derive(self._store, self._writer, sealed, key, fingerprint=mark)
        self._writer.commit(
            settings=settings,
            problems=self._problems(outcome),
            roots=[self._roots[scope.name] for scope in self._covered],
        )
        # One generation back is kept for a reader that has just looked up its name.
        sweep_thumbnails(self._store, self._writer.snapshot())
        sweep_words(self._store, {previous, str(settings.get("words", previous))})

    def _problems(self, outcome: Outcome) -> list[Problem]:
        """Of the covered roots: found now, or remembered of parts that were not looked at."""
        now = [*self._difference.problems, *outcome.problems]
        names = {scope.name for scope in self._covered}
        remembered = [
            problem
            for problem in self._writer.snapshot().problems()
            if problem.root in names
            and not any(
                scope.name == problem.root and scope.covers(problem.source)
                for scope in self._covered
            )
        ]
        return [*now, *remembered]


def _in_step(snapshot: Snapshot, covered: Sequence[Scope], difference: Difference) -> bool:
    if not difference.is_empty or not all(scope.known for scope in covered):
        return False
    names = {scope.name for scope in covered}
    stored = {
        problem
        for problem in snapshot.problems()
        if any(scope.name == problem.root and scope.covers(problem.source) for scope in covered)
    }
    return stored == {problem for problem in difference.problems if problem.root in names}


def _why(stop: threading.Event, error: EmbeddingError | None) -> str | None:
    if isinstance(error, (BudgetSpent, OutOfCredit)):
        return str(error)
    return "interrupted" if stop.is_set() else None


def _report(
    outcome: Outcome, difference: Difference, *, stopped: str | None = None, seconds: float = 0.0
) -> SyncReport:
    problems = [*difference.problems, *outcome.problems]
    return SyncReport(
        added=outcome.added,
        updated=outcome.updated,
        moved=len(difference.moves),
        removed=len(difference.removed) + outcome.removed,
        unchanged=difference.unchanged,
        passages=outcome.passages,
        embedded=outcome.embedded,
        reused=outcome.reused,
        tokens=outcome.tokens,
        requests=outcome.requests,
        cost_usd=outcome.cost_usd,
        saved_tokens=outcome.reused_tokens,
        seconds=seconds,
        failed=_lines(problems, "failed"),
        skipped=_lines(problems, "skipped"),
        warnings=_lines(problems, "warning"),
        stopped=stopped,
    )


def _lines(problems: Sequence[Problem], kind: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted((problem.source, problem.reason) for problem in problems if problem.kind == kind)
    )
