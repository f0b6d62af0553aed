"""Inputs are gathered into batches that a server takes: by count, by tokens, and by bytes.

All inputs of a request have one form: texts go with texts, and pictures with pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from ragkit.embedding.images import EmbedInput, ImageInput, sendable_url
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.seam import check_text
from ragkit.errors import ReadingError

__all__ = ["MOST_PICTURE_TOKENS", "Batcher", "Entry", "refusal"]

# A megapixel is billed as 250 tokens by some models and as 1,900 by others.
MOST_PICTURE_TOKENS: Final = 3_000
# So many bytes of prose have as many tokens as a megapixel has in the middle of that.
_PICTURE_AS_BYTES: Final = 4_000

# A data URL and nothing else, or one anywhere with a payload that no prose contains. As text it
# would be billed as up to two million tokens, and its vector would mean nothing.
_DATA_URL: Final = re.compile(
    r"\s*data:[^\s,;]+/[^\s,;]+(?:;[^\s,;]+)*;base64,[A-Za-z0-9+/=_%\-\r\n]+\Z"
)
_LONG_DATA_URL: Final = re.compile(r";base64,[A-Za-z0-9+/=_%\-]{256}")


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


def refusal(text: str) -> str | None:
    """Why a text must not be sent; None when it may."""
    if not text.strip():
        return "blank text"
    if _DATA_URL.match(text) or _LONG_DATA_URL.search(text):
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
            most: Texts in it; None for as many as are known to be taken.
            most_pictures: Pictures in it.
        """
        most = self._limits.inputs if most is None else most
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
                check_text(index, item)
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
