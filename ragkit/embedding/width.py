"""How wide a model's vectors are, where nobody says so."""

from __future__ import annotations

import threading
from collections import Counter

__all__ = ["WidthElection"]


class WidthElection:
    """Answers vote until two agree: a single first answer may be the wrong one.

    A router can send one request to another model or cut. Taken for the truth, its width would be
    demanded of all right answers from then on, and the wrong vectors would be stored.

    Args:
        expected: Width that was asked for or is known of the model; one such answer decides.
    """

    def __init__(self, expected: int | None) -> None:
        self._expected = expected
        self._votes: Counter[int] = Counter()
        self._lock = threading.Lock()
        self.width: int | None = None

    @property
    def has_answers(self) -> bool:
        """Whether any answer passed its checks yet."""
        return bool(self._votes)

    def vote(self, width: int) -> bool:
        """Count an answer; whether the width is decided."""
        with self._lock:
            self._votes[width] += 1
            if self.width is None and (width == self._expected or self._votes[width] >= 2):
                self.width = width
            return self.width is not None

    def close(self) -> None:
        """Decide by the votes there are, the earliest winning a tie: no more answers will come."""
        with self._lock:
            if self.width is None and self._votes:
                self.width = self._votes.most_common(1)[0][0]
