"""What can go wrong with an answer, by name; the loopback server plays it when it is told to."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["FAULTS", "PAGE", "Fault", "error_body", "in_reply", "refusal", "spoil"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens instead of a right answer.

    ``kind``: ``status`` answers with *status*, *headers* and *body*; any other kind names a change
    of the right answer or of the connection (see ``FAULTS``).
    """

    kind: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0


def error_body(code: object, message: str, **more: object) -> bytes:  # keys of the error object
    """OpenRouter's error body."""
    return json.dumps({"error": {"code": code, "message": message, **more}}).encode()


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> Fault:
    """A fault that answers with a status and OpenRouter's error body."""
    return Fault(
        kind="status", status=status, headers=headers or {}, body=error_body(status, message)
    )


def in_reply(code: object, message: str) -> Fault:
    """An error in a reply of 200."""
    return Fault(kind="status", status=200, body=error_body(code, message))


PAGE = b"<!DOCTYPE html><html><head><title>Not Found | OpenRouter</title></head></html>"
_SOON = {"retry-after-ms": "30"}

FAULTS: Mapping[str, Fault] = {
    "408": refusal(408, "operation timed out"),
    "409": refusal(409, "conflict"),
    "424": refusal(424, "backend failed"),
    "429": refusal(429, "rate limited", _SOON),
    "429 without a wait": refusal(429, "rate limited"),
    "500": refusal(500, "Internal Server Error"),
    "502": refusal(502, "Provider returned error"),
    "503": refusal(503, "temporarily unavailable", _SOON),
    "504": refusal(504, "timeout"),
    "524": refusal(524, "edge timeout"),
    "529": refusal(529, "provider overloaded"),
    "502 page": Fault(kind="status", status=502, body=PAGE),
    "200 with 404": in_reply(404, "No successful provider responses."),
    "200 with 429": in_reply(429, "rate limited"),
    "200 with 502": in_reply(502, "Provider returned error"),
    "200 with a word": in_reply("rate_limit_exceeded", "slow down"),
    "200 flat": Fault(
        kind="status", body=b'{"object":"error","message":"busy","type":"x","code":503}'
    ),
    "200 detail": Fault(kind="status", body=b'{"detail":"the model is loading"}'),
    "availability": Fault(
        kind="status",
        status=503,
        body=b'{"error":{"http_status":503,"message":"later","availability":'
        b'{"code":"temporarily_unavailable","retryable":true,"retry_after":0.02}}}',
    ),
    "page": Fault(kind="status", body=PAGE),
    "empty body": Fault(kind="status", body=b""),
    "null": Fault(kind="status", body=b"null"),
    **{
        name: Fault(kind=name)
        for name in (
            "no data",
            "empty data",
            "short",
            "extra",
            "duplicate index",
            "index out of range",
            "some indexes",
            "wrong width in one",
            "wrong width",
            "empty vector",
            "NaN",
            "null component",
            "infinite",
            "text for a number",
            "odd base64",
            "zero vector",
            "truncated",
            "broken gzip",
            "reset before",
            "reset within",
            "closed before",
        )
    },
    "stall": Fault(kind="stall", seconds=0.6),
    "drip": Fault(kind="drip", seconds=0.6),
}


_Items = list[dict[str, Any]]


def spoil(document: dict[str, Any], kind: str) -> None:
    """Make a right answer wrong, in the one way that *kind* names; other kinds leave it right."""
    data: _Items = document["data"]
    if kind == "no data":
        del document["data"]
    elif kind in _SPOIL_ITEMS:
        _SPOIL_ITEMS[kind](data)
    elif kind in _SPOIL_VECTOR:
        data[-1]["embedding"] = _SPOIL_VECTOR[kind](data[-1]["embedding"])


def _drop_an_index(data: _Items) -> None:
    if len(data) > 1:
        del data[0]["index"]
    else:
        data.clear()


def _halve(data: _Items) -> None:
    for item in data:
        item["embedding"] = item["embedding"][: len(item["embedding"]) // 2]


_SPOIL_ITEMS: Mapping[str, Callable[[_Items], object]] = {
    "empty data": lambda data: data.clear(),
    "short": lambda data: data.pop(),
    "extra": lambda data: data.append({**data[-1], "index": len(data)}),
    "duplicate index": lambda data: data[-1].update(index=0 if len(data) > 1 else 1),
    "index out of range": lambda data: data[-1].update(index=len(data)),
    "some indexes": _drop_an_index,
    "wrong width": _halve,
}
_SPOIL_VECTOR: Mapping[str, Callable[[list[Any]], object]] = {
    "wrong width in one": lambda vector: vector[: len(vector) // 2],
    "empty vector": lambda _: [],
    "NaN": lambda vector: [math.nan, *vector[1:]],
    "null component": lambda vector: [None, *vector[1:]],
    "infinite": lambda vector: [1e39, *vector[1:]],
    "text for a number": lambda vector: ["0.5", *vector[1:]],
    "odd base64": lambda _: "AAAAAAA=",
    "zero vector": lambda vector: [0.0] * len(vector),
}
