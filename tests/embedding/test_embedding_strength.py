"""What the remote embedder does beyond a single request: encodings, routing, shells, stops."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time

import loopback
import numpy as np
import pytest
from loopback import LoopbackServer
from loopback_faults import Fault, error_body, refusal
from loopback_models import vector_of

from ragkit.embedding.asynchronous import AsyncOpenRouterEmbedder
from ragkit.embedding.batches import Entry
from ragkit.embedding.jobs import Job
from ragkit.embedding.limits import BatchLimits
from ragkit.embedding.mending import Mender, Watch
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.routing import Attribution
from ragkit.embedding.seam import EmbeddedBatch, FloatMatrix
from ragkit.embedding.waits import Patience
from ragkit.embedding.wire import Reply
from ragkit.errors import ConfigurationError, ServerUnreachable

TEXTS = [f"passage {number} of the handbook about pump {number % 7}" for number in range(80)]


def embedder(server: LoopbackServer, key: str = loopback.KEY) -> OpenRouterEmbedder:
    return OpenRouterEmbedder("test/small", api_key=key, base_url=server.base_url, concurrency=4)


def truth(texts: list[str]) -> FloatMatrix:
    matrix: FloatMatrix = np.array([vector_of(text) for text in texts], np.float32)
    return matrix


def encodings(server: LoopbackServer) -> list[str]:
    """What each request asked for."""
    return [
        "base64" if b'"encoding_format":"base64"' in request.body else "float"
        for request in server.ledger.requests
    ]


def test_base64_is_asked_for_once_it_is_proven(embedding_server: LoopbackServer) -> None:
    """The first request, a small one, is the trial; vectors of length 1 are its proof."""
    with embedder(embedding_server) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
    assert set(encodings(embedding_server)) == {"base64"}
    assert embedding_server.ledger.requests[0].inputs == 8


@pytest.mark.parametrize("quirk", ["float", "length"])
def test_base64_that_is_not_proven_is_not_asked_for_again(
    quirk: str, embedding_server: LoopbackServer
) -> None:
    """Servers that ignore it, and models whose vectors prove nothing, are asked for numbers."""
    if quirk == "float":
        embedding_server.quirks.encoding = "float"
    else:
        embedding_server.quirks.unit_length = False
    with embedder(embedding_server) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
    assert encodings(embedding_server) == ["base64"] + ["float"] * (len(TEXTS) // 32 + 1)


@pytest.mark.parametrize(
    "fault",
    [
        refusal(400, "encoding_format base64 is not supported"),
        Fault(kind="empty data"),
        Fault(kind="status", status=422, body=error_body(422, "bad request")),
    ],
)
def test_a_server_that_cannot_give_base64_is_asked_for_numbers(
    fault: Fault, embedding_server: LoopbackServer
) -> None:
    """A refused trial costs one request, and no text is taken for its cause."""
    embedding_server.script(fault, at=[1])
    with embedder(embedding_server) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
    assert encodings(embedding_server)[:2] == ["base64", "float"]
    assert "base64" not in encodings(embedding_server)[1:]


def test_a_short_key_does_not_spoil_vectors(embedding_server: LoopbackServer) -> None:
    """A key such as "none" may stand by chance in base64, and is masked in failures only."""
    embedding_server.key = "A"
    with embedder(embedding_server, key="A") as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)


def test_a_body_that_is_too_large_teaches_the_limit(embedding_server: LoopbackServer) -> None:
    """After one 413 the batches are smaller, and every text is embedded once."""
    embedding_server.quirks.max_body_bytes = 1200
    with embedder(embedding_server) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
        client.embed_documents(TEXTS)
    requests = embedding_server.ledger.requests
    assert sum(request.status == 413 for request in requests[: len(requests) // 2]) >= 1
    assert {request.status for request in requests[len(requests) // 2 :]} == {200}


def cosine(one: FloatMatrix, other: FloatMatrix) -> float:
    return float(one @ other)


def test_texts_that_the_server_cuts_are_noticed_and_embedded_in_parts(
    embedding_server: LoopbackServer,
) -> None:
    """Too few tokens on the bill raise the suspicion, the parts prove it, and a note reports it."""
    embedding_server.quirks.reads_tokens = 100
    long = [
        " ".join(f"word{n % 9}{text}" if n < 60 else f"tail{n}{text}" for n in range(600))
        for text in range(3)
    ]
    texts = [*TEXTS[:20], *long, *TEXTS[20:40]]
    rows: dict[int, FloatMatrix] = {}
    notes: dict[int, str] = {}
    cost = 0
    with embedder(embedding_server) as client:
        for batch in client.embed(texts, role="document"):
            rows.update(zip(batch.indexes, batch.vectors, strict=True))
            notes.update(batch.notes)
            cost += batch.requests
    assert sorted(rows) == list(range(43))
    assert sorted(notes) == [20, 21, 22]
    assert "longer than the 100 tokens that the server reads" in notes[20]
    short = [index for index in range(43) if index not in notes]
    expected = truth([texts[index] for index in short])
    np.testing.assert_allclose(np.array([rows[n] for n in short]), expected, atol=1e-6)
    for index, text in zip((20, 21, 22), long, strict=True):
        whole = truth([text])[0]
        assert cosine(rows[index], rows[index]) == pytest.approx(1.0, abs=1e-5)
        assert cosine(rows[index], whole) > cosine(truth([text[:400]])[0], whole) + 0.05
    assert cost == len(embedding_server.ledger.requests)


def test_texts_with_few_tokens_are_not_taken_for_cut() -> None:
    """Where the parts have as many tokens as the whole, its own vector stands."""
    watch, limits = Watch(), BatchLimits(inputs=32)
    mender = Mender(watch, limits, "")
    text = "    " * 1000 + "end of the table"
    job = Job(entries=[Entry(index=7, text=text, size_bytes=len(text) + 3)])
    ready, again = mender.take(job, reply_of(1, tokens=40))
    assert ready == []
    assert sum(len(entry.text) for entry in again[0].entries) <= len(text)
    ready, none = mender.take(again[0], reply_of(len(again[0].entries), tokens=45))
    assert none == []
    assert [entry.index for entry in ready[0].job.entries] == [7]
    assert ready[0].notes == ()
    assert not watch.suspects(len(text), 40, limits)


def reply_of(count: int, *, tokens: int) -> Reply:
    vectors = np.zeros((count, 4), np.float32)
    vectors[:, 0] = 1.0
    return Reply(
        vectors=vectors,
        tokens=tokens,
        cost_usd=None,
        provider=None,
        model=None,
        headers={},
        is_base64=True,
        was_unit=True,
    )


def test_a_run_ends_when_it_is_told_to(embedding_server: LoopbackServer) -> None:
    """After its time nothing is sent; what is answered is handed over."""
    embedding_server.quirks.latency_s = 0.05
    client = OpenRouterEmbedder(
        "test/small",
        api_key=loopback.KEY,
        base_url=embedding_server.base_url,
        patience=Patience(run_s=0.3),
        concurrency=2,
    )
    taken = 0
    begin_s = time.monotonic()
    with client, pytest.raises(ServerUnreachable, match=r"stopped after 0\.3 s, as asked"):  # noqa: PT012
        for batch in client.embed((f"text {n}" for n in range(10_000)), role="document"):
            taken += len(batch.indexes)
    assert time.monotonic() - begin_s < 2.0
    assert taken == sum(embedding_server.ledger.answered.values()) > 0


def test_a_stated_limit_is_kept_and_its_duration_foretold(embedding_server: LoopbackServer) -> None:
    """With 1200 requests a minute, 10 take half a second, and that is what is foretold."""
    client = OpenRouterEmbedder(
        "test/small",
        api_key=loopback.KEY,
        base_url=embedding_server.base_url,
        requests_per_minute=1200,
    )
    client._server.limits.most_inputs = 32
    forecast = client.forecast(320, 5_000)
    assert forecast.requests == 10
    assert forecast.seconds == pytest.approx(0.5, rel=0.02)
    assert forecast.said == "about 10 requests at 1,200 requests a minute: at least 1 second"
    with client:
        client.embed_documents([f"text {n}" for n in range(296)])
    requests = embedding_server.ledger.requests
    assert len(requests) == 10
    assert 0.3 < requests[-1].started_s - requests[0].started_s < 2.0


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ({"onyl": ["x"]}, "provider has no key 'onyl'"),
        ({"only": "deepinfra"}, "must be a list of providers' names"),
        ({"only": [1]}, "must be a list of providers' names"),
        ({"allow_fallbacks": "no"}, "must be True or False"),
        ({"data_collection": "never"}, "must be 'allow' or 'deny'"),
        ({"quantizations": ["int9"]}, "must be a list of bf16"),
        ({"sort": "cheap"}, "must be 'price'"),
        ({"max_price": {"tokens": 1}}, "dollars per million tokens"),
        ({"max_price": {"prompt": -1}}, "dollars per million tokens"),
        ({"preferred_max_latency": {"p42": 1}}, "must be a number"),
    ],
)
def test_routing_that_openrouter_would_refuse_is_refused_here(
    provider: dict[str, object], words: str
) -> None:
    """Unknown keys and values of the wrong type are told before anything is sent."""
    with pytest.raises(ConfigurationError, match=words):
        OpenRouterEmbedder("a/b", api_key="k", provider=provider)


def test_routing_that_openrouter_takes_is_taken() -> None:
    """Every key, with values as documented."""
    OpenRouterEmbedder(
        "a/b",
        api_key="k",
        provider={
            "order": ["deepinfra"],
            "only": ["deepinfra", "nebius"],
            "ignore": [],
            "allow_fallbacks": False,
            "require_parameters": True,
            "data_collection": "deny",
            "zdr": True,
            "enforce_distillable_text": False,
            "quantizations": ["fp8", "bf16"],
            "sort": {"by": "price", "partition": "none"},
            "max_price": {"prompt": "0.02"},
            "preferred_max_latency": 3,
            "preferred_min_throughput": {"p90": 5.5},
        },
    )


def test_attribution_is_sent_to_openrouter_alone() -> None:
    """It is asked for by name, and no other server is told who asks."""
    who = Attribution(url="https://example.org", title="Notes", categories=("cli-agent",))
    assert who.headers() == {
        "HTTP-Referer": "https://example.org",
        "X-OpenRouter-Title": "Notes",
        "X-OpenRouter-Categories": "cli-agent",
    }
    OpenRouterEmbedder("a/b", api_key="k", attribution=who)
    with pytest.raises(ConfigurationError, match="attribution is for OpenRouter alone"):
        OpenRouterEmbedder("a", base_url="http://localhost:1/v1", attribution=who)
    with pytest.raises(ConfigurationError, match="cannot stand in a header"):
        Attribution(url="https://example.org\r\nX: 1").headers()


def test_the_awaited_embedder_gives_the_same_vectors(embedding_server: LoopbackServer) -> None:
    """Batches come as they are answered while the loop goes on, and leaving early is clean."""

    async def main() -> tuple[FloatMatrix, int, list[EmbeddedBatch]]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.005)

        ticking = asyncio.create_task(tick())
        async with AsyncOpenRouterEmbedder(embedder(embedding_server)) as client:
            vectors = await client.embed_documents(TEXTS)
            endless = (f"text {n}" for n in range(10**9))
            taken = []
            async with contextlib.aclosing(client.embed(endless, role="document")) as batches:
                async for batch in batches:
                    taken.append(batch)
                    if len(taken) == 3:
                        break
        ticking.cancel()
        return vectors, ticks, taken

    embedding_server.quirks.latency_s = 0.02
    vectors, ticks, taken = asyncio.run(main())
    np.testing.assert_allclose(vectors, truth(TEXTS), atol=1e-6)
    assert ticks > 5
    assert len(taken) == 3


def test_a_stalled_server_does_not_hold_up_an_interrupt(embedding_server: LoopbackServer) -> None:
    """Ctrl-C ends the process within seconds, whatever the timeout of requests is."""
    embedding_server.always = Fault(kind="stall", seconds=8.0)
    script = (
        "import sys; from ragkit.embedding.openrouter import OpenRouterEmbedder\n"
        "client = OpenRouterEmbedder('test/small', api_key=sys.argv[2], base_url=sys.argv[1])\n"
        "print('begin', flush=True)\n"
        "try:\n    client.embed_documents([f'text {n}' for n in range(1000)])\n"
        "except KeyboardInterrupt: print('interrupted')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, embedding_server.base_url, loopback.KEY],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        while not embedding_server.number:
            time.sleep(0.01)
        begin_s = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        process.wait()
    assert process.returncode == 0
    assert time.monotonic() - begin_s < 6.0
