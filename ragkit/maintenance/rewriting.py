"""Writing a collection anew: what compacting and purging have in common."""

from __future__ import annotations

from dataclasses import dataclass

from ragkit.storage.rewriting import Selection
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer
from ragkit.sync.derive import derive_words_anew
from ragkit.sync.progress import Progress, ProgressListener
from ragkit.sync.thumbnails import sweep_thumbnails

__all__ = ["Rewrite"]


@dataclass(slots=True, kw_only=True)
class Rewrite:
    """A collection written anew as its next generation, with the lock held.

    Attributes:
        store: The collection.
        key: This installation's, which signs derived files.
        listener: Told how far it is, in rows.
    """

    store: Store
    key: bytes
    listener: ProgressListener | None = None
    _total: int = 0
    _done: int = 0

    def run(self, writer: Writer, selection: Selection, *, keep_words: bool) -> None:
        """Write it and let it take the collection's place.

        Args:
            writer: Holds the collection; of no use any more afterwards.
            selection: What of the newest generation is kept.
            keep_words: Whether the lexical index is what a fresh one would be.

        Raises:
            CollectionError: The disk is full or refuses; the collection is as it was.
        """
        before = writer.snapshot()
        self._total = before.count("passages") + before.count("documents") + before.matrix_rows()
        with self.store.drafting(writer, selection, self._tell) as draft:
            coming = {"generation": before.generation + 1}
            draft.set(coming)
            if not keep_words:
                draft.set({"words": derive_words_anew(self.store, draft.snapshot(), self.key)})
            # The small pictures of what is left out go first: they can be made again.
            sweep_thumbnails(self.store, draft.snapshot())
            self.store.publish(writer, draft)

    def _tell(self) -> None:
        self._done = min(self._done + 1, self._total)
        if self.listener is not None and self._done % 100 == 0:
            self.listener(Progress(total_bytes=self._total, done_bytes=self._done))
