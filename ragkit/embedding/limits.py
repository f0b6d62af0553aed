"""When a batch is full: what a server takes in one request, and how that is found out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["BatchLimits", "Counts"]

# What a limit on requests counts.
Counts = Literal["texts", "tokens", "bytes"]

_ENOUGH_BYTES: Final = 2_000
_MARGIN: Final = 1.25
# A request that takes longer than this at twice the size is no gain: the server is at work, and
# not on the way.
_QUICK_S: Final = 2.0
# Where few requests are permitted each may take as long as it must, short of a timeout.
_PATIENT_S: Final = 40.0
# What replies in flight may take: as base64, in the body and decoded.
_REPLIES_BYTES: Final = 128_000_000
_BYTES_PER_NUMBER: Final = 6
_WIDEST: Final = 4096
_DOUBTS: Final = 2


@dataclass(slots=True, kw_only=True)
class BatchLimits:
    """The limits fall as the server states what it takes, and rise by trying.

    Trying is one request at a time with twice as many texts as were proven, so that no more than
    that one is lost where the server refuses it; and only as long as requests are so quick that
    most of their time is spent on the way.

    Attributes:
        inputs: Most texts that are known to be taken.
        tokens: Most tokens, by ``token_bound``.
        size_bytes: Largest sum of texts in the body: servers refuse bodies of 2,000,000 bytes.
        most_inputs: What ``inputs`` may grow to.
        tokens_per_byte: The most that any answered batch had, with a margin; an upper bound for
            nearly any text until then.
        mean_tokens_per_byte: Over all that was answered.
        mean_tokens: Of a text, over all that was answered; None at first.
    """

    inputs: int
    tokens: int = 100_000
    size_bytes: int = 1_900_000
    most_inputs: int = 512
    tokens_per_byte: float = 0.5
    mean_tokens_per_byte: float = 0.3
    mean_tokens: float | None = None
    _took_s: float | None = None
    _is_trying: bool = False
    _doubts: int = 0
    _highest: float = 0.0
    _tokens_seen: float = 0.0
    _bytes_seen: float = 0.0
    _inputs_seen: int = 0

    def at_most(self, limit: int, counts: Counts = "texts") -> None:
        """Learn that the server takes no more than so many texts, tokens or bytes at once."""
        if counts == "texts":
            self.most_inputs = max(1, min(self.most_inputs, limit))
            self.inputs = min(self.inputs, self.most_inputs)
        elif counts == "tokens":
            self.tokens = max(1, min(self.tokens, limit))
        else:
            self.size_bytes = max(1, min(self.size_bytes, limit))

    def fell_to(self, inputs: int) -> None:
        """Learn that so many were taken where more were refused, for a reason that nobody named."""
        self.inputs = max(1, min(self.inputs, inputs))

    def next_inputs(self, *, at_once: int, width: int | None, few_permitted: bool) -> int:
        """Most texts for the next request: what is proven, or twice as many to try it.

        Args:
            at_once: Requests in flight together.
            width: Numbers in a vector; None where it is not known yet.
            few_permitted: Whether a limit of rate makes large requests worth a wait.
        """
        room = _REPLIES_BYTES // (at_once * (width or _WIDEST) * _BYTES_PER_NUMBER)
        more = min(2 * self.inputs, self.most_inputs, room)
        longest_s = _PATIENT_S if few_permitted else _QUICK_S
        is_quick = self._took_s is not None and 2 * self._took_s <= longest_s
        return more if is_quick and not self._is_trying and more > self.inputs else self.inputs

    def sent(self, inputs: int) -> bool:
        """A request with so many texts goes out; whether it tries more than is proven."""
        tries = inputs > self.inputs
        self._is_trying |= tries
        return tries

    def answered(self, inputs: int, seconds: float) -> None:
        """So many texts were answered in that time."""
        if inputs < self.inputs:
            return
        if inputs > self.inputs:
            self._is_trying, self._doubts = False, 0
            self.inputs = min(inputs, self.most_inputs)
        self._took_s = seconds

    def failed(self, *, by_chance: bool) -> None:
        """The request that tried more was not answered.

        Args:
            by_chance: Whether others fail in the same way, whatever their size; so often in a row
                is none.
        """
        self._is_trying = False
        self._doubts += 1
        if not by_chance or self._doubts > _DOUBTS:
            self.most_inputs = self.inputs

    def requests_for(self, texts: int, tokens: int, *, few_permitted: bool) -> int:
        """About how many requests so many texts with so many tokens in all take."""
        left, inputs, requests = texts, self.inputs, 0
        # Where few are permitted they grow, each to twice the one before.
        while few_permitted and left > 0 and inputs < self.most_inputs:
            left, inputs, requests = left - inputs, min(2 * inputs, self.most_inputs), requests + 1
        by_texts = requests + math.ceil(max(left, 0) / inputs)
        # Batches are closed by an upper bound of their tokens.
        bound = tokens * self.tokens_per_byte / self.mean_tokens_per_byte
        return max(by_texts, math.ceil(bound / self.tokens))

    def learn(self, tokens: int | None, size_bytes: int, inputs: int) -> None:
        """Learn from what a batch of so many bytes and texts was billed as."""
        # Small batches tell more of the markers around each text; cached replies are billed as 0.
        if not tokens or size_bytes < _ENOUGH_BYTES:
            return
        self._highest = max(self._highest, tokens / size_bytes)
        # No tokenizer makes more tokens than bytes.
        self.tokens_per_byte = min(1.0, self._highest * _MARGIN)
        self._tokens_seen += tokens
        self._bytes_seen += size_bytes
        self._inputs_seen += inputs
        self.mean_tokens_per_byte = self._tokens_seen / self._bytes_seen
        self.mean_tokens = self._tokens_seen / self._inputs_seen

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
