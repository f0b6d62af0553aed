"""What a token of the collection's model costs: by the server's list, or by earlier bills."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

from ragkit.config import DEFAULT_MODEL, Settings
from ragkit.errors import ConfigurationError, EmbeddingError
from ragkit.models.catalogue import LOCAL_MODELS
from ragkit.storage.snapshot import Snapshot

__all__ = ["Pricer", "Pricing", "saved_usd"]

LISTING_SETTING = "listing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """A price, and where it is from.

    Attributes:
        usd_per_token: None when nobody says.
        said: For people: "price of the server's list of 2026-11-23"; empty where it is free for
            sure.
        is_listed: Whether the server's list states it, rather than a bill of earlier runs.
    """

    usd_per_token: Decimal | None
    said: str = ""
    is_listed: bool = False

    def of(self, tokens: int) -> Decimal | None:
        """Of so many tokens."""
        return None if self.usd_per_token is None else self.usd_per_token * tokens


class Pricer:
    """Finds the price of one collection's model, asking its server at most once a day.

    The list is asked for when a price is needed, and kept in the collection by the next sync that
    writes, so that a plan can be priced without a network too.

    Args:
        settings: Of the collection.
    """

    def __init__(self, settings: Settings) -> None:
        self._model = settings.model or DEFAULT_MODEL
        self._settings = settings
        self._fetched: dict[str, object] | None = None
        self._failure = ""
        self._guard = threading.Lock()

    def price(self, snapshot: Snapshot) -> Pricing:
        """The price as well as it can be known now; never raises for want of a network."""
        if self._settings.base_url is None and self._model in LOCAL_MODELS:
            return Pricing(usd_per_token=Decimal(0), is_listed=True)
        with self._guard:
            listing = self._listing(snapshot)
        listed = _amount(listing.get("usd_per_token"))
        if listed is not None:
            said = f"price of the server's list of {listing.get('date')}"
            return Pricing(usd_per_token=listed, said=said, is_listed=True)
        earlier = snapshot.rate(self._model).usd_per_token
        if earlier is not None:
            return Pricing(usd_per_token=earlier, said="price as earlier runs were charged")
        why = self._failure or "its server's list has no price for it"
        return Pricing(usd_per_token=None, said=f"price not known: {why}")

    def listed(self, snapshot: Snapshot) -> Decimal | None:
        """The list's price alone, for a limit that must hold.

        What earlier runs were charged may be another route's price: a run learns its own.
        """
        pricing = self.price(snapshot)
        return pricing.usd_per_token if pricing.is_listed else None

    def learnt(self) -> Mapping[str, object]:
        """Settings to be kept with the collection: the list's entry, if it was asked for."""
        return {} if self._fetched is None else {LISTING_SETTING: self._fetched}

    def _listing(self, snapshot: Snapshot) -> Mapping[str, object]:
        if self._fetched is not None:
            return self._fetched
        kept: Mapping[str, object] = snapshot.setting(LISTING_SETTING, {})
        if kept.get("model") != self._model:
            kept = {}
        if kept.get("date") == _today().isoformat() or self._failure:
            return kept
        return self._fetch() or kept

    def _fetch(self) -> Mapping[str, object] | None:
        from ragkit.embedding.listing import find_model, list_models  # noqa: PLC0415 - loads httpx

        settings = self._settings
        try:
            models = list_models(settings.base_url, api_key=settings.api_key)
        except (EmbeddingError, ConfigurationError) as error:
            self._failure = str(error)
            return None
        found = find_model(models, self._model)
        price = None if found is None else found.usd_per_token
        self._fetched = {
            "date": _today().isoformat(),
            "model": self._model,
            # As text, since JSON's numbers are no decimals.
            "usd_per_token": None if price is None else f"{price:f}",
        }
        return self._fetched


def saved_usd(snapshot: Snapshot, model: str, reused_tokens: int) -> Decimal | None:
    """The price of cl100k tokens that were reused, as the ledger knows it of all runs so far."""
    if not reused_tokens or model in LOCAL_MODELS:
        return Decimal(0)
    rate = snapshot.rate(model)
    if rate.usd_per_token is None:
        return None
    # Without enough of a history our own count is the best guess at what would be billed.
    return rate.usd_per_token * reused_tokens * (rate.billed_per_counted or 1)


def _today() -> date:
    return datetime.now(UTC).date()


def _amount(stored: object) -> Decimal | None:
    try:
        return Decimal(stored) if isinstance(stored, str) else None
    except InvalidOperation:
        return None
