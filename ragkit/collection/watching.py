"""A collection that follows its folders."""

from __future__ import annotations

import contextlib
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.collection.arguments import StrPath, dollars_of, paths_of, seconds_of

if TYPE_CHECKING:
    from ragkit.reports import SyncReport, WatchEvent
    from ragkit.sync.progress import ProgressListener

__all__ = ["Watching"]

# Who wants to wait longer for a quiet moment wants no watch.
_DAY_S = 86_400.0


class Watching(ABC):
    """The part of ``Collection`` that keeps it in step as long as somebody wants that."""

    @property
    @abstractmethod
    def path(self) -> Path:
        """The collection's directory."""

    @abstractmethod
    def sync(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        max_cost_usd: float | Decimal | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        checksum: bool = False,
        allow_empty: bool = False,
        wait_s: float = 0.0,
        progress: ProgressListener | None = None,
        stop: threading.Event | None = None,
    ) -> SyncReport:
        """Make the collection mirror the paths."""

    def watch(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        max_cost_usd: float | Decimal | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        wait_s: float = 10.0,
        quiet_s: float = 0.5,
        rescan_s: float = 300.0,
        progress: ProgressListener | None = None,
        stop: threading.Event | None = None,
    ) -> Generator[WatchEvent, None, None]:
        """Sync now, and again whenever the paths change, for as long as the events are taken.

        ``for event in collection.watch("docs/"): …`` tells of each sync that did something, and of
        what is in the way of one: a folder that is gone, another writer, a server that does not
        answer, a full disk. Those are tried again by themselves. A folder that vanishes removes
        nothing, and is followed again when it comes back. Searches are not disturbed.

        Args:
            paths: Folders or files.
            max_cost_usd: The most that all of it may spend; then it ends.
            include: As for ``sync``.
            exclude: As for ``sync``.
            wait_s: How long each sync waits for another writer.
            quiet_s: So long nothing may change before it syncs, so that a checkout is one sync.
            rescan_s: It looks at least so often, for file systems that tell of no changes.
            progress: Told how far each sync is.
            stop: Set it to end. Without one Ctrl-C ends it, and KeyboardInterrupt is raised.

        Raises:
            InvalidArgument: A time that no clock can count, or no amount.
            PathNotFound: There is nothing at a path, and never was.
            RagkitError: What no other try mends, such as a refused key.
            KeyboardInterrupt: After Ctrl-C.
        """
        from ragkit.sync.watch import FolderWatch, keep_in_step  # noqa: PLC0415

        limit, spent = dollars_of(max_cost_usd), Decimal(0)
        quiet_s = seconds_of("quiet_s", quiet_s, most=_DAY_S)
        rescan_s = seconds_of("rescan_s", rescan_s, most=math.inf)
        folders_or_files = [path.absolute() for path in paths_of(paths)]

        def sync() -> SyncReport:
            nonlocal spent
            report = self.sync(
                folders_or_files,
                max_cost_usd=None if limit is None else max(Decimal(0), limit - spent),
                include=include,
                exclude=exclude,
                wait_s=wait_s,
                progress=progress,
                stop=stop,
            )
            spent += report.cost_usd
            return report

        end = threading.Event() if stop is None else stop
        watched = FolderWatch(folders_or_files, leave_out=self.path, quiet_s=quiet_s, stop=end)
        with contextlib.closing(watched):
            yield from keep_in_step(sync, watched, end, rescan_s=rescan_s)
