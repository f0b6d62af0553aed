"""What a collection promises of reranking: asked for by name, accounted for, never in the way."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer
from loopback_faults import refusal
from loopback_rerank import MODEL, Reranks, score_of

import ragkit
from ragkit.collection.models import make_reranker
from ragkit.config import Secret, Settings
from ragkit.embedding import reranker
from ragkit.errors import InvalidArgument, MissingKey
from ragkit.retrieval.reranking import shown_text
from ragkit.storage.store import Store

QUERY = "how does pump 7 move water?"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENROUTER_API_KEY", "RAGKIT_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def write_pumps(folder: Path) -> None:
    folder.mkdir()
    for number in range(120):
        text = f"# Pump {number}\n\nPump {number} moves water uphill" + " at night" * (number % 9)
        (folder / f"{number}.md").write_text(f"{text}.\n")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LoopbackServer, Path]]:
    """A server, and a collection indexed there."""
    folder = tmp_path_factory.mktemp("rerank")
    write_pumps(folder / "docs")
    with pytest.MonkeyPatch.context() as patch, LoopbackServer() as server:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        with ragkit.open(folder / "kb", settings=settings(server)) as collection:
            collection.sync(folder / "docs")
        yield server, folder / "kb"
        assert server.ledger.violations == []


@pytest.fixture
def server(base: tuple[LoopbackServer, Path]) -> LoopbackServer:
    """The server, as if nobody had asked for an order yet."""
    base[0].reranks = Reranks()
    return base[0]


@pytest.fixture
def remote(
    tmp_path: Path, base: tuple[LoopbackServer, Path], server: LoopbackServer
) -> Iterator[ragkit.Collection]:
    """A copy of the collection."""
    shutil.copytree(base[1], tmp_path / "kb")
    with ragkit.open(tmp_path / "kb", settings=settings(server)) as collection:
        yield collection


def settings(server: LoopbackServer, **more: object) -> Settings:
    return Settings(
        model="test/small",
        base_url=server.base_url,
        api_key=Secret(KEY),
        workers=1,
        **more,  # type: ignore[arg-type]
    )


def spent(path: Path) -> dict[tuple[str, str], tuple[int, Decimal]]:
    store = Store(path, create=False)
    found: dict[tuple[str, str], tuple[int, Decimal]] = {}
    with store.snapshot() as snapshot:
        for item in snapshot.spent_by_model():
            found[item.model, item.use] = (item.requests, item.cost_usd)
    store.close()
    return found


def test_hits_in_the_models_order(remote: ragkit.Collection, server: LoopbackServer) -> None:
    """The collection's own server orders them, and both bills stand in the ledger at once."""
    before = server.ledger.cost_usd
    hits = remote.search(QUERY, k=5, rerank=MODEL, explain=True)
    scores = [score_of(QUERY, shown_text(hit)) for hit in hits]
    assert [hit.score for hit in hits] == scores == sorted(scores, reverse=True)
    assert len(server.reranks.asked[0]["documents"]) == 100
    assert hits.rerank is not None
    assert (hits.rerank.cost_usd, hits.rerank.note) == (Decimal("0.002"), "")
    assert hits[0].explanation is not None
    assert hits[0].explanation.rerank is not None
    found = spent(remote.path)
    assert found[MODEL, "rerank"] == (1, Decimal("0.002"))
    assert found["test/small", "query"] == (1, server.ledger.cost_usd - before)
    assert remote.unnoted == ""


def test_all_that_was_spent_is_in_the_status(
    remote: ragkit.Collection, server: LoopbackServer
) -> None:
    """The sum equals what the server charged for vectors, questions and reranking together."""
    indexed = remote.status().spent_usd
    before = server.ledger.cost_usd
    remote.search(QUERY, rerank=MODEL)
    remote.search_many([QUERY, "other"], k=2)
    remote.context(QUERY, rerank=MODEL)
    remote.search("only words", mode="lexical")
    server.reranks.always = refusal(400, "no")
    remote.search(QUERY, rerank=MODEL)
    status = remote.status()
    charged = server.ledger.cost_usd - before + server.reranks.cost_usd
    assert status.spent_usd == indexed + charged > indexed > 0
    uses = {(item.model, item.use): item.requests for item in status.spent}
    assert uses[MODEL, "rerank"] == len(server.reranks.asked) == 3
    assert uses["test/small", "query"] == 4
    assert {item.use for item in status.spent if item.runs} == {"index"}


def test_a_failure_leaves_the_hits(remote: ragkit.Collection, server: LoopbackServer) -> None:
    """A search whose model fails finds what it finds without one, and says so."""
    server.reranks.always = refusal(402, "no credits")
    hits = remote.search(QUERY, rerank=MODEL)
    assert hits == remote.search(QUERY)
    assert hits.rerank is not None
    assert hits.rerank.note.startswith("not reranked, the order is that of the search: no credit")


def test_a_slow_model_does_not_hold_up_a_search(
    remote: ragkit.Collection, server: LoopbackServer
) -> None:
    """``rerank_timeout_s`` is the longest that it may take."""
    server.reranks.latency_s = 1.0
    own = settings(server, rerank_timeout_s=0.2)
    with ragkit.open(remote.path, settings=own) as collection:
        hits = collection.search(QUERY, rerank=MODEL)
    assert len(hits) == 10
    assert hits.rerank is not None
    assert "no answer in 0." in hits.rerank.note


def test_a_context_of_reranked_hits(remote: ragkit.Collection, server: LoopbackServer) -> None:
    """The best by the model come first into the budget, and the context says what was asked."""
    best = remote.search(QUERY, k=1, rerank=MODEL)[0]
    context = remote.context(QUERY, max_tokens=160, rerank=MODEL)
    assert context.citations[0].source == best.source
    assert context.rerank is not None
    assert context.rerank.applied
    assert remote.context(QUERY).rerank is None


def test_why_not_with_a_model(remote: ragkit.Collection, server: LoopbackServer) -> None:
    """It tells what the model put lower from what it never saw, and who was asked."""
    order = [hit.source for hit in remote.search(QUERY, k=25, rerank=MODEL)]
    above = remote.why_not(order[0], QUERY, k=3, rerank=MODEL)
    assert (above.verdict, above.rank) == ("returned", 1)
    below = remote.why_not(order[20], QUERY, k=3, rerank=MODEL)
    assert (below.verdict, below.rank) == ("ranked below", 21)
    assert below.reason.startswith(f"its best passage is 21st of the 100 that {MODEL} put in order")
    assert below.advice[0].startswith("-k 21 would return it")
    assert below.rerank is not None
    assert below.rerank.applied
    (last,) = remote.search(QUERY, k=120)[-1:]
    unseen = remote.why_not(last.source, QUERY, k=3, rerank=MODEL)
    assert unseen.reason == (
        f"its best passage is 120th of 120, and the first 100 were given to {MODEL}"
    )
    assert unseen.advice[0] == f"-k 60 would give it to {MODEL}"
    server.reranks.always = refusal(402, "no")
    plain = remote.why_not(last.source, QUERY, k=3, rerank=MODEL)
    assert plain.reason == "its best passage is 120th of 120, and 3 were asked for"
    assert plain.rerank is not None
    assert not plain.rerank.applied


def test_the_embedded_model_and_openrouter(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that is named is asked at OpenRouter, with its key; without one nothing is sent."""
    monkeypatch.setattr(reranker, "OPENROUTER_URL", server.base_url)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "pumps.md").write_text("# Pumps\n\nPump 7 moves water uphill.\n")
    before = len(server.ledger.requests)
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        collection.sync(tmp_path / "docs")
        with pytest.raises(MissingKey, match="set OPENROUTER_API_KEY, or search without rerank"):
            collection.search(QUERY, rerank=MODEL)
        assert server.reranks.asked == []
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    with ragkit.open(tmp_path / "kb") as collection:
        hits = collection.search(QUERY, k=3, rerank=MODEL)
        status = collection.status()
    assert hits.rerank is not None
    assert hits.rerank.applied
    assert len(server.ledger.requests) == before
    uses = [(item.model, item.use, item.cost_usd) for item in status.spent]
    # The embedded model's questions cost nothing, and are not in the ledger.
    assert uses == [
        (MODEL, "rerank", Decimal("0.002")),
        ("local/all-minilm-l6-v2", "index", Decimal(0)),
    ]


def test_the_routes_of_texts_hold_for_reranking(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where texts may go is sent along to OpenRouter; which provider makes the vectors is not."""
    monkeypatch.setattr(reranker, "OPENROUTER_URL", server.base_url)
    routing: dict[str, object] = {"only": ["x"], "zdr": True, "data_collection": "deny"}
    for base_url in (None, server.base_url):
        own = Settings(provider=routing, api_key=Secret(KEY), base_url=base_url)
        with contextlib.closing(make_reranker(own, lambda *_: None)) as one:
            assert one.rerank(QUERY, ["a text"], model=MODEL).error is None
    asked = server.reranks.asked
    assert asked[0]["provider"] == {"zdr": True, "data_collection": "deny"}
    assert "provider" not in asked[1]


def test_what_cannot_be_noted_is_said(remote: ragkit.Collection, server: LoopbackServer) -> None:
    """A read-only collection answers all the same, and says that the ledger lacks the cost."""
    before = spent(remote.path)
    with ragkit.open(remote.path, read_only=True, settings=settings(server)) as reader:
        hits = reader.search(QUERY, rerank=MODEL)
        assert hits.rerank is not None
        assert hits.rerank.applied
        reason = f"{remote.path} was opened read-only"
        assert hits.rerank.note == f"what it cost is not in the ledger: {reason}"
        assert reader.unnoted == reason
    assert spent(remote.path) == before


def test_what_names_no_model(remote: ragkit.Collection) -> None:
    """A blank name is refused before anything is sent."""
    with pytest.raises(InvalidArgument, match="name a model, such as"):
        remote.search(QUERY, rerank="")
