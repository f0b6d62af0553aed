"""What is promised of what is known of a server: found out once, not believed against an answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loopback import KEY, LoopbackServer
from loopback_models import vector_of

import ragkit
from ragkit.collection.examination import examine
from ragkit.config import Secret, Settings
from ragkit.embedding.knowledge import Knowledge
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.seam import FloatMatrix
from ragkit.embedding.waits import Patience
from ragkit.storage.store import Store

TEXTS = [f"passage {number} of the handbook about pump {number % 7}" for number in range(80)]
QUICK = Patience(first_s=0.004, longest_s=0.02)
WIDTH = len(vector_of(TEXTS[0]))


def embedder(
    server: LoopbackServer, knowledge: Knowledge | None = None, concurrency: int = 4
) -> OpenRouterEmbedder:
    return OpenRouterEmbedder(
        "test/small",
        api_key=KEY,
        base_url=server.base_url,
        concurrency=concurrency,
        knowledge=knowledge,
        patience=QUICK,
    )


def truth(texts: list[str]) -> FloatMatrix:
    matrix: FloatMatrix = np.array([vector_of(text) for text in texts], np.float32)
    return matrix


def encodings(server: LoopbackServer) -> list[str]:
    """What each request asked for."""
    return [
        "base64" if b'"encoding_format":"base64"' in request.body else "float"
        for request in server.ledger.requests
    ]


@pytest.mark.parametrize("was_proven", [None, True])
def test_base64_of_other_bytes_is_never_stored(
    embedding_server: LoopbackServer, *, was_proven: bool | None
) -> None:
    """Bytes in the wrong order pass every check of a reply, and are asked for again as numbers."""
    embedding_server.quirks.encoding = "swapped"
    known = None if was_proven is None else Knowledge(base64=was_proven)
    with embedder(embedding_server, knowledge=known) as client:
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
        assert client.knowledge is not None
        assert client.knowledge.base64 is False


def test_what_is_known_is_not_tried(embedding_server: LoopbackServer) -> None:
    """With what an earlier client found the first request is as large as its last."""
    with embedder(embedding_server) as client:
        client.embed_documents(TEXTS)
        known = client.knowledge
    assert known is not None
    assert known.base64 is True
    assert Knowledge.from_json(json.loads(json.dumps(known.json))) == known
    first = len(embedding_server.ledger.requests)
    with embedder(embedding_server, knowledge=known) as client:
        assert client.knowledge is None
        np.testing.assert_allclose(client.embed_documents(TEXTS), truth(TEXTS), atol=1e-6)
    again = embedding_server.ledger.requests[first:]
    assert embedding_server.ledger.requests[0].inputs == 8
    assert again[0].inputs > 8
    embedding_server.quirks.encoding = "float"
    refuted = Knowledge(base64=False, most_inputs=5)
    first = len(embedding_server.ledger.requests)
    with embedder(embedding_server, knowledge=refuted) as client:
        client.embed_documents(TEXTS)
    assert set(encodings(embedding_server)[first:]) == {"float"}
    assert max(request.inputs for request in embedding_server.ledger.requests[first:]) == 5


@pytest.mark.parametrize(("width", "requests"), [(None, 2), (24, 2), (WIDTH, 1)])
def test_a_width_that_is_kept_needs_no_second_answer(
    embedding_server: LoopbackServer, width: int | None, requests: int
) -> None:
    """The first answer is handed over, and can be kept, before another request goes out."""
    known = Knowledge(inputs=8, width=width)
    with embedder(embedding_server, knowledge=known, concurrency=1) as client:
        batches = client.embed(TEXTS, role="document")
        assert len(next(batches).indexes) == 8
        assert len(embedding_server.ledger.requests) == requests
        assert sum(len(batch.indexes) for batch in batches) == len(TEXTS) - 8


@pytest.mark.parametrize("stored", [None, 7, [], {"base64": "yes", "inputs": -1, "tokens": True}])
def test_a_strange_memory_is_none(stored: object) -> None:
    """What a collection's file says is taken only where it can be."""
    assert Knowledge.from_json(stored) == Knowledge()


# --- with a collection


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RAGKIT_API_KEY", KEY)


def opened(path: Path, server: LoopbackServer) -> ragkit.Collection:
    settings = Settings(
        model="test/small", base_url=server.base_url, api_key=Secret(KEY), workers=1
    )
    return ragkit.open(path, settings=settings)


def kept(path: Path) -> dict[str, Any]:
    store = Store(path, create=False)
    with store.snapshot() as snapshot:
        found: dict[str, Any] = snapshot.setting("server", {})
    store.close()
    return found


def write(folder: Path, numbers: range) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        text = f"# Pump {number}\n\nPump {number} moves water uphill at night.\n"
        (folder / f"{number}.md").write_text(text)
    return folder


def test_a_collection_remembers_its_server(
    tmp_path: Path, embedding_server: LoopbackServer
) -> None:
    """A later open neither tries base64 nor begins small; another base URL knows nothing of it."""
    docs = write(tmp_path / "docs", range(40))
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
    assert embedding_server.ledger.requests[0].inputs == 8
    assert kept(tmp_path / "kb")["found"]["base64"] is True
    first = len(embedding_server.ledger.requests)
    write(docs, range(40, 60))
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs, max_cost_usd=1)
    assert [one.inputs for one in embedding_server.ledger.requests[first:]] == [20]
    store = Store(tmp_path / "kb", create=False)
    with store.writing() as writer:
        writer.set({"server": {**kept(tmp_path / "kb"), "date": "2020-01-01"}})
    store.close()
    first = len(embedding_server.ledger.requests)
    write(docs, range(60, 80))
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
    # What was found years ago is found out again.
    assert embedding_server.ledger.requests[first].inputs == 8


def test_the_doctor_teaches_the_next_run(tmp_path: Path, embedding_server: LoopbackServer) -> None:
    """What it finds of base64 is what a later open begins with, and its limits stay."""
    docs = write(tmp_path / "docs", range(20))
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
    before = kept(tmp_path / "kb")["found"]
    embedding_server.quirks.encoding = "float"
    assert examine(tmp_path / "kb").ok
    assert kept(tmp_path / "kb")["found"] == {**before, "base64": False}
    first = len(embedding_server.ledger.requests)
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.search("pump 7")
    assert encodings(embedding_server)[first:] == ["float"]


def test_the_doctor_is_not_taken_in_by_other_bytes(
    tmp_path: Path, embedding_server: LoopbackServer
) -> None:
    """Base64 that gives other vectors is told and not believed; as numbers all is well."""
    embedding_server.quirks.encoding = "swapped"
    docs = write(tmp_path / "docs", range(3))
    with opened(tmp_path / "kb", embedding_server) as collection:
        collection.sync(docs)
    found = examine(tmp_path / "kb")
    assert found.ok
    (told,) = [check.detail for check in found.checks if check.name == "base64"]
    assert told == "of other bytes than float32: vectors are asked for as numbers"
    assert found.learnt["base64"] is False
    assert kept(tmp_path / "kb")["found"]["base64"] is False
