"""Inputs are gathered into batches that a server takes: by count, by tokens, and by bytes.

All inputs of a request have one form: texts go with texts, and pictures with pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from ragkit.embedding.images import EmbedInput, ImageInput, sendable_url
from ragkit.errors import ReadingError

__all__ = ["MOST_PICTURE_TOKENS", "BatchLimits", "Batcher", "Counts", "Entry", "refusal"]

# What a limit on requests counts.
Counts = Literal["texts", "tokens", "bytes"]

_ENOUGH_BYTES: Final = 2_000
_MARGIN: Final = 1.25
# A megapixel is billed as 250 tokens by some models and as 1,900 by others.
MOST_PICTURE_TOKENS: Final = 3_000
# So many bytes of prose have as many tokens as a megapixel has in the middle of that.
_PICTURE_AS_BYTES: Final = 4_000

# A data URL and nothing else, or one with a payload that no prose contains. As text it would be
# billed as up to two million tokens, and its vector would mean nothing.
_DATA_URL: Final = re.compile(
    r"\s*data:[^\s,;]+/[^\s,;]+(?:;[^\s,;]+)*;base64,"
    r"(?:[A-Za-z0-9+/=_%\-\r\n]+\Z|[A-Za-z0-9+/=_%\-]{256})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A text or a picture on its way.

    Attributes:
        index: Position in the inputs of the call.
        text: What is sent: the model's prompt and the text; empty for a picture without words.
        size_bytes: What it takes in the body of a request.
        window: Which part of its text it is; 0 for all of it.
        image_url: The picture; empty for a text.
    """

    index: int
    text: str
    size_bytes: int
    window: int = 0
    image_url: str = field(default="", repr=False)

    @property
    def weight_bytes(self) -> int:
        """Its size as prose of as many tokens: of a picture not that of its base64."""
        if not self.image_url:
            return self.size_bytes
        return self.size_bytes - len(self.image_url) + _PICTURE_AS_BYTES

    @property
    def wire(self) -> object:
        """As it stands in the ``input`` of a request."""
        if not self.image_url:
            return self.text
        parts: list[dict[str, object]] = [
            {"type": "image_url", "image_url": {"url": self.image_url}}
        ]
        if self.text:
            parts.insert(0, {"type": "text", "text": self.text})
        return {"content": parts}


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


class _Gathered:
    """Inputs of one form that are to become a batch."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.tokens = 0
        self.size_bytes = 0

    def add(self, entry: Entry, limits: BatchLimits) -> bool:
        """Take one more; False if the batch would be too large with it, which no first one is."""
        tokens = self.tokens + limits.token_bound(entry.weight_bytes)
        size_bytes = self.size_bytes + entry.size_bytes
        if self.entries and (tokens > limits.tokens or size_bytes > limits.size_bytes):
            return False
        self.entries.append(entry)
        self.tokens, self.size_bytes = tokens, size_bytes
        return True

    def take(self, most: int, limits: BatchLimits) -> list[Entry]:
        """The first of them; the others stay."""
        taken, left = self.entries[:most], self.entries[most:]
        self.entries, self.tokens, self.size_bytes = [], 0, 0
        for entry in left:
            self.add(entry, limits)
        return taken


class Batcher:
    """Takes inputs from an iterator, only as many as the next batch needs."""

    def __init__(self, inputs: Iterable[EmbedInput], *, prompt: str, limits: BatchLimits) -> None:
        self._inputs: Iterator[tuple[int, EmbedInput]] = enumerate(inputs)
        self.prompt = prompt
        self._limits = limits
        self._texts = _Gathered()
        self._pictures = _Gathered()
        self._failure: Exception | None = None
        self.refused: list[tuple[int, str]] = []

    def next_batch(self, most: int | None = None, most_pictures: int = 1) -> list[Entry]:
        """The next inputs that go together; empty when there are none left.

        Inputs that must not be sent are put into ``refused``. One beyond the limits goes alone:
        only the server knows whether it takes it. What the iterator raises is raised once all that
        it gave is in batches.

        Args:
            most: Texts in it.
            most_pictures: Pictures in it.
        """
        most = self._limits.inputs if most is None else min(most, self._limits.inputs)
        while True:
            if len(self._texts.entries) >= most:
                return self._texts.take(most, self._limits)
            if len(self._pictures.entries) >= most_pictures:
                return self._pictures.take(most_pictures, self._limits)
            entry = self._next_or_failure()
            if entry is None:
                rest = self._texts if self._texts.entries else self._pictures
                return rest.take(most if rest is self._texts else most_pictures, self._limits)
            gathered = self._pictures if entry.image_url else self._texts
            if not gathered.add(entry, self._limits):
                batch = gathered.take(len(gathered.entries), self._limits)
                gathered.add(entry, self._limits)
                return batch

    def _next_or_failure(self) -> Entry | None:
        # What was read before the caller's iterator failed is a batch like any other.
        if self._failure is None:
            try:
                return self._next()
            except Exception as error:  # noqa: BLE001 - the caller's own, raised with the next batch
                self._failure = error
        if not self._texts.entries and not self._pictures.entries:
            raise self._failure
        return None

    def _next(self) -> Entry | None:
        for index, item in self._inputs:
            try:
                if isinstance(item, ImageInput):
                    return self._picture(index, item)
                reason = refusal(item)
                if reason is None:
                    whole = self.prompt + item
                    return Entry(index=index, text=whole, size_bytes=_size_bytes(whole))
            except UnicodeEncodeError:
                reason = "half of a surrogate pair, which UTF-8 cannot carry"
            except ReadingError as error:
                reason = str(error)
            self.refused.append((index, reason))
        return None

    def _picture(self, index: int, item: ImageInput) -> Entry:
        words = item.text if item.text.strip() else ""
        if words and (reason := refusal(words)) is not None:
            raise ReadingError(reason)
        url, whole = sendable_url(item.image), self.prompt + words if words else ""
        size_bytes = len(url) + _size_bytes(whole) + _PARTS_BYTES
        return Entry(index=index, text=whole, size_bytes=size_bytes, image_url=url)


# What the names of the parts take around a picture and its words.
_PARTS_BYTES: Final = 120


def _size_bytes(text: str) -> int:
    return len(msgspec.json.encode(text)) + 1
