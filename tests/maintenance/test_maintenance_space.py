"""Compacting, purging and forgetting: what goes, what stays, and who notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_runs import Shell
from kill_points import killed_everywhere, state_of
from made_collection import opened

import ragkit
from ragkit.errors import (
    AmbiguousSource,
    CollectionError,
    CollectionLocked,
    GenerationGone,
    SourceNotFound,
)
from ragkit.maintenance.compact import is_wasteful

RUN = 32


def verified(kb: Path) -> list[str]:
    with opened(kb) as collection:
        return [f"{item.law}: {item.place}" for item in collection.verify().problems]


def without_stations(kb: Path) -> None:
    """A third of the passages go, and their vectors stay."""
    (kb.parent / "docs/guides/stations.md").unlink()
    with opened(kb) as collection:
        collection.sync(kb.parent / "docs")


# --- compact


def test_compacting_gives_space_back_and_changes_no_answer(kb: Path) -> None:
    """Dead vectors, dead rows and free pages go; passages, ids, vectors and scores stay."""
    without_stations(kb)
    before = state_of(kb)
    with opened(kb) as collection:
        report = collection.compact()
        assert collection.status().bytes == report.after_bytes
        assert (report.vectors, report.generation) == (12, 3)
    assert report.after_bytes < report.before_bytes
    assert (kb / "vectors.f32").stat().st_size == 5 * 384 * 4
    assert state_of(kb) == before
    assert verified(kb) == []


def test_compacting_what_is_compact_changes_nothing(kb: Path) -> None:
    """A second compaction finds nothing to give back, and every answer stays."""
    before = state_of(kb)
    with opened(kb) as collection:
        assert [collection.compact().vectors for _ in range(2)] == [0, 0]
    assert state_of(kb) == before


def test_a_sync_goes_on_after_a_compaction(kb: Path) -> None:
    """New vectors follow the last row, ids go on, and nothing that is known is embedded again."""
    without_stations(kb)
    with opened(kb) as collection:
        collection.compact()
        (kb.parent / "docs/new.md").write_text("# New\n\nSomething that was not there before.\n")
        report = collection.sync(kb.parent / "docs")
        assert (report.added, report.embedded, report.unchanged) == (1, 1, 5)
        assert max(passage.id for passage in collection.passages()) == 18
    assert verified(kb) == []


def test_dead_vectors_are_kept_until_they_are_compacted(kb: Path) -> None:
    """A text that comes back costs nothing before a compaction, and its price after it."""
    kept = (kb.parent / "docs/guides/stations.md").read_text()
    without_stations(kb)
    (kb.parent / "docs/guides/stations.md").write_text(kept)
    with opened(kb) as collection:
        assert collection.sync(kb.parent / "docs").embedded == 0
    without_stations(kb)
    (kb.parent / "docs/guides/stations.md").write_text(kept)
    with opened(kb) as collection:
        collection.compact()
        assert collection.sync(kb.parent / "docs").embedded == 12


def test_a_collection_with_nothing_in_it_is_not_compacted(tmp_path: Path) -> None:
    """There is nothing to give back, and it says so."""
    with ragkit.open(tmp_path / "kb") as collection:
        with pytest.raises(CollectionError, match="index first"):
            collection.compact()
        read_only = ragkit.open(tmp_path / "kb", read_only=True)
    with read_only, pytest.raises(CollectionError, match="read-only"):
        read_only.compact()


def test_readers_of_the_old_files_are_not_disturbed(kb: Path) -> None:
    """A retriever that is held answers as before, and the next search sees the new files."""
    without_stations(kb)
    with opened(kb) as reader, opened(kb) as writer:
        held = reader.retriever
        before = [hit.passage.id for hit in held.search("pressure of a pump", k=5)]
        writer.compact()
        assert [hit.passage.id for hit in held.search("pressure of a pump", k=5)] == before
        assert [hit.passage.id for hit in reader.search("pressure of a pump", k=5)] == before
        assert held.search("soup", k=1)[0].source == "notes/lunch.txt"


def test_a_reader_that_comes_too_late_for_its_vectors_is_told(kb: Path) -> None:
    """Who holds a generation and opens its vectors after they were moved gets no others'."""
    without_stations(kb)
    with opened(kb) as reader, opened(kb) as writer:
        held = reader.retriever
        writer.compact()
        with pytest.raises(GenerationGone, match="search again"):
            held.search("pressure of a pump", k=5)
        assert held.search("soup", k=1, mode="lexical")[0].source == "notes/lunch.txt"
        assert reader.search("soup", k=1)[0].source == "notes/lunch.txt"


@contextlib.contextmanager
def other_process(kb: Path, script: str) -> Iterator[subprocess.Popen[str]]:
    """Python with the collection open as ``collection``."""
    start = f"import ragkit, sys\nwith ragkit.open({os.fspath(kb)!r}) as collection:\n"
    indented = "".join(f"    {line}\n" for line in script.splitlines())
    process = subprocess.Popen(
        [sys.executable, "-c", start + indented],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        assert process.wait(60) == 0


SEARCH_ON_DEMAND = """
for line in sys.stdin:
    hits = collection.search('pressure of a pump', k=3)
    print([hit.passage.id for hit in hits], flush=True)
"""


def ask(process: subprocess.Popen[str]) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_other_processes_go_on(kb: Path) -> None:
    """A process with idle connections to the old files answers from the new ones."""
    without_stations(kb)
    with other_process(kb, SEARCH_ON_DEMAND) as process:
        before = ask(process)
        assert before.startswith("[")
        for _ in range(3):
            with opened(kb) as collection:
                collection.compact()
            assert ask(process) == before
            (kb.parent / "docs/new.md").write_text(f"# New\n\n{os.urandom(8).hex()}\n")
            with opened(kb) as collection:
                collection.sync(kb.parent / "docs")
            assert ask(process) == before
        assert process.stdin is not None
        process.stdin.close()
    assert verified(kb) == []


def test_searching_while_it_is_compacted_again_and_again(kb: Path) -> None:
    """Threads that search all the while get the same answer every time."""
    without_stations(kb)
    answers, errors, stop = set(), [], threading.Event()

    def search(collection: ragkit.Collection) -> None:
        while not stop.is_set():
            try:
                hits = collection.search("pressure of a pump", k=4)
                answers.add(tuple((hit.passage.id, round(hit.score, 4)) for hit in hits))
            except Exception as error:  # noqa: BLE001 - all of them count
                errors.append(error)

    with opened(kb) as reader, opened(kb) as writer:
        reader.search("soup", k=1)
        threads = [threading.Thread(target=search, args=(reader,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            writer.compact()
        stop.set()
        for thread in threads:
            thread.join()
    assert errors == []
    assert len(answers) == 1


def test_only_one_writes(kb: Path) -> None:
    """Beside a writer a compaction waits, or says who holds the collection."""
    with opened(kb) as collection, collection._store.writing():
        with pytest.raises(CollectionLocked, match="process"):
            collection.compact()
        with pytest.raises(CollectionLocked):
            collection.purge("notes/lunch.txt", wait_s=0.1)


@pytest.mark.parametrize(
    ("living", "vectors", "wasteful"),
    [(0, 9_999, False), (0, 10_000, True), (10_000, 20_000, False), (10_000, 20_001, True)],
)
def test_when_it_compacts_itself(living: int, vectors: int, wasteful: bool) -> None:
    """More than half of the vectors, and 10,000 of them, belong to no passage."""
    assert is_wasteful(living, vectors) is wasteful


def test_a_sync_gives_back_what_is_mostly_waste(
    kb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing while a migration or its way back needs the vectors; then it is done and told."""
    monkeypatch.setattr("ragkit.maintenance.compact._WASTED_VECTORS", 20)
    many = tmp_path / "many"
    many.mkdir()
    for number in range(30):
        (many / f"{number}.txt").write_text(f"Sentence {number} of many about whales.")
    with opened(kb) as collection:
        before = collection.status().vectors
        collection.sync(many)
        for number in range(1, 30):
            (many / f"{number}.txt").unlink()
        with collection._store.writing() as writer:
            writer.set({"previous": {"model": "any"}})
        assert collection.sync(many).warnings == ()
        (many / "0.txt").write_text("Another sentence about whales.")
        with collection._store.writing() as writer:
            writer.set({"previous": {}})
        ((source, said),) = collection.sync(many).warnings
        assert source == "."
        assert said.startswith("compacted: ")
        assert "vectors belonged to no passage any more" in said
        assert collection.status().vectors <= before + 1
        assert collection.verify().problems == ()
        assert collection.search("whales", k=1)[0].source == "0.txt"
        (many / "0.txt").write_text("A third sentence about whales.")
        assert collection.sync(many).warnings == ()


def test_an_index_compacts_what_is_mostly_waste(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At its end, and says so; less than the stated waste is left alone."""
    docs = kb.parent / "docs"
    (docs / "guides/stations.md").unlink()
    with opened(kb) as collection:
        report = collection.sync(docs)
        assert (report.removed, report.warnings) == (1, ())
        assert collection.status().vectors == 17
        monkeypatch.setattr("ragkit.maintenance.compact._WASTED_VECTORS", 10)
        (docs / "notes/lunch.txt").unlink()
        report = collection.sync(docs)
        (said,) = [reason for _, reason in report.warnings if reason.startswith("compacted: ")]
        assert said.startswith("compacted: 13 vectors belonged to no passage any more")
        assert collection.status().vectors == 4
        assert collection.verify().ok
    assert (kb / "vectors.f32").stat().st_size == 4 * 384 * 4


# --- purge


def runs(texts: list[str]) -> set[bytes]:
    """Every run of 32 bytes."""
    found = set()
    for text in texts:
        data = text.encode()
        found |= {data[at : at + RUN] for at in range(len(data) - RUN + 1)}
    return found


def contents(kb: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it is, and whatever in it can be inflated."""
    for path in sorted(kb.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield path.name, data
            at = data.find(b"\x78\x01")
            while at >= 0:
                with contextlib.suppress(zlib.error):
                    yield f"{path.name} at {at}", zlib.decompressobj().decompress(data[at:])
                at = data.find(b"\x78\x01", at + 1)


def rows_of(kb: Path, source: str) -> list[bytes]:
    """The vectors of a document's passages."""
    with opened(kb) as collection, collection._store.snapshot() as snapshot:
        own = {item.passage.id for item in snapshot.all_passages("docs", source)}
        ids, slots = snapshot.ids_and_slots()
        rows = collection._store.rows(snapshot)
        return [rows[slot].tobytes() for id_, slot in zip(ids, slots, strict=True) if id_ in own]


def traces(kb: Path, secrets: set[bytes], vectors: list[bytes]) -> list[str]:
    """Where one of them is found."""
    return [
        name
        for name, data in contents(kb)
        if any(secret in data for secret in secrets) or any(row in data for row in vectors)
    ]


def test_a_purged_document_is_in_no_file(kb: Path) -> None:
    """Of a document that was edited and moved, no text, no vector and no name is left anywhere."""
    docs = kb.parent / "docs"
    first = (docs / "guides/stations.md").read_text()
    second = first.replace("pressure", "temperature").replace("# Stations", "# Secret stations")
    (docs / "guides/stations.md").write_text(second)
    before = rows_of(kb, "guides/stations.md")
    with opened(kb) as collection:
        collection.sync(docs)
        (docs / "guides/stations.md").rename(docs / "guides/secret-stations.md")
        collection.sync(docs)
    vectors = [*before, *rows_of(kb, "guides/secret-stations.md")]
    others = [p.read_text() for p in docs.rglob("*.*") if "stations" not in p.name]
    secrets = runs([first, second]) - runs(others)
    assert "vectors.f32" in traces(kb, secrets, vectors)
    assert len(secrets) > 1000
    with opened(kb) as collection:
        report = collection.purge("guides/secret-stations.md")
        assert (report.root, report.documents, report.passages) == ("docs", 1, 12)
        assert report.vectors >= 24
        assert report.path == str(docs / "guides/secret-stations.md")
        assert "secret-stations" not in str(collection.spending())
        collection.purge("guides/stations.md")
    assert traces(kb, secrets | {b"secret-stations", b"stations.md"}, vectors) == []
    assert verified(kb) == []
    (words,) = (kb / "derived").iterdir()
    with opened(kb) as collection:
        assert len(collection.search("station temperature", mode="lexical", k=20)) == 0
        assert words.name == "words-5"


def test_what_another_document_says_too_stays(kb: Path) -> None:
    """The vector that a copy shares is kept, and the copy is found as before."""
    docs = kb.parent / "docs"
    shutil.copy(docs / "guides/pumps.md", docs / "guides/pumps-copy.md")
    with opened(kb) as collection:
        assert collection.sync(docs).embedded == 0
        report = collection.purge("guides/pumps.md")
        assert (report.passages, report.vectors) == (1, 0)
        assert collection.search("greased in March", k=1)[0].source == "guides/pumps-copy.md"


def test_a_purged_file_comes_back_only_from_its_folder(kb: Path) -> None:
    """While the file is there the next index reads it again; without it nothing comes back."""
    lunch = kb.parent / "docs/notes/lunch.txt"
    with opened(kb) as collection:
        collection.purge("docs:notes/lunch.txt")
        assert collection.sync(kb.parent / "docs").added == 1
        collection.purge("notes/lunch.txt")
        lunch.unlink()
        assert collection.sync(kb.parent / "docs").added == 0


def test_what_an_index_removed_can_still_be_purged(kb: Path) -> None:
    """A document that is gone leaves vectors, old indexes and its name behind: these go too."""
    lunch = kb.parent / "docs/notes/lunch.txt"
    secrets, vectors = runs([lunch.read_text()]), rows_of(kb, "notes/lunch.txt")
    lunch.unlink()
    with opened(kb) as collection:
        collection.sync(kb.parent / "docs")
        assert traces(kb, secrets | {b"lunch.txt"}, vectors) != []
        report = collection.purge("notes/lunch.txt")
    assert (report.documents, report.passages, report.vectors) == (0, 0, 1)
    assert traces(kb, secrets | {b"lunch.txt"}, vectors) == []


def test_readers_of_what_was_purged_are_told(kb: Path) -> None:
    """A held generation with the document in it answers nothing more, wherever it is held."""
    script = """
held = collection.retriever
held.search('soup', k=1)
print('ready', flush=True)
for line in sys.stdin:
    try:
        print(held.search('soup', k=1)[0].source, flush=True)
    except ragkit.errors.GenerationGone as error:
        print('gone', collection.search('soup', k=1)[0].source, flush=True)
"""
    with opened(kb) as reader, other_process(kb, script) as process:
        held = reader.retriever
        assert held.search("soup", k=1)[0].source == "notes/lunch.txt"
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert ask(process) == "notes/lunch.txt\n"
        with opened(kb) as writer:
            writer.compact()
            assert ask(process) == "notes/lunch.txt\n"
            writer.purge("notes/lunch.txt")
        for _ in range(2):
            with pytest.raises(GenerationGone, match="purged"):
                held.search("soup", k=1)
        said = ask(process)
        assert said.startswith("gone ")
        assert "lunch" not in said
        assert reader.search("soup", k=1)[0].source != "notes/lunch.txt"
        assert process.stdin is not None
        process.stdin.close()


def test_names_are_asked_back(kb: Path, tmp_path: Path) -> None:
    """What is not there is refused, what two roots have is asked for, what is done is done."""
    (tmp_path / "more/notes").mkdir(parents=True)
    (tmp_path / "more/notes/lunch.txt").write_text("Lunch is brought from home.\n")
    with opened(kb) as collection:
        collection.sync(tmp_path / "more")
        with pytest.raises(SourceNotFound, match="nothing of one"):
            collection.purge("notes/lnch.txt")
        with pytest.raises(AmbiguousSource, match=r"docs:notes/lunch\.txt or more:"):
            collection.purge("notes/lunch.txt")
        assert collection.purge("more:notes/lunch.txt").passages == 1
        assert collection.purge("more:notes/lunch.txt").root == ""


def test_the_ledger_still_adds_up(kb: Path) -> None:
    """The name goes, what was spent on it stays, under no name."""
    with opened(kb) as collection:
        before = collection.spending()
        collection.purge("guides/stations.md")
        after = collection.spending()
    assert sum(item.tokens for item in after) == sum(item.tokens for item in before)
    assert sum(item.texts for item in after) == sum(item.texts for item in before)
    assert {item.source for item in before} - {item.source for item in after} == {
        "guides/stations.md"
    }
    assert "" in {item.source for item in after}


# --- forget


def test_a_forgotten_root_is_found_no_more(kb: Path, tmp_path: Path) -> None:
    """Its documents go, the others and its folder stay, and coming back costs nothing."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more/tea.md").write_text("# Tea\n\nTea is at four in the afternoon.\n")
    with opened(kb) as collection:
        collection.sync(tmp_path / "more")
        report = collection.forget("docs")
        assert (report.root, report.documents, report.passages) == ("docs", 6, 17)
        assert set(collection.roots) == {"more"}
        assert {hit.source for hit in collection.search("soup or tea", k=9)} == {"tea.md"}
        assert (kb.parent / "docs/notes/lunch.txt").exists()
        with pytest.raises(SourceNotFound, match="it has 'more'"):
            collection.forget("docs")
        again = collection.sync(kb.parent / "docs")
        assert (again.added, again.embedded) == (6, 0)
    assert verified(kb) == []


# --- everywhere


@pytest.mark.parametrize("action", ["compact", "purge", "forget"])
def test_it_may_be_killed_at_every_step(action: str, kb: Path, tmp_path: Path) -> None:
    """Killed before each write, it leaves the old or the new collection, and then completes."""
    if action == "compact":
        without_stations(kb)
    (tmp_path / "scratch").mkdir()
    made = tmp_path / "made"
    made.mkdir()
    shutil.move(kb, made / "kb")
    shutil.move(tmp_path / "docs", made / "docs")
    outcome = killed_everywhere(action, made, tmp_path / "scratch", every=10**6)
    assert outcome.failures == []
    assert len(outcome.points) >= 15
    assert outcome.kills >= 15


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("action", ["compact", "purge", "forget"])
def test_it_may_be_killed_at_every_write(action: str, made: Path, tmp_path: Path) -> None:
    """The same at every third call that writes."""
    outcome = killed_everywhere(action, made, tmp_path, every=3)
    assert outcome.failures == []


def test_the_commands(shell: Shell) -> None:
    """Each says in a line what it did; --json gives the fields; mistakes are one line."""
    shell.run("index", "docs")
    purged = shell.run("purge", "notes/lunch.txt")
    assert (purged.code, purged.err) == (0, "")
    assert purged.out.startswith("docs:notes/lunch.txt is in no file of the collection any more")
    assert "the next index reads it" in purged.out
    again = shell.run("purge", "notes/lunch.txt", "--json").json
    assert (again["root"], again["passages"]) == ("", 0)
    wrong = shell.run("purge", "nothing.txt")
    assert (wrong.code, wrong.out) == (1, "")
    assert "nothing of one" in wrong.err
    compacted = shell.run("compact", "--json").json
    assert (compacted["vectors"], compacted["generation"]) == (0, 3)
    assert compacted["collection"].endswith(".ragkit")
    assert "belonged to no passage" in shell.run("compact").out
    forgotten = shell.run("forget", "docs")
    assert forgotten.out.endswith("2 documents and 3 passages are found no more.\n")
    assert json.loads(shell.run("status", "--json").out)["roots"] == {}
    assert shell.run("verify").code == 0


def test_the_same_awaited(kb: Path) -> None:
    """The asynchronous collection has the same methods."""

    async def work() -> tuple[bool, int, int, int]:
        async with await ragkit.AsyncCollection.open(kb, create=False) as collection:
            purged = await collection.purge("notes/lunch.txt")
            forgotten = await collection.forget("docs")
            compacted = await collection.compact()
            return (
                (await collection.verify()).ok,
                purged.passages,
                forgotten.documents,
                compacted.vectors,
            )

    assert asyncio.run(work()) == (True, 1, 5, 16)
    assert not np.fromfile(kb / "vectors.f32").size
