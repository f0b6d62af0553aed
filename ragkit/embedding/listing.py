"""Which models a server offers, and at what price: ``GET /embeddings/models`` or ``GET /models``.

Servers leave out whatever they like, and prices come as strings or as numbers. What is missing or
cannot be read is None, never a guess; an entry without a name is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from ragkit.config import DEFAULT_MODEL, OPENROUTER_URL, Secret
from ragkit.embedding.complaints import Target
from ragkit.embedding.failures import BadReply, Failure, NoReply, ServerError, excerpt
from ragkit.embedding.inquiry import error_of, get_json
from ragkit.embedding.transport import Transport, checked_base_url, checked_key
from ragkit.models.catalogue import profile

__all__ = ["ListedModel", "embedded_model", "fetch_listing", "find_model", "list_models"]
__all__ += ["parse_models"]

_PATHS: Final = ("/embeddings/models", "/models")
_MOST_PAGES: Final = 50
_TIMEOUT_S: Final = 10.0
# What servers call the longest text: OpenRouter, vLLM, LM Studio, Groq, Mistral.
_CONTEXT_NAMES: Final = (
    "context_length",
    "max_model_len",
    "max_context_length",
    "context_window",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A model as its server describes it; what the server does not say is None or empty.

    Attributes:
        id: What requests call it.
        name: What people call it.
        canonical: Another name of the same model.
        usd_per_token: Price of a token of input, exact; 0 for a free model.
        usd_per_image: Price of an image.
        usd_per_request: Price of a request, whatever is in it.
        context_length: Most tokens of one text.
        input_modalities: ``text``, ``image`` and so on.
        expires_on: The last day it is served.
    """

    id: str
    name: str = ""
    canonical: str | None = None
    usd_per_token: Decimal | None = None
    usd_per_image: Decimal | None = None
    usd_per_request: Decimal | None = None
    context_length: int | None = None
    input_modalities: tuple[str, ...] = ()
    expires_on: date | None = None

    @property
    def usd_per_million_tokens(self) -> Decimal | None:
        """As price lists put it."""
        return None if self.usd_per_token is None else self.usd_per_token * 1_000_000


def list_models(base_url: str | None = None, *, api_key: Secret | None = None) -> list[ListedModel]:
    """The models of a server, sorted by id.

    Args:
        base_url: Root of its API; None for OpenRouter, which is asked without a key.
        api_key: For another server that wants one.

    Raises:
        ConfigurationError: The URL is none.
        EmbeddingError: The server has no list, refuses the key, or does not answer.
    """
    url = OPENROUTER_URL if base_url is None else checked_base_url(base_url)
    at_openrouter = url == OPENROUTER_URL
    key = None if api_key is None or at_openrouter else checked_key(api_key)
    transport = Transport(url, key=key, timeout_s=_TIMEOUT_S, most_at_once=1)
    try:
        found = fetch_listing(transport)
    finally:
        transport.close()
    if isinstance(found, Failure):
        variable = "OPENROUTER_API_KEY" if at_openrouter else "RAGKIT_API_KEY"
        raise error_of(found, Target(model="the list of models", url=url, key_variable=variable))
    return sorted(found, key=lambda model: model.id)


def embedded_model() -> ListedModel:
    """The model inside, as a server would list it."""
    known = profile(DEFAULT_MODEL)
    return ListedModel(
        id=DEFAULT_MODEL,
        name="embedded, offline",
        usd_per_token=Decimal(0),
        context_length=known.max_tokens,
        input_modalities=("text",),
    )


def fetch_listing(transport: Transport) -> list[ListedModel] | Failure:
    """The list of embedding models, or else of all models; all pages, in the server's order."""
    failure: Failure | None = None
    for path in _PATHS:
        found = _pages(transport, path)
        if not isinstance(found, Failure) or not _may_lack(found):
            return found
        failure = found
    return failure or BadReply(reason="no list of models")


def find_model(models: Sequence[ListedModel], name: str) -> ListedModel | None:
    """The entry that a request for *name* would be served by, so far as the list tells."""
    for model in models:
        if model.id == name:
            return model
    for model in models:
        if name in (model.canonical, model.id.removesuffix(":latest")):
            return model
    return None


def parse_models(document: object) -> list[ListedModel]:
    """The entries of a page that can be read; those that only make text are left out."""
    entries = document
    if isinstance(document, Mapping):
        entries = document.get("data", document.get("models"))
    found = []
    for entry in entries if isinstance(entries, list) else []:
        model = _model({"id": entry} if isinstance(entry, str) else entry)
        if model is not None:
            found.append(model)
    return found


def _pages(transport: Transport, path: str) -> list[ListedModel] | Failure:
    models: dict[str, ListedModel] = {}
    received = 0
    query: str | None = ""
    for _ in range(_MOST_PAGES):
        page = get_json(transport, f"{path}?{query}" if query else path)
        if isinstance(page, Failure):
            return page
        entries = page.get("data", page.get("models")) if isinstance(page, Mapping) else page
        if not isinstance(entries, list):
            return BadReply(reason=f"a list of models without one: {excerpt(str(page), 80)}")
        known = len(models)
        models.update((model.id, model) for model in parse_models(page))
        received += len(entries)
        query = _next_query(page, received)
        if query is None or len(models) == known:
            break
    return list(models.values())


def _next_query(page: object, received: int) -> str | None:
    """The query of the next page. Its host and path are ours: the key goes nowhere else."""
    if not isinstance(page, Mapping):
        return None
    links = page.get("links")
    following = links.get("next") if isinstance(links, Mapping) else None
    if isinstance(following, str) and following:
        try:
            asked = parse_qsl(urlsplit(following).query)
        except ValueError:
            asked = []
        kept = [(name, value) for name, value in asked if name in ("offset", "limit")]
        if kept:
            return urlencode(kept)
    total = page.get("total_count")
    if isinstance(total, int) and not isinstance(total, bool) and received < total:
        return urlencode({"offset": received})
    return None


def _may_lack(failure: Failure) -> bool:
    """Whether a server may have another path for its list."""
    match failure:
        case ServerError():
            return failure.status in (400, 404, 405, 422, 501)
        case NoReply():
            return False
    return True


def _model(entry: object) -> ListedModel | None:
    if not isinstance(entry, Mapping):
        return None
    identifier = _text(entry.get("id")) or _text(entry.get("name")) or _text(entry.get("model"))
    if identifier is None:
        return None
    architecture = _mapping(entry.get("architecture"))
    outputs = _texts(architecture.get("output_modalities"))
    if outputs and "embeddings" not in outputs:
        return None
    pricing = _mapping(entry.get("pricing"))
    limits = [entry.get(name) for name in _CONTEXT_NAMES]
    limits.append(_mapping(entry.get("top_provider")).get("context_length"))
    return ListedModel(
        id=identifier,
        name=_text(entry.get("name")) or identifier,
        canonical=_text(entry.get("canonical_slug")),
        usd_per_token=_dollars(pricing.get("prompt")),
        usd_per_image=_dollars(pricing.get("image")),
        usd_per_request=_dollars(pricing.get("request")),
        context_length=next((limit for limit in limits if _is_count(limit)), None),
        input_modalities=_texts(architecture.get("input_modalities")),
        expires_on=_date(entry.get("expiration_date")),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return excerpt(value) or None if isinstance(value, str) else None


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(excerpt(item) for item in listed if isinstance(item, str))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _dollars(value: object) -> Decimal | None:
    """Exact: of a number, the digits that it was written with. Below 0 stands for "it depends"."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 else None


def _date(value: object) -> date | None:
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None
