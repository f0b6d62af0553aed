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
    flight count. Prices are learnt from what the server charges: until the first answer only one
    request of one text is let through.

    Args:
        max_cost_usd: Most that may be spent.
    """

    def __init__(self, max_cost_usd: Decimal) -> None:
        self.max_cost_usd = max_cost_usd
        self._spent_usd = Decimal(0)
        self._promised_usd = Decimal(0)
        self._usd_per_byte: Decimal | None = None
        self._lock = threading.Lock()

    @property
    def spent_usd(self) -> Decimal:
        """What the server charged so far."""
        return self._spent_usd

    @property
    def knows_price(self) -> bool:
        """Whether a request was charged yet."""
        return self._usd_per_byte is not None

    @property
    def has_promises(self) -> bool:
        """Whether requests are in flight whose cost is not known yet."""
        return self._promised_usd > 0

    def reserve(self, size_bytes: int) -> Decimal | None:
        """The money put aside for a request of so many bytes of text; None if there is not enough.

        Before the price is known, the first request reserves all that is left.
        """
        with self._lock:
            left = self.max_cost_usd - self._spent_usd - self._promised_usd
            if self._usd_per_byte is None:
                promised = left
                if left <= 0:
                    return None
            else:
                promised = self._usd_per_byte * size_bytes * _MARGIN
                if promised > left:
                    return None
            self._promised_usd += promised
            return promised

    def settle(self, promised: Decimal, charged: Decimal, size_bytes: int) -> None:
        """Replace a reservation by what was charged; 0 for a request that was not answered."""
        with self._lock:
            self._promised_usd -= promised
            self._spent_usd += charged
            if size_bytes:
                price = charged / size_bytes
                self._usd_per_byte = max(self._usd_per_byte or Decimal(0), price)
