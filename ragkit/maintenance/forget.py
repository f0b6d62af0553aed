"""Letting go of a root: its documents are found no more, and its folder is left alone."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ragkit.errors import SourceNotFound
from ragkit.reports import ForgetReport
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.states import Root
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer
from ragkit.sync.derive import derive_words, sweep_words

__all__ = ["Forgetting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """Removes a root, as a sync removes a document.

    Attributes:
        store: The collection.
        key: This installation's, which signs derived files.
    """

    store: Store
    key: bytes

    def run(self, name: str, *, wait_s: float = 0.0) -> ForgetReport:
        """Do it; vectors are kept, so that a root that comes back costs nothing.

        Args:
            name: Of the root.
            wait_s: How long to wait for another writer.

        Raises:
            SourceNotFound: There is no such root.
            CollectionLocked: Another process writes.
        """
        started = time.monotonic()
        with self.store.writing(wait_s=wait_s) as writer:
            before = writer.snapshot()
            root = self._root(before, name)
            passages = before.count("passages")
            writer.drop_staged()
            documents = 0
            for state in list(before.document_states()):
                if state.root == root.name:
                    writer.remove_document(state.id)
                    documents += 1
            self._commit(writer, root)
            return ForgetReport(
                root=root.name,
                path=str(self.store.place_of(root)),
                documents=documents,
                passages=passages - writer.snapshot().count("passages"),
                seconds=time.monotonic() - started,
            )

    def _commit(self, writer: Writer, root: Root) -> None:
        previous = writer.snapshot().setting("words", "")
        words = derive_words(self.store, writer, writer.seal(), self.key)
        writer.commit(settings={"words": words}, problems=[], roots=[], forgotten=[root])
        # One generation back is kept for a reader that has just looked up its name.
        sweep_words(self.store, {previous, words})

    def _root(self, snapshot: Snapshot, name: str) -> Root:
        roots = {root.name: root for root in snapshot.roots()}
        if name not in roots:
            known = ", ".join(map(repr, roots)) or "none"
            raise SourceNotFound(f"the collection has no root {name!r}: it has {known}")
        return roots[name]
