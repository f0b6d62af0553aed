"""The parts of a search over one generation, made on first use and shared by all threads."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from pathlib import Path

from ragkit.embedding.seam import Embedder
from ragkit.indexing.seam import VectorRanker, WordRanker
from ragkit.retrieval.late import LateVectorRanker, LateWordRanker
from ragkit.retrieval.retriever import Retriever
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store

__all__ = ["Parts"]


class Parts:
    """What searches of one generation have in common.

    The indexes read through the snapshot of whichever search asks first; what they keep is valid
    for every snapshot of the same generation.
    """

    def __init__(self, store: Store, embedder: Embedder, generation: int, key: bytes) -> None:
        self._store = store
        self._embedder = embedder
        self._key = key
        self.generation = generation
        self._guard = threading.Lock()
        self._vectors: VectorRanker | None = None
        self._words: WordRanker | None = None
        self._rebuilt: tempfile.TemporaryDirectory[str] | None = None

    def retriever(self, snapshot: Snapshot) -> Retriever:
        """A retriever over the snapshot, valid for as long as that is."""
        return Retriever(
            store=snapshot,
            embedder=self._embedder,
            vectors=LateVectorRanker(lambda: self._vector_ranker(snapshot)),
            words=LateWordRanker(lambda: self._word_ranker(snapshot)),
        )

    def close(self) -> None:
        """Remove what was rebuilt for this process alone."""
        with self._guard:
            if self._rebuilt is not None:
                self._rebuilt.cleanup()
                self._rebuilt = None

    def _vector_ranker(self, snapshot: Snapshot) -> VectorRanker:
        with self._guard:
            if self._vectors is None:
                from ragkit.indexing.vectors import MatrixIndex  # noqa: PLC0415

                ids, slots = snapshot.ids_and_slots()
                matrix = self._store.rows(snapshot)
                self._vectors = MatrixIndex(ids=ids, slots=slots, matrix=matrix)
            return self._vectors

    def _word_ranker(self, snapshot: Snapshot) -> WordRanker:
        with self._guard:
            if self._words is None:
                self._words = self._open_words(snapshot)
            return self._words

    def _open_words(self, snapshot: Snapshot) -> WordRanker:
        from ragkit.indexing.manifest import DerivedUnusable  # noqa: PLC0415
        from ragkit.indexing.words import WordIndex  # noqa: PLC0415
        from ragkit.sync.derive import derive_all_words, words_directory  # noqa: PLC0415

        directory = words_directory(self._store, snapshot)
        if directory is not None:
            with contextlib.suppress(DerivedUnusable):
                return WordIndex.open(directory, key=self._key)
        # Built by another installation, damaged or deleted: made again from truth, and beside the
        # collection, since a reader changes nothing in it.
        self._rebuilt = tempfile.TemporaryDirectory(prefix="ragkit-words-")
        rebuilt = Path(self._rebuilt.name) / "words"
        derive_all_words(rebuilt, snapshot, self._key)
        return WordIndex.open(rebuilt, key=self._key)
