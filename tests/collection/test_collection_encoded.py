"""What is promised of files that stand in texts as data URLs: none is paid for as text."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.config import Secret, Settings

PAYLOAD = base64.b64encode(random.Random("a photograph").randbytes(30_000)).decode()  # noqa: S311
URL = f"data:image/jpeg;base64,{PAYLOAD}"
LEFT_OUT = "a file as a data URL is not embedded, at line {}"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENROUTER_API_KEY", "RAGKIT_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A page with a photograph pasted in, an export of the same, and texts that speak of data."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "pump.md").write_text(
        f"# Pumps\n\nThe pump runs at noon.\n\n![the pump]({URL})\n\nIt rests in the evening.\n"
    )
    (folder / "export.txt").write_text(f'{{"name": "valve",\n"icon": "{URL}",\n"size": 7}}\n')
    (folder / "speaks.txt").write_text("data: the rows below were counted by hand.\n")
    (folder / "urls.txt").write_text("data:image/png;base64, is how such an address begins.\n")
    return folder


def open_remote(path: Path, server: LoopbackServer) -> ragkit.Collection:
    settings = Settings(
        model="test/small", base_url=server.base_url, api_key=Secret(KEY), workers=1
    )
    return ragkit.open(path, settings=settings)


def test_no_letter_of_a_file_is_sent_as_text(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Each is told of with its line; texts that merely begin with ``data:`` are texts."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        plan = collection.plan(docs)
        report = collection.sync(docs)
        asked = list(embedding_server.ledger.asked)
        assert not any(
            PAYLOAD[at : at + 24] in text for text in asked for at in range(0, 20_000, 9)
        )
        assert max(map(len, asked)) < 200
        assert (report.failed, report.added) == ((), 4)
        expected = (("export.txt", LEFT_OUT.format(2)), ("pump.md", LEFT_OUT.format(5)))
        assert report.warnings == plan.warnings == expected
        assert (plan.to_embed, plan.passages) == (report.embedded, report.passages)
        assert report.reused == 0
        assert 6 <= report.embedded < 10 < report.passages
        assert max(plan.tokens, report.tokens) < 100
        requests = len(embedding_server.ledger.requests)
        assert collection.sync(docs).unchanged == 4
        assert len(embedding_server.ledger.requests) == requests
        assert collection.verify().problems == ()
        assert collection.status().failed == ()
        texts = {one.source: one.text for one in collection.documents()}
        assert texts["pump.md"] == (docs / "pump.md").read_text()


def test_letters_of_a_file_are_never_shown(tmp_path: Path, docs: Path) -> None:
    """No search finds them, by words of the path neither, and no context has them in it."""
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        assert collection.sync(docs).failed == ()
        for mode in ("lexical", "semantic", "hybrid"):
            hits = collection.search("the pump of export", k=50, mode=mode)
            assert {hit.source for hit in hits} >= {"pump.md", "export.txt"}
            assert max(len(word) for hit in hits for word in hit.text.split()) < 40
        context = collection.context("When does the pump run?", max_tokens=8000)
        assert "The pump runs at noon." in context.text
        assert not any(PAYLOAD[at : at + 20] in context.text for at in range(0, 39_000, 10))
        first = collection.search("the pump runs at noon", k=1)[0]
        assert len(first.expand(tokens=4000).text) < 1000
        assert collection.verify().problems == ()
