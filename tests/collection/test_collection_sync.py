"""What a sync promises: only what changed is bought, nothing old is found, nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from loopback import KEY, LoopbackServer, vector_of

import ragkit
from ragkit.chunking.recipe import embedded_text
from ragkit.config import Secret, Settings
from ragkit.errors import (
    AuthenticationFailed,
    CollectionLocked,
    FingerprintMismatch,
    InvalidArgument,
    NotACollection,
    PathNotFound,
    RootVanished,
    UnknownModel,
)
from ragkit.storage.lock import writer_lock

MODEL = "test/small"


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation's key is made anew for each test, and no key of the user's is seen."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENROUTER_API_KEY", "RAGKIT_API_KEY", "RAGKIT_MODEL", "RAGKIT_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Three documents of several sections each."""
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, subject in (("a.md", "apples"), ("b.md", "bridges"), ("c.txt", "comets")):
        write(folder / name, subject)
    return folder


def write(path: Path, subject: str, sections: int = 4, edited: int | None = None) -> None:
    """A document about a subject; the edited section has another sentence in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"# All about {subject}\n"]
    for number in range(sections):
        extra = "This very sentence is new. " if number == edited else ""
        sentence = f"Section {number} tells of {subject} number {number}{number} in detail. "
        parts.append(f"## Part {number} of {subject}\n\n{extra}{sentence * 6}\n")
    path.write_text("\n".join(parts), encoding="utf-8")


@pytest.fixture
def remote(tmp_path: Path, embedding_server: LoopbackServer) -> Iterator[ragkit.Collection]:
    """A collection whose vectors come from the loopback server."""
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        yield collection


def open_remote(path: Path, server: LoopbackServer, key: str = KEY) -> ragkit.Collection:
    settings = Settings(model=MODEL, base_url=server.base_url, api_key=Secret(key), workers=1)
    return ragkit.open(path, settings=settings)


def inputs(server: LoopbackServer) -> list[str]:
    """Every text that was sent, in the order of the requests."""
    return [text for item in server.ledger.requests for text in json.loads(item.body)["input"]]


def sources(collection: ragkit.Collection) -> list[str]:
    return [document.source for document in collection.documents()]


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file; what SQLite keeps for readers is not one of them."""
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def test_every_vector_belongs_to_its_text(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Each stored vector is the one the server makes of exactly the passage's embedded text."""
    report = remote.sync(docs)
    assert (report.added, report.updated, report.removed, report.failed) == (3, 0, 0, ())
    with remote._store.snapshot() as snapshot:
        ids, slots = snapshot.ids_and_slots()
        rows = remote._store.rows(snapshot)
        stored = snapshot.passages(ids.tolist())
        for id_, slot in zip(ids.tolist(), slots.tolist(), strict=True):
            text = embedded_text(stored[id_].title, stored[id_].passage)
            expected = np.array(vector_of(text, model=MODEL), np.float32)
            np.testing.assert_allclose(rows[slot], expected / np.linalg.norm(expected), atol=1e-6)
    assert report.passages == len(ids) >= 12
    assert report.embedded == len(inputs(embedding_server)) == len(set(inputs(embedding_server)))
    assert report.cost_usd == embedding_server.ledger.cost_usd > 0
    assert remote.status().spent_usd == report.cost_usd


def test_every_document_knows_what_it_cost(remote: ragkit.Collection, docs: Path) -> None:
    """The ledger's rows per document add up to the run, and an untouched text is bought once."""
    report = remote.sync(docs)
    rows = remote.spending()
    assert [(row.run, row.model, row.root, row.source) for row in rows] == [
        (1, MODEL, "docs", name) for name in ("a.md", "b.md", "c.txt")
    ]
    assert sum(row.tokens for row in rows) == report.tokens
    assert sum(row.cost_usd for row in rows) == report.cost_usd
    assert sum(row.texts for row in rows) == report.embedded
    write(docs / "a.md", "apples", edited=2)
    again = remote.sync(docs)
    assert again.reused > 0
    assert again.saved_tokens > 0
    assert again.saved_usd
    assert 0 < again.saved_usd < report.cost_usd
    assert [row.source for row in remote.spending() if row.run == 2] == ["a.md"]
    (total,) = remote.status().spent
    assert (total.runs, total.tokens) == (2, report.tokens + again.tokens)
    assert (total.reused, total.saved_tokens) == (again.reused, again.saved_tokens)


def test_spans_hold(remote: ragkit.Collection, docs: Path) -> None:
    """A passage is exactly its span of the document, and every word is in one."""
    remote.sync(docs)
    texts = {document.source: document.text for document in remote.documents()}
    covered = dict.fromkeys(texts, "")
    for passage in remote.passages():
        assert passage.text == texts[passage.source][passage.start : passage.end]
        covered[passage.source] += passage.text
    for source, text in texts.items():
        assert "".join(covered[source].split()) == "".join(text.split())


def test_an_unchanged_folder_costs_nothing(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """The second sync sends no request, takes no lock and writes no file."""
    remote.sync(docs)
    asked, before = len(embedding_server.ledger.requests), files(remote.path)
    with writer_lock(remote.path):
        report = remote.sync(docs)
    assert (report.unchanged, report.added, report.embedded, report.requests) == (3, 0, 0, 0)
    assert len(embedding_server.ledger.requests) == asked
    before.pop("lock")
    after = files(remote.path)
    after.pop("lock")
    assert after == before


def test_only_the_edited_passage_is_bought(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """One edited paragraph is embedded again, its old text is gone, the rest keeps its ids."""
    remote.sync(docs)
    asked = len(inputs(embedding_server))
    before = {passage.text: passage.id for passage in remote.passages("a.md")}
    write(docs / "a.md", "apples", edited=2)
    report = remote.sync(docs)
    new = inputs(embedding_server)[asked:]
    assert (report.updated, report.embedded) == (1, len(new))
    assert 1 <= len(new) <= 2
    assert any("This very sentence is new" in text for text in new)
    after = {passage.text: passage.id for passage in remote.passages("a.md")}
    kept = before.keys() & after.keys()
    assert len(kept) >= len(before) - 2
    assert all(before[text] == after[text] for text in kept)
    assert min(after[text] for text in after.keys() - kept) > max(before.values())


def test_a_rename_buys_nothing(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A renamed file keeps ids and vectors, is found under its new name and not under the old."""
    remote.sync(docs)
    asked = len(embedding_server.ledger.requests)
    before = [passage.id for passage in remote.passages("b.md")]
    (docs / "deep").mkdir()
    (docs / "b.md").rename(docs / "deep" / "viaducts.md")
    report = remote.sync(docs)
    assert (report.moved, report.added, report.removed) == (1, 0, 0)
    assert len(embedding_server.ledger.requests) == asked
    assert [passage.id for passage in remote.passages("deep/viaducts.md")] == before
    assert {hit.source for hit in remote.search("viaducts", mode="lexical")} == {"deep/viaducts.md"}


def test_a_copy_buys_nothing(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A copied file becomes a document of its own on the vectors that are there."""
    first = remote.sync(docs)
    asked = len(embedding_server.ledger.requests)
    shutil.copy(docs / "a.md", docs / "z.md")
    report = remote.sync(docs)
    assert (report.added, report.embedded, report.reused) == (1, 0, first.passages // 3)
    assert len(embedding_server.ledger.requests) == asked
    assert sources(remote) == ["a.md", "b.md", "c.txt", "z.md"]


@pytest.mark.parametrize("mode", ["hybrid", "semantic", "lexical"])
def test_deleted_text_is_gone_from_every_mode(
    remote: ragkit.Collection, docs: Path, mode: str
) -> None:
    """After a file is deleted and another edited, no mode of search returns the old text."""
    remote.sync(docs)
    assert any(hit.source == "b.md" for hit in remote.search("bridges", mode=mode, k=50))  # type: ignore[arg-type]
    (docs / "b.md").unlink()
    write(docs / "a.md", "quinces")
    report = remote.sync(docs)
    assert (report.removed, report.updated) == (1, 1)
    hits = remote.search("bridges apples", mode=mode, k=50)  # type: ignore[arg-type]
    assert not any("bridges" in hit.text or "apples" in hit.text for hit in hits)


def test_a_kill_loses_no_vector(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A sync that dies after its vectors arrived buys nothing again and ends like another."""
    with open_remote(tmp_path / "whole", embedding_server) as whole:
        whole.sync(docs)
        expected = [(item.id, item.source, item.text) for item in whole.passages()]
    asked = len(inputs(embedding_server))
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        _die_before_commit(collection, docs)
        assert collection.documents() == []
        report = collection.sync(docs)
        assert (report.embedded, report.requests) == (0, 0)
        assert [(item.id, item.source, item.text) for item in collection.passages()] == expected
    assert len(inputs(embedding_server)) == 2 * asked


def _die_before_commit(collection: ragkit.Collection, docs: Path) -> None:
    """Run the sync in a child that is killed just before the generation becomes visible."""
    child = os.fork()
    if child == 0:
        from ragkit.storage.writer import Writer

        Writer.commit = lambda *_, **__: os.kill(os.getpid(), 9)  # type: ignore[method-assign]
        collection.sync(docs)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == 9


def test_a_wrong_key_changes_nothing(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A refused key ends the sync with its sentence, and the new collection is not left behind."""
    with (
        open_remote(tmp_path / "kb", embedding_server, key="sk-or-v1-wrong") as collection,
        pytest.raises(AuthenticationFailed, match="RAGKIT_API_KEY"),
    ):
        collection.sync(docs)
    assert not (tmp_path / "kb").exists()


def test_a_spent_budget_keeps_what_is_complete(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A budget stops the sync with the finished documents visible; the next call goes on."""
    for number in range(6):
        write(docs / f"more-{number}.md", f"subject{number}", sections=40)
    with open_remote(tmp_path / "kb", embedding_server) as collection:
        report = collection.sync(docs, max_cost_usd=Decimal("0.0003"))
        assert report.stopped is not None
        assert 0 < report.cost_usd <= Decimal("0.0003")
        assert len(sources(collection)) == report.added < 9
        rest = collection.sync(docs)
        assert rest.stopped is None
        assert len(sources(collection)) == 9
    assert max(embedding_server.ledger.answered.values()) == 1


def test_a_stop_keeps_what_is_complete(remote: ragkit.Collection, docs: Path) -> None:
    """An event that is set before the work begins leaves everything for the next call."""
    stop = threading.Event()
    stop.set()
    report = remote.sync(docs, stop=stop)
    assert (report.stopped, report.added) == ("interrupted", 0)
    assert remote.sync(docs).added == 3


def test_one_bad_file_never_stops_it(remote: ragkit.Collection, docs: Path) -> None:
    """A broken file is one line of the report, remembered without being read again."""
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing else")
    (docs / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    report = remote.sync(docs)
    assert report.added == 3
    assert [source for source, _ in report.failed] == ["broken.pdf"]
    assert [source for source, _ in report.skipped] == ["picture.md"]
    before = files(remote.path)
    again = remote.sync(docs)
    assert (again.failed, again.skipped) == (report.failed, report.skipped)
    assert files(remote.path) == before
    assert remote.status().failed == report.failed


def test_a_document_that_turns_bad_is_not_served_any_more(
    remote: ragkit.Collection, docs: Path
) -> None:
    """When a file's new content cannot be read, its old content is not shown as if it were new."""
    remote.sync(docs)
    (docs / "a.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    report = remote.sync(docs)
    assert (report.removed, report.updated) == (1, 0)
    assert sources(remote) == ["b.md", "c.txt"]


def test_a_vanished_root_removes_nothing(
    remote: ragkit.Collection, docs: Path, tmp_path: Path
) -> None:
    """An unmounted folder is an error, until it is said that its documents are to go."""
    remote.sync(docs)
    docs.rename(tmp_path / "elsewhere")
    with pytest.raises(RootVanished, match="holds 3 of its documents; nothing was removed"):
        remote.sync(docs)
    docs.mkdir()
    with pytest.raises(RootVanished, match="gone or empty"):
        remote.sync(docs)
    assert len(sources(remote)) == 3
    assert remote.sync(docs, allow_empty=True).removed == 3
    assert remote.search("apples") == []


def test_other_roots_stay(remote: ragkit.Collection, docs: Path, tmp_path: Path) -> None:
    """A sync touches the roots that it names, and a part of a root leaves the other parts."""
    other = tmp_path / "more" / "docs"
    write(other / "x.md", "xylophones")
    write(other / "sub" / "y.md", "yachts")
    assert remote.sync([docs, other]).added == 5
    (docs / "a.md").unlink()
    write(other / "x.md", "xenon")
    write(other / "sub" / "y.md", "yeast")
    assert remote.sync(other / "sub").updated == 1
    assert remote.sync(other).updated == 1
    assert remote.status().roots == {"docs": str(docs), "docs-2": str(other)}
    assert remote.sync(docs).removed == 1
    (other / "sub" / "y.md").unlink()
    assert remote.sync(other / "sub" / "y.md").removed == 1
    assert [(item.root, item.source) for item in remote.documents()] == [
        ("docs", "b.md"),
        ("docs", "c.txt"),
        ("docs-2", "x.md"),
    ]


def test_a_file_is_a_root_of_one(remote: ragkit.Collection, docs: Path) -> None:
    """A single file can be indexed by itself."""
    assert remote.sync(docs / "a.md").added == 1
    assert sources(remote) == ["a.md"]
    assert remote.status().roots == {"a.md": str(docs / "a.md")}


def test_the_collection_never_indexes_itself(docs: Path, embedding_server: LoopbackServer) -> None:
    """A collection inside the folder that it mirrors stays out of it."""
    with open_remote(docs / "kb", embedding_server) as collection:
        assert collection.sync(docs).added == 3
        assert collection.sync(docs).unchanged == 3


def test_the_same_size_and_time_is_found_by_checksum(remote: ragkit.Collection, docs: Path) -> None:
    """Content decides: with ``checksum`` even a change that left size and time alone is seen."""
    remote.sync(docs)
    path = docs / "c.txt"
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_text(path.read_text().replace("comets", "planet"))
    os.utime(path, ns=times)
    assert remote.sync(docs).unchanged == 3
    assert remote.sync(docs, checksum=True).updated == 1


def test_a_touched_file_is_unchanged(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A new time with the old content is noted once and changes no generation's content."""
    remote.sync(docs)
    asked = len(embedding_server.ledger.requests)
    os.utime(docs / "a.md")
    assert remote.sync(docs).unchanged == 3
    before = files(remote.path)
    assert remote.sync(docs).unchanged == 3
    assert files(remote.path) == before
    assert len(embedding_server.ledger.requests) == asked


def test_the_plan_is_what_the_sync_does(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A plan counts changes, passages and texts as the sync then has them, and sends nothing."""
    remote.sync(docs)
    asked = len(embedding_server.ledger.requests)
    write(docs / "a.md", "apples", edited=1)
    write(docs / "new.md", "nebulae")
    (docs / "b.md").rename(docs / "bb.md")
    (docs / "c.txt").unlink()
    before = files(remote.path)
    plan = remote.plan(docs)
    assert (plan.added, plan.updated, plan.moved, plan.removed) == (1, 1, 1, 1)
    assert [(item.kind, item.source, item.previous) for item in plan.changes] == [
        ("updated", "a.md", None),
        ("moved", "bb.md", "docs:b.md"),
        ("removed", "c.txt", None),
        ("added", "new.md", None),
    ]
    assert files(remote.path) == before
    assert len(embedding_server.ledger.requests) == asked
    report = remote.sync(docs)
    assert (report.added, report.updated, report.moved, report.removed) == (1, 1, 1, 1)
    assert (report.passages, report.embedded) == (plan.passages, plan.to_embed)
    assert 0 < report.tokens <= plan.tokens * 2


def test_what_is_missing_is_named(remote: ragkit.Collection, tmp_path: Path) -> None:
    """A path that is not there, and a call without a path, are told in one sentence."""
    with pytest.raises(PathNotFound, match=r"no file or folder at .*nowhere"):
        remote.sync(tmp_path / "nowhere")
    with pytest.raises(InvalidArgument, match="nothing to index"):
        remote.sync([])


def test_a_second_writer_is_refused(remote: ragkit.Collection, docs: Path) -> None:
    """A sync that would write while another process does says who that is."""
    with (
        writer_lock(remote.path),
        pytest.raises(CollectionLocked, match=f"process {os.getpid()}"),
    ):
        remote.sync(docs)


def test_another_model_is_refused(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A collection keeps its model, opens without naming it, and names both when they differ."""
    remote.sync(docs)
    settings = Settings(api_key=Secret(KEY))
    with ragkit.open(remote.path, settings=settings) as again:
        assert again.model == MODEL
        assert again.sync(docs).unchanged == 3
    wrong = "has model test/small, not model test/fixed"
    with pytest.raises(FingerprintMismatch, match=wrong):
        ragkit.open(remote.path, model="test/fixed", settings=settings)
    assert KEY.encode() not in (remote.path / "collection.db").read_bytes()


def test_derived_files_may_be_deleted(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Without its derived files a collection answers the same, and asks the server for nothing."""
    remote.sync(docs)
    before = [(hit.passage.id, hit.score) for hit in remote.search("bridges number 22", k=5)]
    shutil.rmtree(remote.path / "derived")
    asked = len(inputs(embedding_server))
    with open_remote(remote.path, embedding_server) as again:
        after = [(hit.passage.id, hit.score) for hit in again.search("bridges number 22", k=5)]
    assert [row[0] for row in after] == [row[0] for row in before]
    np.testing.assert_allclose([row[1] for row in after], [row[1] for row in before], atol=1e-4)
    assert inputs(embedding_server)[asked:] == ["bridges number 22"]


def test_an_open_reader_sees_the_new_generation(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A collection that is open elsewhere answers from the newest generation, without reopening."""
    remote.sync(docs)
    with open_remote(remote.path, embedding_server) as reader:
        assert reader.search("walnuts", mode="lexical") == []
        write(docs / "w.md", "walnuts")
        remote.sync(docs)
        assert {hit.source for hit in reader.search("walnuts", mode="lexical")} == {"w.md"}


def test_an_index_mends_derived_files(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """An unchanged folder whose lexical index is gone gets it back at the next sync."""
    remote.sync(docs)
    asked = len(embedding_server.ledger.requests)
    shutil.rmtree(remote.path / "derived")
    assert remote.sync(docs).unchanged == 3
    assert list((remote.path / "derived").glob("words-*/manifest.json")) != []
    assert len(embedding_server.ledger.requests) == asked
    before = files(remote.path)
    assert remote.sync(docs).unchanged == 3
    assert files(remote.path) == before


def test_refused_passages_are_one_line(
    remote: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Texts that the model will never take cost one line for their file; their words are found."""
    embedding_server.refused_words.add("Section 2 tells of apples")
    embedding_server.refused_words.add("Section 3 tells of apples")
    report = remote.sync(docs)
    ((source, reason),) = report.failed
    assert source == "a.md"
    assert reason.startswith("2 passages have no vector, the first at line ")
    assert remote.search("apples 22", mode="lexical")[0].source == "a.md"


def test_a_file_is_no_collection(docs: Path) -> None:
    """Opening a file as a collection is told in one sentence."""
    with pytest.raises(NotACollection, match=r"a\.md is a file"):
        ragkit.open(docs / "a.md")


def test_a_bare_model_name_needs_a_server(tmp_path: Path) -> None:
    """A name that neither OpenRouter nor this package could have is refused as such."""
    with pytest.raises(UnknownModel, match="there is no model 'nope'"):
        ragkit.open(tmp_path / "kb", model="nope")
    assert not (tmp_path / "kb").exists()


def test_a_text_that_the_server_cut_is_a_warning(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Where a server reads only the beginning of texts, the report says so, a line for a file."""
    embedding_server.quirks.reads_tokens = 100
    paragraph = "The river carries barges of gravel past the old mill every morning. "
    (docs / "long.txt").write_text(paragraph * 120, encoding="utf-8")
    settings = Settings(
        model="openai/text-embedding-3-small",
        base_url=embedding_server.base_url,
        api_key=Secret(KEY),
        passage_tokens=600,
    )
    with ragkit.open(tmp_path / "kb", settings=settings) as collection:
        report = collection.sync(docs)
        assert (report.added, report.failed) == (4, ())
        remark = dict(report.warnings)["long.txt"]
        assert "a vector, " in remark
        assert "longer than the 100 tokens that the server reads of a text" in remark
        assert collection.sync(docs).warnings == report.warnings
