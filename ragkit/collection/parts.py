"""The parts of a search over one generation, made on first use and shared by all threads."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ragkit.collection.expanding import CollectionExpander
from ragkit.collection.proof import Proof, ProvenVectorRanker
from ragkit.embedding.rerank_seam import Reranker
from ragkit.embedding.seam import Embedder
from ragkit.errors import CollectionDamaged, InvalidArgument
from ragkit.indexing.seam import FloatVector, IdArray, Ranking, VectorRanker, WordRanker
from ragkit.retrieval.calibration import CALIBRATION_SETTING, calibration_from
from ragkit.retrieval.late import LateVectorRanker, LateWordRanker
from ragkit.retrieval.retriever import Retriever
from ragkit.storage.database import Origin
from ragkit.storage.neighbours import NeighbourMap
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store

__all__ = ["Generations", "Parts"]

# A search asks twice, and twice again where it reads deeper.
_ASKED_BEFORE_ALL = 4


class Generations:
    """The parts of the newest generation, and of older ones while searches are still at them.

    Args:
        make: Makes the parts for a snapshot's generation.
    """

    def __init__(self, make: Callable[[Snapshot], Parts]) -> None:
        self._make = make
        # Reentrant: a search may be ended by the garbage collector, in any place.
        self._guard = threading.RLock()
        self._parts: dict[tuple[Origin, int], Parts] = {}
        self._users: Counter[tuple[Origin, int]] = Counter()
        self._newest: tuple[Origin, int] | None = None

    @contextlib.contextmanager
    def of(self, snapshot: Snapshot) -> Iterator[Parts]:
        """The parts of a snapshot's generation, kept for as long as the context lasts."""
        place = (snapshot.origin, snapshot.generation)
        with self._guard:
            if place not in self._parts:
                self._parts[place] = self._make(snapshot)
            parts = self._parts[place]
            self._users[place] += 1
            newest = self._newest
            if newest is None or place[0] != newest[0] or place[1] > newest[1]:
                self._newest = place
            self._close_unused()
        try:
            yield parts
        finally:
            with self._guard:
                self._users[place] -= 1
                self._close_unused()

    def close(self) -> None:
        """Close what no search is at; the rest goes with its last search."""
        with self._guard:
            self._newest = None
            self._close_unused()

    def _close_unused(self) -> None:
        for place in list(self._parts):
            if not self._users[place] and place != self._newest:
                del self._users[place]
                self._parts.pop(place).close()


class Parts:
    """What searches of one generation have in common.

    The indexes read through the snapshot of whichever search asks first; what they keep is valid
    for every snapshot of the same generation.
    """

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        key: bytes,
        reranker: Reranker | None = None,
        languages: tuple[str, ...] = (),
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._reranker = reranker
        self._languages = languages
        self._key = key
        self._guard = threading.Lock()
        self._vectors: VectorRanker | None = None
        self._proof: Proof | None = None
        self._words: WordRanker | None = None
        self._neighbours: NeighbourMap | None = None
        self._asked_for_neighbours = 0
        self._rebuilt: tempfile.TemporaryDirectory[str] | None = None

    def retriever(self, snapshot: Snapshot, embedder: Embedder | None = None) -> Retriever:
        """A retriever over the snapshot, valid for as long as that is.

        Args:
            snapshot: Of the generation.
            embedder: Instead of the collection's own, of the same fingerprint.
        """
        return Retriever(
            store=snapshot,
            embedder=embedder or self._embedder,
            vectors=ProvenVectorRanker(
                LateVectorRanker(lambda: self._vector_ranker(snapshot)),
                lambda ids: self._prove(snapshot, ids),
            ),
            words=LateWordRanker(lambda: self._word_ranker(snapshot)),
            neighbours=lambda ids: self._beside(snapshot, ids),
            reranker=self._reranker,
            expander=CollectionExpander(self._store.directory),
            calibration=calibration_from(
                snapshot.setting(CALIBRATION_SETTING, {}), snapshot.fingerprint
            ),
        )

    def close(self) -> None:
        """Remove what was rebuilt for this process alone."""
        with self._guard:
            if self._rebuilt is not None:
                self._rebuilt.cleanup()
                self._rebuilt = None

    def _beside(self, snapshot: Snapshot, ids: IdArray) -> tuple[IdArray, IdArray]:
        """Neighbours of some passages: from the store for the first searches, then from memory.

        A single search, as from the shell, does not wait for all of them to be read.
        """
        with self._guard:
            self._asked_for_neighbours += 1
            if self._neighbours is None and self._asked_for_neighbours > _ASKED_BEFORE_ALL:
                self._neighbours = snapshot.neighbour_map()
            known = self._neighbours
        return snapshot.neighbours(ids) if known is None else known.of(ids)

    def _vector_ranker(self, snapshot: Snapshot) -> VectorRanker:
        with self._guard:
            if self._vectors is None:
                from ragkit.indexing.vectors import MatrixIndex  # noqa: PLC0415

                ids, slots = snapshot.ids_and_slots()
                if not len(ids):
                    return _NoVectors()
                matrix = self._store.rows(snapshot)
                self._proof = Proof(matrix)
                try:
                    self._vectors = MatrixIndex(ids=ids, slots=slots, matrix=matrix)
                except InvalidArgument as error:
                    raise CollectionDamaged(
                        f"passages and vectors of {self._store.directory} do not fit each other"
                        f" ({error}): `ragkit verify` says where"
                    ) from error
            return self._vectors

    def _prove(self, snapshot: Snapshot, ids: IdArray) -> None:
        if self._proof is not None:
            self._proof.prove(snapshot, ids)

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
        with contextlib.ExitStack() as stack:
            folder = tempfile.TemporaryDirectory(prefix="ragkit-words-")
            stack.callback(folder.cleanup)
            rebuilt = Path(folder.name) / "words"
            derive_all_words(rebuilt, snapshot, self._key)
            index = WordIndex.open(rebuilt, key=self._key)
            stack.pop_all()
        self._rebuilt = folder
        return index


class _NoVectors:
    """A ``VectorRanker`` of a generation that holds no vector, and knows no width."""

    def rank(self, vector: FloatVector, k: int, *, among: IdArray | None = None) -> Ranking:  # noqa: ARG002
        """Nothing."""
        ids, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        return Ranking(ids=ids, scores=scores, lowest=0.0, highest=0.0)

    def scores(self, vector: FloatVector, ids: IdArray) -> FloatVector:  # noqa: ARG002
        """No score for any."""
        return np.full(len(ids), np.nan, np.float32)

    def estimates(self, vector: FloatVector, ids: IdArray) -> tuple[FloatVector, float]:
        """No score for any."""
        return self.scores(vector, ids), 0.0

    def sample(self) -> IdArray:
        """None."""
        return np.empty(0, np.int64)

    def copies(self, id_: int) -> IdArray:  # noqa: ARG002
        """None."""
        return np.empty(0, np.int64)
