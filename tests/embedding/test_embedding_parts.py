"""The small parts of the remote embedder: batches, budget, width, pace, and the test server."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
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

from ragkit.embedding.batches import Batcher, refusal
from ragkit.embedding.budget import Budget
from ragkit.embedding.limits import BatchLimits
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
        within = sum(limits.token_bound(entry.size_bytes) for entry in batch) <= tokens
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
        ("See ![x](data:image/png;base64," + "A" * 300 + ")", "a file as a data URL, not text"),
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


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """The moment, in seconds."""
        return self.now_s


def answer(pace: Pace, clock: Clock, rounds: int, capacity: int = 1000) -> None:
    """Rounds of answers by a server that works at so many requests together, a second each."""
    for _ in range(rounds):
        for _ in range(pace.at_once):
            clock.now_s += 1.0 / min(pace.at_once, capacity)
            pace.answered()


def test_pace_halves_once_for_each_overload_and_grows_again() -> None:
    """Refusals during one wait count once; answers bring the pace back up to where it began."""
    clock = Clock()
    pace = Pace(8, clock=clock)
    pace.refused(60.0)
    pace.refused(30.0)
    assert pace.at_once == 4
    assert pace.wait_s() == 60.0
    clock.now_s += 60.0
    answer(pace, clock, rounds=40)
    assert pace.at_once == 8


@pytest.mark.parametrize(("capacity", "found"), [(1000, 64), (1, 16), (30, 32)])
def test_pace_goes_up_only_where_more_at_once_brings_more(capacity: int, found: int) -> None:
    """A server that answers one by one is not made to queue; one that bears all is used in full."""
    clock = Clock()
    pace = Pace(64, begins_at=16, clock=clock)
    answer(pace, clock, rounds=8, capacity=capacity)
    assert pace.at_once == found


def run(
    pace: Pace,
    clock: Clock,
    server: Callable[[float], float],
    seconds: float,
    late_s: float = 0.0,
) -> list[float]:
    """Moments of accepted requests by a client that waits as the pace says; -moments of refusals.

    *server* gives, for the moment of a request, 0.0 or the wait that it states. The client wakes up
    by up to *late_s* later than it wants to, as on a machine with much else to do.
    """
    moments = []
    end_s, chance = clock.now_s + seconds, random.Random(9)  # noqa: S311 - lateness
    while clock.now_s < end_s:
        wait_s = pace.wait_s()
        clock.now_s += wait_s + (chance.uniform(0.0, late_s) if wait_s else 0.0)
        sent_s = pace.sent(100.0)
        wait_s = server(clock.now_s)
        clock.now_s += 0.002
        if wait_s:
            moments.append(-sent_s)
            pace.refused(wait_s * 1.1, sent_s=sent_s, tokens=100.0, stated_s=wait_s)
        else:
            moments.append(sent_s)
            pace.answered()
    return moments


def bucket(per_s: float, capacity: float) -> Callable[[float], float]:
    """A server whose allowance fills up steadily."""
    level, filled_s = capacity, 1000.0

    def allow(now_s: float) -> float:
        nonlocal level, filled_s
        level, filled_s = min(capacity, level + (now_s - filled_s) * per_s), now_s
        if level >= 1.0:
            level -= 1.0
            return 0.0
        return (1.0 - level) / per_s

    return allow


def window(per_s: float, length_s: float) -> Callable[[float], float]:
    """A server that counts anew in each window of time."""
    used: Counter[int] = Counter()

    def allow(now_s: float) -> float:
        number = int(now_s // length_s)
        used[number] += 1
        return 0.0 if used[number] <= per_s * length_s else (number + 1) * length_s - now_s

    return allow


@pytest.mark.parametrize(
    ("kind", "size", "late_s"),
    [
        (bucket, 1.0, 0.0),  # what is late by a request cannot be caught up with there
        *(
            (kind, size, late_s)
            for kind, size in ((bucket, 10.0), (bucket, 100.0), (window, 10.0))
            for late_s in (0.0, 0.05, 0.2)
        ),
    ],
)
@pytest.mark.parametrize("stated", [False, True])
def test_a_limit_of_rate_is_used_and_hardly_ever_passed(
    kind: Callable[[float, float], Callable[[float], float]],
    size: float,
    late_s: float,
    *,
    stated: bool,
) -> None:
    """Given or learnt, at least 95% of the rate is used after ten seconds, under 2% refused."""
    clock = Clock()
    pace = Pace(64, clock=clock, requests_per_minute=600.0 if stated else None)
    moments = run(pace, clock, kind(10.0, size), 120.0, late_s)
    after = [moment for moment in moments if abs(moment) > 1020.0]
    refused = sum(moment < 0 for moment in after)
    assert refused <= 0.02 * len(after)
    assert len(after) - refused >= 0.95 * 10.0 * 100.0
    if stated and not late_s:
        assert refused == 0


def test_refusals_by_chance_are_not_taken_for_a_limit_of_rate() -> None:
    """One request in thirty refused, whatever the pace, does not slow the client for good."""
    clock, count = Clock(), 0

    def by_chance(_: float) -> float:
        nonlocal count
        count += 1
        return 0.01 if count % 30 == 0 else 0.0

    pace = Pace(8, clock=clock)
    run(pace, clock, by_chance, 30.0)
    assert pace.requests_per_minute is None


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
