"""How far a sync is, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["Progress", "ProgressListener"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A moment of a sync.

    Attributes:
        total_bytes: Size of all files that are read in this sync; fixed from the first moment on.
        done_bytes: How much of it is embedded and stored; never falls.
        documents: Documents that are complete.
        texts: Texts that were embedded.
        tokens: Tokens that were embedded.
        cost_usd: What the server charged.
    """

    total_bytes: int
    done_bytes: int = 0
    documents: int = 0
    texts: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)


ProgressListener = Callable[[Progress], None]
