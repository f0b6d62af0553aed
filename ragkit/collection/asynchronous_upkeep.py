"""The upkeep of a collection for programs that await."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from ragkit.collection.arguments import StrPath
from ragkit.collection.collection import Collection
from ragkit.reports import CompactReport, ExportReport, ForgetReport, PurgeReport, VerifyReport

if TYPE_CHECKING:
    from ragkit.sync.progress import ProgressListener

__all__ = ["AsyncUpkeep"]


class AsyncUpkeep:
    """The part of ``AsyncCollection`` that keeps it whole; each call works in a thread."""

    collection: Collection

    async def verify(
        self,
        *,
        repair: bool = False,
        sources: bool = False,
        progress: ProgressListener | None = None,
    ) -> VerifyReport:
        """As ``Collection.verify``."""
        verify = partial(self.collection.verify, repair=repair, sources=sources, progress=progress)
        return await asyncio.to_thread(verify)

    async def compact(
        self, *, wait_s: float = 0.0, progress: ProgressListener | None = None
    ) -> CompactReport:
        """As ``Collection.compact``."""
        compact = partial(self.collection.compact, wait_s=wait_s, progress=progress)
        return await asyncio.to_thread(compact)

    async def purge(
        self, source: str, *, wait_s: float = 0.0, progress: ProgressListener | None = None
    ) -> PurgeReport:
        """As ``Collection.purge``."""
        purge = partial(self.collection.purge, source, wait_s=wait_s, progress=progress)
        return await asyncio.to_thread(purge)

    async def forget(self, root: str, *, wait_s: float = 0.0) -> ForgetReport:
        """As ``Collection.forget``."""
        return await asyncio.to_thread(partial(self.collection.forget, root, wait_s=wait_s))

    async def export(
        self, file: StrPath, *, progress: ProgressListener | None = None
    ) -> ExportReport:
        """As ``Collection.export``."""
        return await asyncio.to_thread(partial(self.collection.export, file, progress=progress))
