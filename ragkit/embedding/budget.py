"""Money: what may be spent, what is promised to requests in flight, what was charged."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Final

__all__ = ["Budget"]

# The next batch may have more tokens per byte than any before it.
_MARGIN: Final = Decimal("1.25")


class Budget:
    """A hard limit on what a run spends, shared by all calls and threads of that run.

    Money is reserved before a request is sent and settled when it is answered, so that requests in
    flight count. With a price, a request reserves a token for each of its bytes, which no tokenizer
    passes: four times what prose costs, given back with the answer. Without one, prices are learnt
    from what the server charges: until the first answer only one request of one text is let
    through, and what the limit holds is then as good as what was learnt.

    Args:
        max_cost_usd: Most that may be spent. 0 lets models through whose price is 0, and no others.
        usd_per_token: What the server's list says; None where nothing is known.
        usd_per_picture: The same for pictures, on top of their tokens.
    """

    def __init__(
        self,
        max_cost_usd: Decimal,
        *,
        usd_per_token: Decimal | None = None,
        usd_per_picture: Decimal | None = None,
    ) -> None:
        self.max_cost_usd = max_cost_usd
        self.usd_per_token = usd_per_token
        self.usd_per_picture = usd_per_picture or Decimal(0)
        self._spent_usd = Decimal(0)
        self._promised_usd = Decimal(0)
        self._learnt_usd_per_byte: Decimal | None = None
        self._in_flight = 0
        self._lock = threading.Lock()

    @property
    def spent_usd(self) -> Decimal:
        """What the server charged so far."""
        return self._spent_usd

    @property
    def knows_price(self) -> bool:
        """Whether the server's list states one, or a request was charged yet."""
        return self.usd_per_token is not None or self._learnt_usd_per_byte is not None

    @property
    def has_promises(self) -> bool:
        """Whether requests are in flight whose cost is not known yet."""
        return self._in_flight > 0

    def reserve(self, size_bytes: int, pictures: int = 0) -> Decimal | None:
        """The money put aside for a request of so many bytes of text; None if there is not enough.

        Before the price is known, the first request reserves all that is left.
        """
        with self._lock:
            left = self.max_cost_usd - self._spent_usd - self._promised_usd
            price = self._usd_per_byte()
            promised = left
            if price is not None:
                promised = price * size_bytes + self.usd_per_picture * pictures
            if promised > left or (price is None and left <= 0):
                return None
            self._promised_usd += promised
            self._in_flight += 1
            return promised

    def settle(self, promised: Decimal, charged: Decimal, size_bytes: int) -> None:
        """Replace a reservation by what was charged; 0 for a request that was not answered."""
        with self._lock:
            self._promised_usd -= promised
            self._in_flight -= 1
            self._spent_usd += charged
            if size_bytes:
                price = charged / size_bytes
                self._learnt_usd_per_byte = max(self._learnt_usd_per_byte or Decimal(0), price)

    def listed_cost(self, tokens: int | None, size_bytes: int, pictures: int = 0) -> Decimal | None:
        """What an answer that states no cost is counted as; None without a price.

        Args:
            pictures: How many of its inputs are such.
            tokens: That the server billed; None where it does not say, which counts as the most.
            size_bytes: Of the texts.
        """
        if self.usd_per_token is None:
            return None
        of_tokens = self.usd_per_token * (size_bytes if tokens is None else tokens)
        return of_tokens + self.usd_per_picture * pictures

    def _usd_per_byte(self) -> Decimal | None:
        learnt = self._learnt_usd_per_byte
        if self.usd_per_token is None:
            return None if learnt is None else learnt * _MARGIN
        # The list may name the cheapest of several routes; the bound has room for one that is
        # four times as dear, and beyond that the bill is believed.
        if learnt is not None and learnt > self.usd_per_token:
            return learnt * _MARGIN
        return self.usd_per_token
