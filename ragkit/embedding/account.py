"""What the key at hand may still spend: ``GET /key``, which costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ragkit.embedding.failures import BadReply, Failure, excerpt
from ragkit.embedding.inquiry import get_json
from ragkit.embedding.transport import Transport

__all__ = ["KeyFacts", "fetch_key", "parse_key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """A key as its server describes it; the key itself is not in it.

    Attributes:
        limit_usd: Most that it may spend; None without a limit of its own.
        remaining_usd: What is left of that.
        used_usd: What it has spent in all.
        is_free_tier: Whether nothing was ever paid into the account: 50 free requests a day.
        expires_at: When it ends, in the server's words.
    """

    limit_usd: Decimal | None = None
    remaining_usd: Decimal | None = None
    used_usd: Decimal | None = None
    is_free_tier: bool = False
    expires_at: str | None = None


def fetch_key(transport: Transport) -> KeyFacts | Failure:
    """What the server says of the key that the transport sends; a 404 where it says nothing."""
    document = get_json(transport, "/key")
    return document if isinstance(document, Failure) else parse_key(document)


def parse_key(document: object) -> KeyFacts | BadReply:
    """The reply of ``GET /key``; what cannot be read is None."""
    data = document.get("data") if isinstance(document, Mapping) else None
    if not isinstance(data, Mapping):
        return BadReply(reason="facts of a key without data")
    expires_at = data.get("expires_at")
    return KeyFacts(
        limit_usd=_amount(data.get("limit")),
        remaining_usd=_amount(data.get("limit_remaining")),
        used_usd=_amount(data.get("usage")),
        is_free_tier=data.get("is_free_tier") is True,
        expires_at=excerpt(expires_at) if isinstance(expires_at, str) else None,
    )


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    # What remains may be below 0: an account that owes.
    return amount if amount.is_finite() else None
