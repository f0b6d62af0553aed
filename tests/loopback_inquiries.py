"""What the loopback server says of itself: its models, and the key that it is asked with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from loopback_faults import PAGE, Fault, error_body
from loopback_models import MODELS, listing

if TYPE_CHECKING:
    from loopback import LoopbackServer

__all__ = ["Inquiries", "answer_question"]

_Answer = tuple[int, bytes, Mapping[str, str]]
_NOTHING: _Answer = (404, PAGE, {"Content-Type": "text/html"})


@dataclass(slots=True, kw_only=True)
class Inquiries:
    """How GET is answered.

    Attributes:
        asked: Path and query of every GET, in order.
        keys: Authorization header of every GET; None where there was none.
        page_size: Most models on a page; None gives all of them at once.
        states_total: Whether a page says how many there are and links to the next.
        host_of_next: Host that the link to the next page names; None for a relative link.
        numbers: Prices as numbers rather than strings.
        only_models: ``GET /models`` alone, in the shape that most servers have: ids and no more.
        overrides: Fields of the listing by model, put over what the server would say.
        faults: Fault by path, played at every GET of it until it is taken out.
        faults_once: Faults by path, played in order, each of them once.
        limit_usd: Of the key.
        is_free_tier: Whether its account never bought credit.
        has_key_facts: Whether ``GET /key`` is known.
    """

    asked: list[str] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    page_size: int | None = None
    states_total: bool = True
    host_of_next: str | None = None
    numbers: bool = False
    only_models: bool = False
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    faults_once: dict[str, list[Fault]] = field(default_factory=dict)
    limit_usd: Decimal | None = None
    is_free_tier: bool = False
    has_key_facts: bool = True


def answer_question(server: LoopbackServer, target: str, sent: Mapping[str, str]) -> _Answer:
    """Status, body and headers for a GET."""
    inquiries = server.inquiries
    parts = urlsplit(target)
    path = parts.path.removeprefix("/api/v1")
    with server.lock:
        inquiries.asked.append(target.removeprefix("/api/v1"))
        inquiries.keys.append(sent.get("authorization"))
        queued = inquiries.faults_once.get(path)
        fault = queued.pop(0) if queued else inquiries.faults.get(path)
    if fault is not None:
        return fault.status, fault.body, fault.headers
    if target.startswith("/api/v1/"):
        return _known(server, path, dict(parse_qsl(parts.query)), sent)
    return _NOTHING


def _known(
    server: LoopbackServer, path: str, query: Mapping[str, str], sent: Mapping[str, str]
) -> _Answer:
    inquiries = server.inquiries
    if path == "/embeddings/models" and not inquiries.only_models:
        return 200, _page(server, query), {}
    if path == "/models" and inquiries.only_models:
        models = [{"id": name, "object": "model"} for name in MODELS]
        return 200, json.dumps({"object": "list", "data": models}).encode(), {}
    if path == "/key" and inquiries.has_key_facts:
        return _key_facts(server, sent)
    if path == "/credits":
        return 403, error_body(403, "Only management keys can perform this operation"), {}
    return _NOTHING


def _page(server: LoopbackServer, query: Mapping[str, str]) -> bytes:
    inquiries = server.inquiries
    models = [_entry(inquiries, name) for name in MODELS]
    if inquiries.page_size is None:
        return json.dumps({"data": models}).encode()
    offset, size = int(query.get("offset", "0")), inquiries.page_size
    document: dict[str, Any] = {"data": models[offset : offset + size]}
    if inquiries.states_total:
        host = inquiries.host_of_next or ""
        following = f"{host}/api/v1/embeddings/models?offset={offset + size}&limit={size}"
        more = offset + size < len(models)
        document |= {"total_count": len(models), "links": {"next": following if more else None}}
    return json.dumps(document).encode()


def _entry(inquiries: Inquiries, name: str) -> dict[str, object]:
    entry = listing(name) | inquiries.overrides.get(name, {})
    pricing = entry.get("pricing")
    if inquiries.numbers and isinstance(pricing, dict):
        entry["pricing"] = {part: float(price) for part, price in pricing.items()}
    return entry


def _key_facts(server: LoopbackServer, sent: Mapping[str, str]) -> _Answer:
    authorization = sent.get("authorization", "")
    if not authorization:
        return 401, error_body(401, "Missing Authentication header"), {}
    if server.key is not None and authorization != f"Bearer {server.key}":
        return 401, error_body(401, f"User not found for {authorization[7:]}"), {}
    limit, used = server.inquiries.limit_usd, server.ledger.cost_usd
    facts = {
        "label": "sk-or-v1-loo...def",
        "limit": None if limit is None else float(limit),
        "limit_remaining": None if limit is None else float(limit - used),
        "usage": float(used),
        "is_free_tier": server.inquiries.is_free_tier,
        "is_management_key": False,
        "expires_at": None,
        "rate_limit": {"requests": -1, "interval": "10s"},
    }
    return 200, json.dumps({"data": facts}).encode(), {}
