"""What an examination promises: each illness is found, named and has its remedy; nothing raises."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from loopback import FAULTS, KEY, LoopbackServer
from loopback_faults import Fault, in_reply, refusal

from ragkit.config import Secret
from ragkit.embedding.checks import Check, Examination
from ragkit.embedding.doctor import examine_server
from ragkit.embedding.patient import Patient
from ragkit.embedding.self_test import examine_embedded
from ragkit.models.catalogue import profile

ORDER = ["key", "model", "dimensions", "base64", "repeatable", "order", "latency", "route", "cost"]


def patient(
    server: LoopbackServer,
    *,
    model: str = "test/small",
    key: str = KEY,
    dimensions: int | None = None,
    stored_width: int | None = None,
) -> Patient:
    return Patient(
        model=model,
        base_url=server.base_url,
        api_key=Secret(key),
        dimensions=dimensions,
        stored_width=stored_width,
        timeout_s=5,
    )


def check(found: Examination, name: str) -> Check:
    (one,) = [check for check in found.checks if check.name == name]
    return one


def ill(found: Examination) -> list[str]:
    return [check.name for check in found.checks if not check.ok]


def test_a_healthy_server(embedding_server: LoopbackServer) -> None:
    """Everything is looked at in order, with three requests of five texts, and facts are learnt."""
    embedding_server.inquiries.limit_usd = Decimal(5)
    embedding_server.quirks.adds_fields = True
    found = examine_server(patient(embedding_server))
    assert found.ok
    assert [check.name for check in found.checks] == ORDER
    assert check(found, "key").detail == "valid, $5.0 left of $5.0"
    assert "$0.02 per million tokens, 8,192 tokens a text, text" in check(found, "model").detail
    assert check(found, "dimensions").detail == "64"
    assert check(found, "base64").detail.startswith("honoured")
    assert "cosine 1.000000" in check(found, "repeatable").detail
    assert "answered by Loopback" in check(found, "route").detail
    assert [request.inputs for request in embedding_server.ledger.requests] == [1, 2, 1]
    assert found.learnt["dimensions"] == 64
    assert found.learnt["base64"] is True
    assert found.learnt["usd_per_token"] == "0.00000002"
    assert found.learnt["providers"] == ["Loopback"]
    assert KEY not in repr(found)


def test_a_wrong_key(embedding_server: LoopbackServer) -> None:
    """It is refused before any text is sent, and shown nowhere."""
    wrong = "sk-or-v1-wrong-0123456789"
    found = examine_server(patient(embedding_server, key=wrong))
    assert ill(found) == ["key"]
    assert check(found, "key").remedy == "set RAGKIT_API_KEY to a valid one"
    assert embedding_server.ledger.requests == []
    assert wrong not in repr(found)


def test_openrouter_without_a_key() -> None:
    """Nothing is sent; the remedy names the variable."""
    found = examine_server(Patient(model="openai/text-embedding-3-small"))
    assert ill(found) == ["key"]
    assert found.checks[0].remedy.startswith("set OPENROUTER_API_KEY")


def test_a_key_with_nothing_left(embedding_server: LoopbackServer) -> None:
    """A key at its limit is ill even though it is valid."""
    embedding_server.inquiries.limit_usd = Decimal(0)
    found = examine_server(patient(embedding_server, model="nvidia/nemotron-3-embed-1b:free"))
    assert ill(found) == ["key"]
    assert "credit" in check(found, "key").remedy


def test_an_unknown_model_and_what_was_meant(embedding_server: LoopbackServer) -> None:
    """A misspelt name is told from a failing server, and names like it are offered."""
    found = examine_server(patient(embedding_server, model="openai/text-embedding-3-smal"))
    assert ill(found) == ["model", "answers"]
    assert "openai/text-embedding-3-small" in check(found, "model").remedy


@pytest.mark.parametrize("day", ["2001-01-01", "2001-12-31T00:00:00Z"])
def test_a_model_that_expires(embedding_server: LoopbackServer, day: str) -> None:
    """A model that goes away is no model to index with."""
    embedding_server.inquiries.overrides["test/small"] = {"expiration_date": day}
    found = examine_server(patient(embedding_server))
    assert ill(found) == ["model"]
    assert f"was served until {day[:10]}" in check(found, "model").detail


def test_a_model_with_a_caveat(embedding_server: LoopbackServer) -> None:
    """A model whose vectors were not meant for cosines is well, with a word of warning."""
    known = replace(profile("test/small"), caveat=profile("multi-qa-mpnet-base-dot-v1").caveat)
    found = examine_server(replace(patient(embedding_server), profile=known))
    assert found.ok
    assert "trained for the dot product" in check(found, "caveat").detail
    assert check(found, "caveat").remedy == "choose its sibling for cosine"


def test_another_width(embedding_server: LoopbackServer) -> None:
    """Vectors that do not fit the collection, or are not what was asked for, are found."""
    found = examine_server(patient(embedding_server, stored_width=128))
    assert ill(found) == ["dimensions"]
    assert check(found, "dimensions").detail == "64 where the collection's vectors have 128"
    embedding_server.quirks.ignores_dimensions = True
    found = examine_server(patient(embedding_server, dimensions=32))
    assert check(found, "dimensions").detail == "64 where 32 were asked for"


def test_base64_that_is_ignored_is_no_illness(embedding_server: LoopbackServer) -> None:
    """Numbers work as well; later syncs know not to count on base64."""
    embedding_server.quirks.encoding = "float"
    found = examine_server(patient(embedding_server))
    assert found.ok
    assert check(found, "base64").detail.startswith("ignored")
    assert found.learnt["base64"] is False


def test_base64_that_is_refused_is_no_illness(embedding_server: LoopbackServer) -> None:
    """A server that takes no encoding_format but float is asked for the pair again."""
    embedding_server.script(refusal(400, "encoding_format must be float"), at=[2])
    found = examine_server(patient(embedding_server))
    assert found.ok
    assert check(found, "base64").detail.startswith("refused")
    assert [request.inputs for request in embedding_server.ledger.requests] == [1, 2, 2, 1]


def test_vectors_in_the_wrong_order(embedding_server: LoopbackServer) -> None:
    """A server that shuffles and numbers nothing gives texts the vectors of others."""
    embedding_server.quirks.shuffles = embedding_server.quirks.omits_index = True
    found = examine_server(patient(embedding_server))
    assert ill(found) == ["order"]
    embedding_server.quirks.omits_index = False
    assert examine_server(patient(embedding_server)).ok


def test_vectors_that_vary(embedding_server: LoopbackServer) -> None:
    """The same text with another vector is found, and a pinned provider advised."""
    other = examine_server(patient(embedding_server))
    assert other.ok
    embedding_server.inquiries.asked.clear()
    embedding_server.quirks.drifts = 0.2
    found = examine_server(patient(embedding_server))
    assert ill(found) == ["repeatable"]
    assert "pin a provider" in check(found, "repeatable").remedy


@pytest.mark.parametrize("fault", ["429", "500", "200 with 404", "reset before", "short", "NaN"])
def test_passing_failures_are_no_illness(embedding_server: LoopbackServer, fault: str) -> None:
    """What the next attempt heals is not reported."""
    embedding_server.script(fault, at=[1])
    assert examine_server(patient(embedding_server)).ok


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refusal(402, "no credits"), "no credit left"),
        (refusal(404, "no endpoints"), "is not served"),
        (refusal(500, "down", {"retry-after-ms": "1"}), "no answer from"),
        (FAULTS["page"], "gave no usable answer"),
    ],
)
def test_a_server_that_gives_no_vector(
    embedding_server: LoopbackServer, fault: Fault, said: str
) -> None:
    """The list may be fine and the model not: what it says is told, with what to do."""
    embedding_server.always = fault
    found = examine_server(patient(embedding_server))
    assert said in check(found, "answers").detail
    assert check(found, "answers").remedy


@pytest.mark.parametrize("length", [0, 150, 185])
def test_a_server_that_quotes_the_key(embedding_server: LoopbackServer, length: int) -> None:
    """No part of the key gets into what is told, wherever the quote is cut."""
    embedding_server.always = in_reply(400, f"{'x' * length} {KEY} is no key")
    found = examine_server(patient(embedding_server))
    assert "answers" in ill(found)
    assert KEY[:14] not in repr(found)


def test_no_server_at_all() -> None:
    """One check says so, at once."""
    found = examine_server(Patient(model="m", base_url="http://127.0.0.1:9/v1"))
    assert [(check.name, check.ok) for check in found.checks] == [("answers", False)]


def test_a_server_that_tells_nothing_of_itself(embedding_server: LoopbackServer) -> None:
    """Most servers know no ``GET /key`` and list names alone: their vectors are examined still."""
    embedding_server.inquiries.has_key_facts = False
    embedding_server.inquiries.only_models = True
    embedding_server.quirks.omits_cost = embedding_server.quirks.omits_usage = True
    found = examine_server(patient(embedding_server))
    assert found.ok
    assert [check.name for check in found.checks] == ORDER[1:]
    assert found.learnt["usd_per_token"] is None
    assert found.learnt["states_usage"] is False


def test_the_embedded_model() -> None:
    """Its files have the sums they were made with, and it makes a vector without a network."""
    found = examine_embedded()
    assert found.ok
    assert [check.name for check in found.checks] == [
        "model.onnx",
        "tokenizer.json",
        "vector",
        "route",
    ]
    assert "384 dimensions" in check(found, "vector").detail
