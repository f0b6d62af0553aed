"""Requests and replies of a rerank API, without I/O.

OpenRouter, Cohere, Jina, vLLM, llama.cpp, LiteLLM, SiliconFlow and Infinity speak nearly one
language; Voyage has ``data`` for ``results``, and Text Embeddings Inference takes ``texts`` and
answers with a bare list of ``score``. All of these replies are read; what a server refuses of a
request is worded as it wants it (``adapted``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import msgspec

from ragkit.embedding.failures import (
    UNREADABLE,
    BadReply,
    ServerError,
    decoded,
    holds_error,
    server_error,
    unreadable,
)
from ragkit.embedding.wire import bill_of

__all__ = ["RerankForm", "RerankReply", "adapted", "build_rerank", "parse_rerank"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankForm:
    """All of a request but the query and the documents.

    Attributes:
        model: Name of the model, as the server knows it.
        provider: OpenRouter's routing object; None is not sent.
        texts: What the server calls the documents.
        states_top_n: Whether the request says that all documents are to be scored.
    """

    model: str
    provider: Mapping[str, object] | None = None
    texts: str = "documents"
    states_top_n: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankReply:
    """An answer that passed every check.

    Attributes:
        scores: Finite, by position of the document; fewer than documents is legal.
        tokens: What the server says it billed; None where it says nothing.
        cost_usd: What the server says it charged; None where it says nothing.
        provider: Who answered, where the server says so.
    """

    scores: Mapping[int, float]
    tokens: int | None
    cost_usd: Decimal | None
    provider: str | None


class _Result(msgspec.Struct):
    index: int
    relevance_score: float | None = None
    score: float | None = None


class _Envelope(msgspec.Struct):
    error: Any = None
    object: Any = None
    provider: Any = None
    usage: msgspec.Raw = msgspec.Raw()
    results: list[_Result] | None = None
    data: list[_Result] | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_BARE: Final = msgspec.json.Decoder(list[_Result])


class _FlawError(Exception):
    """A check failed; never leaves this module."""


def build_rerank(query: str, documents: Sequence[str], form: RerankForm) -> bytes:
    """The body of a request, canonical as those for vectors are: keys sorted, no blanks."""
    body: dict[str, object] = {"model": form.model, "query": query, form.texts: list(documents)}
    if form.states_top_n:
        body["top_n"] = len(documents)
    if form.provider is not None:
        body["provider"] = form.provider
    return msgspec.json.encode(body, order="sorted")


def adapted(form: RerankForm, error: ServerError) -> RerankForm | None:
    """The form that a server may take which refused this one; None where nothing else is known."""
    if error.status not in (400, 422):
        return None
    if form.texts == "documents" and "`texts`" in error.message:
        return replace(form, texts="texts", states_top_n=False)
    if form.states_top_n and "top_n" in error.message:
        return replace(form, states_top_n=False)
    return None


def parse_rerank(
    status: int, headers: Mapping[str, str], body: bytes, *, expected: int
) -> RerankReply | ServerError | BadReply:
    """Read a reply and check all that guards against a score on the wrong document. Never raises.

    Args:
        status: Of the reply.
        headers: Of the reply.
        body: Uncompressed.
        expected: How many documents were sent.
    """
    if status != 200:
        return server_error(status, headers, decoded(body), body)
    try:
        envelope = _envelope(body)
    except UNREADABLE as flaw:
        document = decoded(body)
        if holds_error(document):
            return server_error(status, headers, document, body)
        return unreadable(body, flaw, "a rerank reply")
    results = envelope.data if envelope.results is None else envelope.results
    if results is None or envelope.error:
        document = decoded(body)
        if holds_error(document):
            return server_error(status, headers, document, body)
    tokens, cost_usd = bill_of(envelope.usage)
    try:
        scores = _scores(results, expected)
    except _FlawError as flaw:
        return BadReply(reason=str(flaw), tokens=tokens, cost_usd=cost_usd)
    return RerankReply(
        scores=scores,
        tokens=tokens,
        cost_usd=cost_usd,
        provider=envelope.provider if isinstance(envelope.provider, str) else None,
    )


def _envelope(body: bytes) -> _Envelope:
    if body.lstrip()[:1] == b"[":
        return _Envelope(results=_BARE.decode(body))
    return _ENVELOPE.decode(body)


def _scores(results: Sequence[_Result] | None, expected: int) -> dict[int, float]:
    if not results:
        raise _FlawError("no results")
    scores: dict[int, float] = {}
    for result in results:
        score = result.score if result.relevance_score is None else result.relevance_score
        if not 0 <= result.index < expected:
            raise _FlawError(f"a score for document {result.index} of {expected}")
        if result.index in scores:
            raise _FlawError(f"two scores for document {result.index}")
        if score is None or not math.isfinite(score):
            raise _FlawError(f"no finite score for document {result.index}")
        scores[result.index] = score
    return scores
