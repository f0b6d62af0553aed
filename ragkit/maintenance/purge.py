"""Taking a document out of every file of a collection, as if it had never been there."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ragkit.errors import AmbiguousSource, SourceNotFound
from ragkit.maintenance.rewriting import Rewrite
from ragkit.maintenance.unfinished import unfinished_migration
from ragkit.reports import PurgeReport
from ragkit.storage.database import OLDEST_SETTING
from ragkit.storage.rewriting import Selection
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.storage.traces import documents_named, places_named
from ragkit.storage.writer import Writer
from ragkit.sync.progress import ProgressListener

__all__ = ["Purge"]

# What was purged, by digest of its name: whoever is interrupted is told that it is done.
_PURGED_SETTING = "purged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """Writes a collection anew without a document.

    Attributes:
        store: The collection.
        key: This installation's, which signs derived files.
    """

    store: Store
    key: bytes

    def run(
        self, source: str, *, wait_s: float = 0.0, listener: ProgressListener | None = None
    ) -> PurgeReport:
        """Do it.

        Afterwards no file of the collection holds a text of the document that no other document
        holds too, nor its vector, and no vector of anything that is gone. Its names are taken out
        of the ledger, whose sums stay. Readers of older generations get GenerationGone.

        Args:
            source: ``[ROOT:]SOURCE``; also of a document that an earlier index removed.
            wait_s: How long to wait for another writer.
            listener: Told how far it is.

        Raises:
            SourceNotFound: The collection has, and had, no such document.
            AmbiguousSource: Several roots have it.
            CollectionLocked: Another process writes.
            CollectionError: The disk is full or refuses; the collection is as it was.
        """
        started = time.monotonic()
        with self.store.writing(wait_s=wait_s) as writer:
            before = writer.snapshot()
            known = self._known(before, source)
            if known is None:
                return PurgeReport(root="", source=source, seconds=time.monotonic() - started)
            root, name = known
            documents = documents_named(before, root, name)
            passages = sum(1 for _ in before.all_passages(root, name))
            path = self._path(before, root, name)
            vectors, unfinished = before.count("vectors"), unfinished_migration(before)
            self._rewrite(writer, (root, name), documents, listener)
        with self.store.snapshot() as after:
            return PurgeReport(
                root=root,
                source=name,
                documents=len(documents),
                passages=passages,
                vectors=vectors - after.count("vectors"),
                path=None if path is None else str(path),
                migration=None if unfinished is None else unfinished.goes_on,
                seconds=time.monotonic() - started,
            )

    def _rewrite(
        self,
        writer: Writer,
        place: tuple[str, str],
        documents: list[int],
        listener: ProgressListener | None,
    ) -> None:
        before = writer.snapshot()
        purged: dict[str, object] = before.setting(_PURGED_SETTING, {})
        today = datetime.now(UTC).date().isoformat()
        selection = Selection(
            without=documents,
            unnamed={place},
            settings={
                OLDEST_SETTING: before.generation + 1,
                _PURGED_SETTING: {**purged, _digest(place): today},
            },
        )
        rewrite = Rewrite(store=self.store, key=self.key, listener=listener)
        rewrite.run(writer, selection, keep_words=False)

    def _known(self, snapshot: Snapshot, source: str) -> tuple[str, str] | None:
        """Root and source; None for one that was purged before."""
        places = places_named(snapshot, source)
        if len(places) == 1:
            return places[0]
        if places:
            raise AmbiguousSource(source, [f"{root}:{name}" for root, name in places])
        purged: dict[str, object] = snapshot.setting(_PURGED_SETTING, {})
        names = [root.name for root in snapshot.roots()]
        candidates = [(root, source) for root in names]
        root, colon, name = source.partition(":")
        if colon:
            candidates.append((root, name))
        if any(_digest(place) in purged for place in candidates):
            return None
        raise SourceNotFound(
            f"the collection has no document {source!r}, and nothing of one: check the name"
        )

    def _path(self, snapshot: Snapshot, root: str, source: str) -> Path | None:
        """Where its file is, if it is there."""
        for known in snapshot.roots():
            if known.name == root:
                place = self.store.place_of(known)
                path = place if known.is_file else place / source
                return path if os.path.lexists(path) else None
        return None


def _digest(place: tuple[str, str]) -> str:
    return hashlib.sha256("\0".join(place).encode("utf-8", "surrogatepass")).hexdigest()
