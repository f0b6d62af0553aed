"""Giving back the space of what no generation shows any more."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ragkit.errors import CollectionError
from ragkit.indexing.manifest import DerivedUnusable
from ragkit.indexing.words import WordIndex
from ragkit.maintenance.rewriting import Rewrite
from ragkit.maintenance.unfinished import unfinished_migration
from ragkit.reports import CompactReport
from ragkit.storage.rewriting import Selection
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import PREVIOUS_SETTING
from ragkit.storage.store import Store
from ragkit.sync.derive import words_directory
from ragkit.sync.progress import ProgressListener

__all__ = ["Compaction", "compact_if_wasteful", "is_wasteful"]

# A sync compacts by itself when more than this share of the vectors belongs to no passage, and so
# many of them do: dead vectors are texts that cost nothing when they come back, as after a switch
# between two branches, and a small file is not worth giving them up for.
_WASTED_SHARE = 0.5
_WASTED_VECTORS = 10_000


def is_wasteful(living: int, vectors: int) -> bool:
    """Whether a collection compacts itself.

    Args:
        living: Passages, each of which has one vector at most.
        vectors: Rows of the matrix.
    """
    dead = vectors - living
    return dead >= _WASTED_VECTORS and dead > _WASTED_SHARE * vectors


def compact_if_wasteful(
    store: Store, key: bytes, listener: ProgressListener | None = None
) -> CompactReport | None:
    """What a sync does at its end; None where there is too little to gain.

    Passages of the same text share a vector, so that there may be more waste than is seen. What a
    migration made, or leads back to, is no waste, and no sync decides to drop it.

    Raises:
        CollectionLocked: Another process writes.
        CollectionError: The disk is full or refuses; the collection is as it was.
    """
    with store.snapshot() as snapshot:
        vectors = snapshot.matrix_rows()
        if vectors < _WASTED_VECTORS or not is_wasteful(snapshot.count("passages"), vectors):
            return None
        if unfinished_migration(snapshot) or snapshot.setting(PREVIOUS_SETTING, {}):
            return None
    return Compaction(store=store, key=key).run(listener=listener)


def _refuse_loss(snapshot: Snapshot, store: Store) -> None:
    """Vectors that a migration has bought and that nothing shows yet are no garbage."""
    unfinished = unfinished_migration(snapshot)
    if unfinished is not None:
        raise CollectionError(
            f"the collection at {store.directory} is on its way to {unfinished.model}, and would"
            f" lose the vectors that were made for it: go on with `{unfinished.goes_on}`, or give"
            f" it up with `{unfinished.gives_up}`"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """Writes a collection anew without dead vectors, free pages and postings of what is gone.

    Attributes:
        store: The collection.
        key: This installation's, which signs derived files.
    """

    store: Store
    key: bytes

    def run(
        self, *, wait_s: float = 0.0, listener: ProgressListener | None = None
    ) -> CompactReport:
        """Do it, in memory that does not grow with the collection.

        It may be killed at any moment: the collection is then the old or the new one. Readers go
        on with what they have.

        Args:
            wait_s: How long to wait for another writer.
            listener: Told how far it is.

        Raises:
            CollectionLocked: Another process writes.
            CollectionError: A migration has begun and not ended; or the disk is full or refuses,
                and the collection is as it was.
        """
        started, before_bytes = time.monotonic(), self.store.size_bytes()
        rewrite = Rewrite(store=self.store, key=self.key, listener=listener)
        with self.store.writing(wait_s=wait_s) as writer:
            before = writer.snapshot()
            vectors = before.all_vectors()
            if not before.generation and not vectors:
                raise CollectionError(
                    f"the collection at {self.store.directory} holds nothing yet: index first"
                )
            _refuse_loss(before, self.store)
            rewrite.run(writer, Selection(), keep_words=self._words_are_fresh(before))
        with self.store.snapshot() as after:
            return CompactReport(
                before_bytes=before_bytes,
                after_bytes=self.store.size_bytes(),
                vectors=vectors - after.all_vectors(),
                generation=after.generation,
                seconds=time.monotonic() - started,
            )

    def _words_are_fresh(self, snapshot: Snapshot) -> bool:
        directory = words_directory(self.store, snapshot)
        if directory is None:
            return False
        try:
            index = WordIndex.open(directory, key=self.key)
        except DerivedUnusable:
            return False
        try:
            return index.removed_share == 0
        finally:
            index.close()
