"""Moves and branches: whatever happens to names, the same text is not bought twice, nor lost."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import KEY, LoopbackServer

import ragkit
from ragkit.config import Secret, Settings


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for subject in ("apples", "bridges", "comets"):
        write(folder / f"{subject}.md", subject)
    return folder


def write(path: Path, subject: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = (
        f"## Part {number} of {subject}\n\n" + f"Section {number} tells of {subject}. " * 12
        for number in range(3)
    )
    path.write_text(f"# All about {subject}\n\n" + "\n\n".join(sections) + "\n")


@pytest.fixture
def collection(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> Iterator[ragkit.Collection]:
    settings = Settings(
        model="test/small", base_url=embedding_server.base_url, api_key=Secret(KEY), workers=1
    )
    with ragkit.open(tmp_path / "kb", settings=settings) as opened:
        opened.sync(docs)
        yield opened
        assert opened.verify().problems == ()


def contents(collection: ragkit.Collection) -> dict[str, list[str]]:
    return {
        document.source: [item.text for item in collection.passages(document.source)]
        for document in collection.documents()
    }


def ids(collection: ragkit.Collection, source: str) -> list[int]:
    return [item.id for item in collection.passages(source)]


def git(folder: Path, *arguments: str) -> None:
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    subprocess.run(
        ["git", "-c", "core.quotepath=off", *arguments],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_branches_back_and_forth(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A branch that edits, renames and deletes is bought once; every later checkout is free."""
    git(docs, "init", "-b", "main")
    git(docs, "add", ".")
    git(docs, "commit", "-m", "one")
    git(docs, "checkout", "-b", "other")
    git(docs, "mv", "bridges.md", "viaducts.md")
    write(docs / "apples.md", "quinces")
    (docs / "comets.md").unlink()
    git(docs, "commit", "-am", "two")
    on_main = contents(collection)
    report = collection.sync(docs)
    assert (report.moved, report.updated, report.removed) == (1, 1, 1)
    assert report.embedded > 0
    on_other, asked = contents(collection), len(embedding_server.ledger.requests)
    assert on_other.keys() == {"apples.md", "viaducts.md"}
    for branch, expected in (("main", on_main), ("other", on_other), ("main", on_main)):
        git(docs, "checkout", branch)
        assert collection.sync(docs).embedded == 0
        assert contents(collection) == expected
    assert len(embedding_server.ledger.requests) == asked
    git(docs, "rebase", "other")
    assert collection.sync(docs).embedded == 0
    assert contents(collection) == on_other


def test_everything_moves_at_once(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A swap of names, a move into a new folder and a copy of it in one go buy nothing."""
    asked = len(embedding_server.ledger.requests)
    before = contents(collection)
    comets = ids(collection, "comets.md")
    (docs / "apples.md").rename(docs / "swap")
    (docs / "bridges.md").rename(docs / "apples.md")
    (docs / "swap").rename(docs / "bridges.md")
    (docs / "deep" / "er").mkdir(parents=True)
    (docs / "comets.md").rename(docs / "deep" / "er" / "comets.md")
    shutil.copy(docs / "deep" / "er" / "comets.md", docs / "deep" / "copy.md")
    report = collection.sync(docs)
    assert report.embedded == 0
    assert len(embedding_server.ledger.requests) == asked
    after = contents(collection)
    assert after["apples.md"] == before["bridges.md"]
    assert after["bridges.md"] == before["apples.md"]
    assert after["deep/copy.md"] == after["deep/er/comets.md"] == before["comets.md"]
    assert comets in (ids(collection, "deep/copy.md"), ids(collection, "deep/er/comets.md"))
    assert len({item.id for item in collection.passages()}) == len(collection.passages())


def test_a_name_that_changes_its_case(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A rename of upper and lower case alone is a move: ids stay, and the old name is gone."""
    asked, before = len(embedding_server.ledger.requests), ids(collection, "apples.md")
    (docs / "apples.md").rename(docs / "Apples.MD")
    report = collection.sync(docs)
    assert (report.moved, report.added, report.removed) == (1, 0, 0)
    assert ids(collection, "Apples.MD") == before
    assert "apples.md" not in contents(collection)
    assert len(embedding_server.ledger.requests) == asked
    hits = collection.search("apples", where={"source": "Apples.MD"}, k=1)
    assert hits[0].source == "Apples.MD"


NAMES = (
    b"new\nline.md",
    "🍎 emoji 🧑‍🚀.md".encode(),
    b"latin-\xe9.md",
    b"100%.md",
    b'quote\'s "and" back\\slash.md',
    "nfc-é.md".encode(),
    "nfd-é.md".encode(),
    b" leading and trailing .md",
    b"tab\there.md",
    ("long-" + "x" * 240 + ".md").encode(),
)


def test_names_of_every_kind(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Newlines, emoji, bytes outside UTF-8, both forms of an accent: each name is one document."""
    for number, name in enumerate(NAMES):
        write(Path(os.fsdecode(os.fsencode(docs) + b"/odd/" + name)), f"subject{number}")
    report = collection.sync(docs)
    assert (report.added, report.failed, report.skipped) == (len(NAMES), (), ())
    found = contents(collection)
    odd = [source for source in found if source.startswith("odd/")]
    assert len(odd) == len(NAMES)
    assert "odd/latin-%E9.md" in odd
    assert "odd/100%.md" in odd
    for number in range(len(NAMES)):
        (hit,) = collection.search(f"subject{number}", mode="lexical", k=1)
        assert f"subject{number}" in hit.text
        assert json.loads(json.dumps(hit.source)) == hit.source
        hit.source.encode()
        assert collection.passages(hit.source)
        # A glob has its own signs; what has none of them finds exactly itself.
        assert collection.search("tells", mode="lexical", where={"source": hit.source}, k=1)
    asked = len(embedding_server.ledger.requests)
    assert collection.sync(docs).unchanged == 3 + len(NAMES)
    Path(os.fsdecode(os.fsencode(docs) + b"/odd")).rename(docs / "even")
    report = collection.sync(docs)
    assert (report.moved, report.embedded) == (len(NAMES), 0)
    assert len(embedding_server.ledger.requests) == asked


def test_hard_links_are_documents_of_their_own(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Two names of one file are two documents on the same vectors; an edit reaches both."""
    asked = len(embedding_server.ledger.requests)
    os.link(docs / "apples.md", docs / "also.md")
    assert collection.sync(docs).added == 1
    assert len(embedding_server.ledger.requests) == asked
    found = contents(collection)
    assert found["also.md"] == found["apples.md"]
    with (docs / "also.md").open("a") as file:
        file.write("\nOne sentence more.\n")
    assert collection.sync(docs).updated == 2
    found = contents(collection)
    assert found["also.md"] == found["apples.md"]
    (docs / "apples.md").unlink()
    assert collection.sync(docs).removed == 1
    assert "also.md" in contents(collection)


def test_times_that_mean_nothing(collection: ragkit.Collection, docs: Path) -> None:
    """A time in the future, before 1970 or going backwards changes nothing, and hides no edit."""
    for seconds in (4_000_000_000, -1_000_000):
        os.utime(docs / "apples.md", (seconds, seconds))
        assert collection.sync(docs).unchanged == 3
        generation = collection.status().generation
        assert collection.sync(docs).unchanged == 3
        assert collection.status().generation == generation
        write(docs / "apples.md", f"apples of {seconds}")
        os.utime(docs / "apples.md", (seconds + 1, seconds + 1))
        assert collection.sync(docs).updated == 1


def test_content_is_found_behind_size_and_time(collection: ragkit.Collection, docs: Path) -> None:
    """An edit that keeps size and time is found by its content, when that is asked for."""
    path = docs / "comets.md"
    status = path.stat()
    path.write_text(path.read_text().replace("comets", "planet"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert collection.sync(docs).unchanged == 3
    assert collection.sync(docs, checksum=True).updated == 1
    assert "planet" in "".join(contents(collection)["comets.md"])


def test_an_edit_in_the_same_tick_is_found(collection: ragkit.Collection, docs: Path) -> None:
    """A file that is written again just after it was read, in the same tick, is not taken for read.

    On file systems that count in whole seconds that is any time within two.
    """
    path = docs / "log.txt"
    now_s = time.time_ns() // 1_000_000_000
    path.write_text("the first word")
    os.utime(path, (now_s + 1, now_s + 1))
    assert collection.sync(docs).added == 1
    path.write_text("the other word")
    os.utime(path, (now_s + 1, now_s + 1))
    assert collection.sync(docs).updated == 1
    assert contents(collection)["log.txt"] == ["the other word"]


def test_an_edit_in_the_tick_of_a_move_is_found(collection: ragkit.Collection, docs: Path) -> None:
    """A branch's checkout makes a moved file anew: it too may be written again in the same tick."""
    now_s = time.time_ns() // 1_000_000_000
    (docs / "comets.md").rename(docs / "moved.md")
    os.utime(docs / "moved.md", (now_s + 1, now_s + 1))
    assert collection.sync(docs).moved == 1
    text = (docs / "moved.md").read_text()
    (docs / "moved.md").write_text(text.replace("comets", "planet"))
    os.utime(docs / "moved.md", (now_s + 1, now_s + 1))
    assert collection.sync(docs).updated == 1
    assert "planet" in "".join(contents(collection)["moved.md"])


def test_what_is_remarked_of_a_file_moves_with_it(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A passage that the model refused, and a secret that was masked, are told after a move too."""
    embedding_server.refused_words = {"poison"}
    (docs / "bad.md").write_text("# Bad\n\nA poison that no model takes.\n")
    (docs / "key.md").write_text(f"# Key\n\nThe token is ghp_{'a1B2' * 9} and is not told.\n")
    before = collection.sync(docs)
    assert [source for source, _ in before.failed] == ["bad.md"]
    assert [source for source, _ in before.warnings] == ["key.md"]
    (docs / "bad.md").rename(docs / "worse.md")
    (docs / "key.md").rename(docs / "lock.md")
    for report in (collection.sync(docs), collection.sync(docs)):
        assert report.failed == (("worse.md", before.failed[0][1]),)
        assert report.warnings == (("lock.md", before.warnings[0][1]),)
    assert [source for source, _ in collection.status().failed] == ["worse.md"]


def test_a_file_that_changes_while_it_is_read(collection: ragkit.Collection, docs: Path) -> None:
    """Under a writer that never rests, what is indexed is what the file held at one moment."""
    path, stop = docs / "busy.txt", threading.Event()
    size = 400_000

    def fill(letter: str) -> None:
        with path.open("r+b") as file:
            for _ in range(size // 10_000):
                file.write((letter * 9 + " ").encode() * 1_000)
                file.flush()

    def rewrite() -> None:
        letters = 0
        while not stop.is_set():
            fill("abcdefghij"[letters % 10])
            letters += 1

    path.write_bytes(b"aaaaaaaaa " * (size // 10))
    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        reports = [collection.sync(docs) for _ in range(2)]
    finally:
        stop.set()
        writer.join()
    for report in reports:
        assert [source for source, _ in report.failed] in ([], ["busy.txt"])
        for _, reason in report.failed:
            assert reason == "changed while it was read: index again when nothing writes to it"
    fill("z")
    assert collection.sync(docs).failed == ()
    assert set("".join(contents(collection)["busy.txt"])) == {"z", " "}


def test_two_names_of_one_source_are_told_once(collection: ragkit.Collection, docs: Path) -> None:
    """Of two files whose names are written alike one is a document, and the other is told."""
    (docs / "odd-%E9.md").write_text("One is named so.")
    Path(os.fsdecode(os.fsencode(docs) + b"/odd-\xe9.md")).write_text("The other is written so.")
    told = (("odd-%E9.md", r"another file has this name already: rename b'odd-\xe9.md'"),)
    assert collection.sync(docs).skipped == told
    generation = collection.status().generation
    assert collection.sync(docs).skipped == told
    assert collection.status().generation == generation
    assert contents(collection)["odd-%E9.md"] == ["One is named so."]
