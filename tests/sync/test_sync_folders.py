"""What a sync promises of folders that lie in each other, hide, or cannot be looked into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.config import Secret, Settings
from ragkit.errors import AuthenticationFailed, PathNotFound, RootVanished


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# Apples\n\nApples grow on trees.\n")
    (folder / "sub" / "s.md").write_text("# Sub\n\nBridges cross rivers.\n")
    return folder


@pytest.fixture
def collection(tmp_path: Path, docs: Path) -> Iterator[ragkit.Collection]:
    """A collection that holds the two documents."""
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as opened:
        opened.sync(docs)
        yield opened


def sources(collection: ragkit.Collection) -> list[str]:
    return [document.source for document in collection.documents()]


def test_a_folder_and_its_part_are_met_once(collection: ragkit.Collection, docs: Path) -> None:
    """Naming a known root together with a folder inside it adds each file once."""
    (docs / "sub" / "new.md").write_text("Comets return.")
    assert collection.sync([docs / "sub", docs, docs / "sub" / "new.md"]).added == 1
    assert sources(collection) == ["a.md", "sub/new.md", "sub/s.md"]


def test_the_own_directory_is_no_news(docs: Path) -> None:
    """A collection inside its root is left out the same way before and after it has vectors."""
    with ragkit.open(docs / "kb", settings=Settings(workers=1)) as collection:
        assert collection.sync(docs).skipped == ()
        collection.sync(docs)
        assert collection.status().generation == 1


def test_a_place_with_hidden_files_only_removes_nothing(
    collection: ragkit.Collection, docs: Path, tmp_path: Path
) -> None:
    """An unmounted disk whose mount point holds a hidden marker counts as vanished."""
    docs.rename(tmp_path / "elsewhere")
    docs.mkdir()
    (docs / ".not-mounted").touch()
    with pytest.raises(RootVanished, match="holds 2 of its documents"):
        collection.sync(docs)
    assert collection.sync(docs, allow_empty=True).removed == 2


@pytest.mark.parametrize("closed", [".", "sub"])
def test_a_folder_that_cannot_be_listed_removes_nothing(
    tmp_path: Path, collection: ragkit.Collection, docs: Path, closed: str
) -> None:
    """Documents below a folder without permission stay, and the report names the folder."""
    script = f"""
import ragkit
from ragkit.config import Settings
with ragkit.open({str(collection.path)!r}, settings=Settings(workers=1)) as collection:
    try:
        report = collection.sync({str(docs)!r})
        assert (report.removed, report.unchanged) == (0, 2), report
        assert ("sub/", "cannot be listed: Permission denied") in report.skipped, report
    except ragkit.RagkitError as error:
        assert type(error).__name__ == "RootVanished", error
    assert len(collection.documents()) == 2
"""
    (docs / closed).chmod(0)
    try:
        done = subprocess.run(
            [*unprivileged(), sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        (docs / closed).chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert collection.sync(docs).unchanged == 2


def unprivileged() -> list[str]:
    """A command's beginning that takes from root the right to pass over permissions."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may look everywhere, and setpriv is not there to change that")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def test_a_part_without_a_unicode_name(collection: ragkit.Collection, docs: Path) -> None:
    """Roots and parts of roots whose names are bytes outside UTF-8 are synced like others."""
    folder = Path(os.fsdecode(os.fsencode(docs) + b"/d\xff"))
    folder.mkdir()
    (folder / "in.md").write_text("Comets return.")
    assert collection.sync(folder).added == 1
    assert sources(collection) == ["a.md", "d%FF/in.md", "sub/s.md"]
    root = Path(os.fsdecode(os.fsencode(docs.parent) + b"/r\xff"))
    root.mkdir()
    (root / "x.md").write_text("Dunes wander.")
    assert collection.sync(root).added == 1
    generation = collection.status().generation
    assert collection.sync(root).unchanged == 1
    assert collection.status().generation == generation
    assert str(root) in collection.roots.values()


def test_what_is_left_out_is_told_from_what_is_missing(
    collection: ragkit.Collection, docs: Path
) -> None:
    """Naming a hidden folder of a root says that it is left out, not that it is missing."""
    (docs / ".github").mkdir()
    (docs / ".github" / "x.md").write_text("hidden")
    with pytest.raises(PathNotFound, match="is hidden, or left out"):
        collection.sync(docs / ".github")
    with pytest.raises(PathNotFound, match="no file or folder at"):
        collection.sync(docs / "nowhere")


def test_a_failed_sync_makes_no_root(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A new folder whose sync fails with a wrong key is no root of the collection afterwards."""
    base_url = embedding_server.base_url
    right = Settings(model="test/small", base_url=base_url, api_key=Secret(KEY), workers=1)
    wrong = Settings(
        model="test/small", base_url=base_url, api_key=Secret("sk-or-v1-wrong"), workers=1
    )
    with ragkit.open(tmp_path / "kb", settings=right) as collection:
        collection.sync(docs / "sub")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x.md").write_text("Dunes wander.")
    with ragkit.open(tmp_path / "kb", settings=wrong) as collection:
        with pytest.raises(AuthenticationFailed):
            collection.sync(tmp_path / "more")
        assert list(collection.roots) == ["sub"]
    # The server minds being asked again for what it refused for good.
    (tmp_path / "more" / "x.md").write_text("Dunes wander far.")
    with ragkit.open(tmp_path / "kb", settings=right) as collection:
        assert collection.sync(tmp_path / "more").added == 1
        assert list(collection.roots) == ["more", "sub"]


def test_without_money_removals_are_still_done(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A spent budget commits what costs nothing, and the report says only what was done."""
    settings = Settings(
        model="test/small", base_url=embedding_server.base_url, api_key=Secret(KEY), workers=1
    )
    with ragkit.open(tmp_path / "kb", settings=settings) as collection:
        collection.sync(docs)
        (docs / "a.md").unlink()
        (docs / "n.md").write_text("Comets return.")
        report = collection.sync(docs, max_cost_usd=0)
        assert (report.removed, report.added) == (1, 0)
        assert report.stopped is not None
        assert sources(collection) == ["sub/s.md"]


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    """A disk that fills up in mid-sync gives one sentence, and with room the sync completes."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for number in range(40):
        (docs / f"{number}.md").write_text(f"# Title {number}\n\n" + f"Words of {number}. " * 400)
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], check=False
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        for size in ("100k", "400k", "1m"):
            subprocess.run(["mount", "-o", f"remount,size={size}", disk], check=True)
            with (
                pytest.raises(ragkit.RagkitError, match="make room"),
                ragkit.open(disk / "kb", settings=Settings(workers=1)) as collection,
            ):
                collection.sync(docs)
        subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
        with ragkit.open(disk / "kb", settings=Settings(workers=1)) as collection:
            report = collection.sync(docs)
            assert (report.added, report.failed) == (40, ())
            assert report.embedded < report.passages
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
