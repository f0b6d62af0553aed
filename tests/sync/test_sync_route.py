"""What is promised of the route: another provider is noticed, compared, and named with a remedy."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.collection.examination import examine
from ragkit.config import Secret, Settings
from ragkit.storage.store import Store

# How far off vectors may be by another precision; a cosine of 0.9999 is no difference, 0.99 is one.
NEAR, FAR = 0.005, 0.2


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RAGKIT_API_KEY", KEY)
    for name in ("OPENROUTER_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    add(folder, range(6))
    return folder


def add(folder: Path, numbers: range) -> None:
    for number in numbers:
        text = f"# Pump {number}\n\nPump {number} moves water uphill at night.\n"
        (folder / f"{number}.md").write_text(text)


def opened(path: Path, server: LoopbackServer, **more: object) -> ragkit.Collection:
    settings = Settings(
        model="test/small",
        base_url=server.base_url,
        api_key=Secret(KEY),
        workers=1,
        **more,  # type: ignore[arg-type]
    )
    return ragkit.open(path, settings=settings)


def route_of(path: Path) -> Mapping[str, Any]:
    store = Store(path, create=False)
    with store.snapshot() as snapshot:
        kept: Mapping[str, Any] = snapshot.setting("route", {})
    store.close()
    return kept


def pinned_requests(server: LoopbackServer) -> list[bytes]:
    return [one.body for one in server.ledger.requests if b'"only"' in one.body]


def test_one_provider_is_never_asked_twice(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """While the same provider answers nothing is compared; it is kept, with three canaries."""
    embedding_server.quirks.routes = {"Alpha": 0.0}
    with opened(tmp_path / "kb", embedding_server) as collection:
        assert collection.sync(docs).warnings == ()
        add(docs, range(6, 9))
        assert collection.sync(docs).warnings == ()
        ids = {passage.id for passage in collection.passages()}
    kept = route_of(tmp_path / "kb")
    assert (kept["made_by"], kept["answered_by"]) == ("Alpha", "Alpha")
    assert kept["providers"] == {"Alpha": 1.0}
    assert len(kept["canaries"]) == 3
    assert {id_ for id_, _ in kept["canaries"]} <= ids
    assert pinned_requests(embedding_server) == []


@pytest.mark.parametrize(("off", "drifts"), [(NEAR, False), (FAR, True)])
def test_another_provider_is_compared_once(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer, off: float, drifts: bool
) -> None:
    """It is asked for the canaries alone; below a cosine of 0.999 both are named, and the pin."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": off}
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        embedding_server.quirks.answers_from = {embedding_server.number + 1: "Beta"}
        add(docs, range(6, 9))
        before = embedding_server.ledger.cost_usd
        report = collection.sync(docs)
        assert report.cost_usd == embedding_server.ledger.cost_usd - before
        assert len(pinned_requests(embedding_server)) == 1
        assert b'"only":["Beta"]' in pinned_requests(embedding_server)[0]
        spent = {item.use: item for item in collection.status().spent}
        assert spent["check"].requests == 1
        assert spent["check"].cost_usd > 0
        assert collection.status().spent_usd == embedding_server.ledger.cost_usd
    kept = route_of(tmp_path / "kb")
    assert (kept["made_by"], kept["answered_by"]) == ("Alpha", "Beta")
    assert (kept["providers"]["Beta"] < 0.999) is drifts
    if drifts:
        ((source, sentence),) = report.warnings
        assert source == "test/small"
        assert sentence.startswith("vectors of Beta differ from those that Alpha made before (cos")
        assert sentence.endswith('provider = {"only": ["Alpha"], "allow_fallbacks": false}')
    else:
        assert report.warnings == ()


def test_a_drifting_provider_is_named_whenever_it_answers(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """What was found is kept: said again without asking again, and not while others answer."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": FAR}
    said = []
    with opened(tmp_path / "kb", embedding_server) as collection:
        for number, provider in enumerate(("Alpha", "Beta", "Beta", "Alpha")):
            embedding_server.quirks.answers_from = {0: provider}
            add(docs, range(10 * number, 10 * number + 2))
            said.append(len(collection.sync(docs).warnings))
    assert said == [0, 1, 1, 0]
    assert len(pinned_requests(embedding_server)) == 1


def test_a_change_within_the_first_sync(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Canaries are of the first answer, so that a second provider is held against them at once."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": FAR}
    embedding_server.quirks.answers_from = {1: "Alpha", 2: "Beta"}
    add(docs, range(20))
    with opened(tmp_path / "kb", embedding_server) as collection:
        report = collection.sync(docs)
    assert [source for source, _ in report.warnings] == ["test/small"]
    assert route_of(tmp_path / "kb")["providers"]["Beta"] < 0.999


def test_a_provider_is_not_forgotten_by_an_interruption(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Whoever answered before a stop is compared by the next sync that embeds."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": FAR}
    stop = threading.Event()
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        embedding_server.quirks.answers_from = {0: "Beta"}
        add(docs, range(6, 9))
        collection.sync(docs, stop=stop, progress=lambda told: stop.set() if told.texts else None)
        assert route_of(tmp_path / "kb")["providers"]["Beta"] is None
        embedding_server.quirks.answers_from = {0: "Alpha"}
        add(docs, range(9, 12))
        collection.sync(docs)
    assert route_of(tmp_path / "kb")["providers"]["Beta"] < 0.999


def test_canaries_that_are_gone_are_replaced(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Others are chosen from what is embedded next, and earlier providers are held against them."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": NEAR}
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        before = route_of(tmp_path / "kb")["canaries"]
        embedding_server.quirks.answers_from = {0: "Beta"}
        for path in docs.iterdir():
            path.write_text(f"# Valve\n\nA valve of {path.stem} inches closes by itself.\n")
        collection.sync(docs)
        collection.sync(docs)
        (docs / "new.md").write_text("# New\n\nQuite another text about bridges.\n")
        collection.sync(docs)
    kept = route_of(tmp_path / "kb")
    # The one text of that sync.
    assert len(kept["canaries"]) == 1
    assert {key for _, key in kept["canaries"]}.isdisjoint(key for _, key in before)
    assert kept["made_by"] == "Beta"
    assert kept["providers"]["Alpha"] == pytest.approx(1.0, abs=1e-3)


def test_what_cannot_be_compared_is_said(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A provider that cannot be pinned leaves a line in the report, and the sync is complete."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": FAR}
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        # It answers under a name by which nobody can ask for it.
        embedding_server.quirks.answers_from = {0: "Gamma"}
        add(docs, range(6, 9))
        report = collection.sync(docs)
        assert report.added == 3
    ((_, sentence),) = report.warnings
    assert sentence.startswith(
        "Gamma answered too, and its vectors could not be compared with Alpha: test/small is not"
    )
    assert route_of(tmp_path / "kb")["providers"]["Gamma"] is None


def test_a_comparison_keeps_to_the_budget(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """It is paid from what the sync may spend, and left out where that is too little."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": FAR}
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
        embedding_server.quirks.answers_from = {0: "Beta"}
        (docs / "new.md").write_text("# New\n\nQuite another text about bridges.\n")
        before = embedding_server.ledger.cost_usd
        limit = Decimal("0.0000013")
        report = collection.sync(docs, max_cost_usd=limit)
        assert report.added == 1
        assert report.stopped is None
        assert embedding_server.ledger.cost_usd - before <= limit
    assert route_of(tmp_path / "kb")["providers"]["Beta"] is None
    assert "stopped before passing max_cost_usd" in report.warnings[0][1]


def test_the_embedded_model_has_no_route(tmp_path: Path, docs: Path) -> None:
    """Nobody else could answer, and nothing is kept."""
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        collection.sync(docs)
    assert route_of(tmp_path / "kb") == {}


def test_the_doctor_asks_for_the_canaries(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Whoever answers it is held against the collection's vectors, named, and kept."""
    embedding_server.quirks.routes = {"Alpha": 0.0, "Beta": FAR}
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
    (well,) = [one for one in examine(tmp_path / "kb").checks if one.name == "drift"]
    assert well.ok
    assert well.detail == "3 texts of the collection get the vectors that it has (cosine 1.000000)"
    embedding_server.quirks.answers_from = {0: "Beta"}
    found = examine(tmp_path / "kb")
    (ill,) = [one for one in found.checks if not one.ok]
    assert ill.name == "drift"
    assert ill.detail.startswith("vectors of Beta differ from those that Alpha made before")
    assert ill.remedy.endswith('{"only": ["Alpha"], "allow_fallbacks": false}')
    assert route_of(tmp_path / "kb")["providers"]["Beta"] < 0.999
    store = Store(tmp_path / "kb", create=False)
    with store.snapshot() as snapshot:
        spent = {item.use: item for item in snapshot.spent_by_model()}
    store.close()
    assert spent["check"].requests == 8
    total = spent["index"].cost_usd + spent["check"].cost_usd
    assert total == embedding_server.ledger.cost_usd


def test_a_collection_without_canaries_gets_them_from_the_doctor(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """One that was made before there were any, or whose server names nobody."""
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
    store = Store(tmp_path / "kb", create=False)
    with store.writing() as writer:
        writer.set({"route": {"of": 7}})
    store.close()
    embedding_server.quirks.routes = {"Alpha": 0.0}
    assert examine(tmp_path / "kb").ok
    kept = route_of(tmp_path / "kb")
    assert len(kept["canaries"]) == 3
    # Its vectors are the same, so that it may have made them.
    assert (kept["made_by"], kept["providers"]) == ("Alpha", {"Alpha": pytest.approx(1.0)})


def test_a_canary_is_sent_as_it_was_embedded(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A secret in it stays at home when it is embedded again, too."""
    secret = "ghp_" + "Zq8" * 12
    for path in docs.iterdir():
        path.unlink()
    (docs / "token.md").write_text(f"The token of the build is {secret} for now.\n")
    with opened(tmp_path / "kb", embedding_server) as collection:
        report = collection.sync(docs)
    assert "masked" in report.warnings[0][1]
    sent = len(embedding_server.ledger.requests)
    found = examine(tmp_path / "kb")
    assert [one.ok for one in found.checks if one.name == "drift"] == [True]
    bodies = [one.body for one in embedding_server.ledger.requests]
    assert any(b"The token of the build is [" in body for body in bodies[sent:])
    assert not any(secret.encode() in body for body in bodies)
