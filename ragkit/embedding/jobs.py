"""What a stream keeps about each batch between its attempts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from ragkit.embedding.batches import Entry

if TYPE_CHECKING:
    from ragkit.embedding.mending import Mending

__all__ = ["Bill", "Halves", "Job"]


@dataclass(slots=True, kw_only=True)
class Bill:
    """What requests cost, kept until somebody can be told."""

    requests: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    def take(self) -> Bill:
        """What is on it, once: it is empty afterwards."""
        taken = replace(self)
        self.requests, self.tokens, self.cost_usd = 0, 0, Decimal(0)
        return taken


@dataclass(slots=True, kw_only=True, eq=False)
class Halves:
    """The parts of a batch that was refused without a word about its size.

    Where a text is at fault one of them is refused again; where all are answered, it was the size.

    Attributes:
        waiting: Texts in parts that were not answered yet.
        largest: Texts in the largest part that was.
        is_refused: Whether one of them was refused too.
    """

    waiting: int
    largest: int = 0
    is_refused: bool = False

    def answered(self, texts: int) -> int | None:
        """A part was answered; how many texts the server takes, once all of them were."""
        self.waiting -= texts
        self.largest = max(self.largest, texts)
        return None if self.waiting or self.is_refused else self.largest


@dataclass(slots=True, kw_only=True, eq=False)
class Job:
    """A batch on its way to an answer.

    Attributes:
        entries: Its texts.
        failures: How often it failed in each way, refusals for the rate left out.
        limited: Refusals for the rate in a row.
        waited_s: Waits between its attempts, in all.
        ready_at_s: When it may be sent again, on the monotonic clock.
        promised_usd: What the budget has put aside for the request in flight.
        dimensions_sent: Whether that request names the width.
        encoding: What that request asks for.
        asks_numbers: Whether base64 has failed for this batch.
        tokens_expected: Of that request.
        sent_s: When it went out, on the monotonic clock.
        tries_more: Whether it has more texts than the server is known to take.
        halves: The batch that it is a part of, where that was refused.
        mending: The text whose windows these are; None for whole texts.
        bill: What all its requests cost.
    """

    entries: list[Entry]
    failures: Counter[str] = field(default_factory=Counter)
    limited: int = 0
    waited_s: float = 0.0
    ready_at_s: float = 0.0
    promised_usd: Decimal = Decimal(0)
    dimensions_sent: bool = False
    encoding: Literal["float", "base64"] | None = "float"
    asks_numbers: bool = False
    tokens_expected: float = 0.0
    sent_s: float = 0.0
    tries_more: bool = False
    halves: Halves | None = None
    mending: Mending | None = None
    bill: Bill = field(default_factory=Bill)

    @property
    def size_bytes(self) -> int:
        """Of its inputs, in the body of a request."""
        return sum(entry.size_bytes for entry in self.entries)

    @property
    def weight_bytes(self) -> int:
        """Of its inputs, as prose of as many tokens."""
        return sum(entry.weight_bytes for entry in self.entries)

    @property
    def is_pictures(self) -> bool:
        """Whether pictures are in it, and no texts."""
        return bool(self.entries and self.entries[0].image_url)

    @property
    def pictures(self) -> int:
        """How many pictures are in it."""
        return len(self.entries) if self.is_pictures else 0

    def parts(
        self, size: int, *, keep_failures: bool = False, ready_at_s: float = 0.0
    ) -> list[Job]:
        """The same texts in jobs of at most *size*; the first takes over the bill."""
        jobs = [
            Job(
                entries=self.entries[start : start + size],
                failures=Counter(self.failures if keep_failures else ()),
                limited=self.limited,
                waited_s=self.waited_s,
                ready_at_s=ready_at_s,
                asks_numbers=self.asks_numbers,
                halves=self.halves,
                mending=self.mending,
            )
            for start in range(0, len(self.entries), size)
        ]
        jobs[0].bill = self.bill
        return jobs
