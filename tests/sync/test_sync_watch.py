"""What watching promises: every change is followed, nothing is lost, and nothing ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from cli_runs import Shell, remote
from loopback import LoopbackServer

import ragkit
from ragkit.config import Settings
from ragkit.errors import InvalidArgument, PathNotFound
from ragkit.reports import WatchEvent
from ragkit.storage.lock import writer_lock
from ragkit.sync.watch import FolderWatch

PATIENCE_S = 30.0
SETTINGS = Settings(workers=1)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("Apples grow.")
    return folder


class Watcher:
    """A running ``ragkit watch … --json``, whose events are taken one by one."""

    def __init__(self, shell: Shell, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ragkit", "watch", *arguments, "--quiet", "0.1", "--json"],
            cwd=shell.directory,
            env=shell.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)

    def next(self) -> Any:  # noqa: ANN401 - JSON may be anything
        """The next event."""
        return json.loads(self._lines.get(timeout=PATIENCE_S))

    def is_silent(self, seconds: float) -> bool:
        """Whether no event comes for so long."""
        with contextlib.suppress(queue.Empty):
            self._lines.put(self._lines.get(timeout=seconds))
            return False
        return True

    def end(self) -> tuple[int, str]:
        """Ctrl-C; the exit code, and what it complained of."""
        self.process.send_signal(signal.SIGINT)
        _, complaints = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, complaints


@contextlib.contextmanager
def watching(shell: Shell, *arguments: str) -> Iterator[Watcher]:
    watcher = Watcher(shell, *arguments)
    try:
        yield watcher
    finally:
        watcher.process.kill()
        watcher.process.communicate()


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"quiet_s": math.nan}, "quiet_s=nan: give a time in seconds, from 0 to 86400"),
        ({"quiet_s": math.inf}, "quiet_s=inf: give a time"),
        ({"rescan_s": -1.0}, "rescan_s=-1.0: give a time in seconds, from 0 to inf"),
    ],
)
def test_a_time_that_no_clock_counts(
    docs: Path, tmp_path: Path, times: dict[str, float], said: str
) -> None:
    """It is refused before anything is read."""
    with ragkit.open(tmp_path / "kb") as collection:
        with pytest.raises(InvalidArgument, match=said):
            next(collection.watch(docs, **times))  # type: ignore[arg-type]
        assert collection.status().documents == 0


def test_edits_are_followed(shell: Shell, embedding_server: LoopbackServer) -> None:
    """A real process follows edits, moves and deletions, searches see them, and Ctrl-C is 130."""
    docs = shell.directory / "docs"
    with watching(shell, "docs", *remote(embedding_server.base_url)) as watcher:
        assert watcher.next()["added"] == 3
        (docs / "bridges.md").write_text("# Bridges\n\nBridges cross rivers.\n")
        assert watcher.next()["added"] == 1
        found = shell.run("search", "bridges", "--mode", "lexical", "--json").json["hits"]
        assert found[0]["source"] == "bridges.md"
        (docs / "bridges.md").rename(docs / "guides" / "viaducts.md")
        event = watcher.next()
        assert (event["moved"], event["embedded"], event["trouble"]) == (1, 0, None)
        (docs / "guides" / "viaducts.md").write_text("# Viaducts\n\nViaducts cross valleys.\n")
        assert watcher.next()["updated"] == 1
        (docs / "guides" / "viaducts.md").unlink()
        assert watcher.next()["removed"] == 1
        assert watcher.end() == (130, "")
    assert shell.run("status", "--json").json["documents"] == 3


def test_many_changes_are_one_sync(shell: Shell, embedding_server: LoopbackServer) -> None:
    """What happens in one go is one sync; hidden files and the collection's own are none."""
    docs = shell.directory / "docs"
    with watching(shell, ".", *remote(embedding_server.base_url)) as watcher:
        assert watcher.next()["added"] == 3
        for number in range(50):
            (docs / f"{number}.txt").write_text(f"Number {number} is here.")
        assert watcher.next()["added"] == 50
        (docs / ".swap").write_text("hidden")
        assert shell.run("search", "number", "--mode", "lexical", "--json").code == 0
        assert watcher.is_silent(1.5)
        (docs / ".gitignore").write_text("4*.txt\n")
        assert watcher.next()["removed"] == 11
        assert watcher.end() == (130, "")


def test_a_folder_that_vanishes_removes_nothing(
    shell: Shell, embedding_server: LoopbackServer
) -> None:
    """While the folder is away the collection stays; when it is back its changes are followed."""
    docs, away = shell.directory / "docs", shell.directory / "away"
    with watching(shell, "docs", *remote(embedding_server.base_url)) as watcher:
        assert watcher.next()["added"] == 3
        docs.rename(away)
        event = watcher.next()
        assert "is gone or empty" in event["trouble"]
        assert "added" not in event
        assert shell.run("status", "--json").json["documents"] == 3
        (away / "new.txt").write_text("It came while the folder was away.")
        away.rename(docs)
        assert watcher.next()["added"] == 1
        (docs / "notes" / "lunch.txt").write_text("Lunch is at one.")
        assert watcher.next()["updated"] == 1
        code, complaints = watcher.end()
        assert code == 130
        assert complaints.count("it is tried again") == 1


def test_a_tree_that_is_replaced(tmp_path: Path, docs: Path) -> None:
    """A folder that is deleted and made anew under its name goes on being followed."""
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        events = collection.watch(docs, quiet_s=0.05)
        assert report_of(next(events)).added == 1
        shutil.copytree(docs, tmp_path / "copy")
        (tmp_path / "copy" / "new.txt").write_text("Dunes wander.")
        docs.rename(tmp_path / "old")
        (tmp_path / "copy").rename(docs)
        assert report_of(next(events)).added == 1
        (docs / "newer.txt").write_text("Comets return.")
        assert report_of(next(events)).added == 1
        events.close()


def test_what_may_pass_is_tried_again(tmp_path: Path, docs: Path) -> None:
    """Another writer is in the way for a while, is told once, and then the work is done."""
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        collection.sync(docs)
        (docs / "new.txt").write_text("Dunes wander.")
        events = collection.watch(docs, quiet_s=0.05, wait_s=0.1)
        with writer_lock(tmp_path / "kb"):
            assert f"being written by process {os.getpid()}" in (next(events).trouble or "")
            threading.Timer(0.2, (docs / "newer.txt").write_text, ["Comets return."]).start()
            # It is told once: the next event comes when the lock is free.
            released = threading.Timer(3.0, lambda: None)
            released.start()
            released.join()
        assert report_of(next(events)).added == 2
        events.close()


def test_what_nobody_can_mend_ends_it(shell: Shell, embedding_server: LoopbackServer) -> None:
    """A path that never was, a refused key and a spent budget end it with their exit codes."""
    done = shell.run("watch", "nowhere")
    assert (done.code, done.out) == (1, "")
    assert "there is no file or folder at" in done.err
    arguments = ["watch", "docs", *remote(embedding_server.base_url)]
    wrong = Shell(directory=shell.directory, variables={"RAGKIT_API_KEY": "sk-or-v1-wrong"})
    assert wrong.run(*arguments).code == 1
    spent = shell.run(*arguments, "--max-cost", "0", "--json")
    assert (spent.code, spent.json["added"]) == (4, 0)


def test_it_follows_from_python(tmp_path: Path, docs: Path) -> None:
    """Events come while they are taken, and an event ends it; names need not be UTF-8."""
    stop = threading.Event()
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        events = collection.watch(docs, quiet_s=0.05, stop=stop)
        assert report_of(next(events)).added == 1
        Path(os.fsdecode(os.fsencode(docs) + b"/d\xff.txt")).write_text("Dunes wander.")
        assert report_of(next(events)).added == 1
        stop.set()
        assert list(events) == []
        with pytest.raises(PathNotFound):
            next(collection.watch(tmp_path / "nowhere"))


def report_of(event: WatchEvent) -> ragkit.SyncReport:
    assert event.report is not None
    return event.report


def test_it_can_be_awaited(tmp_path: Path, docs: Path) -> None:
    """The awaited form leaves the loop free, and ends in order when its task is cancelled."""

    async def follow() -> list[int]:
        added = []
        async with await ragkit.AsyncCollection.open(tmp_path / "kb") as collection:

            async def take() -> None:
                async for event in collection.watch(docs, quiet_s=0.05):
                    added.append(report_of(event).added)
                    (docs / "b.txt").write_text("Bridges cross rivers.")

            task = asyncio.create_task(take())
            while len(added) < 2:
                await asyncio.sleep(0.02)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            assert (await collection.sync(docs)).unchanged == 2
        return added

    assert asyncio.run(asyncio.wait_for(follow(), PATIENCE_S)) == [1, 1]


def test_changes_between_waits_are_not_lost(tmp_path: Path) -> None:
    """What changes while nobody waits is told at the next wait, and told once."""
    stop = threading.Event()
    docs = tmp_path / "docs"
    docs.mkdir()
    watched = FolderWatch([docs], leave_out=docs / "kb", quiet_s=0.05, stop=stop)
    with contextlib.closing(watched):
        (docs / "a.txt").write_text("Apples grow.")
        time.sleep(0.3)
        assert watched.wait(PATIENCE_S)
        assert not watched.wait(0.7)
        (docs / "kb").mkdir()
        (docs / "kb" / "collection.db").write_text("its own")
        assert not watched.wait(0.7)
        docs.rename(tmp_path / "away")
        assert watched.wait(PATIENCE_S)
        assert not watched.wait(0.7)
        docs.mkdir()
        assert watched.wait(PATIENCE_S)
        (docs / "b.txt").write_text("Bridges cross rivers.")
        assert watched.wait(PATIENCE_S)
        stop.set()
        begun = time.monotonic()
        assert not watched.wait(PATIENCE_S)
        assert time.monotonic() - begun < 5
