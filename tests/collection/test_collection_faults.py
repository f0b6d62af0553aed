"""Faults of the machine: what was durable stays, the message says what to do, and it goes on."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from faults import MachineFault, compiled
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.config import Secret, Settings
from ragkit.errors import CollectionError, CollectionNotFound

INDEX = """
import sys, ragkit
from ragkit.config import Secret, Settings
try:
    settings = Settings(api_key=Secret(sys.argv[3]), workers=1, concurrency=1)
    with ragkit.open(sys.argv[1], settings=settings) as collection:
        report = collection.sync(sys.argv[2])
        assert report.stopped is None and not report.failed, report
except ragkit.RagkitError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
"""
SEARCH = """
import sys, ragkit
from ragkit.config import Secret, Settings
try:
    with ragkit.open(sys.argv[1], settings=Settings(api_key=Secret(sys.argv[3]))) as collection:
        print(collection.search("harbour", mode="lexical", k=1)[0].text)
except ragkit.RagkitError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(1)
"""
MAKE_ROOM, MAY_WRITE, THE_DISK = "make room", "see that it may be written", "see to the disk"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("faults"))


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    write(tmp_path / "docs", 1)
    return tmp_path / "docs"


def write(docs: Path, edition: int) -> None:
    docs.mkdir(exist_ok=True)
    for number in range(4):
        text = f"Harbour report {number} of edition {edition}: the harbour is open."
        (docs / f"{number}.txt").write_text(text)


@pytest.fixture
def kb(tmp_path: Path, docs: Path, embedding_server: LoopbackServer) -> Path:
    """A collection of edition 1, whose folder is at edition 2."""
    settings = Settings(
        model="test/small", base_url=embedding_server.base_url, api_key=Secret(KEY), workers=1
    )
    with ragkit.open(tmp_path / "kb", settings=settings) as collection:
        collection.sync(docs)
    write(docs, 2)
    return tmp_path / "kb"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine whose faults can be chosen.

    Attributes:
        docs: The folder.
        library: Of the faults.
    """

    docs: Path
    library: Path

    def run(
        self, script: str, kb: Path, fault: MachineFault, *, count: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A process that meets the fault."""
        return subprocess.run(
            [sys.executable, "-c", script, str(kb), str(self.docs), KEY],
            env={**os.environ, **fault.environment(self.library, count)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )


@pytest.fixture
def machine(docs: Path, library: Path) -> Machine:
    return Machine(docs=docs, library=library)


def editions(kb: Path) -> set[str]:
    """The editions that it holds, after every law was checked."""
    with ragkit.open(kb, settings=Settings(api_key=Secret(KEY), workers=1)) as collection:
        assert collection.verify().problems == ()
        found = [hit.text for hit in collection.search("harbour", mode="lexical", k=50)]
        assert sorted(found) == sorted(document.text for document in collection.documents())
        assert len(found) == 4
        return {text.partition("edition ")[2][0] for text in found}


def asked(server: LoopbackServer) -> list[str]:
    return [
        text for request in server.ledger.requests for text in json.loads(request.body)["input"]
    ]


def index(kb: Path, docs: Path) -> ragkit.SyncReport:
    with ragkit.open(kb, settings=Settings(api_key=Secret(KEY), workers=1)) as collection:
        return collection.sync(docs)


def fault(path: str, calls: str, error: str, after: int = 0) -> MachineFault:
    return MachineFault(path=path, calls=calls, error=error, after=after)


@pytest.mark.parametrize(
    ("meant", "advice"),
    [
        (fault("vectors.f32", "write", "ENOSPC"), MAKE_ROOM),
        (fault("vectors.f32", "fsync", "EIO"), THE_DISK),
        (fault("collection.db-wal", "write", "EDQUOT", 2), MAKE_ROOM),
        (fault("collection.db-wal", "fsync", "EIO", 1), THE_DISK),
        (fault("/derived/", "write", "ENOSPC", 1), MAKE_ROOM),
        (fault("/derived/", "mkdir", "EACCES"), MAY_WRITE),
        (fault("/kb/lock", "open", "EROFS"), MAY_WRITE),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.path} {value.calls}",
)
def test_a_refused_write_loses_nothing(
    kb: Path, machine: Machine, embedding_server: LoopbackServer, meant: MachineFault, advice: str
) -> None:
    """A disk that is full, over its quota, failing or read-only in mid-sync costs one sentence.

    A whole generation stays, the same call completes when the disk is well, and no text is asked
    for whose vector had been stored.
    """
    done = machine.run(INDEX, kb, meant)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("CollectionError: ")
    assert advice in done.stdout
    assert done.stdout.count("\n") == 1
    # A commit whose flush failed may have been written all the same.
    assert editions(kb) in ({"1"}, {"2"} if meant.calls == "fsync" else {"1"})
    sent = len(asked(embedding_server))
    index(kb, machine.docs)
    assert editions(kb) == {"2"}
    if meant.path == "/derived/":
        assert len(asked(embedding_server)) == sent


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("error", ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES"])
@pytest.mark.parametrize(
    ("path", "calls"),
    [("/kb", "write,fsync,truncate,rename,link,mkdir"), ("/kb", "open")],
)
def test_every_refused_call_loses_nothing(
    kb: Path, machine: Machine, path: str, calls: str, error: str
) -> None:
    """Each call in turn fails, alone and with all after it, and nothing is lost by any of them."""
    count, counted = kb.parent / "count", kb.parent / "kb-counted"
    shutil.copytree(kb, counted)
    machine.run(INDEX, counted, fault(path, calls, error, 10**9), count=count)
    refused = 0
    for after in range(int(count.read_text())):
        for times in (0, 1):
            place = kb.parent / f"kb-{after}-{times}"
            shutil.copytree(kb, place)
            done = machine.run(INDEX, place, replace(fault(path, calls, error, after), times=times))
            assert done.stderr == "", (after, times)
            if done.returncode:
                refused += 1
                assert "Error: " in done.stdout, (after, times)
                advised = ("the same command again", "rebuild the index")
                assert any(each in done.stdout for each in advised), (after, times, done.stdout)
            assert editions(place) in ({"1"}, {"2"})
            index(place, machine.docs)
            assert editions(place) == {"2"}
            shutil.rmtree(place)
    assert refused >= 3


@pytest.mark.parametrize("path", ["collection.db", "/derived/"])
def test_a_failing_read_is_told(kb: Path, machine: Machine, path: str) -> None:
    """A disk that cannot be read gives one sentence, or an answer from what can be rebuilt."""
    done = machine.run(SEARCH, kb, fault(path, "read", "EIO", 3))
    assert done.stderr == ""
    if done.returncode:
        # Nobody may be sent to delete what only cannot be read just now.
        assert "the same command again" in done.stdout or "see to the disk" in done.stdout
    else:
        assert "edition 1:" in done.stdout
    assert editions(kb) == {"1"}


@pytest.mark.parametrize("moment", [1, 2])
def test_a_directory_that_goes_in_mid_sync(kb: Path, docs: Path, moment: int) -> None:
    """A collection that is deleted while it is written says so, and is not half made anew."""
    told: list[object] = []

    def delete_once(progress: object) -> None:
        told.append(progress)
        if len(told) == moment:
            shutil.rmtree(kb)

    with ragkit.open(kb, settings=Settings(api_key=Secret(KEY), workers=1)) as collection:
        with pytest.raises(CollectionError, match="cannot be written: No such file or directory"):
            collection.sync(docs, progress=delete_once)
        with pytest.raises(CollectionNotFound):
            collection.sync(docs)
    assert not kb.exists()


def test_a_limit_on_files_is_told(kb: Path, docs: Path) -> None:
    """A process that may write no large file says so, and nothing is lost."""
    size = (kb / "collection.db").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    command = [sys.executable, "-c", INDEX, str(kb), str(docs), KEY]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert "the same command again" in done.stdout
    assert editions(kb) == {"1"}


def test_a_clock_that_goes_backwards(kb: Path, machine: Machine) -> None:
    """Generations, changes and the ledger go on when the clock falls years back."""
    for edition, clock_s in ((2, 10**8), (3, -(10**9))):
        write(machine.docs, edition)
        done = machine.run(INDEX, kb, MachineFault(clock_s=clock_s))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert editions(kb) == {str(edition)}
    with ragkit.open(kb, settings=Settings(api_key=Secret(KEY), workers=1)) as collection:
        assert sorted({row.run for row in collection.spending()}) == [1, 2, 3]
        assert collection.status().generation == 3
        assert collection.sync(machine.docs).unchanged == 4


def test_a_file_that_needs_too_much_memory(kb: Path, docs: Path) -> None:
    """A file whose reading takes more memory than a worker may have fails alone."""
    rows = ",".join(f'"{number}"' for number in range(2000))
    (docs / "wide.json").write_text("[" + ",".join(f"[{rows}]" for _ in range(1500)) + "]")
    settings = Settings(api_key=Secret(KEY), workers=1, file_memory_mib=200)
    with ragkit.open(kb, settings=settings) as collection:
        report = collection.sync(docs)
        assert report.updated == 4
        ((source, reason),) = report.failed
        assert source == "wide.json"
        # A library that cannot get its memory may end the process itself.
        assert reason.startswith(("needs more than 200 MiB", "the parser crashed"))


def test_two_roots_of_one_name(tmp_path: Path, kb: Path, docs: Path) -> None:
    """Folders of the same name are roots apart: their equal files are documents of their own."""
    other = tmp_path / "elsewhere" / "docs"
    shutil.copytree(docs, other)
    settings = Settings(api_key=Secret(KEY), workers=1)
    with ragkit.open(kb, settings=settings) as collection:
        assert collection.sync([docs, other]).embedded <= 4
        assert collection.roots == {"docs": str(docs), "docs-2": str(other)}
        with pytest.raises(ragkit.errors.AmbiguousSource, match=r"docs:0\.txt or docs-2:0\.txt"):
            collection.passages("0.txt")
        (other / "0.txt").write_text("Only here the harbour is closed.")
        shutil.move(other / "1.txt", docs / "moved.txt")
        assert collection.sync([docs, other]).moved == 1
        texts = {root: collection.passages(f"{root}:0.txt")[0].text for root in collection.roots}
        assert texts["docs"].startswith("Harbour report 0")
        assert texts["docs-2"].startswith("Only here")
        assert collection.verify().problems == ()
