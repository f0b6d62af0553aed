"""Texts are gathered into batches that a server takes: by count, by tokens, and by bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

__all__ = ["BatchLimits", "Batcher", "Counts", "Entry", "refusal"]

# What a limit on requests counts.
Counts = Literal["texts", "tokens", "bytes"]

_ENOUGH_BYTES: Final = 2_000
_MARGIN: Final = 1.25

# A data URL and nothing else, or one with a payload that no prose contains. As text it would be
# billed as up to two million tokens, and its vector would mean nothing.
_DATA_URL: Final = re.compile(
    r"\s*data:[^\s,;]+/[^\s,;]+(?:;[^\s,;]+)*;base64,"
    r"(?:[A-Za-z0-9+/=_%\-\r\n]+\Z|[A-Za-z0-9+/=_%\-]{256})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A text on its way.

    Attributes:
        index: Position in the inputs of the call.
        text: What is sent: the model's prompt and the text.
        size_bytes: What it takes in the body of a request.
        window: Which part of its text it is; 0 for all of it.
    """

    index: int
    text: str
    size_bytes: int
    window: int = 0


@dataclass(slots=True, kw_only=True)
class BatchLimits:
    """When a batch is full; the limits fall as the server states what it takes.

    Attributes:
        inputs: Most texts.
        tokens: Most tokens, by ``token_bound``.
        size_bytes: Largest sum of texts in the body: servers refuse bodies of 2,000,000 bytes.
        most_inputs: What ``inputs`` may grow to where few requests are permitted.
        tokens_per_byte: The most that any answered batch had, with a margin; an upper bound for
            nearly any text until then.
        mean_tokens_per_byte: Over all that was answered.
    """

    inputs: int
    tokens: int = 100_000
    size_bytes: int = 1_900_000
    most_inputs: int = 512
    tokens_per_byte: float = 0.5
    mean_tokens_per_byte: float = 0.3
    _highest: float = 0.0
    _tokens_seen: float = 0.0
    _bytes_seen: float = 0.0

    def at_most(self, limit: int, counts: Counts = "texts") -> None:
        """Learn that the server takes no more than so many texts, tokens or bytes at once."""
        if counts == "texts":
            self.inputs = max(1, min(self.inputs, limit))
            self.most_inputs = self.inputs
        elif counts == "tokens":
            self.tokens = max(1, min(self.tokens, limit))
        else:
            self.size_bytes = max(1, min(self.size_bytes, limit))

    def grow(self, answered: int) -> None:
        """Put more texts into a request, after a full one was answered."""
        if answered >= self.inputs:
            self.inputs = max(self.inputs, min(2 * self.inputs, self.most_inputs))

    def learn(self, tokens: int | None, size_bytes: int) -> None:
        """Learn from what a batch of so many bytes was billed as."""
        # Small batches tell more of the markers around each text; cached replies are billed as 0.
        if not tokens or size_bytes < _ENOUGH_BYTES:
            return
        self._highest = max(self._highest, tokens / size_bytes)
        # No tokenizer makes more tokens than bytes.
        self.tokens_per_byte = min(1.0, self._highest * _MARGIN)
        self._tokens_seen += tokens
        self._bytes_seen += size_bytes
        self.mean_tokens_per_byte = self._tokens_seen / self._bytes_seen

    def token_bound(self, size_bytes: int) -> int:
        """More tokens than nearly any text of that many bytes of UTF-8 has, with any tokenizer.

        English has one in four bytes, Chinese one in two to three, base64 and digits one in two.
        The true bound, one in one, would make batches of prose four times too small, and even one
        in two leaves them half as full as they may be: it is corrected by what is billed.
        """
        return int(size_bytes * self.tokens_per_byte) + 1

    def expected_tokens(self, size_bytes: int) -> float:
        """About so many tokens, for limits of rate."""
        return size_bytes * self.mean_tokens_per_byte


def refusal(text: str) -> str | None:
    """Why a text must not be sent; None when it may."""
    if not text.strip():
        return "blank text"
    if _DATA_URL.match(text):
        return "a file as a data URL, not text"
    return None


class Batcher:
    """Takes texts from an iterator, only as many as the next batch needs."""

    def __init__(self, texts: Iterable[str], *, prompt: str, limits: BatchLimits) -> None:
        self._texts: Iterator[tuple[int, str]] = enumerate(texts)
        self.prompt = prompt
        self._limits = limits
        self._carried: Entry | None = None
        self._failure: Exception | None = None
        self.refused: list[tuple[int, str]] = []

    def next_batch(self, most: int | None = None) -> list[Entry]:
        """The next texts that go together; empty when there are none left.

        Texts that must not be sent are put into ``refused``. A text beyond the limits goes alone:
        only the server knows whether it takes it. What the iterator raises is raised once all that
        it gave is in batches.
        """
        most = self._limits.inputs if most is None else min(most, self._limits.inputs)
        batch: list[Entry] = []
        tokens = size_bytes = 0
        while len(batch) < most and (entry := self._next_or_failure(batch)) is not None:
            tokens += self._limits.token_bound(entry.size_bytes)
            size_bytes += entry.size_bytes
            full = tokens > self._limits.tokens or size_bytes > self._limits.size_bytes
            if full and batch:
                self._carried = entry
                break
            batch.append(entry)
        return batch

    def _next_or_failure(self, batch: list[Entry]) -> Entry | None:
        # What was read before the caller's iterator failed is a batch like any other.
        if self._failure is None:
            try:
                return self._next()
            except Exception as error:  # noqa: BLE001 - the caller's own, raised with the next batch
                self._failure = error
        if not batch:
            raise self._failure
        return None

    def _next(self) -> Entry | None:
        if self._carried is not None:
            entry, self._carried = self._carried, None
            return entry
        for index, text in self._texts:
            reason = refusal(text)
            if reason is None:
                whole = self.prompt + text
                try:
                    return Entry(
                        index=index, text=whole, size_bytes=len(msgspec.json.encode(whole)) + 1
                    )
                except UnicodeEncodeError:
                    reason = "half of a surrogate pair, which UTF-8 cannot carry"
            self.refused.append((index, reason))
        return None
