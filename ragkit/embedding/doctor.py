"""An examination of the server behind a model: key, model, vectors, encoding, order, route.

Three requests of five short texts in all, which cost a millionth of a dollar. Each later question
needs the earlier ones: where the server does not answer, it is not asked for the rest.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Final

import numpy as np

from ragkit.config import OPENROUTER_URL, Secret
from ragkit.embedding.account import KeyFacts, fetch_key
from ragkit.embedding.checks import Check, Examination
from ragkit.embedding.complaints import Target
from ragkit.embedding.failures import BadReply, ServerError, decoded
from ragkit.embedding.inquiry import Failure, error_of, patiently
from ragkit.embedding.listing import ListedModel, fetch_listing, find_model
from ragkit.embedding.transport import RawReply, Transport, checked_base_url, checked_key
from ragkit.embedding.wire import Reply, RequestForm, build_request, parse_reply
from ragkit.models.catalogue import fingerprint, profile

__all__ = ["Patient", "examine_server"]

_FIRST: Final = "The spare key hangs behind the kitchen door."
_SECOND: Final = "Water boils at a hundred degrees at the level of the sea."
_SAME: Final = 0.999
_SOON: Final = timedelta(days=30)
_SLOW_S: Final = 30.0
_KEY, _MODEL, _ANSWERS, _DIMENSIONS, _BASE64 = "key", "model", "answers", "dimensions", "base64"
_REPEATABLE, _ORDER, _LATENCY, _ROUTE, _COST = "repeatable", "order", "latency", "route", "cost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Who is examined.

    Attributes:
        model: As requests call it.
        base_url: Root of the API; None for OpenRouter.
        api_key: None for servers without one.
        dimensions: Width that is asked for.
        provider: OpenRouter's routing object.
        input_type: (query, document).
        stored_width: Width of the vectors that a collection has already.
        timeout_s: Longest wait for one reply.
    """

    model: str
    base_url: str | None = None
    api_key: Secret | None = field(default=None, repr=False)
    dimensions: int | None = None
    provider: Mapping[str, object] | None = None
    input_type: tuple[str, str] | None = None
    stored_width: int | None = None
    timeout_s: float = 120.0

    @property
    def at_openrouter(self) -> bool:
        """Whether it is OpenRouter that is asked."""
        return self.url == OPENROUTER_URL

    @property
    def url(self) -> str:
        """Root of the API.

        Raises:
            ConfigurationError: It is none.
        """
        return OPENROUTER_URL if self.base_url is None else checked_base_url(self.base_url)

    @property
    def key_variable(self) -> str:
        """Environment variable of the key."""
        return "OPENROUTER_API_KEY" if self.at_openrouter else "RAGKIT_API_KEY"


def examine_server(patient: Patient) -> Examination:
    """Look at all of it; what fails is a check that is not ok, with its remedy.

    Raises:
        ConfigurationError: URL, key, model or dimensions that no server could be asked with.
    """
    mark = fingerprint(
        profile(patient.model),
        dimensions=patient.dimensions,
        provider=patient.provider,
        input_type=patient.input_type,
    )
    if patient.at_openrouter and patient.api_key is None:
        remedy = f"set {patient.key_variable} to a key from the account's page"
        return Examination(checks=(Check(name=_KEY, ok=False, detail="none", remedy=remedy),))
    key = None if patient.api_key is None else checked_key(patient.api_key)
    transport = Transport(patient.url, key=key, timeout_s=patient.timeout_s, most_at_once=1)
    form = RequestForm(
        model=patient.model,
        dimensions=patient.dimensions,
        input_type=mark.document_input_type,
        provider=patient.provider,
    )
    try:
        return _Doctor(patient, transport, form, mark.document_prompt).examine()
    finally:
        transport.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A reply, how long it took, and whether its vectors came as base64."""

    reply: Reply
    seconds: float
    is_base64: bool


class _Doctor:
    def __init__(
        self, patient: Patient, transport: Transport, form: RequestForm, prompt: str
    ) -> None:
        self._patient = patient
        self._transport = transport
        self._form = form
        self._prompt = prompt
        self._checks: list[Check] = []
        self._target = Target(
            model=patient.model, url=patient.url, key_variable=patient.key_variable
        )

    def examine(self) -> Examination:
        if not self._key():
            return Examination(checks=tuple(self._checks))
        listed, is_list_known = self._listed()
        first = self._ask([_FIRST], self._form)
        if isinstance(first, Failure):
            self._model(listed, is_list_known=is_list_known, answers=False)
            self._failed(_ANSWERS, first)
            return Examination(checks=tuple(self._checks))
        self._model(listed, is_list_known=is_list_known, answers=True)
        width = self._dimensions(first.reply)
        pair = self._ask([_FIRST, _SECOND], replace(self._form, encoding_format="base64"))
        takes_base64 = not isinstance(pair, Failure)
        if isinstance(pair, Failure):
            pair = self._ask([_FIRST, _SECOND], self._form)
        second = self._ask([_SECOND], self._form)
        answers = [answer for answer in (first, pair, second) if isinstance(answer, _Answer)]
        honoured = takes_base64 and isinstance(pair, _Answer) and pair.is_base64
        self._base64(honoured=honoured, refused=not takes_base64)
        if isinstance(pair, Failure) or isinstance(second, Failure):
            self._failed(_ORDER, pair if isinstance(pair, Failure) else second)  # type: ignore[arg-type]
        else:
            self._compare(first.reply, pair.reply, second.reply)
        self._latency(answers)
        self._route(answers)
        self._cost(answers)
        return Examination(
            checks=tuple(self._checks),
            learnt=_learnt(self._patient, listed, answers, width=width, honoured=honoured),
        )

    # --- one question each

    def _key(self) -> bool:
        facts = fetch_key(self._transport)
        match facts:
            case KeyFacts(remaining_usd=left) if left is not None and left <= 0:
                remedy = "raise the key's limit, or add credit to the account"
                self._add(_KEY, f"valid, and nothing left of ${facts.limit_usd}", remedy, ok=False)
            case KeyFacts():
                self._add(_KEY, _key_detail(facts), "")
            case ServerError(status=401 | 403):
                self._failed(_KEY, facts)
                return False
            case ServerError() | BadReply() if not self._patient.at_openrouter:
                # Other servers tell nothing of a key; whether they take it shows when they answer.
                pass
            case _:
                self._failed(_ANSWERS, facts)
                return False
        return True

    def _listed(self) -> tuple[ListedModel | None, Sequence[str] | None]:
        models = fetch_listing(self._transport)
        if isinstance(models, Failure):
            return None, None
        return find_model(models, self._patient.model), [model.id for model in models]

    def _model(
        self, listed: ListedModel | None, *, is_list_known: Sequence[str] | None, answers: bool
    ) -> None:
        name = self._patient.model
        if listed is not None:
            expiry = listed.expires_on
            if expiry is not None and expiry <= _today() + _SOON:
                remedy = "choose another model, and index anew into another collection"
                when = "was served until" if expiry < _today() else "is served only until"
                self._add(_MODEL, f"{name} {when} {expiry}", remedy, ok=False)
                return
            self._add(_MODEL, f"{name}{_model_detail(listed)}", "")
        elif answers or is_list_known is None:
            said = "listed nowhere, and it answers" if answers else "the server has no list"
            self._add(_MODEL, f"{name}: {said}", "", ok=answers)
        else:
            near = get_close_matches(name, is_list_known, n=3, cutoff=0.5)
            remedy = f"did you mean {' or '.join(near)}?" if near else "see `ragkit models`"
            self._add(_MODEL, f"{name} is not among the server's models", remedy, ok=False)

    def _dimensions(self, reply: Reply) -> int:
        width = int(reply.vectors.shape[1])
        patient = self._patient
        native = profile(patient.model).dimensions
        for expected, whose in (
            (patient.stored_width, "the collection's vectors have"),
            (patient.dimensions, "were asked for"),
            (native if patient.dimensions is None else None, "the model should have"),
        ):
            if expected is not None and expected != width:
                remedy = "see that model, dimensions and base URL are the ones that were meant"
                detail = f"{width:,} where {whose} {expected:,}"
                if whose == "were asked for":
                    detail, remedy = f"{width:,} where {expected:,} {whose}", "leave them out"
                self._add(_DIMENSIONS, detail, remedy, ok=False)
                return width
        self._add(_DIMENSIONS, f"{width:,}", "")
        return width

    def _base64(self, *, honoured: bool, refused: bool) -> None:
        if honoured:
            self._add(_BASE64, "honoured: replies are smaller and read faster", "")
        else:
            said = "refused" if refused else "ignored"
            self._add(_BASE64, f"{said}: vectors come as numbers, which works as well", "")

    def _compare(self, first: Reply, pair: Reply, second: Reply) -> None:
        if len({reply.vectors.shape[1] for reply in (first, pair, second)}) > 1:
            self._add(_REPEATABLE, "vectors of several widths", "pin a provider", ok=False)
            return
        again = _cosine(first.vectors[0], pair.vectors[0])
        other = _cosine(second.vectors[0], pair.vectors[1])
        swapped = _cosine(first.vectors[0], pair.vectors[1])
        in_order = swapped < again
        same = min(again, other) if in_order else max(swapped, again)
        self._add(
            _REPEATABLE,
            f"the same text gives the same vector (cosine {same:.6f})"
            if same >= _SAME
            else f"the same text gives another vector (cosine {same:.4f})",
            "" if same >= _SAME else "pin a provider (`provider = {only = [...]}`): several answer",
            ok=same >= _SAME,
        )
        self._add(
            _ORDER,
            "kept" if in_order else "two texts come back in the other order",
            "" if in_order else "do not use this server: its vectors belong to other texts",
            ok=in_order,
        )

    def _latency(self, answers: Sequence[_Answer]) -> None:
        quickest = min(answer.seconds for answer in answers)
        slow = quickest > _SLOW_S
        remedy = "see what the server is busy with, or raise request_timeout_s" if slow else ""
        self._add(_LATENCY, f"{quickest:.3f} s for a short text", remedy, ok=not slow)

    def _route(self, answers: Sequence[_Answer]) -> None:
        names = sorted({a.reply.provider for a in answers if a.reply.provider is not None})
        by = f", answered by {', '.join(names)}" if names else ""
        if _is_pinned(self._patient.provider):
            self._add(_ROUTE, f"pinned{by}", "")
        elif self._patient.at_openrouter:
            advice = 'pin one with provider = {"only": ["…"], "allow_fallbacks": false}'
            self._add(
                _ROUTE, f"any provider may answer{by}", f"for vectors that never vary {advice}"
            )
        else:
            self._add(_ROUTE, f"{self._patient.url}{by}", "")

    def _cost(self, answers: Sequence[_Answer]) -> None:
        costs = [answer.reply.cost_usd for answer in answers]
        tokens = [answer.reply.tokens for answer in answers]
        said = "" if None in tokens else f"{sum(n or 0 for n in tokens)} tokens, "
        if None in costs:
            detail = f"{said}and the server does not say what it charges"
            self._add(_COST, detail, "watch the cost there: max_cost_usd needs a price")
        else:
            total = sum((cost or Decimal(0) for cost in costs), Decimal(0))
            self._add(_COST, f"{said}${total.normalize():f} for this examination", "")

    # --- how it is asked and told

    def _ask(self, texts: Sequence[str], form: RequestForm) -> _Answer | Failure:
        body = build_request([self._prompt + text for text in texts], form)

        def once() -> _Answer | Failure:
            started_s = time.monotonic()
            raw = self._transport.post("/embeddings", body, expected=len(texts))
            seconds = time.monotonic() - started_s
            if not isinstance(raw, RawReply):
                return raw
            reply = _read(raw, len(texts))
            if not isinstance(reply, Reply):
                # What is wrong with a reply is quoted, so that the key must not stand in it.
                return _read(self._masked(raw), len(texts))  # type: ignore[return-value]
            return _Answer(reply=reply, seconds=seconds, is_base64=_holds_base64(raw.body))

        return patiently(once)

    def _masked(self, raw: RawReply) -> RawReply:
        key = self._patient.api_key
        if key is None:
            return raw
        return replace(raw, body=raw.body.replace(key.reveal().strip().encode(), b"***"))

    def _add(self, name: str, detail: str, remedy: str, *, ok: bool = True) -> None:
        self._checks.append(Check(name=name, ok=ok, detail=detail, remedy=remedy))

    def _failed(self, name: str, failure: Failure) -> None:
        # Our messages say what happened, and after the last colon what to do.
        said, _, remedy = str(error_of(failure, self._target)).rpartition(": ")
        self._add(name, said or remedy, remedy if said else "", ok=False)


def _read(raw: RawReply, expected: int) -> Reply | ServerError | BadReply:
    return parse_reply(raw.status, raw.headers, raw.body, expected=expected, width=None)


def _key_detail(facts: KeyFacts) -> str:
    if facts.limit_usd is not None and facts.remaining_usd is not None:
        said = f"valid, ${facts.remaining_usd:f} left of ${facts.limit_usd:f}"
    else:
        said = "valid, without a limit of its own"
    if facts.is_free_tier:
        said += ", free tier: 50 requests a day to free models"
    return f"{said}, until {facts.expires_at}" if facts.expires_at else said


def _model_detail(listed: ListedModel) -> str:
    price = listed.usd_per_million_tokens
    facts = [] if price is None else [f"${price.normalize():f} per million tokens"]
    if listed.context_length is not None:
        facts.append(f"{listed.context_length:,} tokens a text")
    if listed.input_modalities:
        facts.append(" and ".join(listed.input_modalities))
    if listed.expires_on is not None:
        facts.append(f"served until {listed.expires_on}")
    return f": {', '.join(facts)}" if facts else ""


def _learnt(
    patient: Patient,
    listed: ListedModel | None,
    answers: Sequence[_Answer],
    *,
    width: int,
    honoured: bool,
) -> dict[str, object]:
    price = None if listed is None else listed.usd_per_token
    providers = sorted({a.reply.provider for a in answers if a.reply.provider is not None})
    tokens = [answer.reply.tokens for answer in answers]
    return {
        "date": _today().isoformat(),
        "model": patient.model,
        "base_url": patient.base_url or "",
        "dimensions": width,
        "base64": honoured,
        "states_usage": None not in tokens,
        "providers": providers,
        "usd_per_token": None if price is None else f"{price:f}",
        "context_length": None if listed is None else listed.context_length,
        "input_modalities": [] if listed is None else list(listed.input_modalities),
        "expires_on": None
        if listed is None or listed.expires_on is None
        else listed.expires_on.isoformat(),
    }


def _is_pinned(provider: Mapping[str, object] | None) -> bool:
    """Whether only ever one provider can answer."""
    chosen = (provider or {}).get("only") or (provider or {}).get("order")
    if not isinstance(chosen, (list, tuple)) or not chosen:
        return False
    only_these = "only" in (provider or {}) or (provider or {}).get("allow_fallbacks") is False
    return only_these and len(chosen) == 1


def _holds_base64(body: bytes) -> bool:
    """Whether a checked reply has its vectors as text."""
    document = decoded(body)
    data = document.get("data") if isinstance(document, dict) else None
    vector = data[0].get("embedding") if isinstance(data, list) and data else None
    return isinstance(vector, str) and len(base64.b64decode(vector)) % 4 == 0


def _cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left.astype(np.float64) @ right.astype(np.float64))


def _today() -> date:
    return datetime.now(UTC).date()
