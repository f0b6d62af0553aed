"""What an examination found, in words: for each question whether it is well, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

from ragkit.embedding.account import KeyFacts
from ragkit.embedding.checks import Check
from ragkit.embedding.listing import ListedModel
from ragkit.embedding.patient import Patient
from ragkit.embedding.route import SAME_COSINE, drift_of, is_pinned, pin_of
from ragkit.embedding.wire import Reply

__all__ = [
    "base64_check",
    "caveat_check",
    "cost_check",
    "dimensions_check",
    "drift_check",
    "key_check",
    "latency_check",
    "missing_key",
    "model_check",
    "order_checks",
    "route_check",
    "today",
]

_SOON: Final = timedelta(days=30)
_SLOW_S: Final = 30.0


def today() -> date:
    """In UTC, as the dates of models are."""
    return datetime.now(UTC).date()


def missing_key(variable: str) -> Check:
    """OpenRouter without a key."""
    remedy = f"set {variable} to a key from the account's page"
    return Check(name="key", ok=False, detail="none", remedy=remedy)


def key_check(facts: KeyFacts) -> Check:
    """A key that its server knows, and what it may still spend."""
    left = facts.remaining_usd
    if left is not None and left <= 0:
        remedy = "raise the key's limit, or add credit to the account"
        said = f"valid, and nothing left of ${facts.limit_usd}"
        return Check(name="key", ok=False, detail=said, remedy=remedy)
    said = "valid, without a limit of its own"
    if facts.limit_usd is not None and left is not None:
        said = f"valid, ${left:f} left of ${facts.limit_usd:f}"
    if facts.is_free_tier:
        said += ", free tier: 50 requests a day to free models"
    return Check(name="key", ok=True, detail=f"{said}{_until(facts)}")


def _until(facts: KeyFacts) -> str:
    return f", until {facts.expires_at}" if facts.expires_at else ""


def model_check(
    name: str, listed: ListedModel | None, names: Sequence[str] | None, *, answers: bool
) -> Check:
    """Whether the model is there, and will be.

    Args:
        name: As it was asked for.
        listed: Its entry in the server's list.
        names: Of all models in that list; None without a list.
        answers: Whether it gave a vector.
    """
    if listed is not None:
        return _listed_check(name, listed)
    if answers or names is None:
        said = "listed nowhere, and it answers" if answers else "the server has no list"
        remedy = "" if answers else "see what the server says below"
        return Check(name="model", ok=answers, detail=f"{name}: {said}", remedy=remedy)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    remedy = f"did you mean {' or '.join(near)}?" if near else "see `ragkit models`"
    said = f"{name} is not among the server's models"
    return Check(name="model", ok=False, detail=said, remedy=remedy)


def _listed_check(name: str, listed: ListedModel) -> Check:
    expiry = listed.expires_on
    if expiry is not None and expiry <= today() + _SOON:
        remedy = "choose another model, and bring the collection over with `ragkit migrate`"
        when = "was served until" if expiry < today() else "is served only until"
        return Check(name="model", ok=False, detail=f"{name} {when} {expiry}", remedy=remedy)
    price = listed.usd_per_million_tokens
    facts = [] if price is None else [f"${price.normalize():f} per million tokens"]
    if listed.context_length is not None:
        facts.append(f"{listed.context_length:,} tokens a text")
    if listed.input_modalities:
        facts.append(" and ".join(listed.input_modalities))
    if expiry is not None:
        facts.append(f"served until {expiry}")
    said = f": {', '.join(facts)}" if facts else ""
    return Check(name="model", ok=True, detail=f"{name}{said}")


def caveat_check(name: str, caveat: str) -> Check:
    """What speaks against a model that answers well."""
    said, _, remedy = caveat.rpartition("; ")
    return Check(name="caveat", ok=True, detail=f"{name}: {said}", remedy=remedy)


def dimensions_check(width: int, patient: Patient) -> Check:
    """Whether vectors are as wide as those of the collection, as asked for, and as known."""
    native = patient.known.dimensions
    expectations = (
        (patient.stored_width, "{:,} where the collection's vectors have {:,}"),
        (patient.dimensions, "{:,} where {:,} were asked for"),
        (None if patient.dimensions else native, "{:,} where the model should have {:,}"),
    )
    for expected, said in expectations:
        if expected is not None and expected != width:
            remedy = "see that model, dimensions and base URL are the ones that were meant"
            if expected == patient.dimensions:
                remedy = "leave them out"
            detail = said.format(width, expected)
            return Check(name="dimensions", ok=False, detail=detail, remedy=remedy)
    return Check(name="dimensions", ok=True, detail=f"{width:,}")


def base64_check(said: str) -> Check:
    """Whether vectors may come as base64; where not, numbers are only slower.

    Args:
        said: ``honoured``, ``refused``, ``ignored``, ``not asked for``, or ``other bytes``.
    """
    if said == "honoured":
        said += ": replies are smaller and read faster"
    elif said == "other bytes":
        said = "of other bytes than float32: vectors are asked for as numbers"
    else:
        said += ": vectors come as numbers, which works as well"
    return Check(name="base64", ok=True, detail=said)


def order_checks(*, same: float, in_order: bool, one_width: bool) -> list[Check]:
    """Whether the same text gives the same vector, and texts keep their places.

    Args:
        same: Lowest cosine of two vectors of one text.
        in_order: Whether each vector is nearest to its own text's.
        one_width: Whether all vectors can be compared.
    """
    pin = f"several may answer: pin a provider for a new collection, {pin_of('')}"
    if not one_width:
        said = "vectors of several widths"
        return [Check(name="repeatable", ok=False, detail=said, remedy=pin)]
    repeats = same >= SAME_COSINE
    told = f"the same text gives the same vector (cosine {same:.6f})"
    if not repeats:
        told = f"the same text gives another vector (cosine {same:.4f})"
    order = "kept" if in_order else "two texts come back in the other order"
    remedy = "" if in_order else "do not use this server: its vectors belong to other texts"
    return [
        Check(name="repeatable", ok=repeats, detail=told, remedy="" if repeats else pin),
        Check(name="order", ok=in_order, detail=order, remedy=remedy),
    ]


def drift_check(cosine: float, *, earlier: str, now: str, texts: int) -> Check:
    """Whether texts of the collection still get the vectors that it has."""
    if cosine >= SAME_COSINE:
        said = f"{texts} texts of the collection get the vectors that it has (cosine {cosine:.6f})"
        return Check(name="drift", ok=True, detail=said)
    remedy = f"embed a new collection with one provider pinned: {pin_of(earlier or now)}"
    said = drift_of(cosine, earlier=earlier, now=now)
    return Check(name="drift", ok=False, detail=said, remedy=remedy)


def latency_check(seconds: Sequence[float]) -> Check:
    """How long the quickest of a few requests took."""
    quickest = min(seconds)
    slow = quickest > _SLOW_S
    remedy = "see what the server is busy with, or raise request_timeout_s" if slow else ""
    said = f"{quickest:.3f} s for a short text"
    return Check(name="latency", ok=not slow, detail=said, remedy=remedy)


def route_check(patient: Patient, providers: Sequence[str]) -> Check:
    """Who answers, and whether it could be somebody else next time."""
    by = f", answered by {', '.join(providers)}" if providers else ""
    if is_pinned(patient.provider):
        return Check(name="route", ok=True, detail=f"pinned{by}")
    if not patient.at_openrouter:
        return Check(name="route", ok=True, detail=f"{patient.url}{by}")
    advice = f"for vectors that never vary pin one: {pin_of(providers[0] if providers else '')}"
    return Check(name="route", ok=True, detail=f"any provider may answer{by}", remedy=advice)


def cost_check(replies: Sequence[Reply]) -> Check:
    """What the examination cost, or that nobody says so."""
    costs = [reply.cost_usd for reply in replies]
    tokens = [reply.tokens for reply in replies]
    said = "" if None in tokens else f"{sum(number or 0 for number in tokens)} tokens, "
    if None in costs:
        detail = f"{said}and the server does not say what it charges"
        remedy = "watch the cost there: max_cost_usd needs a price"
        return Check(name="cost", ok=True, detail=detail, remedy=remedy)
    total = sum((cost or Decimal(0) for cost in costs), Decimal(0))
    return Check(name="cost", ok=True, detail=f"{said}${total.normalize():f} for this examination")
