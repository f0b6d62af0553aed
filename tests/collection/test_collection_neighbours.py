"""What a collection promises when it is not alone: other writers, other models, other days."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.collection.parts import Parts
from ragkit.config import Secret, Settings
from ragkit.errors import CollectionLocked, FingerprintMismatch
from ragkit.storage.lock import writer_lock

SETTINGS = Settings(workers=1)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.md").write_text("# Apples\n\nApples grow on trees.\n")
    (folder / "b.md").write_text("# Bridges\n\nBridges cross rivers.\n")
    return folder


@pytest.fixture
def collection(tmp_path: Path, docs: Path) -> Iterator[ragkit.Collection]:
    """A collection that holds the two documents."""
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as opened:
        opened.sync(docs)
        yield opened


def texts(hits: list[ragkit.Hit]) -> list[str]:
    return [hit.text for hit in hits]


def test_a_refused_sync_leaves_the_writer_its_database(tmp_path: Path, docs: Path) -> None:
    """A sync that another one locks out discards nothing, however empty the collection still is."""
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as first:
        with first._store.writing(), pytest.raises(CollectionLocked):
            first.sync(docs)
        assert (tmp_path / "kb" / "collection.db").exists()
        assert first.sync(docs).added == 2


def test_a_discarded_lock_is_not_held(tmp_path: Path) -> None:
    """Whoever waited for a lock that was deleted meanwhile takes the one that stands there now."""
    waited = threading.Event()

    def wait() -> None:
        with writer_lock(tmp_path, wait_s=10):
            waited.set()

    with writer_lock(tmp_path):
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.2)
        (tmp_path / "lock").unlink()
    assert waited.wait(5)
    thread.join()
    with writer_lock(tmp_path), pytest.raises(CollectionLocked), writer_lock(tmp_path):
        pass


def test_waiting_ends_when_asked(collection: ragkit.Collection, docs: Path) -> None:
    """A sync that waits for another writer gives up as soon as it is told to stop."""
    (docs / "c.md").write_text("Comets return.")
    stop = threading.Event()
    begun = time.monotonic()
    threading.Timer(0.5, stop.set).start()
    with writer_lock(collection.path), pytest.raises(CollectionLocked):
        collection.sync(docs, wait_s=60, stop=stop)
    assert time.monotonic() - begun < 10


def test_a_collection_made_anew_elsewhere_is_seen(
    tmp_path: Path, collection: ragkit.Collection, docs: Path
) -> None:
    """A deleted collection that another process made again answers with its new content."""
    assert collection.search("apples", k=1)
    shutil.rmtree(collection.path)
    (docs / "a.md").write_text("Walnuts have shells.")
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as other:
        other.sync(docs)
        assert other.status().generation == 1
    assert texts(collection.search("walnuts", k=1)) == ["Walnuts have shells."]


def test_models_never_mix(tmp_path: Path, docs: Path, embedding_server: LoopbackServer) -> None:
    """A collection opened while it was empty is not used after another model filled it."""
    remote = Settings(
        model="test/small", base_url=embedding_server.base_url, api_key=Secret(KEY), workers=1
    )
    with (
        ragkit.open(tmp_path / "kb", settings=SETTINGS) as local,
        ragkit.open(tmp_path / "kb", settings=remote) as other,
    ):
        local.sync(docs)
        for call in (
            lambda: other.search("apples", mode="semantic"),
            lambda: other.sync(docs),
            lambda: other.plan(docs),
        ):
            with pytest.raises(FingerprintMismatch, match="was given model local/all-minilm"):
                call()
    assert embedding_server.ledger.requests == []


def test_the_size_of_passages_stays(tmp_path: Path, docs: Path) -> None:
    """A collection keeps the passage size that it began with; another one is refused by a sync."""
    text = "\n\n".join(f"Paragraph {n} tells of the number {n} at some length." for n in range(60))
    (docs / "a.md").write_text(text)
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1, passage_tokens=40)) as small:
        small.sync(docs)
        number = len(small.passages("a.md"))
    (docs / "c.md").write_text(text)
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as again:
        again.sync(docs)
        assert len(again.passages("c.md")) == number
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1, passage_tokens=200)) as other:
        assert other.search("number 7", mode="lexical")
        with pytest.raises(FingerprintMismatch, match="passages of 40 tokens, not 200"):
            other.sync(docs)


def test_a_retriever_keeps_its_generation(collection: ragkit.Collection, docs: Path) -> None:
    """A retriever answers from its generation after later syncs, until it is let go."""
    retriever = collection.retriever
    for number in range(3):
        (docs / "a.md").write_text(f"Walnuts number {number}.")
        collection.sync(docs)
        assert texts(retriever.search("apples", k=1)) == ["# Apples\n\nApples grow on trees."]
        assert texts(collection.search("walnuts", k=1)) == [f"Walnuts number {number}."]
    del retriever
    gc.collect()
    assert not any(held.alive for held in collection._held)


def test_a_closed_collection_opens_again(collection: ragkit.Collection) -> None:
    """Using a collection after ``close`` opens again what it needs, the model too."""
    before = texts(collection.search("fruit"))
    collection.close()
    assert texts(collection.search("fruit")) == before


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_an_empty_collection_finds_nothing(tmp_path: Path, mode: str) -> None:
    """Searching where nothing was ever indexed gives no hits in any mode."""
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as empty:
        assert empty.search("anything", mode=mode) == []  # type: ignore[arg-type]


def test_a_half_made_collection_is_finished(tmp_path: Path, docs: Path) -> None:
    """A kill in the middle of making a collection leaves one that the next call completes."""
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "collection.db").touch()
    (tmp_path / "kb" / "lock").touch()
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        assert collection.sync(docs).added == 2


def test_searches_outlive_their_generation(
    tmp_path: Path, collection: ragkit.Collection, docs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that search while syncs go on and derived files vanish get whole answers only."""
    made: list[Parts] = []
    closed: list[Parts] = []
    make, close = Parts.__init__, Parts.close

    def counted_make(self: Parts, *parts: Any) -> None:  # noqa: ANN401 - whatever it is made of
        made.append(self)
        make(self, *parts)

    def counted_close(self: Parts) -> None:
        closed.append(self)
        close(self)

    monkeypatch.setattr(Parts, "__init__", counted_make)
    monkeypatch.setattr(Parts, "close", counted_close)
    stop, problems = threading.Event(), []

    def search(mode: str) -> None:
        while not stop.is_set():
            try:
                found = texts(collection.search("bridges rivers", k=1, mode=mode))  # type: ignore[arg-type]
                assert found == ["# Bridges\n\nBridges cross rivers."], found
                collection.status()
            except BaseException as error:  # noqa: BLE001 - told to the main thread
                problems.append(error)
                return

    threads = [
        threading.Thread(target=search, args=(mode,)) for mode in ("lexical", "hybrid", "semantic")
    ]
    for thread in threads:
        thread.start()
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as writer:
        for number in range(5):
            (docs / "a.md").write_text(f"Walnuts number {number}.")
            writer.sync(docs)
            if number % 2:
                shutil.rmtree(collection.path / "derived", ignore_errors=True)
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    collection.close()
    assert len(made) == len(closed) >= 3


def test_a_forked_child_searches_and_writes(collection: ragkit.Collection, docs: Path) -> None:
    """A child of a process that has searched can search and sync with the same object."""
    assert collection.search("apples", k=1)
    child = os.fork()
    if child == 0:
        try:
            assert texts(collection.search("rivers", k=1))[0].startswith("# Bridges")
            (docs / "c.md").write_text("Comets return.")
            os._exit(0 if collection.sync(docs).added == 1 else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert texts(collection.search("comets", k=1)) == ["Comets return."]
