"""The small parts of the remote embedder: batches, budget, width, pace, and the test server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path

import loopback
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback import LoopbackServer
from loopback_models import vector_of

from ragkit.embedding.batches import Batcher, BatchLimits, refusal, token_bound
from ragkit.embedding.budget import Budget
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.pace import Pace
from ragkit.embedding.width import WidthElection
from ragkit.models.fingerprint import Fingerprint


@given(
    texts=st.lists(st.text(st.characters(codec=None), max_size=60), max_size=60),
    inputs=st.integers(1, 9),
    tokens=st.integers(1, 120),
    size_bytes=st.integers(1, 200),
)
@settings(deadline=None, max_examples=80)
def test_batches_hold_every_text_once_in_order_within_the_limits(
    texts: list[str], inputs: int, tokens: int, size_bytes: int
) -> None:
    """Each text is in one batch or refused; a batch beyond a limit holds one text."""
    limits = BatchLimits(inputs=inputs, tokens=tokens, size_bytes=size_bytes)
    batcher = Batcher(texts, prompt="p: ", limits=limits)
    sent: list[int] = []
    while batch := batcher.next_batch():
        sent += [entry.index for entry in batch]
        assert [entry.text for entry in batch] == ["p: " + texts[entry.index] for entry in batch]
        size = sum(len(msgspec.json.encode(entry.text)) + 1 for entry in batch)
        assert size == sum(entry.size_bytes for entry in batch)
        within = sum(token_bound(entry.size_bytes) for entry in batch) <= tokens
        assert len(batch) == 1 or (len(batch) <= inputs and size <= size_bytes and within)
    refused = [index for index, _ in batcher.refused]
    assert sent == sorted(sent)
    assert sorted(sent + refused) == list(range(len(texts)))


def test_a_batch_is_closed_by_whichever_limit_comes_first() -> None:
    """Count, tokens and bytes each close a batch of ordinary texts."""
    texts = ["x" * 97] * 10  # 100 bytes in a body, 51 tokens at most
    sizes = {
        name: len(Batcher(texts, prompt="", limits=limits).next_batch())
        for name, limits in {
            "count": BatchLimits(inputs=4),
            "tokens": BatchLimits(inputs=10, tokens=153),
            "bytes": BatchLimits(inputs=10, size_bytes=250),
            "none": BatchLimits(inputs=96),
        }.items()
    }
    assert sizes == {"count": 4, "tokens": 3, "bytes": 2, "none": 10}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank text"),
        (" \u2003\n", "blank text"),
        ("data:image/png;base64,iVBORw0KGgo=", "a file as a data URL, not text"),
        (" data:application/pdf;name=x.pdf;base64,JVBER\ni0=\n", "a file as a data URL, not text"),
        ("data:image/png;base64," + "A" * 300 + ") and prose", "a file as a data URL, not text"),
        ("data:image/png;base64, is how such a URL begins", None),
        ("data: the rows below", None),
        ("data:,hello", None),
        ("see data:image/png;base64,iVBORw0KGgo=", None),
    ],
)
def test_only_texts_that_are_none_are_refused(text: str, reason: str | None) -> None:
    """Blank texts and whole data URLs are; passages that speak of them are not."""
    assert refusal(text) == reason


def test_a_budget_promises_no_more_than_is_left() -> None:
    """Reservations of requests in flight count like money that is spent."""
    budget = Budget(Decimal("1.00"))
    first = budget.reserve(100)
    assert first == Decimal("1.00")
    assert budget.reserve(1) is None
    budget.settle(first, Decimal("0.10"), 100)
    second = budget.reserve(400)
    assert second == Decimal("0.5000")
    assert budget.reserve(400) is None
    assert budget.has_promises
    budget.settle(second, Decimal("0.40"), 400)
    assert (budget.spent_usd, budget.has_promises) == (Decimal("0.50"), False)


def test_two_answers_or_the_expected_one_decide_the_width() -> None:
    """One answer decides only where it was expected, or where no more will come."""
    open_election = WidthElection(None)
    assert [open_election.vote(width) for width in (32, 64, 64)] == [False, False, True]
    assert open_election.width == 64
    expected = WidthElection(64)
    assert [expected.vote(width) for width in (32, 64)] == [False, True]
    lonely = WidthElection(None)
    assert not lonely.vote(32)
    lonely.close()
    assert lonely.width == 32


def test_pace_halves_once_for_each_overload_and_grows_again() -> None:
    """Refusals during one wait count once; answers bring the pace back up to where it began."""
    pace = Pace(8)
    pace.refused(60.0)
    pace.refused(30.0)
    assert pace.at_once == 4
    assert 59.0 < pace.wait_s() <= 60.0
    for _ in range(100):
        pace.answered()
    assert pace.at_once == 8


def test_prompts_of_the_model_stand_before_the_texts(embedding_server: LoopbackServer) -> None:
    """The embedder puts the fingerprint's prompts in front, by role."""
    with OpenRouterEmbedder(
        "test/small", api_key=loopback.KEY, base_url=embedding_server.base_url
    ) as client:
        mark = Fingerprint(model="test/small", query_prompt="Q: ", document_prompt="D: ")
        client._fingerprint = mark
        query, document = client.embed_query("pump"), client.embed_documents(["pump"])[0]
    assert sorted(embedding_server.ledger.asked) == ["D: pump", "Q: pump"]
    np.testing.assert_allclose(query, np.array(vector_of("Q: pump")), atol=1e-6)
    np.testing.assert_allclose(document, np.array(vector_of("D: pump")), atol=1e-6)


def test_a_proxy_is_not_asked_for_a_server_on_this_machine(
    embedding_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Texts for a local server do not go out to a proxy."""
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with OpenRouterEmbedder(
        "test/small", api_key=loopback.KEY, base_url=embedding_server.base_url
    ) as client:
        assert client.embed_query("pump").shape == (64,)


def test_the_key_of_the_environment_goes_to_its_own_server_only(
    embedding_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another base URL gets RAGKIT_API_KEY, and never the key of OpenRouter."""
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-v1-private")
    monkeypatch.setenv("RAGKIT_API_KEY", loopback.KEY)
    with OpenRouterEmbedder("test/small", base_url=embedding_server.base_url + "/") as client:
        client.embed_query("pump")
    sent = embedding_server.ledger.requests[0].headers["authorization"]
    assert sent == f"Bearer {loopback.KEY}"


def test_openrouter_starts_with_larger_batches_than_unknown_servers() -> None:
    """96 texts a request there, 32 elsewhere, and what the catalogue knows where it is less."""
    at_openrouter = OpenRouterEmbedder("a/b", api_key="k")
    elsewhere = OpenRouterEmbedder("a/b", api_key="k", base_url="http://localhost:1/v1")
    limits = [client._server.limits.inputs for client in (at_openrouter, elsewhere)]
    assert limits == [96, 32]
    assert repr(at_openrouter) == (
        "OpenRouterEmbedder('a/b', base_url='https://openrouter.ai/api/v1')"
    )


def test_the_server_runs_as_a_process_of_its_own() -> None:
    """Benchmarks and tests of the command line start it by name and read its ledger."""
    script = Path(loopback.__file__)
    with subprocess.Popen(
        [sys.executable, str(script), "--port", "0", "--fault", "1:500"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            with OpenRouterEmbedder("test/small", api_key=loopback.KEY, base_url=url) as client:
                client.embed_documents(["one", "two"])
            with urllib.request.urlopen(url.replace("/api/v1", "/ledger")) as reply:  # noqa: S310
                ledger = json.load(reply)
        finally:
            process.terminate()
    assert (ledger["requests"], ledger["inputs"], ledger["violations"]) == (2, 2, [])


_FORKS = """
import os, sys
from ragkit.embedding.openrouter import OpenRouterEmbedder

client = OpenRouterEmbedder("test/small", api_key=sys.argv[2], base_url=sys.argv[1])
before = client.embed_query("pump").tolist()
child = os.fork()
after = client.embed_query("pump").tolist()
if child == 0:
    os._exit(0 if after == before else 7)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) or after != before)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_opens_connections_of_its_own(embedding_server: LoopbackServer) -> None:
    """Parent and child of a fork both go on, and never share a connection."""
    command = [sys.executable, "-c", _FORKS, embedding_server.base_url, loopback.KEY]
    assert subprocess.run(command, check=False, timeout=30).returncode == 0
    assert embedding_server.ledger.connections == 2
    assert embedding_server.ledger.answered == {"pump": 3}


def test_an_interrupt_ends_the_work_once_answers_in_flight_are_in(
    embedding_server: LoopbackServer,
) -> None:
    """Ctrl-C starts no further request and leaves no thread behind."""
    embedding_server.quirks.latency_s = 0.1
    script = (
        "import sys; from ragkit.embedding.openrouter import OpenRouterEmbedder\n"
        "client = OpenRouterEmbedder('test/small', api_key=sys.argv[2], base_url=sys.argv[1])\n"
        "texts = (f'text {n}' for n in range(100_000))\n"
        "try:\n    for batch in client.embed(texts, role='document'): print('batch', flush=True)\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, embedding_server.base_url, loopback.KEY],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "batch\n"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert rest.endswith("interrupted\n")
    assert process.returncode == 0
    sent = len(embedding_server.ledger.requests)
    assert sent < 200
    time.sleep(0.15)
    assert len(embedding_server.ledger.requests) == sent
