"""The key: sent in one header, and found in nothing that is written, shown, logged or raised."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path

import pytest
from cli_runs import Shell, remote, write_documents
from loopback import KEY, LoopbackServer
from loopback_faults import refusal

import ragkit
from ragkit.collection.examination import examine
from ragkit.config import Secret, Settings

WRONG = "sk-or-v1-wrong-7777777788888888"
QUOTED = f"nothing is served for Bearer {KEY} at /srv/{KEY[9:]}"


def parts_of(key: str) -> list[str]:
    """The key, and parts of it that a cut or wrapped quotation would leave."""
    return [key, key[9:21], key[-12:]]


def traced(error: BaseException) -> str:
    """As the most talkative of handlers would log it: with every variable of every frame."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(whole.format())


def test_no_key_is_in_anything_that_python_shows(
    embedding_server: LoopbackServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through failures that quote it: reprs, messages, tracebacks with variables, logs, files."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("RAGKIT_API_KEY", KEY)
    write_documents(tmp_path / "docs")
    shown: list[str] = []

    def opened(key: str | None) -> ragkit.Collection:
        return ragkit.open(
            tmp_path / "kb",
            model="test/small",
            base_url=embedding_server.base_url,
            api_key=key,
            settings=None if key is None else Settings(workers=1, api_key=Secret(key)),
        )

    with opened(WRONG) as collection:
        with pytest.raises(ragkit.RagkitError) as caught:
            collection.sync(tmp_path / "docs")
        shown += [traced(caught.value), str(caught.value), repr(collection)]
    embedding_server.hopeless.clear()
    embedding_server.script(refusal(404, QUOTED), at=range(2, 60))
    with opened(KEY) as collection:
        with pytest.raises(ragkit.RagkitError) as caught:
            collection.sync(tmp_path / "docs")
        shown += [traced(caught.value), str(caught.value)]
        embedding_server.faults.clear()
        embedding_server.always = None
        shown.append(repr(collection.sync(tmp_path / "docs")))
        shown += [repr(collection.search("rotated keys")), repr(collection.status())]
        embedding_server.always = refusal(401, QUOTED)
        with pytest.raises(ragkit.RagkitError) as caught:
            collection.search("a question that was never asked", mode="semantic")
        shown += [traced(caught.value), repr(vars(collection))]
        shown.append(repr(examine(tmp_path / "kb")))
    with opened(None) as collection:
        shown += [repr(collection.verify()), repr(collection.plan(tmp_path / "docs"))]
        shown.append(repr(collection.export(tmp_path / "kb.zip")))
    shown.append(caplog.text)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"collection.db", "kb.zip"} <= {path.name for path in files}
    for key in (*parts_of(KEY), *parts_of(WRONG)):
        assert not [text for text in shown if key in text]
        assert not [path for path in files if key.encode() in path.read_bytes()]


def test_no_key_is_in_anything_that_the_shell_shows(
    embedding_server: LoopbackServer, shell: Shell
) -> None:
    """Whatever a command prints when the server refuses the key, fails, or answers."""
    bad = Shell(directory=shell.directory, variables={"RAGKIT_API_KEY": WRONG})
    runs = [bad.run("index", "docs", "-v", *remote(embedding_server.base_url))]
    embedding_server.hopeless.clear()
    runs.append(shell.run("index", "docs", *remote(embedding_server.base_url), "--json"))
    embedding_server.always = refusal(404, QUOTED)
    runs.append(shell.run("search", "keys", "--mode", "semantic"))
    runs.append(shell.run("doctor"))
    assert [run.code for run in runs] == [1, 0, 1, 1]
    printed = "".join(run.out + run.err for run in runs)
    files = [path for path in shell.directory.rglob("*") if path.is_file()]
    for key in (*parts_of(KEY), *parts_of(WRONG)):
        assert key not in printed
        assert not [path for path in files if key.encode() in path.read_bytes()]
