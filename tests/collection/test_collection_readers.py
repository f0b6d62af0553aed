"""One writer and many readers: whole generations, in every kind of process, as every user."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_runs import Shell, remote
from loopback import KEY, LoopbackServer
from readers import follow, write_edition

import ragkit
from ragkit.config import Secret, Settings
from ragkit.errors import CollectionError, CollectionLocked, CollectionNotFound
from ragkit.retrieval.retriever import Mode
from ragkit.storage.lock import writer_lock

SETTINGS = Settings(workers=1)
HERE = Path(__file__).parent
NOBODY = 65534
MODES: tuple[Mode, ...] = ("lexical", "semantic", "hybrid")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    write_edition(tmp_path / "docs", 1)
    return tmp_path / "docs"


@pytest.fixture
def collection(tmp_path: Path, docs: Path) -> Iterator[ragkit.Collection]:
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as opened:
        opened.sync(docs)
        yield opened


def remote_settings(server: LoopbackServer) -> Settings:
    return Settings(
        model="test/small", base_url=server.base_url, api_key=Secret(KEY), workers=1, concurrency=1
    )


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# --- one commit


def test_readers_of_every_kind_see_whole_generations(
    collection: ragkit.Collection, docs: Path, tmp_path: Path
) -> None:
    """Forked, spawned and foreign processes follow a writer; no answer mixes two generations."""
    kb, last = str(tmp_path / "kb"), 7
    assert collection.search("harbour", k=1)
    children: list[multiprocessing.process.BaseProcess] = []
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        children.append(context.Process(target=follow, args=(kb, last)))  # type: ignore[attr-defined]
    for child in children:
        child.start()
    foreign = subprocess.Popen([sys.executable, str(HERE / "readers.py"), kb, str(last)])
    for edition in range(2, last + 1):
        time.sleep(0.2)
        write_edition(docs, edition)
        collection.sync(docs)
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    assert foreign.wait(120) == 0


def test_a_sync_is_invisible_until_its_commit(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """While a sync waits for its server, readers have the old generation and nothing is locked."""
    settings = remote_settings(embedding_server)
    with (
        ragkit.open(tmp_path / "kb", settings=settings) as writer,
        ragkit.open(tmp_path / "kb", settings=settings) as reader,
    ):
        writer.sync(docs)
        assert "edition 1:" in reader.search("harbour", mode="lexical", k=1)[0].text
        write_edition(docs, 2)
        embedding_server.quirks.latency_s = 1.5
        ledger = embedding_server.ledger
        thread = threading.Thread(target=writer.sync, args=(docs,))
        thread.start()
        until(lambda: ledger.in_flight == 1)
        with contextlib.closing(
            sqlite3.connect(tmp_path / "kb" / "collection.db", timeout=0, isolation_level=None)
        ) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
        texts = [hit.text for hit in reader.search("harbour", mode="lexical", k=50)]
        assert len(texts) == 6
        assert all("edition 1:" in text for text in texts)
        assert all("edition 1:" in document.text for document in reader.documents())
        assert ledger.in_flight == 1
        thread.join()
        texts = [hit.text for hit in reader.search("harbour", mode="lexical", k=50)]
        assert len(texts) == 6
        assert all("edition 2:" in text for text in texts)


# --- one writer


INDEX_SLOWLY = """
import sys, ragkit
from ragkit.config import Secret, Settings
with ragkit.open(sys.argv[1], settings=Settings(api_key=Secret(sys.argv[3]), workers=1)) as kb:
    kb.sync(sys.argv[2])
"""


def test_the_second_writer_is_told_and_may_wait(
    shell: Shell, embedding_server: LoopbackServer
) -> None:
    """It hears who writes and since when; with --wait it goes on when the first has ended."""
    docs = shell.directory / "docs"
    assert shell.run("index", "docs", *remote(embedding_server.base_url)).code == 0
    (docs / "new.txt").write_text("Dunes wander.")
    embedding_server.quirks.latency_s = 3.0
    command = [sys.executable, "-m", "ragkit", "index", "docs"]
    first = subprocess.Popen(command, cwd=shell.directory, env=shell.environment)
    until(lambda: embedding_server.ledger.in_flight == 1)
    refused = shell.run("index", "docs")
    assert refused.code == 1
    assert f"is being written by process {first.pid} on " in refused.err
    assert " since 20" in refused.err
    assert "use --wait" in refused.err
    waited = shell.run("index", "docs", "--wait", "60", "--json")
    assert first.wait(60) == 0
    assert (waited.code, waited.json["added"], waited.json["unchanged"]) == (0, 0, 4)


def test_a_dead_writers_lock_is_no_lock(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A writer that is killed in mid-work leaves its name in the lock, and no lock."""
    kb, settings = tmp_path / "kb", remote_settings(embedding_server)
    with ragkit.open(kb, settings=settings) as collection:
        collection.sync(docs)
    write_edition(docs, 2)
    embedding_server.quirks.latency_s = 30.0
    command = [sys.executable, "-c", INDEX_SLOWLY, str(kb), str(docs), KEY]
    writer = subprocess.Popen(command)
    until(lambda: embedding_server.ledger.in_flight == 1)
    assert str(writer.pid) in (kb / "lock").read_text()
    writer.kill()
    writer.wait()
    assert str(writer.pid) in (kb / "lock").read_text()
    embedding_server.quirks.latency_s = 0.0
    with ragkit.open(kb, settings=settings) as collection:
        assert collection.sync(docs).updated == 6
    assert (kb / "lock").read_text() == ""


def test_a_child_of_the_writer_holds_no_lock(tmp_path: Path, docs: Path) -> None:
    """A process that is forked while its parent writes does not keep the lock when that ends."""
    pids: list[int] = []
    script = f"""
import multiprocessing, os, sys, time
from pathlib import Path
from ragkit.storage.lock import writer_lock
with writer_lock(Path({str(tmp_path)!r})):
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    child.start()
    print(child.pid, flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids.append(int(parent.stdout.readline()))
        try:
            with pytest.raises(CollectionLocked), writer_lock(tmp_path):
                pass
            parent.kill()
            parent.wait()
            os.kill(pids[0], 0)
            # On a busy machine the child has not run yet, and lets go of it first thing.
            with writer_lock(tmp_path, wait_s=30):
                pass
        finally:
            os.kill(pids[0], signal.SIGKILL)


def test_a_fork_in_mid_write_leaves_the_writer_alone(tmp_path: Path, docs: Path) -> None:
    """A child that is forked from inside a sync, and ends, takes nothing from its parent."""
    forked: list[int] = []

    def fork_once(_: object) -> None:
        if not forked:
            child = os.fork()
            if child == 0:
                os._exit(0)
            forked.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            with pytest.raises(CollectionLocked), writer_lock(tmp_path / "kb"):
                pass

    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        assert collection.sync(docs, progress=fork_once).added == 6
        assert forked == [0]
        assert collection.verify().problems == ()


def test_threads_share_one_object(collection: ragkit.Collection, docs: Path) -> None:
    """Of threads that sync at the same time one writes and the others are told, or wait."""
    write_edition(docs, 2)
    outcomes: list[object] = []

    def sync(wait_s: float) -> None:
        try:
            outcomes.append(collection.sync(docs, wait_s=wait_s).updated)
        except CollectionLocked as error:
            outcomes.append(str(os.getpid()) in str(error))

    with writer_lock(collection.path):
        threads = [threading.Thread(target=sync, args=(wait_s,)) for wait_s in (0.0, 60.0, 60.0)]
        for thread in threads:
            thread.start()
        threads[0].join()
        assert outcomes == [True]
    for thread in threads[1:]:
        thread.join()
    assert sorted(outcomes[1:]) == [0, 6]  # type: ignore[type-var]


# --- where nothing can be written, and as another user


READ = """
import sys, ragkit
from ragkit.config import Settings
for read_only in (False, True):
    with ragkit.open(sys.argv[1], read_only=read_only, settings=Settings()) as collection:
        for mode in ("lexical", "semantic", "hybrid"):
            hits = collection.search("harbour report", mode=mode, k=50)
            print(mode, len(hits), hits[0].text)
        collection.status()
        assert len(collection.documents()) == len(hits)
"""
INDEX = """
import sys, ragkit
from ragkit.config import Settings
with ragkit.open(sys.argv[1], settings=Settings(workers=1)) as collection:
    collection.sync(sys.argv[2])
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users can reach."""
    place = Path(tempfile.mkdtemp(prefix="ragkit-shared-", dir="/tmp"))
    place.chmod(0o755)
    # What other users compile is kept there, for all of their processes.
    (place / "pyc").mkdir()
    (place / "pyc").chmod(0o777)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def run_as_nobody(shared: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv")
    become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    if subprocess.run([*become, sys.executable, "-c", "import numpy"], check=False).returncode:
        pytest.skip("the environment lies in a folder that another user may not enter")
    return subprocess.run(
        [*become, sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "PYTHONPYCACHEPREFIX": str(shared / "pyc"),
            # Where nothing can be written, not even the key that signs derived files.
            "HOME": "/nonexistent",
            "XDG_STATE_HOME": "/nonexistent/state",
        },
    )


def test_another_user_reads_and_changes_nothing(shared: Path) -> None:
    """A user who may only read gets answers, also beside a writer, and no byte changes."""
    docs, kb = shared / "docs", shared / "kb"
    write_edition(docs, 1)
    with ragkit.open(kb, settings=SETTINGS) as collection:
        collection.sync(docs)
    before = {path: path.read_bytes() for path in kb.rglob("*") if path.is_file()}
    done = run_as_nobody(shared, READ, str(kb))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("edition 1:") == 6
    assert {path: path.read_bytes() for path in kb.rglob("*") if path.is_file()} == before
    unchanged = run_as_nobody(shared, INDEX, str(kb), str(docs))
    assert unchanged.returncode == 0, unchanged.stderr
    write_edition(docs, 2)
    refused = run_as_nobody(shared, INDEX, str(kb), str(docs))
    assert refused.returncode == 1
    assert f"{kb} cannot be written: Permission denied" in refused.stderr.splitlines()[-1]
    # A writer that is open keeps a log, which a reader without permission still takes in.
    with ragkit.open(kb, settings=SETTINGS) as collection:
        collection.sync(docs)
        assert collection.search("harbour", mode="lexical", k=1)
        done = run_as_nobody(shared, READ, str(kb))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("edition 2:") == 6


@contextlib.contextmanager
def mounted_read_only(folder: Path, place: Path) -> Iterator[None]:
    if os.getuid() != 0:
        pytest.skip("mounting needs root")
    place.mkdir()
    if subprocess.run(["mount", "--bind", folder, place], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", place], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_read_only_file_system(collection: ragkit.Collection, docs: Path, tmp_path: Path) -> None:
    """On a read-only file system it answers, follows changes made elsewhere, and is not written."""
    collection.close()
    place = tmp_path / "mounted"
    with mounted_read_only(tmp_path / "kb", place), ragkit.open(place, settings=SETTINGS) as there:
        for mode in MODES:
            assert "edition 1:" in there.search("harbour", mode=mode, k=1)[0].text
        write_edition(docs, 2)
        collection.sync(docs)
        collection.close()
        for mode in MODES:
            assert "edition 2:" in there.search("harbour", mode=mode, k=1)[0].text
        write_edition(docs, 3)
        with pytest.raises(CollectionError, match="cannot be written: Read-only file system"):
            there.sync(docs)


def test_a_log_that_cannot_be_merged_is_told(tmp_path: Path, docs: Path, shared: Path) -> None:
    """A copy with a writer's log is refused where nothing can be written, and opens elsewhere."""
    with ragkit.open(tmp_path / "kb", settings=SETTINGS) as collection:
        collection.sync(docs)
        collection.search("harbour", mode="lexical", k=1)
        shutil.copytree(tmp_path / "kb", shared / "kb")
    (shared / "kb" / "collection.db-shm").unlink()
    assert (shared / "kb" / "collection.db-wal").stat().st_size > 0
    with mounted_read_only(shared / "kb", shared / "mounted"):
        done = run_as_nobody(shared, READ, str(shared / "mounted"))
        assert done.returncode == 1
        assert "was left by a writer in mid-work" in done.stderr.splitlines()[-1]
    with ragkit.open(shared / "kb", settings=SETTINGS) as opened:
        assert opened.search("harbour", k=1)


def test_a_collection_that_is_moved_or_removed_while_open(
    collection: ragkit.Collection, docs: Path, tmp_path: Path
) -> None:
    """An open object says that the directory is gone, and answers again when it is back."""
    assert collection.search("harbour", k=1)
    (tmp_path / "kb").rename(tmp_path / "away")
    for call in (
        lambda: collection.search("harbour", k=1),
        lambda: collection.sync(docs, checksum=True),
        collection.documents,
        collection.status,
    ):
        with pytest.raises(CollectionNotFound, match="there is no collection at"):
            call()
    assert not (tmp_path / "kb").exists()
    with ragkit.open(tmp_path / "away", settings=SETTINGS) as moved:
        assert moved.search("harbour", k=1)
        assert moved.sync(docs).unchanged == 6
    (tmp_path / "away").rename(tmp_path / "kb")
    assert collection.search("harbour", k=1)
    write_edition(docs, 2)
    assert collection.sync(docs).updated == 6
