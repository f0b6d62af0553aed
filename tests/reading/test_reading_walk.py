from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import PathNotFound
from ragkit.reading.names import source_from_raw
from ragkit.reading.walk import FoundFile, SkippedFile, walk

LIMIT = 1024 * 1024


def write(root: Path, *names: str, content: str = "lamp") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def found(root: Path, *, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> list[str]:
    items = walk(root, include=include, exclude=exclude, max_file_bytes=LIMIT)
    return [item.source for item in items if isinstance(item, FoundFile)]


def skipped(root: Path, *, exclude: tuple[str, ...] = ()) -> dict[str, str]:
    items = walk(root, exclude=exclude, max_file_bytes=LIMIT)
    return {item.source: item.reason for item in items if isinstance(item, SkippedFile)}


def test_files_come_in_order_of_source(tmp_path: Path) -> None:
    """Sources are sorted as wholes, not folder by folder."""
    write(tmp_path, "b.md", "a/z.md", "a-b/x.md", "a/b/c.md", "A.md")
    assert found(tmp_path) == ["A.md", "a-b/x.md", "a/b/c.md", "a/z.md", "b.md"]


def test_a_found_file_says_what_stat_says(tmp_path: Path) -> None:
    """Size, time, inode, raw name and absolute path are those of the file."""
    write(tmp_path, "a/b.md")
    (item,) = walk(tmp_path, max_file_bytes=LIMIT)
    status = (tmp_path / "a/b.md").stat()
    assert isinstance(item, FoundFile)
    assert item.path == tmp_path / "a/b.md"
    assert item == FoundFile(
        "a/b.md", str(tmp_path / "a/b.md"), b"a/b.md", 4, status.st_mtime_ns, status.st_ino
    )


def test_ignore_files_are_honoured(tmp_path: Path) -> None:
    """Nested files, negation, anchors and folders work as in git; .ragignore has the last word."""
    write(
        tmp_path, "a.log", "keep.log", "build/x.md", "docs/build/y.md", "docs/a.tmp", "docs/b.tmp",
        "docs/deep/c.tmp", "questions.jsonl", "back.log",
    )  # fmt: skip
    write(tmp_path, ".gitignore", content="*.log\n!keep.log\n/build/\n# remark\n[bad\n")
    write(tmp_path, ".ragignore", content="questions.jsonl\n!back.log\n")
    write(tmp_path, "docs/.gitignore", content="*.tmp\n!b.tmp\n")
    assert found(tmp_path) == ["back.log", "docs/b.tmp", "docs/build/y.md", "keep.log"]


def test_what_rules_leave_out_is_counted(tmp_path: Path) -> None:
    """One line for each ignore file says how much it leaves out, and one how much is hidden."""
    write(tmp_path, "a.log", "b.log", "c.md", ".env", ".git/config", "d/.hidden/x.md")
    write(tmp_path, ".gitignore", content="*.log\n")
    assert skipped(tmp_path) == {
        ".": "3 hidden files or folders",
        ".gitignore": "its rules leave out 2 files or folders",
    }


def test_include_and_exclude_take_patterns(tmp_path: Path) -> None:
    """Both read .gitignore syntax: a bare name at any depth, a path from the root."""
    write(tmp_path, "a.md", "b.txt", "guides/a.md", "guides/deep/c.md", "old/d.md")
    assert found(tmp_path, include=("*.md",), exclude=("old/",)) == [
        "a.md", "guides/a.md", "guides/deep/c.md",
    ]  # fmt: skip
    assert found(tmp_path, include=("guides/*",)) == ["guides/a.md", "guides/deep/c.md"]
    assert skipped(tmp_path, exclude=("old", "*.txt")) == {
        ".": "2 files or folders left out by --exclude"
    }


def test_folders_of_packages_are_one_line_each(tmp_path: Path) -> None:
    """Packages, environments, caches and collections are not walked, and each says why."""
    write(
        tmp_path, "node_modules/a/readme.md", "src/__pycache__/x.txt", "env/pyvenv.cfg",
        "env/lib/x.md", "cache/CACHEDIR.TAG", "kb/collection.db", "kb/vectors.f32", "ok.md",
    )  # fmt: skip
    assert found(tmp_path) == ["ok.md"]
    assert skipped(tmp_path) == {
        "cache/": "marked as a cache by CACHEDIR.TAG",
        "env/": "a Python environment, not documents",
        "kb/": "a ragkit collection",
        "node_modules/": "holds packages or caches, not documents",
        "src/__pycache__/": "holds packages or caches, not documents",
    }


def test_links_never_lead_out_loop_or_repeat(tmp_path: Path) -> None:
    """A link is followed only to what lies inside the root and is not reached without it."""
    root = tmp_path / "root"
    write(tmp_path, "outside.md", "rootother/x.md")
    write(root, "a.md", "sub/b.md", ".store/c.md", ".store/d/e.md", ".git/config")
    for name, target in {
        "out.md": "../outside.md",
        "near": "../rootother",
        "again.md": "a.md",
        "again": "sub",
        "up": ".",
        "self": "self",
        "gone.md": "nowhere",
        "sub/loop": "..",
        "hidden.md": ".store/c.md",
        "hidden-twice.md": ".store/c.md",
        "store": ".store",
        "git": ".git",
    }.items():
        (root / name).symlink_to(target)
    assert found(root) == ["a.md", "hidden-twice.md", "store/d/e.md", "sub/b.md"]
    assert skipped(root) == {
        ".": "2 hidden files or folders",
        "again": "a link to sub/",
        "again.md": "a link to a.md",
        "git": "a link to version control data",
        "gone.md": "a link that leads nowhere",
        "hidden.md": "a link to hidden-twice.md",
        "near": "a link that leads out of the folder",
        "out.md": "a link that leads out of the folder",
        "self": "a link that leads nowhere",
        "store/c.md": "a link to hidden-twice.md",
        "sub/loop": "a link to .",
        "up": "a link to .",
    }


def test_the_path_of_a_link_is_its_target(tmp_path: Path) -> None:
    """What is opened later is the resolved target, so a link that is swapped changes nothing."""
    write(tmp_path, ".store/c.md")
    (tmp_path / "c.md").symlink_to(".store/c.md")
    items = [i for i in walk(tmp_path, max_file_bytes=LIMIT) if isinstance(i, FoundFile)]
    assert [(i.source, i.path) for i in items] == [("c.md", tmp_path / ".store/c.md")]


def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    """A FIFO blocks nobody, not even under the name of an ignore file."""
    os.mkfifo(tmp_path / "pipe.txt")
    os.mkfifo(tmp_path / ".gitignore")
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket.txt")
    finally:
        os.chdir(here)
    assert skipped(tmp_path) == {
        "pipe.txt": "not a regular file",
        "socket.txt": "not a regular file",
    }


def test_large_files_are_skipped_unread(tmp_path: Path) -> None:
    """A file over the cap is a line with the cap in it; a sparse one costs no time."""
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(2**33)
    assert skipped(tmp_path) == {"big.txt": "larger than 1 MiB"}


def test_names_that_are_not_unicode_become_sources(tmp_path: Path) -> None:
    """Odd bytes are escaped, the raw name is kept, and valid names stay as they are."""
    for raw in (b"caf\xe9 100%.txt", "café.txt".encode(), b"100%25.txt", b"new\nline.txt"):
        (tmp_path / os.fsdecode(raw)).write_text("x")
    items = [i for i in walk(tmp_path, max_file_bytes=LIMIT) if isinstance(i, FoundFile)]
    assert {item.source: item.raw_name for item in items} == {
        "100%25.txt": b"100%25.txt",
        "caf%E9 100%25.txt": b"caf\xe9 100%.txt",
        "café.txt": "café.txt".encode(),
        "new\nline.txt": b"new\nline.txt",
    }


def test_two_names_never_share_a_source(tmp_path: Path) -> None:
    """The file that is spelt like another's escaped name stays, the other is reported."""
    (tmp_path / os.fsdecode(b"a\xe9.txt")).write_text("x")
    (tmp_path / "a%E9.txt").write_text("y")
    items = list(walk(tmp_path, max_file_bytes=LIMIT))
    assert [(type(item).__name__, item.source) for item in items] == [
        ("FoundFile", "a%E9.txt"),
        ("SkippedFile", "a%E9.txt"),
    ]


@given(st.binary(min_size=1, max_size=12))
@settings(deadline=None, max_examples=200)
def test_every_name_has_a_valid_source(raw: bytes) -> None:
    """A source is always valid Unicode, and the name itself where that is valid."""
    source = source_from_raw(raw)
    source.encode("utf-8")
    try:
        assert source == raw.decode("utf-8")
    except UnicodeDecodeError:
        assert "%" in source


def test_names_are_not_normalised(tmp_path: Path) -> None:
    """Composed and decomposed twins are two files."""
    write(tmp_path, "caf\u00e9.md", "cafe\u0301.md")
    assert found(tmp_path) == ["cafe\u0301.md", "caf\u00e9.md"]


def test_a_root_may_be_a_file(tmp_path: Path) -> None:
    """A file asked for by name is taken, hidden or ignored or not."""
    write(tmp_path, ".notes.md")
    write(tmp_path, ".gitignore", content="*\n")
    assert found(tmp_path / ".notes.md") == [".notes.md"]


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    """A root that is not there is no empty folder."""
    with pytest.raises(PathNotFound, match=r"'.*gone' is not there: check the path"):
        list(walk(tmp_path / "gone", max_file_bytes=LIMIT))


def test_a_thousand_files_take_no_time(tmp_path: Path) -> None:
    """A walk of 1,000 files under ignore rules stays under 60 ms (best of three)."""
    for folder in range(20):
        write(tmp_path, *(f"d{folder}/f{number}.md" for number in range(50)))
    write(tmp_path, ".gitignore", content="*.log\nbuild/\n*.pyc\n/dist\n")
    best_s = 1.0
    for _ in range(3):
        began = time.process_time()
        assert len(found(tmp_path)) == 1000
        best_s = min(best_s, time.process_time() - began)
    assert best_s < 0.06
