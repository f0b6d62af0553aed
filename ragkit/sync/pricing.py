"""What a token of the collection's model costs: by the server's list, or by earlier bills."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Protocol

from ragkit.config import DEFAULT_MODEL, Settings
from ragkit.errors import ConfigurationError, EmbeddingError
from ragkit.models.catalogue import LOCAL_MODELS
from ragkit.storage.ledger import Rate
from ragkit.storage.snapshot import Snapshot

__all__ = ["LISTED", "LISTING_SETTING", "PicturePricing", "Pricer", "Pricing", "TakesImages"]
__all__ += ["of_pictures", "saved_usd", "sum_usd", "takes_none"]

LISTING_SETTING = "listing"
# What is kept of a list's entry, and when and of which model it was.
LISTED = ("date", "model", "usd_per_token", "usd_per_picture", "input_modalities")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """A price, and where it is from.

    Attributes:
        usd_per_token: None when nobody says.
        said: For people: "price of the server's list of 2026-11-23"; empty where it is free for
            sure.
        is_listed: Whether the server's list states it, rather than a bill of earlier runs.
        usd_per_picture: What the list says a picture costs; None where pictures are billed as
            tokens.
    """

    usd_per_token: Decimal | None
    said: str = ""
    is_listed: bool = False
    usd_per_picture: Decimal | None = None

    def of(self, tokens: int) -> Decimal | None:
        """Of so many tokens."""
        return None if self.usd_per_token is None else self.usd_per_token * tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePricing:
    """What pictures will be billed as, as well as it can be told.

    Attributes:
        tokens: All of them.
        cost_usd: None when nobody says.
        said: For people: how sure it is; empty without pictures.
    """

    tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    said: str = ""


def of_pictures(guesses: Sequence[int], rate: Rate, pricing: Pricing) -> PicturePricing:
    """The price of pictures.

    Args:
        guesses: Tokens of each, by its size.
        rate: What earlier runs were billed.
        pricing: Of the model.
    """
    if not guesses:
        return PicturePricing()
    plural = "" if len(guesses) == 1 else "s"
    tokens, how = sum(guesses), "estimated from size: the first run will tell"
    if rate.tokens_per_picture is not None:
        tokens, how = round(rate.tokens_per_picture * len(guesses)), "as earlier ones were billed"
    cost_usd = pricing.of(tokens)
    if pricing.usd_per_picture is not None:
        cost_usd = sum_usd(cost_usd, pricing.usd_per_picture * len(guesses))
        how = f"{how}, and {pricing.usd_per_picture} dollars for each"
    elif rate.usd_per_picture is not None:
        cost_usd = rate.usd_per_picture * len(guesses)
    said = f"{len(guesses):,} picture{plural} counted as {tokens:,} tokens, {how}"
    return PicturePricing(tokens=tokens, cost_usd=cost_usd, said=said)


def sum_usd(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Both together; None where either is not known."""
    return None if one is None or other is None else one + other


class TakesImages(Protocol):
    """Tells whether a model takes pictures, as ``Pricer.takes_images`` does."""

    def __call__(self, snapshot: Snapshot, *, ask: bool = False) -> bool | None:
        """None when nobody has said."""
        ...


def takes_none(snapshot: Snapshot, *, ask: bool = False) -> bool | None:  # noqa: ARG001
    """The answer for models of text."""
    return False


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
            return Pricing(
                usd_per_token=listed,
                said=said,
                is_listed=True,
                usd_per_picture=_amount(listing.get("usd_per_picture")) or None,
            )
        earlier = snapshot.rate(self._model).usd_per_token
        if earlier is not None:
            return Pricing(usd_per_token=earlier, said="price as earlier runs were charged")
        why = self._failure or "its server's list has no price for it"
        return Pricing(usd_per_token=None, said=f"price not known: {why}")

    def listed(self, snapshot: Snapshot) -> Pricing | None:
        """The list's price alone, for a limit that must hold.

        What earlier runs were charged may be another route's price: a run learns its own.
        """
        pricing = self.price(snapshot)
        return pricing if pricing.is_listed else None

    def takes_images(self, snapshot: Snapshot, *, ask: bool = False) -> bool | None:
        """Whether the model takes pictures: by the catalogue, or by its server's list.

        Args:
            snapshot: What the collection keeps of that list.
            ask: Ask the server where nothing is kept.

        Returns:
            None when nobody has said.
        """
        if self._settings.profile.takes_images:
            return True
        if self._settings.base_url is None and self._model in LOCAL_MODELS:
            return False
        with self._guard:
            listing = self._fetched or self._kept(snapshot)
            if "input_modalities" not in listing and ask and not self._failure:
                listing = self._fetch() or listing
        stated = listing.get("input_modalities")
        return "image" in stated if isinstance(stated, list) else None

    def is_of_text_only(self, snapshot: Snapshot) -> bool:
        """Whether the list says what the model takes, and no pictures among it; asks nobody."""
        with self._guard:
            listing = self._fetched or self._kept(snapshot)
        stated = listing.get("input_modalities")
        return bool(stated) and self.takes_images(snapshot) is False

    def learnt(self) -> Mapping[str, object]:
        """Settings to be kept with the collection: the list's entry, if it was asked for."""
        return {} if self._fetched is None else {LISTING_SETTING: self._fetched}

    def _listing(self, snapshot: Snapshot) -> Mapping[str, object]:
        if self._fetched is not None:
            return self._fetched
        kept = self._kept(snapshot)
        if kept.get("date") == _today().isoformat() or self._failure:
            return kept
        return self._fetch() or kept

    def _kept(self, snapshot: Snapshot) -> Mapping[str, object]:
        kept: Mapping[str, object] = snapshot.setting(LISTING_SETTING, {})
        return kept if kept.get("model") == self._model else {}

    def _fetch(self) -> Mapping[str, object] | None:
        from ragkit.embedding.listing import (  # noqa: PLC0415 - loads httpx
            ListedModel,
            find_model,
            list_models,
        )

        settings = self._settings
        try:
            models = list_models(settings.base_url, api_key=settings.api_key)
        except (EmbeddingError, ConfigurationError) as error:
            self._failure = str(error)
            return None
        found = find_model(models, self._model) or ListedModel(id=self._model)
        self._fetched = {
            "date": _today().isoformat(),
            "model": self._model,
            "usd_per_token": _stored(found.usd_per_token),
            "usd_per_picture": _stored(found.usd_per_image),
            "input_modalities": list(found.input_modalities),
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


def _stored(amount: Decimal | None) -> str | None:
    # As text, since JSON's numbers are no decimals.
    return None if amount is None else f"{amount:f}"


def _amount(stored: object) -> Decimal | None:
    try:
        return Decimal(stored) if isinstance(stored, str) else None
    except InvalidOperation:
        return None
