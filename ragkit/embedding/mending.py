"""Texts that the server cut without a word: noticed by the bill, proven, embedded in windows.

Many servers read only the beginning of a text that is too long for the model, and say nothing. What
they bill tells: fewer tokens than such a text has. That is a suspicion, since tokenizers differ. It
is proven by asking for the text in windows: where all of it was read before, they have about as
many tokens together as the whole; where it was cut, they have more. Windows are made smaller until
smaller ones have no more tokens. Then the mean of the windows' vectors, weighted by their lengths,
stands for the text, and a remark says so.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from ragkit.embedding.batches import Entry
from ragkit.embedding.jobs import Bill, Job
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.seam import FloatMatrix
from ragkit.embedding.wire import Reply

__all__ = ["Mender", "Mending", "Ready", "Watch"]

# Shorter texts fit every model.
_SHORTEST_BYTES: Final = 400
# Natural text has one token in three to seven bytes; what has fewer is looked at.
_FEWEST_PER_BYTE: Final = 0.1
_USUAL_PER_BYTE: Final = 0.25
_SUSPICIOUS: Final = 0.55
# Markers around each window, which make its tokens more than its share.
_MARKERS: Final = 8
_MOST_WINDOWS: Final = 256


class Watch:
    """What is known of a server's cutting; shared by all streams of an embedder."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self._trusted_per_byte = _FEWEST_PER_BYTE
        self._lock = threading.Lock()

    def suspects(self, size_bytes: int, tokens: int | None, limits: BatchLimits) -> bool:
        """Whether so few tokens for so many bytes may mean that a text was cut."""
        # Replies out of a cache are billed as 0.
        if not tokens or size_bytes < _SHORTEST_BYTES:
            return False
        fewest = min(self._trusted_per_byte, _SUSPICIOUS * limits.mean_tokens_per_byte)
        return tokens < size_bytes * fewest

    def trust(self, tokens: int, size_bytes: int) -> None:
        """So few tokens were all that the text has."""
        with self._lock:
            self._trusted_per_byte = min(self._trusted_per_byte, 0.9 * tokens / size_bytes)

    def learn(self, limit: int) -> None:
        """The server reads no more than so many tokens of a text."""
        with self._lock:
            self.limit = limit if self.limit is None else min(limit, self.limit)


@dataclass(slots=True, kw_only=True, eq=False)
class Mending:
    """A text that is asked for again, in windows.

    Attributes:
        entry: The text.
        whole: The reply to all of it.
        windows: Its parts, in order.
        larger: The same with fewer windows, which had fewer tokens than the text; None at first.
        rows: Vectors of the windows that were answered.
        tokens: Of those.
        is_over: Whether one of them was refused, so that the others do not matter.
    """

    entry: Entry
    whole: Reply
    windows: Sequence[Entry]
    larger: Mending | None = None
    rows: dict[int, FloatMatrix] = field(default_factory=dict)
    tokens: int = 0
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A batch whose vectors can be handed over.

    Attributes:
        job: Its bill and texts.
        vectors: float32 (n, d), unit rows, one for each text of the job.
        notes: (index, remark).
    """

    job: Job
    vectors: FloatMatrix
    notes: tuple[tuple[int, str], ...] = ()


class Mender:
    """Looks at each answer of a stream; what is cut goes back to be asked for in another way."""

    def __init__(self, watch: Watch, limits: BatchLimits, prompt: str) -> None:
        self._watch = watch
        self._limits = limits
        self._prompt = prompt

    def take(self, job: Job, reply: Reply) -> tuple[list[Ready], list[Job]]:
        """What of an answer is right, and what must be asked for next."""
        if job.mending is not None:
            return self._window(job, job.mending, reply)
        if job.is_pictures:
            return [Ready(job=job, vectors=reply.vectors)], []
        if not self._watch.suspects(job.size_bytes, reply.tokens, self._limits):
            return [Ready(job=job, vectors=reply.vectors)], []
        if len(job.entries) == 1:
            entry, tokens = job.entries[0], reply.tokens or 1
            count = max(2, math.ceil(entry.size_bytes * _USUAL_PER_BYTE / tokens))
            return [], [self._in_windows(job.bill, entry, reply, min(count, _MOST_WINDOWS))]
        return self._alone(job, reply)

    def _alone(self, job: Job, reply: Reply) -> tuple[list[Ready], list[Job]]:
        """The long texts of a batch are asked for one by one, so that each has a bill."""
        rows = [n for n, entry in enumerate(job.entries) if entry.size_bytes < _SHORTEST_BYTES]
        again = [
            Job(entries=[entry]) for entry in job.entries if entry.size_bytes >= _SHORTEST_BYTES
        ]
        job.entries = [job.entries[row] for row in rows]
        if rows or not again:
            return [Ready(job=job, vectors=reply.vectors[rows])], again
        again[0].bill = job.bill
        return [], again

    def _in_windows(
        self, bill: Bill, entry: Entry, whole: Reply, count: int, larger: Mending | None = None
    ) -> Job:
        windows = []
        for number, text in enumerate(_windows(entry.text[len(self._prompt) :], count)):
            sent = self._prompt + text
            size = len(msgspec.json.encode(sent)) + 1
            windows.append(Entry(index=entry.index, text=sent, size_bytes=size, window=number))
        mending = Mending(entry=entry, whole=whole, windows=windows, larger=larger)
        return Job(entries=list(windows), mending=mending, bill=bill)

    def _window(self, job: Job, mending: Mending, reply: Reply) -> tuple[list[Ready], list[Job]]:
        if mending.is_over:
            return [Ready(job=_empty(job), vectors=reply.vectors[:0])], []
        for entry, row in zip(job.entries, reply.vectors, strict=True):
            mending.rows[entry.window] = row
        mending.tokens += reply.tokens or 0
        if len(mending.rows) < len(mending.windows):
            return [Ready(job=_empty(job), vectors=reply.vectors[:0])], []
        return self._judged(job, mending)

    def _judged(self, job: Job, mending: Mending) -> tuple[list[Ready], list[Job]]:
        entry, larger, count = mending.entry, mending.larger, len(mending.windows)
        whole = mending.whole.tokens or 0
        before, parts = (whole, 1) if larger is None else (larger.tokens, len(larger.windows))
        extra = max(1, count - parts) * (_MARKERS + len(self._prompt.encode()))
        had_more = mending.tokens > before * 1.05 + extra
        if had_more and count < _MOST_WINDOWS:
            again = self._in_windows(job.bill, entry, mending.whole, 2 * count, mending)
            return [], [again]
        job.entries = [entry]
        if not had_more and larger is None:
            self._watch.trust(whole, entry.size_bytes)
            return [Ready(job=job, vectors=mending.whole.vectors)], []
        self._watch.learn(whole)
        best = larger if larger is not None and not had_more else mending
        remark = (
            f"longer than the {whole} tokens that the server reads of a text: its vector is the"
            f" mean of {len(best.windows)} parts; cut it shorter for better hits"
        )
        return [Ready(job=job, vectors=_mean(best), notes=((entry.index, remark),))], []


def _mean(mending: Mending) -> FloatMatrix:
    """float32 (1, d), unit length: of the windows' vectors, by their sizes."""
    weights = np.array([[window.size_bytes] for window in mending.windows], np.float64)
    rows = np.array([mending.rows[n] for n in range(len(mending.windows))], np.float64)
    mean = (rows * weights).sum(axis=0)
    mean /= math.sqrt(float(mean @ mean)) or 1.0
    unit: FloatMatrix = mean.astype(np.float32)[None]
    return unit


def _empty(job: Job) -> Job:
    job.entries = []
    return job


def _windows(text: str, count: int) -> list[str]:
    """About equal parts, cut at blanks where there are any, none of them blank."""
    parts, start = [], 0
    for left in range(count, 0, -1):
        size = -(-(len(text) - start) // left)
        end = start + size
        blank = text.rfind(" ", start + size // 2, end)
        end = blank + 1 if end < len(text) and blank > 0 else end
        parts.append(text[start:end])
        start = end
    return [part for part in parts if part.strip()]
