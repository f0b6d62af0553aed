"""How the loopback server reranks: strictly, with a ledger, and with each server's own wording."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loopback_faults import Fault, error_body

if TYPE_CHECKING:
    from loopback import LoopbackServer

__all__ = ["MODEL", "Reranks", "answer_rerank", "score_of"]

MODEL = "cohere/rerank-v3.5"
_PRICE_USD = Decimal("0.002")
_Answer = tuple[int, bytes, Mapping[str, str]]


@dataclass(slots=True, kw_only=True)
class Reranks:
    """How ``POST /rerank`` is answered, to be changed at will, and what was asked.

    Attributes:
        asked: Every request's body, in order.
        headers: Every request's headers, names in lower case.
        started_s: When each came, on the monotonic clock.
        cost_usd: Charged so far.
        faults: Fault by number of the request, from 1.
        always: Played at each request.
        shape: ``openrouter``, ``plain`` (``score`` and no document), ``voyage`` (``data``) or
            ``tei`` (a bare list, for ``texts``).
        returns: Most results; None for as many as asked.
        refuses_top_n: As servers do that have another word for it.
        max_documents: More are refused, as Text Embeddings Inference does.
        omits_usage: Nothing is said of cost and tokens.
        latency_s: How long an answer takes.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    started_s: list[float] = field(default_factory=list)
    cost_usd: Decimal = Decimal(0)
    faults: dict[int, Fault] = field(default_factory=dict)
    always: Fault | None = None
    shape: str = "openrouter"
    returns: int | None = None
    refuses_top_n: bool = False
    max_documents: int = 1000
    omits_usage: bool = False
    latency_s: float = 0.0


def answer_rerank(server: LoopbackServer, sent: Mapping[str, str], body: bytes) -> _Answer:
    """Status, body and headers of the answer; what is wrong with a request is a violation."""
    reranks = server.reranks
    request: dict[str, Any] = json.loads(body)
    with server.lock:
        reranks.asked.append(request)
        reranks.headers.append(sent)
        reranks.started_s.append(time.monotonic())
        fault = reranks.faults.get(len(reranks.asked), reranks.always)
    time.sleep(reranks.latency_s)
    if server.key is not None and sent.get("authorization") != f"Bearer {server.key}":
        return 401, error_body(401, "No auth credentials found"), {}
    refusal = _refusal(server, request)
    if refusal is not None:
        return refusal
    if fault is not None and fault.kind == "status":
        return fault.status, fault.body, fault.headers
    texts: list[str] = request["texts" if reranks.shape == "tei" else "documents"]
    results = _results(reranks, str(request["query"]), texts)
    if fault is not None:
        results = _spoilt(results, fault.kind, len(texts))
    with server.lock:
        reranks.cost_usd += _PRICE_USD
    reply = json.dumps(_document(reranks, request, results)).encode()
    return 200, reply[: len(reply) // 2] if fault and fault.kind == "truncated" else reply, {}


def score_of(query: str, document: str) -> float:
    """0 to 1: how many of the query's words the document has, by how long it is."""
    words = set(re.findall(r"\w+", query.casefold()))
    found = [word for word in re.findall(r"\w+", document.casefold()) if word in words]
    return round(1 - 1 / (1 + len(found) / math.log(10 + len(document))), 6)


def _refusal(server: LoopbackServer, request: Mapping[str, Any]) -> _Answer | None:
    reranks, violations = server.reranks, server.ledger.violations
    if reranks.shape == "tei" and "texts" not in request:
        message = "Failed to deserialize the JSON body into the target type: missing field `texts`"
        return 422, json.dumps({"message": message, "type": "Validation"}).encode(), {}
    known = {
        "model",
        "query",
        "top_n",
        "provider",
        "texts" if reranks.shape == "tei" else "documents",
    }
    if set(request) - known:
        violations.append(f"rerank with unknown keys {sorted(set(request) - known)}")
    if reranks.refuses_top_n and "top_n" in request:
        return 400, json.dumps({"detail": "Argument 'top_n' is not supported"}).encode(), {}
    texts = request.get("documents", request.get("texts"))
    if not isinstance(texts, list) or not texts or not all(_is_text(text) for text in texts):
        violations.append("rerank of no documents, or of one that is no text")
        return 400, error_body(400, "documents"), {}
    if not _is_text(request.get("query")):
        violations.append("rerank without a query")
    if request.get("model") not in (MODEL, "test/rerank"):
        return 404, error_body(404, f"No endpoints found for {request.get('model')}"), {}
    if len(texts) > reranks.max_documents:
        limit = reranks.max_documents
        message = f"batch size {len(texts)} > maximum allowed batch size {limit}"
        return 422, json.dumps({"message": message, "type": "Validation"}).encode(), {}
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _results(reranks: Reranks, query: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    name = "relevance_score" if reranks.shape in ("openrouter", "voyage") else "score"
    results: list[dict[str, Any]] = [
        {"index": place, name: score_of(query, text)} for place, text in enumerate(texts)
    ]
    if reranks.shape == "openrouter":
        for result, text in zip(results, texts, strict=True):
            result["document"] = {"text": text}
    results.sort(key=lambda result: -float(result[name]))
    return results[: reranks.returns]


def _document(
    reranks: Reranks, request: Mapping[str, Any], results: list[dict[str, Any]]
) -> object:
    if reranks.shape == "tei":
        return results
    document: dict[str, Any] = {"model": request["model"]}
    document["data" if reranks.shape == "voyage" else "results"] = results
    if reranks.shape == "openrouter":
        document |= {"id": "gen-rerank-1", "provider": "Loopback"}
    if not reranks.omits_usage:
        usage: dict[str, Any] = {"total_tokens": 0, "search_units": 1}
        if reranks.shape == "openrouter":
            usage["cost"] = float(_PRICE_USD)
        document["usage"] = usage
    return document


def _spoilt(results: list[dict[str, Any]], kind: str, sent: int) -> list[dict[str, Any]]:
    last = dict(results[-1])
    name = "relevance_score" if "relevance_score" in last else "score"
    if kind == "no results":
        return []
    wrong: dict[str, dict[str, Any]] = {
        "index out of range": {**last, "index": sent},
        "negative index": {**last, "index": -1},
        "index twice": {**last, "index": results[0]["index"]},
        "no score": {key: value for key, value in last.items() if key != name},
        "null score": {**last, name: None},
        "infinite score": {**last, name: math.inf},
        "word for a score": {**last, name: "high"},
        "no index": {key: value for key, value in last.items() if key != "index"},
    }
    return [*results[:-1], wrong[kind]] if kind in wrong else results
