"""The embedders of one collection object: one, and another around the switch of a migration."""

from __future__ import annotations

from collections.abc import Callable

from ragkit.collection.models import fingerprint_of
from ragkit.config import Settings
from ragkit.embedding.seam import EmbeddedBatch, Embedder
from ragkit.retrieval.late import LateEmbedder

__all__ = ["Embedders"]


class Embedders:
    """Gives the embedder of each fingerprint that a search of this object may meet.

    Args:
        settings: Of the collection as it is.
        make: Makes the embedder of settings.
        queried: Told of each batch of queries.
    """

    def __init__(
        self,
        settings: Settings,
        make: Callable[[Settings], Embedder],
        queried: Callable[[str, EmbeddedBatch], None],
    ) -> None:
        self._make_embedder = make
        self._queried = queried
        self._made: list[LateEmbedder] = []
        self._by_mark: dict[str, LateEmbedder] = {}
        self._mark = ""
        self.adopt(settings)

    @property
    def current(self) -> LateEmbedder:
        """Of the settings that the collection has now."""
        return self._by_mark[self._mark]

    def of(self, mark: str | None) -> LateEmbedder | None:
        """Of a fingerprint, None of an undecided collection; None where another object chose it."""
        return self.current if mark is None else self._by_mark.get(mark)

    def expect(self, settings: Settings) -> None:
        """Be ready for these too: around a switch some searches are before it and some after."""
        mark = fingerprint_of(settings).json
        if mark != self._mark:
            self._by_mark[mark] = self._make(settings)

    def adopt(self, settings: Settings) -> None:
        """Go on with these settings; those of the same fingerprint may have another address."""
        mark = fingerprint_of(settings).json
        if mark == self._mark or mark not in self._by_mark:
            self._by_mark[mark] = self._make(settings)
        self._mark = mark

    def close(self) -> None:
        """Close all of them; the next use of one makes it anew."""
        for embedder in self._made:
            embedder.close()

    def _make(self, settings: Settings) -> LateEmbedder:
        embedder = LateEmbedder(lambda: self._make_embedder(settings), self._queried)
        self._made.append(embedder)
        return embedder
