"""Texts are gathered into batches that a server takes: by count, by tokens, and by bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

__all__ = ["BatchLimits", "Batcher", "Entry", "refusal", "token_bound"]

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
    """

    index: int
    text: str
    size_bytes: int


@dataclass(slots=True, kw_only=True)
class BatchLimits:
    """When a batch is full. ``inputs`` falls as the server states what it takes.

    Attributes:
        inputs: Most texts.
        tokens: Most tokens, by ``token_bound``.
        size_bytes: Largest sum of texts in the body: servers refuse bodies of 2,000,000 bytes.
    """

    inputs: int
    tokens: int = 100_000
    size_bytes: int = 1_900_000

    def at_most(self, inputs: int) -> None:
        """Learn that the server takes no more than so many texts at once."""
        self.inputs = max(1, min(self.inputs, inputs))


def refusal(text: str) -> str | None:
    """Why a text must not be sent; None when it may."""
    if not text.strip():
        return "blank text"
    if _DATA_URL.match(text):
        return "a file as a data URL, not text"
    return None


def token_bound(size_bytes: int) -> int:
    """More tokens than nearly any text of that many bytes of UTF-8 has, with any tokenizer.

    English has one in four bytes, Chinese one in two to three, base64 and digits one in two. The
    true bound, one in one, would make batches of prose four times too small.
    """
    return size_bytes // 2 + 1


class Batcher:
    """Takes texts from an iterator, only as many as the next batch needs."""

    def __init__(self, texts: Iterable[str], *, prompt: str, limits: BatchLimits) -> None:
        self._texts: Iterator[tuple[int, str]] = enumerate(texts)
        self._prompt = prompt
        self._limits = limits
        self._carried: Entry | None = None
        self.refused: list[tuple[int, str]] = []

    def next_batch(self, most: int | None = None) -> list[Entry]:
        """The next texts that go together; empty when there are none left.

        Texts that must not be sent are put into ``refused``. A text beyond the limits goes alone:
        only the server knows whether it takes it.
        """
        most = self._limits.inputs if most is None else min(most, self._limits.inputs)
        batch: list[Entry] = []
        tokens = size_bytes = 0
        while len(batch) < most and (entry := self._next()) is not None:
            tokens += token_bound(entry.size_bytes)
            size_bytes += entry.size_bytes
            full = tokens > self._limits.tokens or size_bytes > self._limits.size_bytes
            if full and batch:
                self._carried = entry
                break
            batch.append(entry)
        return batch

    def _next(self) -> Entry | None:
        if self._carried is not None:
            entry, self._carried = self._carried, None
            return entry
        for index, text in self._texts:
            reason = refusal(text)
            if reason is None:
                whole = self._prompt + text
                try:
                    return Entry(
                        index=index, text=whole, size_bytes=len(msgspec.json.encode(whole)) + 1
                    )
                except UnicodeEncodeError:
                    reason = "half of a surrogate pair, which UTF-8 cannot carry"
            self.refused.append((index, reason))
        return None
