"""Threads that send requests and hold up nothing: not the end of a stream, nor of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

__all__ = ["Workers"]

K = TypeVar("K")
T = TypeVar("T")

_NAME: Final = "ragkit-embed"


class Workers(Generic[K, T]):
    """As many threads as tasks have been under way together.

    Those of ``concurrent.futures`` are waited for when Python ends: Ctrl-C would last until a
    stalled server's timeout.

    Attributes:
        done: (key, result, or the exception that the task raised) as tasks end.
    """

    def __init__(self) -> None:
        self.done: SimpleQueue[tuple[K, T | Exception]] = SimpleQueue()
        self._tasks: SimpleQueue[tuple[K, Callable[[], T]] | None] = SimpleQueue()
        self._threads = 0

    def start(self, key: K, task: Callable[[], T], *, under_way: int) -> None:
        """Run a task beside so many that have not been taken from ``done`` yet."""
        if self._threads <= under_way:
            self._threads += 1
            threading.Thread(target=self._work, name=_NAME, daemon=True).start()
        self._tasks.put((key, task))

    def close(self) -> None:
        """End the threads, each after the task that it is at."""
        for _ in range(self._threads):
            self._tasks.put(None)
        self._threads = 0

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            key, task = item
            try:
                result: T | Exception = task()
            except Exception as error:  # noqa: BLE001 - raised again by whoever takes it
                result = error
            self.done.put((key, result))
