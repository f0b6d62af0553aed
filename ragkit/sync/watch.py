"""Keeping a collection in step with its folders as they change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

from watchfiles import Change, watch

from ragkit.errors import (
    CollectionError,
    CollectionLocked,
    MalformedReply,
    PathNotFound,
    RagkitError,
    RootVanished,
    ServerUnreachable,
)
from ragkit.reading.ignoring import IGNORE_FILES
from ragkit.reports import SyncReport, WatchEvent

__all__ = ["FolderWatch", "keep_in_step"]

# How often it is looked whether a folder vanished, came back, or is another one now.
_TICK_MS = 500
_POLL_MS = 2000
_LONGEST_WAIT_FOR_QUIET_S = 10.0
_FIRST_RETRY_S, _LAST_RETRY_S = 2.0, 300.0
# What another try may mend; a full disk is a plain CollectionError.
_PASSING = (RootVanished, PathNotFound, CollectionLocked, ServerUnreachable, MalformedReply)

_Identity = tuple[int, int] | None
_Changes = set[tuple[Change, str]]


class FolderWatch:
    """Tells when something under some paths may have changed; what happens meanwhile is not lost.

    A path may vanish and come back, as a folder of another device too: both count as a change, and
    the watch goes on with what is there then.

    Args:
        paths: Folders or files, absolute.
        leave_out: A folder whose changes do not count: the collection's own.
        quiet_s: So long nothing may happen before a change is told, so that a checkout is one.
        stop: Once set, there is no waiting.
    """

    def __init__(
        self, paths: Sequence[Path], *, leave_out: Path, quiet_s: float, stop: threading.Event
    ) -> None:
        self._paths = tuple(paths)
        self._own = (leave_out.absolute(), leave_out.resolve())
        self._quiet_ms = max(1, round(quiet_s * 1000))
        self._stop = stop
        self._changes: Generator[_Changes, None, None] | None = None
        self._identities: list[_Identity] = []
        self._changed = False
        self._begin()

    def wait(self, patience_s: float) -> bool:
        """Wait for a change; False when *patience_s* are over, or it is to stop, before one."""
        until = time.monotonic() + patience_s
        while not self._stop.is_set():
            self._tick()
            if self._changed or time.monotonic() >= until:
                break
        changed, self._changed = self._changed, False
        return changed

    def close(self) -> None:
        """Let go of the folders."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _tick(self) -> None:
        """Wait a moment, and note what changed in it."""
        again = False
        if self._changes is None:
            self._stop.wait(_TICK_MS / 1000)
        else:
            try:
                self._changed |= bool(next(self._changes, None))
            except RuntimeError:
                # The name of what changed is not Unicode, which ends the watch.
                self._changed = again = True
        if again or self._look() != self._identities:
            self._changed = True
            self._begin()

    def _begin(self) -> None:
        """Watch what is there now; whoever syncs after this misses no later change."""
        self.close()
        self._identities = self._look()
        there = [path for path in self._paths if _is_watchable(path)]
        # Without what the system offers, which is limited for each user, it is looked all the time.
        for polling in (False, True):
            if not there:
                return
            self._changes = self._watching(there, polling=polling)
            try:
                # Nothing is watched before the generator is asked for the first time.
                self._changed |= bool(next(self._changes, None))
            except FileNotFoundError:
                # Gone since it was looked at: the next tick sees that too.
                self._changes, self._identities = None, []
            except (OSError, RuntimeError):
                self._changes = None
                continue
            return

    def _watching(self, paths: Sequence[Path], *, polling: bool) -> Generator[_Changes, None, None]:
        return watch(
            *paths,
            watch_filter=self._counts,
            step=self._quiet_ms,
            debounce=max(self._quiet_ms, round(_LONGEST_WAIT_FOR_QUIET_S * 1000)),
            rust_timeout=_TICK_MS,
            yield_on_timeout=True,
            stop_event=self._stop,
            ignore_permission_denied=True,
            force_polling=polling or None,
            poll_delay_ms=_POLL_MS,
        )

    def _counts(self, change: Change, path: str) -> bool:  # noqa: ARG002 - watchfiles' signature
        """Whether a path may be indexed, or holds rules that decide over others."""
        place = Path(path)
        if any(place.is_relative_to(own) for own in self._own):
            return False
        root = next((root for root in self._paths if place.is_relative_to(root)), place)
        below = place.relative_to(root).parts
        hidden = [name for name in below if name.startswith(".")]
        return not hidden or (hidden == [place.name] and place.name in IGNORE_FILES)

    def _look(self) -> list[_Identity]:
        return [_identity(path) for path in self._paths]


def keep_in_step(
    sync: Callable[[], SyncReport], folders: FolderWatch, stop: threading.Event, *, rescan_s: float
) -> Iterator[WatchEvent]:
    """Sync now, and again whenever something changed, until *stop* is set or money is spent.

    What another try may mend is told once and tried again: a folder that is gone, another writer,
    a server that does not answer, a full disk.

    Args:
        sync: Brings the folders into step.
        folders: Tells when.
        stop: Set it to end.
        rescan_s: Sync at least so often, for file systems that tell of no changes.

    Yields:
        What each sync did that did something, and what is in the way of one.

    Raises:
        RagkitError: What no other try mends; also a path that was never there.
    """
    retry_s, told, first = _FIRST_RETRY_S, "", True
    while not stop.is_set():
        try:
            report = sync()
        except RagkitError as error:
            if (first and isinstance(error, PathNotFound)) or not _may_pass(error):
                raise
            if str(error) != told:
                told = str(error)
                yield WatchEvent(trouble=told)
            folders.wait(retry_s)
            retry_s = min(2 * retry_s, _LAST_RETRY_S)
            continue
        if first or told or _says_something(report):
            yield WatchEvent(report=report)
        if report.stopped is not None:
            return
        retry_s, told, first = _FIRST_RETRY_S, "", False
        folders.wait(rescan_s)


def _may_pass(error: RagkitError) -> bool:
    return isinstance(error, _PASSING) or type(error) is CollectionError


def _says_something(report: SyncReport) -> bool:
    changed = report.added or report.updated or report.moved or report.removed
    return bool(changed or report.stopped)


def _identity(path: Path) -> _Identity:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_watchable(path: Path) -> bool:
    """Whether it is there, under a name that watchfiles takes; others wait for the next rescan."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return path.exists()
