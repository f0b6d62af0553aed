"""The life of a collection beside being indexed and searched."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.collection.arguments import StrPath
from ragkit.collection.embedders import Embedders
from ragkit.collection.models import fingerprint_of
from ragkit.config import Settings
from ragkit.errors import CollectionError
from ragkit.reports import (
    CompactReport,
    ExportReport,
    ForgetReport,
    ImportReport,
    PurgeReport,
    SyncReport,
    VerifyReport,
)
from ragkit.retrieval.late import LateEmbedder
from ragkit.storage.installation import installation_key
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.sync.pricing import Pricer

if TYPE_CHECKING:
    from ragkit.sync.progress import ProgressListener
    from ragkit.sync.synchronise import Synchroniser

__all__ = ["Upkeep", "import_collection"]


class Upkeep(ABC):
    """The part of ``Collection`` that keeps it whole."""

    _store: Store
    _settings: Settings
    _pricer: Pricer
    _embedders: Embedders
    _read_only: bool

    @property
    @abstractmethod
    def path(self) -> Path:
        """The collection's directory."""

    @abstractmethod
    def _synchroniser(self, embedder: LateEmbedder) -> Synchroniser:
        """What brings the collection into step."""

    def verify(
        self,
        *,
        repair: bool = False,
        sources: bool = False,
        progress: ProgressListener | None = None,
    ) -> VerifyReport:
        """Check every law over the whole collection.

        It reads every byte, in memory that does not grow with the collection; a writer at work is
        not disturbed, as it looks at one generation. Without *repair* nothing is written.

        Args:
            repair: Mend what can be mended without asking the model: what is derived is made anew,
                damaged documents are read again from their files, and damaged vectors forgotten,
                so that the next sync embeds their texts again; the report says what that costs.
            sources: Read every file again too, and compare each passage with it.
            progress: Told how far it is.

        Raises:
            CollectionLocked: Another process writes, and it is to be repaired.
        """
        from ragkit.maintenance.verify import Verification  # noqa: PLC0415 - loads tantivy

        started, key = time.monotonic(), installation_key()
        looked = Verification(store=self._store, key=key, listener=progress)
        if sources:
            looked.reader = self._reader()
        looked.run()
        mended: tuple[str, ...] = ()
        to_embed, tokens = 0, 0
        cost_usd: Decimal | None = Decimal(0)
        if repair and (looked.found.laws or looked.lacks_words):
            from ragkit.maintenance.repair import Repair  # noqa: PLC0415 - loads the readers

            self._see_that_it_may_write()
            done = Repair(store=self._store, key=key, synchroniser=self._reader())
            done.run(looked.found)
            mended, to_embed = tuple(done.mended), len(done.wanted)
            tokens, cost_usd = done.price(self._settings.profile.tokenizer, self._pricer.price)
            looked = Verification(store=self._store, key=key, listener=progress)
            looked.run()
        problems = looked.found.told()
        return VerifyReport(
            ok=not problems,
            problems=problems,
            notes=tuple(looked.notes),
            mended=mended,
            to_embed=to_embed,
            tokens=tokens,
            cost_usd=cost_usd,
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
            CollectionError: A migration has begun and not ended; or the disk is full or refuses,
                and the collection is as it was.
        """
        from ragkit.maintenance.compact import Compaction  # noqa: PLC0415 - loads tantivy

        self._see_that_it_may_write()
        compaction = Compaction(store=self._store, key=installation_key())
        return compaction.run(wait_s=wait_s, listener=progress)

    def _compacted(self, report: SyncReport) -> SyncReport:
        """After a sync that left waste behind: the report, with what became of it."""
        if report.stopped is not None or not (report.updated or report.removed):
            return report
        from ragkit.maintenance.compact import compact_if_wasteful  # noqa: PLC0415

        try:
            done = compact_if_wasteful(self._store, installation_key())
        except CollectionError as error:
            said = f"most of its vectors belong to no passage, and compacting failed: {error}"
            return replace(report, warnings=(*report.warnings, (".", said)))
        if done is None:
            return report
        said = (
            f"compacted: {done.vectors:,} vectors belonged to no passage any more, which was most"
            " of them"
        )
        return replace(report, warnings=(*report.warnings, (".", said)))

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

    def export(self, file: StrPath, *, progress: ProgressListener | None = None) -> ExportReport:
        """Write the collection into one file, which ``ragkit.import_collection`` takes in.

        Living documents go along with their passages and vectors, and the ledger; no key is in a
        collection, and of the paths of folders that do not lie beside it only the last name.
        Everything is verified first. Writers are not disturbed.

        Args:
            file: Is replaced at once, when the new one is whole.
            progress: Told how far the verification is.

        Raises:
            CollectionDamaged: Something in it is not what was written.
            CollectionError: The disk is full or refuses.
        """
        from ragkit.maintenance.carrying import export_collection  # noqa: PLC0415 - loads tantivy

        path = Path(os.path.abspath(file))  # noqa: PTH100 - links stay as the user wrote them
        return export_collection(self._store, path, installation_key(), listener=progress)

    def _reader(self) -> Synchroniser:
        """What reads files as a sync does, and asks no model and no server."""
        from ragkit.maintenance.unasked import UnaskedEmbedder  # noqa: PLC0415

        embedder = UnaskedEmbedder(
            fingerprint_of(self._settings), self._settings.profile.max_tokens
        )

        def takes_images(snapshot: Snapshot, *, ask: bool = False) -> bool | None:  # noqa: ARG001
            return self._pricer.takes_images(snapshot)

        return replace(
            self._synchroniser(self._embedders.current),
            embedder=embedder,
            learnt=dict,
            takes_images=takes_images,
        )

    def _see_that_it_may_write(self) -> None:
        if self._read_only:
            raise CollectionError(f"{self.path} was opened read-only: open it without read_only")


def import_collection(
    file: StrPath, path: StrPath, *, progress: ProgressListener | None = None
) -> ImportReport:
    """Make a collection of a file that ``Collection.export`` wrote.

    Nothing in the file is trusted: it is unpacked beside the place, every law is verified, and then
    it takes the place at once. A folder that was indexed is found again by its name when it is
    indexed here, at no cost.

    Args:
        file: The exported file.
        path: Where the collection will be; nothing may be there, or an empty folder.
        progress: Told how far the verification is.

    Raises:
        PathNotFound: There is no such file.
        NotACollection: Something is at the place already.
        CollectionDamaged: The file is not what was exported.
        SchemaTooNew: A newer ragkit wrote it.
        CollectionError: The disk is full or refuses.
    """
    from ragkit.maintenance.carrying import import_archive  # noqa: PLC0415 - loads tantivy

    source, target = (Path(os.path.abspath(one)) for one in (file, path))  # noqa: PTH100
    return import_archive(source, target, installation_key(), listener=progress)
