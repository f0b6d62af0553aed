"""The life of a collection beside being indexed and searched."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.errors import CollectionError
from ragkit.reports import CompactReport, ForgetReport, PurgeReport, VerifyReport
from ragkit.storage.installation import installation_key
from ragkit.storage.store import Store

if TYPE_CHECKING:
    from ragkit.sync.progress import ProgressListener

__all__ = ["Upkeep"]


class Upkeep(ABC):
    """The part of ``Collection`` that keeps it whole."""

    _store: Store
    _read_only: bool

    @property
    @abstractmethod
    def path(self) -> Path:
        """The collection's directory."""

    def verify(self, *, progress: ProgressListener | None = None) -> VerifyReport:
        """Check every law over the whole collection; nothing is sent or written.

        It reads every byte, in memory that does not grow with the collection; a writer at work is
        not disturbed, as it looks at one generation.

        Args:
            progress: Told how far it is.
        """
        from ragkit.maintenance.verify import Verification  # noqa: PLC0415 - loads tantivy

        started = time.monotonic()
        looked = Verification(store=self._store, key=installation_key(), listener=progress)
        looked.run()
        problems = looked.found.told()
        return VerifyReport(
            ok=not problems,
            problems=problems,
            notes=tuple(looked.notes),
            documents=looked.documents,
            passages=looked.passages,
            vectors=looked.vectors,
            seconds=time.monotonic() - started,
        )

    def compact(
        self, *, wait_s: float = 0.0, progress: ProgressListener | None = None
    ) -> CompactReport:
        """Give back the space of vectors, rows and postings that belong to nothing any more.

        The collection is written anew beside itself, so that there must be room for both, and
        takes its own place at once; it may be killed at any moment. Readers go on with what they
        have. Vectors that are dropped are bought again if their texts come back, and the way back
        from a migration ends.

        Args:
            wait_s: How long to wait for another writer.
            progress: Told how far it is.

        Raises:
            CollectionLocked: Another process writes.
            CollectionError: The disk is full or refuses; the collection is as it was.
        """
        from ragkit.maintenance.compact import Compaction  # noqa: PLC0415 - loads tantivy

        self._see_that_it_may_write()
        compaction = Compaction(store=self._store, key=installation_key())
        return compaction.run(wait_s=wait_s, listener=progress)

    def purge(
        self, source: str, *, wait_s: float = 0.0, progress: ProgressListener | None = None
    ) -> PurgeReport:
        """Take a document out of every file of the collection, as if it had never been there.

        No file holds a text of it afterwards that no other document holds too, nor its vector;
        readers of older generations get GenerationGone. What is dropped with it is what
        ``compact`` drops. Its file is left alone: while it is in its folder, the next sync reads
        it again.

        Args:
            source: ``[ROOT:]SOURCE``; also of a document that an earlier sync removed.
            wait_s: How long to wait for another writer.
            progress: Told how far it is.

        Raises:
            SourceNotFound: The collection has, and had, no such document.
            AmbiguousSource: Several roots have it.
            CollectionLocked: Another process writes.
            CollectionError: The disk is full or refuses; the collection is as it was.
        """
        from ragkit.maintenance.purge import Purge  # noqa: PLC0415 - loads tantivy

        self._see_that_it_may_write()
        purge = Purge(store=self._store, key=installation_key())
        return purge.run(source, wait_s=wait_s, listener=progress)

    def forget(self, root: str, *, wait_s: float = 0.0) -> ForgetReport:
        """Remove a root: its documents are found no more; its folder is left alone.

        Its vectors are kept until ``compact``, so that a root that comes back costs nothing;
        ``purge`` is for what must not be kept.

        Args:
            root: Its name, as in ``roots``.
            wait_s: How long to wait for another writer.

        Raises:
            SourceNotFound: There is no such root.
            CollectionLocked: Another process writes.
        """
        from ragkit.maintenance.forget import Forgetting  # noqa: PLC0415 - loads tantivy

        self._see_that_it_may_write()
        return Forgetting(store=self._store, key=installation_key()).run(root, wait_s=wait_s)

    def _see_that_it_may_write(self) -> None:
        if self._read_only:
            raise CollectionError(f"{self.path} was opened read-only: open it without read_only")
