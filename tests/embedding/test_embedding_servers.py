"""Each kind of server that people run: what it is sent, what it refuses, and the right vectors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loopback_models import vector_of
from loopback_servers import KEY, PLAYS, PlayedServer

import ragkit
from ragkit.config import Secret, Settings
from ragkit.embedding.dialects import DIALECTS, dialect_of
from ragkit.embedding.doctor import examine_server
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.patient import Patient
from ragkit.embedding.waits import Patience
from ragkit.errors import ConfigurationError
from ragkit.models.catalogue import profile

TEXTS = [f"passage {number} of the handbook about pump {number % 7}" for number in range(300)]
LONG = "valve " * 700
QUICK = Patience(first_s=0.004, longest_s=0.02)


def truth(texts: list[str], *, kind: str | None = None, width: int | None = None) -> np.ndarray:
    return np.array([vector_of(t, input_type=kind, dimensions=width) for t in texts], np.float32)


@pytest.mark.parametrize("name", PLAYS)
def test_vectors_are_right_and_refusals_few(name: str) -> None:
    """300 texts and a question, by role; whatever the server refuses it refuses a few times."""
    play = PLAYS[name]
    with (
        PlayedServer(play) as server,
        OpenRouterEmbedder(
            play.model,
            api_key=KEY,
            base_url=server.base_url,
            dialect=play.dialect,
            concurrency=4,
            patience=QUICK,
        ) as client,
    ):
        vectors = client.embed_documents(TEXTS)
        question = client.embed_query("where is pump 3?")
    query_kind, kind = play.input_types or (None, None)
    prompts = client.fingerprint
    texts = [prompts.document_prompt + text for text in TEXTS]
    asked = [prompts.query_prompt + "where is pump 3?"]
    np.testing.assert_allclose(vectors, truth(texts, kind=kind), atol=1e-6)
    np.testing.assert_allclose(question, truth(asked, kind=query_kind)[0], atol=1e-6)
    assert server.seen.violations == []
    assert set(server.seen.answered.values()) == {1}
    refused = [status for status in server.seen.statuses if status != 200]
    # Those that were on their way together, and what is tried; with no limit named, their halves.
    assert len(refused) <= (30 if name == "one that names no limit" else 6)


@pytest.mark.parametrize("name", PLAYS)
def test_a_collection_is_made_and_asked(name: str, tmp_path: Path) -> None:
    """A folder is indexed through it, and the passage in question comes first."""
    play = PLAYS[name]
    docs = tmp_path / "docs"
    docs.mkdir()
    for number, about in enumerate(("keys and locks", "pumps and valves", "invoices in May")):
        (docs / f"{number}.md").write_text(f"# Part {number}\n\nThis is about {about}.\n")
    with PlayedServer(play) as server:
        settings = Settings(dialect=play.dialect, workers=1)
        collection = ragkit.open(
            tmp_path / "kb",
            model=play.model,
            base_url=server.base_url,
            api_key=KEY,
            settings=settings,
        )
        with collection:
            report = collection.sync(docs)
            hits = collection.search("pumps and valves", k=1, mode="semantic")
        # Opened again without a word about the dialect, it asks in the same way.
        with ragkit.open(tmp_path / "kb", api_key=KEY, settings=Settings(workers=1)) as again:
            assert again.search("invoices in May", k=1, mode="semantic")[0].source == "2.md"
    assert (report.added, report.failed) == (3, ())
    assert hits[0].source == "1.md"
    assert server.seen.violations == []


@pytest.mark.parametrize("name", PLAYS)
def test_the_doctor_finds_each_of_them_well(name: str) -> None:
    """No server is ill for being another than OpenAI's."""
    play = PLAYS[name]
    with PlayedServer(play) as server:
        found = examine_server(
            Patient(
                model=play.model,
                base_url=server.base_url,
                api_key=Secret(KEY),
                dialect=play.dialect,
                # The server's vectors are narrower than the real one's.
                profile=replace(profile(play.model), dimensions=None),
            )
        )
    assert [check for check in found.checks if not check.ok] == []
    assert server.seen.violations == []


@pytest.mark.parametrize(
    "name", [name for name, play in PLAYS.items() if play.model in ("test/small", "anything")]
)
def test_a_width_is_cut_to_or_refused(name: str) -> None:
    """Vectors have the width that was asked for, or there is one error that says so."""
    play = PLAYS[name]
    with (
        PlayedServer(play) as server,
        OpenRouterEmbedder(
            play.model,
            api_key=KEY,
            base_url=server.base_url,
            dialect=play.dialect,
            dimensions=32,
            patience=QUICK,
        ) as client,
    ):
        if play.cannot_cut or play.ignores_dimensions or play.dimensions_field not in play.fields:
            with pytest.raises(ragkit.errors.RequestRejected, match="leave `dimensions` out"):
                client.embed_documents(TEXTS[:3])
        else:
            vectors = client.embed_documents(TEXTS[:3])
            np.testing.assert_allclose(vectors, truth(TEXTS[:3], width=32), atol=1e-6)
    assert server.seen.violations == []


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.openai.com/v1", "openai"),
        ("https://mine.openai.azure.com/openai/deployments/d?api-version=2024-10-21", "azure"),
        ("https://mine.services.ai.azure.com/openai/v1", "azure"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini"),
        ("https://us-east1-aiplatform.googleapis.com/v1/x", "openai-compatible"),
        ("https://api.voyageai.com/v1", "voyage"),
        ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "dashscope"),
        ("https://api.openai.com.evil.example/v1", "openai-compatible"),
        ("https://notopenrouter.ai/api/v1", "openai-compatible"),
        ("http://localhost:11434/v1", "openai-compatible"),
    ],
)
def test_servers_are_told_by_their_hosts(base_url: str, name: str) -> None:
    """By whole parts of the name, so that a host that only looks alike is nobody."""
    assert dialect_of(base_url) is DIALECTS[name]


def test_a_dialect_that_is_none_is_told_at_once() -> None:
    """The names there are stand in the message."""
    with pytest.raises(ConfigurationError, match=r"no dialect 'azur': the dialects are azure, "):
        OpenRouterEmbedder("m", base_url="http://localhost:1/v1", dialect="azur")
