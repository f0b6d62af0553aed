"""The life of a collection beside being indexed and searched."""

from __future__ import annotations

import time
from abc import ABC
from typing import TYPE_CHECKING

from ragkit.reports import VerifyReport
from ragkit.storage.installation import installation_key
from ragkit.storage.store import Store

if TYPE_CHECKING:
    from ragkit.sync.progress import ProgressListener

__all__ = ["Upkeep"]


class Upkeep(ABC):
    """The part of ``Collection`` that keeps it whole."""

    _store: Store

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
