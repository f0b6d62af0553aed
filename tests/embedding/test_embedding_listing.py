"""What is promised of a server's list of models and of a key's facts, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import FAULTS, KEY, LoopbackServer
from loopback_faults import PAGE, Fault, refusal
from loopback_models import MODELS

from ragkit.config import Secret
from ragkit.embedding.account import KeyFacts, fetch_key, parse_key
from ragkit.embedding.failures import BadReply, ServerError
from ragkit.embedding.listing import find_model, list_models, parse_models
from ragkit.embedding.transport import Transport
from ragkit.errors import AuthenticationFailed, MalformedReply, ModelUnavailable, ServerUnreachable

EMBEDDING_MODELS = sorted(name for name, model in MODELS.items() if model.embeds)
LISTING = "/embeddings/models"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)
known_names = st.sampled_from(
    ["id", "name", "pricing", "architecture", "context_length", "expiration_date", "top_provider"]
)


@pytest.fixture
def transport(embedding_server: LoopbackServer) -> Iterator[Transport]:
    made = Transport(embedding_server.base_url, key=Secret(KEY), timeout_s=10, most_at_once=1)
    yield made
    made.close()


def test_prices_are_exact(embedding_server: LoopbackServer) -> None:
    """Prices come as the decimals that the server wrote, by token and by million."""
    models = list_models(embedding_server.base_url)
    model = find_model(models, "openai/text-embedding-3-small")
    assert model is not None
    assert model.usd_per_token == Decimal("0.00000002")
    assert model.usd_per_million_tokens == Decimal("0.02")
    assert (model.context_length, model.input_modalities) == (8192, ("text",))
    assert [found.id for found in models] == EMBEDDING_MODELS


def test_prices_may_be_numbers(embedding_server: LoopbackServer) -> None:
    """A price written as a JSON number keeps the digits that it was written with."""
    embedding_server.inquiries.numbers = True
    models = list_models(embedding_server.base_url)
    model = find_model(models, "qwen/qwen3-embedding-8b")
    assert model is not None
    assert model.usd_per_token == Decimal("0.00000001")


@pytest.mark.parametrize("host", [None, "https://elsewhere.invalid"])
def test_all_pages_are_read(embedding_server: LoopbackServer, host: str | None) -> None:
    """Pages are followed to the last, and only ever at the server that was named."""
    embedding_server.inquiries.page_size = 4
    embedding_server.inquiries.host_of_next = host
    models = list_models(embedding_server.base_url, api_key=Secret(KEY))
    assert [model.id for model in models] == EMBEDDING_MODELS
    pages = -(-len(MODELS) // 4)
    assert len(embedding_server.inquiries.asked) == pages
    assert embedding_server.inquiries.asked[:2] == [LISTING, f"{LISTING}?offset=4&limit=4"]


def test_a_page_that_repeats_itself_ends_the_list(embedding_server: LoopbackServer) -> None:
    """A server that ignores the offset is not asked for ever."""
    page = (
        b'{"data":[{"id":"a"}],"total_count":9,'
        b'"links":{"next":"/api/v1/embeddings/models?offset=1&limit=1"}}'
    )
    embedding_server.inquiries.faults[LISTING] = Fault(kind="status", body=page)
    assert [model.id for model in list_models(embedding_server.base_url)] == ["a"]
    assert len(embedding_server.inquiries.asked) == 2


def test_most_servers_list_their_models_elsewhere(embedding_server: LoopbackServer) -> None:
    """Where there is no list of embedding models, ``GET /models`` is read; it has no prices."""
    embedding_server.inquiries.only_models = True
    models = list_models(embedding_server.base_url)
    assert {model.id for model in models} == set(MODELS)
    assert {model.usd_per_token for model in models} == {None}
    assert embedding_server.inquiries.asked == [LISTING, "/models"]


def test_passing_failures_are_outlasted(embedding_server: LoopbackServer) -> None:
    """A rate limit and a failing server are asked again, after the wait that they state."""
    later = refusal(503, "later", {"retry-after-ms": "10"})
    embedding_server.inquiries.faults_once[LISTING] = [FAULTS["429"], later]
    assert len(list_models(embedding_server.base_url)) == len(EMBEDDING_MODELS)
    assert len(embedding_server.inquiries.asked) == 3


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (refusal(401, "no"), AuthenticationFailed),
        (refusal(404, "no such path"), ModelUnavailable),
        (refusal(503, "down", {"retry-after-ms": "1"}), ServerUnreachable),
        (Fault(kind="status", body=PAGE), MalformedReply),
        (Fault(kind="status", body=b'{"object":"list"}'), MalformedReply),
    ],
)
def test_each_failure_has_its_error(
    embedding_server: LoopbackServer, fault: Fault, error: type[Exception]
) -> None:
    """What went wrong is said with the server's address, and without the key."""
    embedding_server.inquiries.faults = {LISTING: fault, "/models": fault}
    with pytest.raises(error, match=embedding_server.base_url) as raised:
        list_models(embedding_server.base_url, api_key=Secret(KEY))
    assert KEY not in str(raised.value)


def test_no_server_is_an_error_at_once() -> None:
    """A port where nobody listens is not tried three times."""
    with pytest.raises(ServerUnreachable, match="after one attempt"):
        list_models("http://127.0.0.1:9/v1")


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"id": "m", "pricing": {"prompt": "-1"}}, (None, None, None)),
        ({"id": "m", "pricing": {"prompt": "NaN"}}, (None, None, None)),
        ({"id": "m", "pricing": None, "max_model_len": 512}, (None, 512, None)),
        ({"name": "m", "pricing": {"prompt": 2e-8}}, (Decimal("2E-8"), None, None)),
        ({"model": "m", "context_length": "8192"}, (None, None, None)),
        ({"id": "m", "top_provider": {"context_length": 99}}, (None, 99, None)),
        ({"id": "m", "expiration_date": "2027-01-31"}, (None, None, date(2027, 1, 31))),
        ({"id": "m", "expiration_date": "soon"}, (None, None, None)),
        ("m", (None, None, None)),
    ],
)
def test_entries_are_read_leniently(
    entry: object, expected: tuple[Decimal | None, int | None, date | None]
) -> None:
    """What is missing or makes no sense is None, and never a guess."""
    (model,) = parse_models({"data": [entry, 7, {"id": None}]})
    assert model.id == "m"
    assert (model.usd_per_token, model.context_length, model.expires_on) == expected


@settings(deadline=None, max_examples=100)
@given(
    json_values
    | st.fixed_dictionaries({"data": st.lists(st.dictionaries(known_names, json_values))})
)
def test_no_listing_breaks_the_reader(document: object) -> None:
    """Whatever a server sends, what comes out is models with names, or nothing."""
    assert all(model.id for model in parse_models(document))
    facts = parse_key(document)
    assert isinstance(facts, (KeyFacts, BadReply))


def test_a_model_is_found_by_its_other_names() -> None:
    """By id, by its canonical slug, and without the tag that a local server adds."""
    models = parse_models([{"id": "a/b", "canonical_slug": "a/b-2"}, {"id": "bge-m3:latest"}])
    assert [find_model(models, name) for name in ("a/b-2", "bge-m3", "c")] == [*models, None]


def test_a_key_has_facts(embedding_server: LoopbackServer, transport: Transport) -> None:
    """Limit and rest of the key come as decimals; nothing is billed for asking."""
    embedding_server.inquiries.limit_usd = Decimal("5.25")
    facts = fetch_key(transport)
    assert facts == KeyFacts(
        limit_usd=Decimal("5.25"), remaining_usd=Decimal("5.25"), used_usd=Decimal("0.0")
    )
    assert embedding_server.ledger.requests == []


def test_a_wrong_key_is_refused(embedding_server: LoopbackServer) -> None:
    """The refusal arrives as a value, in which the key the server quoted is masked."""
    wrong = "sk-or-v1-wrong-0123456789"
    transport = Transport(embedding_server.base_url, key=Secret(wrong), timeout_s=5, most_at_once=1)
    refused = fetch_key(transport)
    transport.close()
    assert isinstance(refused, ServerError)
    assert refused.status == 401
    assert wrong not in repr(refused)
