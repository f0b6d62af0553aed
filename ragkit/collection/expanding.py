"""How a hit finds back to its collection."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from ragkit.records import Passage
from ragkit.storage.store import Store

__all__ = ["CollectionExpander"]


@dataclass(frozen=True, slots=True)
class CollectionExpander:
    """Expands passages of the collection in a directory; an ``Expander``.

    It keeps nothing open and knows no more than the path, so that hits outlive the collection
    object they came from, and can be pickled or kept in a cache.
    """

    directory: Path

    def expanded(self, passage: Passage, tokens: int) -> Passage:
        """As ``Expander.expanded``; opens the collection for as long as that takes, 1 to 3 ms.

        Raises:
            CollectionNotFound: It was moved or deleted.
        """
        from ragkit.retrieval.expansion import expanded  # noqa: PLC0415 - loads tiktoken

        with (
            contextlib.closing(Store(self.directory, create=False, read_only=True)) as store,
            store.snapshot() as snapshot,
        ):
            return expanded(passage, store=snapshot, tokens=tokens)
