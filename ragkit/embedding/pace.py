"""One pace for all workers: a shared cool-down, and as much at once as the server bears."""

from __future__ import annotations

import threading
import time

__all__ = ["Pace"]


class Pace:
    """Shared by all calls of an embedder, from any thread.

    The number of requests at once halves on a refusal and grows by one with each round of answers
    (additive increase, multiplicative decrease).
    """

    def __init__(self, most_at_once: int) -> None:
        self.most_at_once = most_at_once
        self._at_once = float(most_at_once)
        self._ready_at_s = 0.0
        self._lock = threading.Lock()

    @property
    def at_once(self) -> int:
        """Most requests in flight now."""
        return int(self._at_once)

    def wait_s(self) -> float:
        """How long nobody may send; 0 when anybody may."""
        return max(0.0, self._ready_at_s - time.monotonic())

    def refused(self, wait_s: float) -> None:
        """The server refused for the rate: nobody sends for so long, and then fewer at once."""
        with self._lock:
            now_s = time.monotonic()
            # Refusals that come while all wait belong to the same overload.
            if now_s >= self._ready_at_s:
                self._at_once = max(1.0, self._at_once / 2)
            self._ready_at_s = max(self._ready_at_s, now_s + wait_s)

    def answered(self) -> None:
        """The server answered in full."""
        with self._lock:
            self._at_once = min(self.most_at_once, self._at_once + 1 / self._at_once)
