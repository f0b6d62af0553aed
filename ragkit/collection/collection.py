"""A collection: one directory that answers questions about folders of documents."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from ragkit.collection.arguments import StrPath, dollars_of, options_of, paths_of
from ragkit.collection.embedders import Embedders
from ragkit.collection.expenses import Expenses
from ragkit.collection.models import (
    check_model,
    fingerprint_of,
    is_local,
    make_reranker,
    screen_of,
    stored_settings,
)
from ragkit.collection.parts import Generations, Parts
from ragkit.collection.remembered import ServerMemory
from ragkit.collection.searching import Searching
from ragkit.collection.status import status_of
from ragkit.collection.tuning import Tunable
from ragkit.collection.upkeep import Upkeep
from ragkit.collection.watching import Watching
from ragkit.config import Settings
from ragkit.embedding.seam import Embedder
from ragkit.errors import CollectionLocked
from ragkit.records import Document, Passage
from ragkit.reports import CollectionStatus, DocumentSpending, SyncPlan, SyncReport
from ragkit.retrieval.late import LateEmbedder, LateReranker
from ragkit.storage.installation import installation_key
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.sync.pricing import Pricer

if TYPE_CHECKING:
    from ragkit.models.fingerprint import Fingerprint
    from ragkit.retrieval.retriever import Retriever
    from ragkit.sync.progress import ProgressListener
    from ragkit.sync.synchronise import Synchroniser

__all__ = ["Collection", "StrPath"]


class Collection(Searching, Tunable, Upkeep, Watching):
    """Made by ``ragkit.open``. Thread-safe; other processes may read and write beside it."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        read_only: bool = False,
        is_new: bool = False,
        expenses: Expenses | None = None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._read_only = read_only
        self._is_new = is_new
        self._expenses = expenses or Expenses(store)
        self._memory = ServerMemory(store)
        self._embedders = Embedders(settings, self._made, self._expenses.of_query)
        self._reranker = LateReranker(lambda: make_reranker(settings, self._expenses.of_rerank))
        self._pricer = Pricer(settings)
        self._generations = Generations(self._parts_of)
        self._held: list[weakref.finalize[..., Retriever]] = []

    @property
    def path(self) -> Path:
        """The collection's directory."""
        return self._store.directory

    @property
    def fingerprint(self) -> Fingerprint:
        """What decides its vectors."""
        return fingerprint_of(self._settings)

    @property
    def model(self) -> str:
        """Name of its model."""
        return self.fingerprint.model

    @property
    def base_url(self) -> str | None:
        """Root of the API that its model is asked at; None for OpenRouter and the embedded one."""
        return self._settings.base_url

    @property
    def roots(self) -> dict[str, str]:
        """Path of each root by name, as it is now."""
        with self._store.snapshot() as snapshot:
            return {root.name: str(self._store.place_of(root)) for root in snapshot.roots()}

    def __repr__(self) -> str:
        return f"Collection({str(self.path)!r}, model={self.model!r})"

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back files, connections and threads. Using the collection again opens them again."""
        for held in self._held:
            held()
        self._held = []
        self._generations.close()
        self._embedders.close()
        self._reranker.close()
        self._expenses.note()
        self._store.close()

    # --- index

    def plan(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        checksum: bool = False,
        allow_empty: bool = False,
    ) -> SyncPlan:
        """What ``sync`` would do, and what it would cost; no text is sent, nothing is written.

        The files that changed are read and cut, as the sync itself would. The server is asked for
        its list of prices, once a day at most; without an answer ``basis`` says so.

        Raises:
            PathNotFound: There is nothing at a path.
            RootVanished: A folder that was indexed is gone or empty.
        """
        from ragkit.sync.estimate import estimate  # noqa: PLC0415 - loads the readers

        options = options_of(include, exclude, checksum=checksum, allow_empty=allow_empty)
        price = self._pricer.price
        return estimate(
            self._synchroniser(self._embedders.current), paths_of(paths), options, price
        )

    def sync(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        max_cost_usd: float | Decimal | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        checksum: bool = False,
        allow_empty: bool = False,
        wait_s: float = 0.0,
        progress: ProgressListener | None = None,
        stop: threading.Event | None = None,
    ) -> SyncReport:
        """Make the collection mirror the paths; other roots stay as they are.

        Only passages whose embedded text is new are embedded. One bad file never stops it. When
        the budget or the account is spent, or *stop* is set, the documents that are complete are
        committed, the report says so in ``stopped``, and the same call goes on from there.

        Args:
            paths: Folders or files.
            max_cost_usd: The most that this call may spend.
            include: Globs; with any, only files that fit one are indexed.
            exclude: Globs of files that are not.
            checksum: Compare contents even where size and time of change are the same.
            allow_empty: A folder that is gone or empty loses its documents.
            wait_s: How long to wait for another writer.
            progress: Told how far it is.
            stop: Set it to end early. Without one, Ctrl-C does the same, and KeyboardInterrupt is
                raised after the commit.

        Raises:
            PathNotFound: There is nothing at a path.
            RootVanished: A folder that was indexed is gone or empty.
            CollectionLocked: Another process writes.
            EmbeddingError: The texts cannot be embedded now; what was complete is committed.
            KeyboardInterrupt: After Ctrl-C.
        """
        from ragkit.sync.interrupt import stop_on_interrupt  # noqa: PLC0415

        self._see_that_it_may_write()
        own = stop is None
        with contextlib.ExitStack() as stack:
            stack.callback(self._discard_if_empty)
            options = options_of(
                include, exclude, checksum=checksum, allow_empty=allow_empty, wait_s=wait_s
            )
            if self._is_new:
                self._store.ensure()
            event = stack.enter_context(stop_on_interrupt()) if stop is None else stop
            embedder = stack.enter_context(self._embedder_within(dollars_of(max_cost_usd)))
            synchroniser = self._synchroniser(embedder)
            try:
                report = synchroniser.sync(paths_of(paths), options, listener=progress, stop=event)
            except CollectionLocked:
                # Ctrl-C while it waited for another writer.
                if own and event.is_set():
                    raise KeyboardInterrupt from None
                raise
        self._is_new = False
        if own and report.stopped == "interrupted":
            raise KeyboardInterrupt
        return self._compacted(report)

    # --- look

    @property
    def retriever(self) -> Retriever:
        """A retriever over the generation that is newest now; later syncs do not change it.

        It is valid until the collection is closed. While it is referenced, SQLite keeps what it
        reads, and the log beside the database grows with every sync: let go of it in between.
        """
        with contextlib.ExitStack() as stack:
            retriever, _ = stack.enter_context(self._retrieving())
            release = stack.pop_all().close
        self._held = [held for held in self._held if held.alive]
        self._held.append(weakref.finalize(retriever, release))
        return retriever

    def documents(self) -> list[Document]:
        """All documents in the order (root, source)."""
        with self._store.snapshot() as snapshot:
            return list(snapshot.documents())

    def passages(self, source: str | None = None) -> list[Passage]:
        """All passages in the order (root, source, start), or those of one ``[ROOT:]SOURCE``.

        Raises:
            SourceNotFound: The collection has no such document.
            AmbiguousSource: Several roots have it.
        """
        with self._store.snapshot() as snapshot:
            root, name = (None, None) if source is None else snapshot.locate(source)
            return [stored.passage for stored in snapshot.all_passages(root, name)]

    def status(self) -> CollectionStatus:
        """What the collection holds."""
        self._expenses.note()
        with self._store.snapshot() as snapshot:
            return status_of(snapshot, self._store, self.model)

    def spending(self) -> list[DocumentSpending]:
        """What each document cost in each sync, in the order (run, root, source)."""
        with self._store.snapshot() as snapshot:
            return snapshot.spent_by_document()

    # --- inside

    def _note_expenses(self) -> None:
        self._expenses.note()

    def _expect(self, settings: Settings) -> None:
        self._embedders.expect(settings)

    def _adopt(self, settings: Settings) -> None:
        if fingerprint_of(settings) == self.fingerprint:
            # Another address of the same model: the generation stays and its parts have to go.
            self._generations.close()
        self._embedders.adopt(settings)
        self._reranker.close()
        self._reranker = LateReranker(lambda: make_reranker(settings, self._expenses.of_rerank))
        self._pricer = Pricer(settings)
        self._settings = settings

    def _discard_if_empty(self) -> None:
        """A sync that failed leaves no directory behind that was not there before."""
        if self._is_new and self._store.exists(self.path):
            self._store.discard_if_empty()

    @contextlib.contextmanager
    def _retrieving(self, embedder: Embedder | None = None) -> Iterator[tuple[Retriever, Snapshot]]:
        with self._store.snapshot() as snapshot, self._generations.of(snapshot) as parts:
            own = self._own_settings(snapshot)
            retriever = parts.retriever(snapshot, embedder)
            yield retriever.weighed(own.semantic_weight, own.context_weight), snapshot

    def _parts_of(self, snapshot: Snapshot) -> Parts:
        embedder = self._embedders.of(snapshot.fingerprint)
        if embedder is None:
            check_model(self.path, snapshot, self._settings)
            embedder = self._embedders.current
        languages = self._settings.profile.languages
        return Parts(self._store, embedder, installation_key(), self._reranker, languages)

    def _synchroniser(self, embedder: LateEmbedder) -> Synchroniser:
        from ragkit.sync.synchronise import Synchroniser  # noqa: PLC0415 - loads the readers

        return Synchroniser(
            store=self._store,
            embedder=embedder,
            settings=self._settings,
            key=installation_key(),
            identity=stored_settings(self._settings),
            learnt=lambda: self._memory.learnt(embedder, self._pricer, self._settings),
            screen=screen_of(self._settings),
            takes_images=self._pricer.takes_images,
        )

    @contextlib.contextmanager
    def _embedder_within(self, max_cost_usd: Decimal | None) -> Iterator[LateEmbedder]:
        if max_cost_usd is None or is_local(self._settings):
            yield self._embedders.current
            return

        def make() -> Embedder:
            return self._memory.made(self._settings, self._pricer, max_cost_usd)

        with contextlib.closing(LateEmbedder(make)) as embedder:
            yield embedder

    def _made(self, settings: Settings) -> Embedder:
        pricer = self._pricer if settings is self._settings else Pricer(settings)
        return self._memory.made(settings, pricer)
