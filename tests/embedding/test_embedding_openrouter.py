"""The embedder over real HTTP: right vectors through every fault, or the one clear error."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from loopback import KEY, LoopbackServer
from loopback_faults import FAULTS, refusal
from loopback_models import MODELS, tokens_of, vector_of

from ragkit.config import Secret
from ragkit.embedding.budget import Budget
from ragkit.embedding.local import LocalEmbedder
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.seam import EmbeddedBatch, Embedder, FloatMatrix
from ragkit.embedding.waits import Patience
from ragkit.errors import (
    AuthenticationFailed,
    BudgetSpent,
    ConfigurationError,
    EmbeddingError,
    InputRejected,
    InvalidArgument,
    MalformedReply,
    MissingKey,
    ModelUnavailable,
    OutOfCredit,
    RequestRejected,
    ServerUnreachable,
)

QUICK = Patience(first_s=0.004, longest_s=0.02, waiting_s=5.0)
TEXTS = [f"passage {number} of the handbook about pump {number % 7}" for number in range(80)]


def embedder(
    server: LoopbackServer,
    *,
    model: str = "test/small",
    dimensions: int | None = None,
    input_type: tuple[str, str] | None = None,
    concurrency: int = 4,
    timeout_s: float = 5.0,
    key: str = KEY,
) -> OpenRouterEmbedder:
    return OpenRouterEmbedder(
        model,
        api_key=key,
        base_url=server.base_url,
        dimensions=dimensions,
        input_type=input_type,
        concurrency=concurrency,
        timeout_s=timeout_s,
        patience=QUICK,
    )


def truth(
    texts: list[str],
    *,
    model: str = "test/small",
    dimensions: int | None = None,
    input_type: str | None = None,
) -> FloatMatrix:
    rows = [
        vector_of(text, model=model, dimensions=dimensions, input_type=input_type) for text in texts
    ]
    matrix: FloatMatrix = np.array(rows, np.float32)
    return matrix


def gather(batches: Iterator[EmbeddedBatch]) -> tuple[list[EmbeddedBatch], Exception | None]:
    """All batches, and the error that ended them."""
    taken = []
    try:
        for batch in batches:
            taken.append(batch)
    except EmbeddingError as error:
        return taken, error
    return taken, None


def rows_of(batches: list[EmbeddedBatch]) -> dict[int, FloatMatrix]:
    """Vectors by index; an index that comes twice fails."""
    rows: dict[int, FloatMatrix] = {}
    for batch in batches:
        for index, row in zip(batch.indexes, batch.vectors, strict=True):
            assert index not in rows
            rows[index] = row
    return rows


def failures_of(batches: list[EmbeddedBatch]) -> dict[int, str]:
    return {index: reason for batch in batches for index, reason in batch.failed}


def test_documents_and_query_become_the_vectors_of_their_texts(
    embedding_server: LoopbackServer,
) -> None:
    """float32 unit rows in the order of the texts, each text asked once, in batches of 32."""
    client: Embedder = embedder(embedding_server)
    vectors = client.embed_documents(TEXTS)
    assert vectors.shape == (80, 64)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, truth(TEXTS), atol=1e-6)
    np.testing.assert_allclose(client.embed_query("pump 3"), truth(["pump 3"])[0], atol=1e-6)
    ledger = embedding_server.ledger
    assert sorted(request.inputs for request in ledger.requests) == [1, 8, 8, 32, 32]
    assert set(ledger.asked.values()) == {1}
    client.close()
    client.close()


def test_the_vectors_of_the_server_rank(embedding_server: LoopbackServer) -> None:
    """Texts that share words with the query come first, so that retrieval can be tested on it."""
    with embedder(embedding_server) as client:
        passages = ["the cat sleeps on the mat", "invoices are due in May", "dogs chase a cat"]
        scores = client.embed_documents(passages) @ client.embed_query("where the cat sleeps")
    assert list(np.argsort(-scores)) == [0, 2, 1]


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_ends_with_the_right_vectors_and_no_text_answered_twice(
    fault: str, embedding_server: LoopbackServer
) -> None:
    """Whatever goes wrong with some replies, each vector is that of its text."""
    embedding_server.script(fault, at=[2, 3, 5])
    # Shorter than the fault where one has to wait for it, and else long enough for a busy machine.
    timeout_s = 0.5 if fault in ("stall", "drip") else 5.0
    with embedder(embedding_server, timeout_s=timeout_s, concurrency=3) as client:
        client.embed_query("the first answer, which settles the width")
        batches, error = gather(client.embed(iter(TEXTS), role="document"))
    assert error is None
    rows = rows_of(batches)
    assert sorted(rows) == list(range(80))
    np.testing.assert_allclose(
        np.array([rows[index] for index in range(80)]), truth(TEXTS), atol=1e-6
    )
    ledger = embedding_server.ledger
    assert set(ledger.answered.values()) == {1}
    assert sum(batch.requests for batch in batches) == len(ledger.requests) - 1
    assert ledger.max_in_flight <= 4  # a request that timed out here may still be in work there


def test_a_first_answer_of_another_width_is_outvoted(embedding_server: LoopbackServer) -> None:
    """Two answers must agree before one is believed, where nobody says how wide vectors are."""
    embedding_server.script("wrong width", at=[1])
    with embedder(embedding_server, concurrency=1) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
    assert set(embedding_server.ledger.answered.values()) == {1}


@pytest.mark.parametrize(
    "quirk",
    [
        "omits_index", "omits_usage", "omits_cost", "omits_id", "shuffles", "adds_fields",
        "compresses",
    ],
)  # fmt: skip
def test_servers_that_deviate_are_understood(quirk: str, embedding_server: LoopbackServer) -> None:
    """Optional fields may be absent, the order may vary, and bodies may be compressed."""
    setattr(embedding_server.quirks, quirk, True)
    with embedder(embedding_server) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_either_encoding_and_any_length_of_vectors_is_accepted(
    encoding: str, embedding_server: LoopbackServer
) -> None:
    """A server may ignore the encoding that was asked, and need not normalise."""
    embedding_server.quirks.encoding = encoding
    embedding_server.quirks.unit_length = False
    with embedder(embedding_server) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("500", ServerUnreachable),
        ("502 page", ServerUnreachable),
        ("reset before", ServerUnreachable),
        ("closed before", ServerUnreachable),
        ("200 with 404", ModelUnavailable),
        ("page", MalformedReply),
        ("empty body", MalformedReply),
        ("NaN", MalformedReply),
        ("truncated", MalformedReply),
        ("broken gzip", MalformedReply),
    ],
)
def test_a_fault_that_does_not_pass_ends_with_its_one_error(
    fault: str, kind: type[EmbeddingError], embedding_server: LoopbackServer
) -> None:
    """A server that never gives a right answer is given up, soon and in one sentence."""
    embedding_server.always = FAULTS[fault]
    with embedder(embedding_server) as client:
        batches, error = gather(client.embed(TEXTS[:10], role="document"))
    assert type(error) is kind, error
    assert embedding_server.base_url in str(error)
    assert "\n" not in str(error)
    assert not rows_of(batches)
    requests = len(embedding_server.ledger.requests)
    assert sum(batch.requests for batch in batches) == requests < 40


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, AuthenticationFailed, "set RAGKIT_API_KEY"),
        (402, OutOfCredit, "run again to continue"),
        (403, AuthenticationFailed, "set RAGKIT_API_KEY"),
        (404, ModelUnavailable, "check the model's name"),
    ],
)
def test_a_stop_hands_over_what_was_answered_and_asks_no_more(
    status: int, kind: type[EmbeddingError], words: str, embedding_server: LoopbackServer
) -> None:
    """Answers in flight are paid for: they are yielded before the error is raised."""
    embedding_server.quirks.latency_s = 0.03
    embedding_server.script(refusal(status, "no"), at=[3])
    texts = [f"text {number}" for number in range(2000)]
    with embedder(embedding_server, concurrency=3) as client:
        batches, error = gather(client.embed(texts, role="document"))
    assert type(error) is kind
    assert words in str(error)
    ledger = embedding_server.ledger
    assert len(ledger.requests) <= 6
    assert len(rows_of(batches)) == sum(ledger.answered.values()) > 0
    assert sum(batch.cost_usd for batch in batches) == ledger.cost_usd


def test_a_bad_text_is_found_and_reported_while_the_rest_goes_on(
    embedding_server: LoopbackServer,
) -> None:
    """400 without a name is bisected; texts that never get a usable vector are reported too."""
    embedding_server.refused_words = {"POISON"}
    embedding_server.unusable_words = {"VOID"}
    texts = [*TEXTS[:40], "a POISON text", *TEXTS[40:60], "POISON again", "a VOID", *TEXTS[60:]]
    with embedder(embedding_server) as client:
        batches, error = gather(client.embed(texts, role="document"))
    assert error is None
    failed = failures_of(batches)
    assert sorted(failed) == [40, 61, 62]
    assert "the provider could not process the input" in failed[40]
    assert "is zero" in failed[62]
    rows = rows_of(batches)
    assert sorted([*rows, *failed]) == list(range(83))
    np.testing.assert_allclose(rows[41], truth(TEXTS)[40], atol=1e-6)


def test_a_refused_query_raises_with_its_position(embedding_server: LoopbackServer) -> None:
    """The conveniences raise for a text that the server names as the cause."""
    with embedder(embedding_server) as client:
        client.embed_query("fine")
        with pytest.raises(InputRejected, match="the query cannot be embedded: refused by"):
            client.embed_query("long " * 8000)
        with pytest.raises(InputRejected, match="input 1 cannot be embedded: blank text"):
            client.embed_documents(["fine", " \n"])


def test_a_server_that_refuses_every_text_is_not_asked_for_all(
    embedding_server: LoopbackServer,
) -> None:
    """When all texts are refused without a reason, the settings are at fault: it stops soon."""
    embedding_server.refused_words = {"text"}
    texts = [f"text {number}" for number in range(3000)]
    with embedder(embedding_server) as client:
        batches, error = gather(client.embed(texts, role="document"))
        with pytest.raises(RequestRejected, match="could not process the input"):
            client.embed_query("one text")
    assert isinstance(error, RequestRejected)
    assert not rows_of(batches)
    assert len(embedding_server.ledger.requests) < 60


def test_texts_that_must_not_be_sent_are_reported_unsent(embedding_server: LoopbackServer) -> None:
    """Blank texts, data URLs and halves of surrogate pairs stay here; "data:" alone is text."""
    url = "data:image/png;base64," + "iVBORw0KGgo" * 40
    texts = [
        "",
        " \t\n",
        url,
        "\ud83d",
        "data: see the table",
        "data:image/png;base64, is a prefix",
    ]
    with embedder(embedding_server) as client:
        batches, error = gather(client.embed(texts, role="document"))
    assert error is None
    assert failures_of(batches) == {
        0: "blank text",
        1: "blank text",
        2: "a file as a data URL, not text",
        3: "half of a surrogate pair, which UTF-8 cannot carry",
    }
    assert sorted(embedding_server.ledger.asked) == sorted(texts[4:])


@pytest.mark.parametrize("status", [400, 422])
def test_the_batch_that_a_server_takes_is_learnt_once(
    status: int, embedding_server: LoopbackServer
) -> None:
    """Where the server says "at most 10", that is obeyed from then on."""
    embedding_server.quirks.too_many_status = status
    with embedder(embedding_server, model="test/tight", concurrency=1) as client:
        client.embed_documents(TEXTS)
        client.embed_documents(TEXTS)
    statuses = [request.status for request in embedding_server.ledger.requests]
    assert statuses == [200, status] + [200] * (len(statuses) - 2)
    assert max(request.inputs for request in embedding_server.ledger.requests[2:]) == 10


def test_dimensions_are_sent_when_asked_and_checked(embedding_server: LoopbackServer) -> None:
    """A cut model gives cut vectors; one that cannot be cut is an error, not a wider vector."""
    with embedder(embedding_server, dimensions=16) as client:
        vectors = client.embed_documents(TEXTS)
        assert client.fingerprint.dimensions == 16
    np.testing.assert_allclose(vectors, truth(TEXTS, dimensions=16), atol=1e-6)
    with embedder(embedding_server, model="test/fixed", dimensions=64) as client:
        np.testing.assert_allclose(
            client.embed_documents(TEXTS), truth(TEXTS, model="test/fixed"), atol=1e-6
        )
    with (
        embedder(embedding_server, model="test/fixed", dimensions=16) as client,
        pytest.raises(RequestRejected, match="answers with 64 dimensions where 16 were asked"),
    ):
        client.embed_query("pump")
    embedding_server.quirks.ignores_dimensions = True
    with (
        embedder(embedding_server, dimensions=16) as client,
        pytest.raises(RequestRejected, match="answers with 64 dimensions where 16 were asked"),
    ):
        client.embed_query("pump")


def test_input_types_are_sent_by_role_and_only_when_known(embedding_server: LoopbackServer) -> None:
    """Query and document differ for models that want it; no other model gets the field."""
    with embedder(embedding_server, model="test/typed", input_type=("query", "passage")) as client:
        query, document = client.embed_query("pump"), client.embed_documents(["pump"])[0]
    expected = {kind: truth(["pump"], model="test/typed", input_type=kind)[0] for kind in
                ("query", "passage")}  # fmt: skip
    np.testing.assert_allclose(query, expected["query"], atol=1e-6)
    np.testing.assert_allclose(document, expected["passage"], atol=1e-6)
    with (
        embedder(embedding_server, model="test/typed", input_type=("q", "d")) as client,
        pytest.raises(RequestRejected, match="Unsupported input_type 'q'"),
    ):
        client.embed_query("pump")
    with embedder(embedding_server) as client:
        client.embed_query("pump")
    assert b"input_type" not in embedding_server.ledger.requests[-1].body


def test_inputs_are_read_only_as_far_ahead_as_requests_need(
    embedding_server: LoopbackServer,
) -> None:
    """Memory stays flat: two batches in flight and one in hand, however long the stream."""
    read = 0

    def endless() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield f"text {read}"

    with embedder(embedding_server, concurrency=2) as client:
        client._server.limits.most_inputs = 32
        stream = client.embed(endless(), role="document")
        for _ in range(5):
            next(stream)
            assert read <= embedding_server.number * 32 + 64
        stream.close()  # type: ignore[attr-defined]
    assert read <= 8 * 32
    assert threading.active_count() < 20


def test_a_failing_server_is_not_read_ahead_of(embedding_server: LoopbackServer) -> None:
    """Batches that wait for another attempt count as in flight."""
    embedding_server.always = FAULTS["500"]
    texts = iter([f"text {number}" for number in range(10_000)])
    with embedder(embedding_server, concurrency=2) as client:
        _, error = gather(client.embed(texts, role="document"))
    assert isinstance(error, ServerUnreachable)
    assert len(list(texts)) >= 10_000 - 3 * 32


def test_an_error_of_the_reader_comes_after_the_answers_in_flight(
    embedding_server: LoopbackServer,
) -> None:
    """When the inputs fail, what was paid for is handed over, and then the reader's own error."""

    def failing() -> Iterator[str]:
        yield from TEXTS[:64]
        raise OSError("the disk is gone")

    embedding_server.quirks.latency_s = 0.03
    taken: list[int] = []

    def take(batches: Iterator[EmbeddedBatch]) -> None:
        for batch in batches:
            taken.extend(batch.indexes)

    with embedder(embedding_server) as client, pytest.raises(OSError, match="the disk is gone"):
        take(client.embed(failing(), role="document"))
    assert sorted(taken) == list(range(64))


def test_the_bill_is_what_the_server_charged(embedding_server: LoopbackServer) -> None:
    """Tokens and dollars add up to the server's own, spoiled answers included."""
    embedding_server.script("short", at=[1])
    embedding_server.script("NaN", at=[3])
    with embedder(embedding_server) as client:
        batches, error = gather(client.embed(TEXTS, role="document"))
    assert error is None
    ledger = embedding_server.ledger
    assert sum(batch.tokens for batch in batches) >= sum(map(tokens_of, TEXTS))
    unread = next(r for r in ledger.requests if r.fault == "NaN")  # its bill is no JSON either
    assert sum(batch.cost_usd for batch in batches) == ledger.cost_usd - unread.cost_usd


def test_a_budget_is_never_passed_and_counts_what_is_in_flight(
    embedding_server: LoopbackServer,
) -> None:
    """The run stops before the limit, near it, with all that was paid for handed over."""
    embedding_server.quirks.latency_s = 0.01
    texts = [f"passage {number:04d} about pumps" for number in range(2000)]
    price = sum(map(tokens_of, texts)) * MODELS["test/small"].usd_per_token
    budget = Budget(price / 2)
    with embedder(embedding_server) as client:
        run = client.with_budget(budget)
        batches, error = gather(run.embed(texts, role="document"))
    assert isinstance(error, BudgetSpent)
    assert f"max_cost_usd={price / 2}" in str(error)
    spent = embedding_server.ledger.cost_usd
    assert price * Decimal("0.4") < spent <= price / 2
    assert budget.spent_usd == spent == sum(batch.cost_usd for batch in batches)
    assert len(rows_of(batches)) == sum(embedding_server.ledger.answered.values())
    assert not budget.has_promises


@pytest.mark.parametrize("share", ["0.02", "0.5", "1.01"])
def test_a_budget_with_a_price_is_spent_to_the_last_texts(
    embedding_server: LoopbackServer, share: str
) -> None:
    """With the listed price no request is sent to learn it, and what is left pays for fewer."""
    embedding_server.quirks.latency_s = 0.005
    texts = [f"passage {number:04d} about pumps and what they move" for number in range(800)]
    price = MODELS["test/small"].usd_per_token
    whole = sum(map(tokens_of, texts)) * price
    limit = whole * Decimal(share)
    budget = Budget(limit, usd_per_token=price)
    with embedder(embedding_server) as client:
        batches, error = gather(client.with_budget(budget).embed(texts, role="document"))
    ledger = embedding_server.ledger
    assert ledger.cost_usd == budget.spent_usd <= limit
    assert limit - ledger.cost_usd < price * (len(texts[0]) + 3) or error is None
    assert isinstance(error, BudgetSpent) or share == "1.01"
    assert len(rows_of(batches)) == sum(ledger.answered.values())
    assert max(ledger.answered.values()) == 1
    assert ledger.requests[0].inputs > 1


def test_a_budget_of_nothing_lets_free_models_run(embedding_server: LoopbackServer) -> None:
    """max_cost_usd=0 stops nothing whose listed price is 0, and everything else."""
    free = "nvidia/nemotron-3-embed-1b:free"
    budget = Budget(Decimal(0), usd_per_token=Decimal(0))
    with embedder(embedding_server, model=free) as client:
        rows = client.with_budget(budget).embed_documents(TEXTS[:10])
    assert rows.shape == (10, 2048)
    assert not budget.spent_usd
    assert not embedding_server.ledger.cost_usd


def test_a_list_that_says_free_is_not_believed_twice(embedding_server: LoopbackServer) -> None:
    """A model that is listed as free and charges all the same is stopped by its first bill."""
    budget = Budget(Decimal(0), usd_per_token=Decimal(0))
    with embedder(embedding_server, concurrency=1) as client:
        _, error = gather(client.with_budget(budget).embed(TEXTS * 4, role="document"))
    assert isinstance(error, BudgetSpent)
    assert len(embedding_server.ledger.requests) == 1


def test_a_listed_price_stands_in_for_a_missing_bill(embedding_server: LoopbackServer) -> None:
    """A server that states tokens and no cost is counted at its listed price."""
    embedding_server.quirks.omits_cost = True
    budget = Budget(Decimal(1), usd_per_token=Decimal("0.001"))
    with embedder(embedding_server) as client:
        client.with_budget(budget).embed_documents(TEXTS[:10])
    assert budget.spent_usd == sum(map(tokens_of, TEXTS[:10])) * Decimal("0.001")


def test_a_budget_without_prices_is_refused(embedding_server: LoopbackServer) -> None:
    """A limit that cannot be kept is an error after the first answer, and not forgotten."""
    embedding_server.quirks.omits_cost = True
    with embedder(embedding_server) as client:
        run = client.with_budget(Budget(Decimal(1)))
        with pytest.raises(ConfigurationError, match="max_cost_usd cannot be kept"):
            run.embed_documents(TEXTS)
    assert len(embedding_server.ledger.requests) == 1


def test_no_budget_at_all_sends_nothing(embedding_server: LoopbackServer) -> None:
    """max_cost_usd=0 stops before the first request."""
    with embedder(embedding_server) as client, pytest.raises(BudgetSpent):
        client.with_budget(Budget(Decimal(0))).embed_query("pump")
    assert embedding_server.ledger.requests == []


def test_connections_are_kept_and_requests_go_out_together(
    embedding_server: LoopbackServer,
) -> None:
    """As many requests at once as allowed, over as many connections."""
    embedding_server.quirks.latency_s = 0.1
    with embedder(embedding_server, concurrency=5) as client:
        client.embed_documents([f"text {number}" for number in range(640)])
    ledger = embedding_server.ledger
    assert ledger.max_in_flight == 5
    assert ledger.connections <= 5
    assert len(ledger.requests) <= 21  # the first is a small one


def test_a_limit_of_rate_holds_for_all_workers(embedding_server: LoopbackServer) -> None:
    """After a 429 nobody sends before the stated wait has passed."""
    embedding_server.script(refusal(429, "slow", {"retry-after-ms": "150"}), at=[2])
    with embedder(embedding_server, concurrency=3) as client:
        client.embed_documents([f"text {number}" for number in range(320)])
    requests = embedding_server.ledger.requests
    refused = next(request for request in requests if request.status == 429)
    later = [
        r.started_s - refused.ended_s for r in requests if r.started_s > refused.ended_s + 0.05
    ]
    assert min(later) >= 0.149


def test_it_works_from_many_threads(embedding_server: LoopbackServer) -> None:
    """One embedder serves many callers, and each gets its own vectors."""
    results: dict[int, FloatMatrix] = {}
    texts = {caller: [f"caller {caller} text {n}" for n in range(40)] for caller in range(6)}
    with embedder(embedding_server) as client:

        def call(caller: int) -> None:
            results[caller] = client.embed_documents(texts[caller])

        threads = [threading.Thread(target=call, args=(caller,)) for caller in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for caller, own in texts.items():
        np.testing.assert_allclose(results[caller], truth(own), atol=1e-6)


def test_it_works_inside_a_running_event_loop(embedding_server: LoopbackServer) -> None:
    """Jupyter and web servers may call it as it is."""

    async def main() -> FloatMatrix:
        return client.embed_query("pump")

    with embedder(embedding_server) as client:
        np.testing.assert_allclose(asyncio.run(main()), truth(["pump"])[0], atol=1e-6)


def test_the_key_stands_in_one_header_and_nowhere_else(
    embedding_server: LoopbackServer, caplog: pytest.LogCaptureFixture
) -> None:
    """No repr, log, message or traceback shows it, even where the server quotes it."""
    caplog.set_level(logging.DEBUG)
    wrong = "sk-or-v1-wrong-77777777"
    with embedder(embedding_server, key=wrong) as client:
        _, error = gather(client.embed(TEXTS, role="document"))
        shown = [repr(client), str(client), repr(client.fingerprint), client.fingerprint.json]
        with pytest.raises(TypeError):
            pickle.dumps(Secret(wrong))
    assert isinstance(error, AuthenticationFailed)
    assert "No auth credentials found for ***" in str(error)
    shown += [str(error), repr(error), caplog.text, *traceback.format_exception(error)]
    shown += [json.dumps({**r.headers, "authorization": ""}) for r in
              embedding_server.ledger.requests]  # fmt: skip
    assert not [text for text in shown if wrong in text or "7777" in text]
    assert embedding_server.ledger.requests[0].headers["authorization"] == f"Bearer {wrong}"


def test_requests_carry_no_more_headers_than_they_must(embedding_server: LoopbackServer) -> None:
    """The client names itself and no one else."""
    with embedder(embedding_server) as client:
        client.embed_query("pump")
    headers = embedding_server.ledger.requests[0].headers
    assert sorted(headers) == [
        "accept", "accept-encoding", "authorization", "content-length", "content-type", "host",
        "user-agent",
    ]  # fmt: skip
    assert headers["user-agent"].startswith("ragkit/")


def test_a_server_that_is_down_is_named_with_what_to_check() -> None:
    """Connection refused is one sentence with the URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1"
    with (
        OpenRouterEmbedder("m", base_url=url, patience=QUICK) as client,
        pytest.raises(ServerUnreachable, match=f"no answer from {url} after 3 attempts") as caught,
    ):
        client.embed_query("pump")
    assert "check that the server runs" in str(caught.value)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_wrong_path_is_told_from_a_missing_model(embedding_server: LoopbackServer) -> None:
    """HTML instead of an answer points to the base URL."""
    url = embedding_server.base_url.replace("/api/v1", "/api")
    with (
        OpenRouterEmbedder("test/small", api_key=KEY, base_url=url, patience=QUICK) as client,
        pytest.raises(
            ModelUnavailable, match=r"no embeddings API .*Not Found .*: check the base URL"
        ),
    ):
        client.embed_query("pump")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://host/v1/embeddings", "should end before /embeddings"),
        ("http://host/v1/embeddings/", "should end before /embeddings"),
        ("http://host/v1/v1", "holds /v1 twice"),
        ("host:11434/v1", "should look like"),
        ("ftp://host/v1", "should look like"),
        ("http://", "should look like"),
        ("http://host:99999/v1", "should look like"),
        ("https://user:hunter2@host/v1", "put the key into RAGKIT_API_KEY"),
        ("https://host/v1?key=hunter2", "should end with its path"),
    ],
)
def test_a_base_url_that_cannot_work_is_refused(url: str, words: str) -> None:
    """Doubled paths and the like are told at once, without secrets."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        OpenRouterEmbedder("m", base_url=url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "two words", "sk-hunter2\nX-Evil: 1", "sk-hünter2"])
def test_a_key_that_is_none_is_refused_unshown(key: str) -> None:
    """A key that no header can carry is told without being shown."""
    with pytest.raises(ConfigurationError, match="copy it again") as caught:
        OpenRouterEmbedder("a/b", api_key=key)
    assert "nter2" not in str(caught.value)


def test_openrouter_without_a_key_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The missing variable is named before anything is sent."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    with pytest.raises(MissingKey, match="set OPENROUTER_API_KEY"):
        OpenRouterEmbedder("a/b")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"dimensions": 0}, "dimensions=0"),
        ({"provider": {"onyl": ["x"]}}, "provider has no key 'onyl'"),
        ({"concurrency": 0}, "concurrency"),
        ({"timeout_s": 0.0}, "timeout_s"),
        ({"dimensions": True}, "dimensions=True must be a whole number"),
        ({"input_type": "query"}, "input_type='query' must be two words, for queries and for doc"),
        ({"user": " "}, "must be the identifier of an end user"),
    ],
)
def test_settings_that_no_server_takes_are_refused(
    arguments: dict[str, object], words: str
) -> None:
    """They are told at construction, in one sentence."""
    with pytest.raises(ConfigurationError, match=words):
        OpenRouterEmbedder("a/b", api_key="k", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("item", [[1, 2, 3], 7, b"pump", None])
def test_tokens_and_other_things_are_no_texts(
    item: object, embedding_server: LoopbackServer
) -> None:
    """Both embedders say which input it is; what came before it is embedded all the same."""
    inputs: list[Any] = ["pump", item]
    with embedder(embedding_server) as client:
        batches = client.embed(inputs, role="document")
        assert next(batches).indexes == (0,)
        with pytest.raises(InvalidArgument, match=r"input 1 is of type \w+: give texts"):
            list(batches)
    with pytest.raises(InvalidArgument, match=r"input 1 is of type \w+: give texts"):
        LocalEmbedder().embed_documents(inputs)
    assert list(embedding_server.ledger.asked) == ["pump"]


def test_a_single_string_is_not_taken_for_many_texts() -> None:
    """Its characters would be embedded one by one."""
    with pytest.raises(InvalidArgument, match="put the one text into a list"):
        OpenRouterEmbedder("a/b", api_key="k").embed("text", role="document")


def test_no_texts_make_no_request(embedding_server: LoopbackServer) -> None:
    """An empty list is an empty matrix."""
    with embedder(embedding_server) as client:
        assert client.embed_documents([]).shape == (0, 0)
    assert embedding_server.ledger.requests == []


def test_answers_do_not_wait_for_texts(embedding_server: LoopbackServer) -> None:
    """While texts come slowly, an answer is handed over before more than one request is filled."""
    answered = embedding_server.ledger.answered
    kept, waiting = 0, list[int]()

    def slow() -> Iterator[str]:
        for number in range(320):
            time.sleep(0.003)
            yield f"text {number} about slow readers"

    with embedder(embedding_server, concurrency=16) as client:
        for batch in client.embed(slow(), role="document"):
            kept += len(batch.indexes)
            waiting.append(answered.total() - kept)
    assert kept == 320
    # Two requests of 32, and those that were answered meanwhile.
    assert sorted(waiting)[len(waiting) // 2] <= 64
    assert max(waiting) < 160
