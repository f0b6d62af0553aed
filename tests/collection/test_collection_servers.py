"""What is promised where only a collection, which anybody may have made, names its server."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.collection.examination import examine
from ragkit.collection.migration import Target
from ragkit.errors import ConfigurationError
from ragkit.storage.servers import is_named, name_server


@pytest.fixture
def received(
    embedding_server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A collection that was made on another machine, with this user's key in the environment."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# Pumps\n\nThe pump stands in the cellar.\n")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "theirs"))
    monkeypatch.setenv("RAGKIT_API_KEY", KEY)
    url = embedding_server.base_url
    with ragkit.open(tmp_path / "kb", model="test/small", base_url=url) as collection:
        collection.sync(docs)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    embedding_server.ledger.requests.clear()
    return tmp_path / "kb"


def test_no_question_and_no_key_go_to_a_server_that_nobody_named(
    received: Path, embedding_server: LoopbackServer
) -> None:
    """Everything that would ask it is refused by name; a search by words asks nobody."""
    url = embedding_server.base_url
    told = f"sent to {url}, which you have never named on this machine: .*RAGKIT_BASE_URL={url}"
    with ragkit.open(received) as collection:
        assert collection.search("pump", mode="lexical", k=1)[0].source == "a.md"
        with pytest.raises(ConfigurationError, match=told):
            collection.search("pump")
        with pytest.raises(ConfigurationError, match=told):
            collection.search("pump", mode="lexical", rerank="test/rerank")
        with pytest.raises(ConfigurationError, match=told):
            collection.migrate(passage_tokens=50)
        # Not even for its list of prices, which is asked for before anything is embedded.
        asked = Target(passage_tokens=50, api_key=KEY)
        with collection._store.snapshot() as snapshot:
            assert asked.settings(collection._settings, snapshot).api_key is None
    with pytest.raises(ConfigurationError, match=told):
        examine(received)
    with (
        ragkit.open(received, api_key=KEY) as collection,
        pytest.raises(ConfigurationError, match=told),
    ):
        collection.search("pump")
    assert embedding_server.ledger.requests == []


def test_a_server_is_named_once(
    received: Path, embedding_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the environment, or an argument, named it the collection's own word is enough."""
    monkeypatch.setenv("RAGKIT_BASE_URL", embedding_server.base_url)
    with ragkit.open(received) as collection:
        assert collection.search("pump")[0].source == "a.md"
    monkeypatch.delenv("RAGKIT_BASE_URL")
    with ragkit.open(received) as collection:
        assert collection.search("where is the pump?")[0].source == "a.md"
    assert len(embedding_server.ledger.requests) == 2


def test_where_nothing_can_be_kept_each_call_names_it(
    received: Path,
    embedding_server: LoopbackServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A home that cannot be written is no error; the server is named each time."""
    (tmp_path / "file").write_text("no directory")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with ragkit.open(received, base_url=embedding_server.base_url) as collection:
        assert collection.search("pump")[0].source == "a.md"
    with ragkit.open(received) as collection, pytest.raises(ConfigurationError):
        collection.search("pump")


def test_what_is_kept_is_the_whole_address(tmp_path: Path) -> None:
    """A part of an address, or two in one, are not what was named; the latest thousand are kept."""
    name_server("http://one/v1", tmp_path)
    name_server("http://one/v1\nhttp://two/v1", tmp_path)
    assert is_named("http://one/v1", tmp_path)
    assert not is_named("http://one", tmp_path)
    assert not is_named("http://two/v1", tmp_path)
    assert not is_named("", tmp_path)
    for number in range(1000):
        name_server(f"http://{number}/v1", tmp_path)
    assert not is_named("http://one/v1", tmp_path)
    assert is_named("http://0/v1", tmp_path)
    assert is_named("http://999/v1", tmp_path)
