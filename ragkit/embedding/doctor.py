"""An examination of the server behind a model: key, model, vectors, encoding, order, route.

Three requests of five short texts in all, and one of a few texts of the collection, which cost a
millionth of a dollar. Each later question needs the earlier ones: where the server does not answer,
it is not asked for the rest.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np

from ragkit.embedding.account import KeyFacts, fetch_key
from ragkit.embedding.checks import Check, Examination
from ragkit.embedding.complaints import Target
from ragkit.embedding.diagnosis import (
    base64_check,
    caveat_check,
    cost_check,
    dimensions_check,
    drift_check,
    key_check,
    latency_check,
    missing_key,
    model_check,
    order_checks,
    route_check,
    today,
)
from ragkit.embedding.encoding import names_encoding
from ragkit.embedding.failures import BadReply, Failure, ServerError
from ragkit.embedding.inquiry import error_of, patiently
from ragkit.embedding.jobs import Bill
from ragkit.embedding.listing import ListedModel, fetch_listing, find_model
from ragkit.embedding.patient import Patient
from ragkit.embedding.route import SAME_COSINE, lowest_cosine
from ragkit.embedding.server import ask
from ragkit.embedding.transport import Transport, checked_key
from ragkit.embedding.wire import Reply, RequestForm
from ragkit.embedding.wordings import stated_limit
from ragkit.models.catalogue import fingerprint

__all__ = ["examine_server"]

_FIRST: Final = "The spare key hangs behind the kitchen door."
_SECOND: Final = "Water boils at a hundred degrees at the level of the sea."


def examine_server(patient: Patient) -> Examination:
    """Look at all of it; what fails is a check that is not ok, with its remedy.

    Raises:
        ConfigurationError: URL, key, model or dimensions that no server could be asked with.
    """
    mark = fingerprint(
        patient.known,
        dimensions=patient.dimensions,
        provider=patient.provider,
        input_type=patient.input_type,
    )
    if patient.at_openrouter and patient.api_key is None:
        return Examination(checks=(missing_key(patient.key_variable),))
    key = None if patient.api_key is None else checked_key(patient.api_key)
    ways = patient.ways
    transport = Transport(
        patient.url,
        key=key,
        timeout_s=patient.timeout_s,
        most_at_once=1,
        key_header=ways.key_header,
    )
    form = RequestForm(
        model=patient.model,
        dimensions=patient.dimensions,
        encoding_format="float" if ways.states_float else None,
        input_type=mark.document_input_type,
        provider=patient.provider,
        dimensions_field=ways.dimensions_field,
        input_type_field=ways.input_type_field,
    )
    doctor = _Doctor(patient, transport, form, mark.document_prompt)
    try:
        learnt = doctor.examine()
    finally:
        transport.close()
    return Examination(
        checks=tuple(doctor.checks),
        learnt=learnt,
        requests=doctor.bill.requests,
        tokens=doctor.bill.tokens,
        cost_usd=doctor.bill.cost_usd,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """A reply, and how long it took."""

    reply: Reply
    seconds: float


class _Doctor:
    """Asks; what the answers mean is said in ``diagnosis``."""

    def __init__(
        self, patient: Patient, transport: Transport, form: RequestForm, prompt: str
    ) -> None:
        self._patient = patient
        self._transport = transport
        self._form = form
        self._prompt = prompt
        self.checks: list[Check] = []
        self.bill = Bill()
        self._target = Target(
            model=patient.model, url=patient.url, key_variable=patient.key_variable
        )

    def examine(self) -> dict[str, object]:
        """Fill ``checks`` and ``bill``; what is worth keeping with a collection."""
        if not self._key():
            return {}
        name = self._patient.model
        models = fetch_listing(self._transport)
        names = None if isinstance(models, Failure) else [model.id for model in models]
        listed = None if isinstance(models, Failure) else find_model(models, name)
        first = self._ask([_FIRST], self._form)
        if isinstance(first, Failure) and names_encoding(first):
            self._form = replace(self._form, encoding_format=None)
            first = self._ask([_FIRST], self._form)
        self.checks.append(model_check(name, listed, names, answers=not isinstance(first, Failure)))
        if self._patient.known.caveat:
            self.checks.append(caveat_check(name, self._patient.known.caveat))
        if isinstance(first, Failure):
            self._failed("answers", first)
            return {}
        width = int(first.reply.vectors.shape[1])
        self.checks.append(dimensions_check(width, self._patient))
        return self._vectors(first, listed)

    def _key(self) -> bool:
        facts = fetch_key(self._transport)
        match facts:
            case KeyFacts():
                self.checks.append(key_check(facts))
            case ServerError(status=401 | 403):
                self._failed("key", facts)
                return False
            case ServerError() | BadReply() if not self._patient.at_openrouter:
                # Other servers tell nothing of a key; whether they take it shows when they answer.
                pass
            case _:
                self._failed("answers", facts)
                return False
        return True

    def _vectors(self, first: _Answer, listed: ListedModel | None) -> dict[str, object]:
        pair, said = self._pair(first)
        second = self._ask([_SECOND], self._form)
        answers = [answer for answer in (first, pair, second) if isinstance(answer, _Answer)]
        self.checks.append(base64_check(said))
        repeats = False
        if isinstance(pair, Failure) or isinstance(second, Failure):
            self._failed("order", pair if isinstance(pair, Failure) else second)  # type: ignore[arg-type]
        else:
            repeats = self._compare(first.reply, pair.reply, second.reply)
        drift = self._canaries(answers)
        providers = _providers(answers)
        self.checks.append(latency_check([answer.seconds for answer in answers]))
        self.checks.append(route_check(self._patient, providers))
        self.checks.append(cost_check([answer.reply for answer in answers]))
        return _learnt(
            self._patient,
            listed,
            [answer.reply for answer in answers],
            # That bytes were read rightly is proven by the same vectors as numbers.
            base64=said == "honoured" and repeats,
            drift=drift,
        )

    def _pair(self, first: _Answer) -> tuple[_Answer | Failure, str]:
        """Both texts in one request, as base64 where the server gives it, and whether it does."""
        said = "not asked for"
        if self._patient.ways.offers_base64:
            pair = self._all([_FIRST, _SECOND], replace(self._form, encoding_format="base64"))
            if isinstance(pair, _Answer) and not pair.reply.is_base64:
                return pair, "ignored"
            if isinstance(pair, _Answer) and _has(pair.reply, first.reply):
                return pair, "honoured"
            said = "refused" if isinstance(pair, Failure) else "other bytes"
        numbers = self._all([_FIRST, _SECOND], self._form)
        if said == "other bytes" and isinstance(pair, _Answer) and isinstance(numbers, _Answer):
            # Where numbers are no more alike the encoding is not to blame.
            return numbers, said if _has(numbers.reply, first.reply) else "honoured"
        return numbers, said

    def _compare(self, first: Reply, pair: Reply, second: Reply) -> bool:
        """Whether the same texts had the same vectors, in their order."""
        if len({reply.vectors.shape[1] for reply in (first, pair, second)}) > 1:
            self.checks += order_checks(same=-1.0, in_order=False, one_width=False)
            return False
        again = _cosine(first.vectors[0], pair.vectors[0])
        other = _cosine(second.vectors[0], pair.vectors[1])
        swapped = _cosine(first.vectors[0], pair.vectors[1])
        in_order = swapped < again
        same = min(again, other) if in_order else max(swapped, again)
        self.checks += order_checks(same=same, in_order=in_order, one_width=True)
        return in_order and same >= SAME_COSINE

    def _canaries(self, answers: list[_Answer]) -> dict[str, object] | None:
        """How near the collection's texts still come to their vectors, and who says so."""
        canaries = self._patient.canaries
        if not canaries:
            return None
        answer = self._all([canary.text for canary in canaries], self._form)
        if isinstance(answer, Failure):
            self._failed("drift", answer)
            return None
        answers.append(answer)
        stored = np.stack([canary.vector for canary in canaries])
        cosine, now = lowest_cosine(stored, answer.reply.vectors), answer.reply.provider or ""
        earlier = self._patient.made_by
        self.checks.append(drift_check(cosine, earlier=earlier, now=now, texts=len(canaries)))
        return {"provider": now, "cosine": cosine}

    # --- how it is asked and told

    def _all(self, texts: Sequence[str], form: RequestForm) -> _Answer | Failure:
        """Several texts, in one request or in as many as the server wants."""
        answer = self._ask(texts, form)
        if not isinstance(answer, ServerError):
            return answer
        limit = stated_limit(answer.message, len(texts))
        if limit is None or limit.counts != "texts":
            return answer
        parts: list[_Answer] = []
        for start in range(0, len(texts), limit.limit):
            part = self._ask(texts[start : start + limit.limit], form)
            if isinstance(part, Failure):
                return part
            parts.append(part)
        if len({part.reply.vectors.shape[1] for part in parts}) > 1:
            return BadReply(reason="vectors of several widths")
        vectors = np.concatenate([part.reply.vectors for part in parts])
        return replace(parts[0], reply=replace(parts[0].reply, vectors=vectors))

    def _ask(self, texts: Sequence[str], form: RequestForm) -> _Answer | Failure:
        whole = [self._prompt + text for text in texts]

        def once() -> _Answer | Failure:
            self.bill.requests += 1
            started_s = time.monotonic()
            outcome = ask(self._transport, whole, form, None)
            seconds = time.monotonic() - started_s
            if isinstance(outcome, Reply | BadReply):
                self.bill.tokens += outcome.tokens or 0
                self.bill.cost_usd += outcome.cost_usd or Decimal(0)
            return (
                _Answer(reply=outcome, seconds=seconds) if isinstance(outcome, Reply) else outcome
            )

        return patiently(once)

    def _failed(self, name: str, failure: Failure) -> None:
        # Our messages say what happened, and after the last colon what to do.
        said, _, remedy = str(error_of(failure, self._target)).rpartition(": ")
        self.checks.append(
            Check(name=name, ok=False, detail=said or remedy, remedy=remedy if said else "")
        )


def _learnt(
    patient: Patient,
    listed: ListedModel | None,
    replies: Sequence[Reply],
    *,
    base64: bool,
    drift: dict[str, object] | None,
) -> dict[str, object]:
    price = None if listed is None else listed.usd_per_token
    picture = None if listed is None else listed.usd_per_image
    expiry = None if listed is None else listed.expires_on
    return {
        "date": today().isoformat(),
        "model": patient.model,
        "base_url": patient.base_url or "",
        "dimensions": int(replies[0].vectors.shape[1]),
        "base64": base64,
        "states_usage": all(reply.tokens is not None for reply in replies),
        "providers": sorted({reply.provider for reply in replies if reply.provider is not None}),
        "drift": drift,
        "usd_per_token": None if price is None else f"{price:f}",
        "usd_per_picture": None if picture is None else f"{picture:f}",
        "context_length": None if listed is None else listed.context_length,
        "input_modalities": [] if listed is None else list(listed.input_modalities),
        "expires_on": None if expiry is None else expiry.isoformat(),
    }


def _has(pair: Reply, one: Reply) -> bool:
    """Whether one of two vectors is that of one text."""
    if pair.vectors.shape[1] != one.vectors.shape[1]:
        return False
    return max(_cosine(one.vectors[0], row) for row in pair.vectors) >= SAME_COSINE


def _providers(answers: Sequence[_Answer]) -> list[str]:
    named = (answer.reply.provider for answer in answers)
    return sorted({name for name in named if name is not None})


def _cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left.astype(np.float64) @ right.astype(np.float64))
