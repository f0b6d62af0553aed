"""What a migration promises: nothing bought twice, nothing mixed, one switch, and a way back."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from loopback import KEY, LoopbackServer, vector_of
from loopback_pictures import picture

import ragkit
from ragkit.chunking.recipe import embedded_text
from ragkit.config import Secret, Settings
from ragkit.errors import (
    AuthenticationFailed,
    CollectionError,
    CollectionNotFound,
    FingerprintMismatch,
    InvalidArgument,
    NothingStaged,
)
from ragkit.models.catalogue import fingerprint, profile
from ragkit.storage.snapshot import Snapshot

SMALL, WIDE = "test/small", "openai/text-embedding-3-large"
SUBJECTS = ("apples", "bridges", "comets", "dunes", "engines")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RAGKIT_API_KEY", KEY)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for subject in SUBJECTS:
        write(folder / f"{subject}.md", subject)
    return folder


def write(path: Path, subject: str, *, edited: int | None = None) -> None:
    """Four sections about a subject; the edited one has a sentence of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = [f"# All about {subject}\n"]
    for number in range(4):
        extra = "This very sentence is new. " if number == edited else ""
        sentence = f"Section {number} tells of {subject} number {number}{number} in detail. "
        parts.append(f"## Part {number} of {subject}\n\n{extra}{sentence * 6}\n")
    path.write_text("\n".join(parts), encoding="utf-8")


def settings(server: LoopbackServer, model: str = SMALL, size: int | None = None) -> Settings:
    return Settings(
        model=model,
        base_url=server.base_url,
        api_key=Secret(KEY),
        workers=1,
        concurrency=1,
        passage_tokens=size,
    )


@pytest.fixture
def collection(
    tmp_path: Path, docs: Path, embedding_server: LoopbackServer
) -> Iterator[ragkit.Collection]:
    with ragkit.open(tmp_path / "kb", settings=settings(embedding_server)) as opened:
        opened.sync(docs)
        yield opened


def contents(collection: ragkit.Collection) -> list[tuple[int, str, str]]:
    return [(item.id, item.source, item.text) for item in collection.passages()]


def asked(server: LoopbackServer) -> list[tuple[str, str]]:
    """(model, text) of everything that was sent, in the order of the requests."""
    bodies = [json.loads(request.body) for request in server.ledger.requests]
    return [(body["model"], text) for body in bodies for text in body["input"]]


def rows_of(snapshot: Snapshot, collection: ragkit.Collection) -> dict[str, list[float]]:
    """The vector of each embedded text."""
    ids, slots = snapshot.ids_and_slots()
    stored, rows = snapshot.passages(ids.tolist()), collection._store.rows(snapshot)
    return {
        embedded_text(stored[id_].title, stored[id_].passage): rows[slot].tolist()
        for id_, slot in zip(ids.tolist(), slots.tolist(), strict=True)
    }


def assert_vectors_are_of(collection: ragkit.Collection, model: str) -> None:
    """Every vector is its text's, by that model, and every other law holds as well."""
    assert collection.verify().problems == ()
    with collection._store.snapshot() as snapshot:
        found = rows_of(snapshot, collection)
    assert len(found) >= 4
    for text, row in found.items():
        expected = np.array(vector_of(text, model=model), np.float32)
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-6)


def test_another_model_takes_over(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Every vector is of the new model, ids and texts stay, and the plan had said the price."""
    before = contents(collection)
    texts = [text for _, text in asked(embedding_server)]
    plan = collection.plan_migration(model=WIDE)
    assert (plan.updated, plan.passages, plan.to_embed) == (5, len(before), len(texts))
    assert len(asked(embedding_server)) == len(texts)
    report = collection.migrate(model=WIDE)
    assert (report.updated, report.embedded, report.reused) == (5, len(texts), 0)
    assert plan.cost_usd is not None
    assert report.cost_usd == pytest.approx(plan.cost_usd, rel=Decimal("0.03"))
    assert asked(embedding_server)[len(texts) :] == [(WIDE, text) for text in texts]
    assert collection.model == WIDE
    assert contents(collection) == before
    assert_vectors_are_of(collection, WIDE)
    assert (collection.path / "vectors-2.f32").stat().st_size == len(texts) * 3072 * 4
    hits = collection.search("comets number 22", k=3)
    assert {hit.source for hit in hits} == {"comets.md"}
    assert collection.sync(docs).unchanged == 5
    assert collection.migrate(model=WIDE).updated == 0


def test_it_is_what_a_fresh_index_would_be(
    tmp_path: Path, collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """After a migration of model and passage size the collection answers as a new one does."""
    collection.migrate(model="test/fixed", passage_tokens=40)
    fresh = settings(embedding_server, "test/fixed", 40)
    with ragkit.open(tmp_path / "fresh", settings=fresh) as other:
        other.sync(docs)
        assert [row[1:] for row in contents(collection)] == [row[1:] for row in contents(other)]
        query = "bridges part 2"
        found = [
            [(hit.source, hit.start, pytest.approx(hit.score, abs=1e-4)) for hit in hits]
            for hits in (collection.search(query, k=20), other.search(query, k=20))
        ]
        assert found[0] == found[1]


def test_the_size_of_passages_changes(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """Smaller passages share the matrix, buy only new texts, and no id names two texts."""
    before = {id_: text for id_, _, text in contents(collection)}
    sent = set(asked(embedding_server))
    report = collection.migrate(passage_tokens=30)
    after = {id_: text for id_, _, text in contents(collection)}
    assert len(after) > len(before)
    assert all(before[id_] == after[id_] for id_ in before.keys() & after.keys())
    new = asked(embedding_server)[len(sent) :]
    assert len(new) == report.embedded
    assert not sent.intersection(new)
    assert [path.name for path in collection.path.glob("*.f32")] == ["vectors.f32"]
    assert_vectors_are_of(collection, SMALL)


def test_the_way_back_is_free(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Going back buys only what changed since, and forth again nothing."""
    before = contents(collection)
    collection.migrate(model=WIDE)
    sent = len(asked(embedding_server))
    assert collection.migrate(back=True).embedded == 0
    assert len(asked(embedding_server)) == sent
    assert (collection.model, contents(collection)) == (SMALL, before)
    assert_vectors_are_of(collection, SMALL)
    assert collection.migrate(back=True).embedded == 0
    assert collection.model == WIDE
    write(docs / "comets.md", "comets", edited=1)
    assert 1 <= (edits := collection.sync(docs).embedded) <= 2
    assert collection.plan_migration(back=True).to_embed == edits
    assert collection.migrate(back=True).embedded == edits
    assert_vectors_are_of(collection, SMALL)


def test_compacting_ends_the_way_back(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Compacting drops the old vectors; later migrations go on as before."""
    collection.migrate(model=WIDE)
    assert collection.compact().vectors == len(collection.passages())
    assert [path.name for path in collection.path.glob("*.f32")] == ["vectors.f32"]
    assert_vectors_are_of(collection, WIDE)
    with pytest.raises(CollectionError, match=r"no way back: .* or compacted since"):
        collection.migrate(back=True)
    sent = len(asked(embedding_server))
    assert collection.migrate(model=SMALL).embedded == len(collection.passages())
    assert len(asked(embedding_server)) == sent + len(collection.passages())
    assert_vectors_are_of(collection, SMALL)
    assert collection.migrate(back=True).embedded == 0
    assert_vectors_are_of(collection, WIDE)


def test_compacting_drops_nothing_that_a_migration_bought(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """Staged or stopped halfway, it is refused with both ways on, and giving up makes it free."""
    before, staged_by = contents(collection), "ragkit migrate --dimensions 16"
    collection.migrate(dimensions=16, stage_only=True)
    assert (collection.status().staged, collection.status().migration) == (SMALL, staged_by)
    ways = (
        rf"would lose the vectors that were made for it: go on with `{staged_by}`, or give it up"
        rf" with `ragkit migrate --model {SMALL}`"
    )
    with pytest.raises(CollectionError, match=ways):
        collection.compact()
    assert_vectors_are_of(collection, SMALL)
    report = collection.migrate(model="test/tight", max_cost_usd=Decimal("0.00002"))
    assert report.embedded > 0
    status = collection.status()
    assert (status.staged, status.migration) == (None, "ragkit migrate --model test/tight")
    with pytest.raises(CollectionError, match="go on with `ragkit migrate --model test/tight`"):
        collection.compact()
    ((source, said),) = collection.migrate(model=SMALL).warnings
    assert source == "."
    assert said == "the migration to test/tight is given up; its vectors are kept until compacting"
    assert (collection.model, contents(collection)) == (SMALL, before)
    assert collection.status().migration is None
    collection.compact()
    assert collection.status().vectors == len(before)
    assert collection.migrate(model=SMALL).warnings == ()


def test_a_migration_that_bought_nothing_holds_nothing(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """A key that is refused, and a budget of nothing, leave no migration to be finished."""
    with pytest.raises(AuthenticationFailed):
        collection.migrate(model=WIDE, api_key="sk-wrong")
    assert collection.migrate(model="test/fixed", max_cost_usd=0).stopped is not None
    assert collection.status().migration is None
    collection.compact()
    assert_vectors_are_of(collection, SMALL)


def test_a_purge_says_what_it_took_from_a_migration(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """What is staged holds the text too, and goes with it; that is said, and can be made anew."""
    collection.migrate(model=WIDE, stage_only=True)
    report = collection.purge("dunes.md")
    assert report.migration == f"ragkit migrate --model {WIDE}"
    status = collection.status()
    assert (status.staged, status.migration) == (None, None)
    assert collection.purge("comets.md").migration is None
    assert collection.migrate(model=WIDE).updated == 3
    assert_vectors_are_of(collection, WIDE)


def test_vectors_of_before_are_verified_too(
    collection: ragkit.Collection, tmp_path: Path, embedding_server: LoopbackServer
) -> None:
    """A byte that flips where nobody searches now is found, and the way back buys that one."""
    before = collection.status().vectors
    collection.migrate(model=WIDE)
    with (tmp_path / "kb/vectors.f32").open("r+b") as file:
        file.seek(5)
        byte = file.read(1)[0]
        file.seek(5)
        file.write(bytes([byte ^ 1]))
    report = collection.verify()
    assert report.vectors == 2 * before
    assert [(one.law, one.place) for one in report.problems] == [("vectors", "vectors.f32, row 0")]
    assert collection.verify(repair=True).ok
    sent = len(asked(embedding_server))
    collection.migrate(back=True)
    assert len(asked(embedding_server)) - sent == 1
    assert_vectors_are_of(collection, SMALL)


@pytest.mark.parametrize("left", ["staged", "previous", "halfway"])
def test_a_purge_reaches_every_model(
    collection: ragkit.Collection, tmp_path: Path, embedding_server: LoopbackServer, left: str
) -> None:
    """No vector of what is purged is left: not staged, not from before, not bought so far."""
    if left == "halfway":
        stopped = collection.migrate(model=WIDE, max_cost_usd=Decimal("0.0001"))
        assert stopped.stopped
    else:
        collection.migrate(model=WIDE, stage_only=left == "staged")
    with collection._store.snapshot() as snapshot:
        own = [item.passage for item in snapshot.all_passages("docs", "dunes.md")]
    sent = [text for _, text in asked(embedding_server) if any(one.text in text for one in own)]
    rows = []
    for model in (SMALL, WIDE):
        for text in sent:
            row = np.array(vector_of(text, model=model), np.float32)
            rows.append((row / np.linalg.norm(row)).astype("<f4").tobytes())

    def traces() -> dict[str, int]:
        files = [path for path in (tmp_path / "kb").rglob("*") if path.is_file()]
        found = {path.name: path.read_bytes() for path in files}
        return {name: sum(row in content for row in rows) for name, content in found.items()}

    before = traces()
    assert (before["vectors.f32"], before["vectors-2.f32"]) != (0, 0)
    collection.purge("dunes.md")
    assert set(traces().values()) == {0}
    assert collection.verify().ok


def test_a_way_back_must_exist(
    tmp_path: Path, collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """A collection that never was migrated, an empty one, and a call for nothing are refused."""
    with pytest.raises(CollectionError, match="no way back"):
        collection.migrate(back=True)
    with pytest.raises(InvalidArgument, match="nothing to migrate to"):
        collection.migrate()
    with pytest.raises(InvalidArgument, match="name nothing else"):
        collection.migrate(back=True, model=WIDE)
    with (
        ragkit.open(tmp_path / "new", settings=settings(embedding_server)) as empty,
        pytest.raises(CollectionNotFound, match="holds nothing to migrate"),
    ):
        empty.migrate(model=WIDE)


def test_a_budget_stops_it_and_keeps_what_arrived(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """Readers keep the old vectors until all are there; what was bought is not bought again."""
    before, sent = contents(collection), len(asked(embedding_server))
    limit = Decimal("0.00002")
    report = collection.migrate(model="test/tight", max_cost_usd=limit)
    assert report.stopped is not None
    assert 0 < report.cost_usd <= limit
    assert (collection.model, contents(collection)) == (SMALL, before)
    assert_vectors_are_of(collection, SMALL)
    rest = collection.migrate(model="test/tight")
    assert rest.stopped is None
    assert rest.reused == report.embedded
    bought = asked(embedding_server)[sent:]
    assert len(bought) == len(set(bought)) == report.embedded + rest.embedded
    assert_vectors_are_of(collection, "test/tight")


def test_a_stop_keeps_what_arrived(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """A migration that is told to stop changes nothing for readers."""
    stop = threading.Event()
    stop.set()
    assert collection.migrate(model=WIDE, stop=stop).stopped == "interrupted"
    assert collection.model == SMALL
    assert collection.search("comets", k=1)


MIGRATE = """
import sys, ragkit
from ragkit.config import Secret, Settings
settings = Settings(api_key=Secret(sys.argv[2]), workers=1, concurrency=1)
with ragkit.open(sys.argv[1], settings=settings) as collection:
    collection.migrate(model="test/fixed", passage_tokens=20, base_url=sys.argv[3])
"""


def vectors_in(kb: Path) -> set[bytes]:
    with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database:
        return {row[0] for row in database.execute("SELECT key FROM vectors")}


def test_kills_lose_nothing(tmp_path: Path, docs: Path, embedding_server: LoopbackServer) -> None:
    """A migration that is killed again and again ends as an undisturbed one.

    Whoever reads meanwhile has the old vectors or the new ones, and no text is asked for whose
    vector is there.
    """
    for number in range(30):
        write(docs / f"more-{number}.md", f"subject{number}")
    kb, dice, kills = tmp_path / "kb", random.Random(5), 0  # noqa: S311 - no secret
    with ragkit.open(kb, settings=settings(embedding_server)) as collection:
        collection.sync(docs)
        before = contents(collection)
    whole = settings(embedding_server, "test/fixed", 20)
    with ragkit.open(tmp_path / "whole", settings=whole) as other:
        other.sync(docs)
        expected = [row[1:] for row in contents(other)]
    embedding_server.quirks.latency_s = 0.1
    mark, checked = fingerprint(profile("test/fixed")), 0
    command = [sys.executable, "-c", MIGRATE, str(kb), KEY, embedding_server.base_url]
    while True:
        stored, sent = vectors_in(kb), len(asked(embedding_server))
        process = subprocess.Popen(command)
        try:
            patience = None if kills >= 3 else dice.uniform(0.5, 1.5) * (1 + kills / 5)
            code = process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code, kills = None, kills + 1
        new = [text for _, text in asked(embedding_server)[sent:]]
        assert [text for text in new if mark.key(text) in stored] == []
        checked += len(new)
        with ragkit.open(kb, settings=Settings(api_key=Secret(KEY))) as reader:
            state = contents(reader)
            assert (reader.model, state == before) in ((SMALL, True), ("test/fixed", False))
            assert_vectors_are_of(reader, reader.model)
        if code is not None:
            break
    assert code == 0
    assert [row[1:] for row in state] == expected
    assert kills >= 1
    assert checked >= 200


def test_a_staged_generation_can_be_compared(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """What is staged answers by the new model beside the old one, and the switch buys nothing."""
    with pytest.raises(NothingStaged, match="no staged generation"):
        collection.staged()
    collection.migrate(model=WIDE, passage_tokens=40, stage_only=True)
    assert collection.model == SMALL
    assert collection.status().staged == WIDE
    with collection.staged() as staged:
        assert staged.model == WIDE
        assert len(staged.passages()) > len(collection.passages())
        assert_vectors_are_of(staged, WIDE)
        assert staged.search("comets number 22", k=1)[0].source == "comets.md"
        assert staged.search("engines", mode="lexical", k=1)[0].source == "engines.md"
        questions = docs.parent / "q.jsonl"
        questions.write_text('{"question": "dunes number 33", "source": "dunes.md"}\n')
        both = ragkit.compare(collection.evaluate(questions), staged.evaluate(questions))
        assert both.verdict == "no difference"
        held = contents(staged)
    assert_vectors_are_of(collection, SMALL)
    sent = len(asked(embedding_server))
    assert collection.migrate(model=WIDE, passage_tokens=40).updated == 5
    assert len(asked(embedding_server)) == sent
    assert (collection.model, contents(collection)) == (WIDE, held)
    assert collection.status().staged is None


def test_an_index_drops_what_is_staged(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Files that change before the switch drop what is staged, with a warning and at no cost."""
    collection.migrate(model=WIDE, stage_only=True)
    staged = collection.staged()
    assert staged.search("apples", k=1)
    assert collection.sync(docs).warnings == ()
    assert collection.status().staged == WIDE
    write(docs / "apples.md", "apples", edited=2)
    report = collection.sync(docs)
    assert report.updated == 1
    ((source, remark),) = report.warnings
    assert source == "."
    assert f"staged with {WIDE} was made from other documents" in remark
    with pytest.raises(NothingStaged):
        staged.search("apples", k=1)
    staged.close()
    assert_vectors_are_of(collection, SMALL)
    again = collection.migrate(model=WIDE)
    assert again.embedded == report.embedded
    assert_vectors_are_of(collection, WIDE)
    assert any("This very sentence is new" in item.text for item in collection.passages())


def test_another_change_of_mind_takes_its_place(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """A second staging replaces the first; a view of the first does not answer from the second."""
    collection.migrate(model=WIDE, stage_only=True)
    with collection.staged() as first:
        assert first.search("apples", k=1)
        collection.migrate(model="test/fixed", stage_only=True)
        with pytest.raises(FingerprintMismatch):
            first.search("apples", k=1)
    with collection.staged() as second:
        assert_vectors_are_of(second, "test/fixed")
        assert second.search("apples", k=1)[0].source == "apples.md"


def test_a_refused_text_is_the_models_problem(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """What one model refuses is reported with it, and forgotten when another takes over."""
    (docs / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing else")
    collection.sync(docs)
    embedding_server.refused_words.add("Section 2 tells of apples")
    report = collection.migrate(model=WIDE)
    ((source, reason),) = report.failed
    assert (source, reason[:25]) == ("apples.md", "1 passage has no vector, ")
    assert [name for name, _ in collection.status().failed] == ["apples.md", "broken.pdf"]
    collection.migrate(back=True)
    assert [name for name, _ in collection.status().failed] == ["broken.pdf"]
    assert collection.sync(docs).unchanged == 5


def test_another_address_buys_nothing(
    collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """The same model at a new address keeps its vectors, and is asked there from then on."""
    sent = len(asked(embedding_server))
    with LoopbackServer() as moved:
        report = collection.migrate(base_url=moved.base_url)
        assert (report.updated, report.embedded) == (0, 0)
        write(docs / "new.md", "nebulae")
        assert collection.sync(docs).added == 1
        assert len(asked(moved)) >= 4
    assert len(asked(embedding_server)) == sent


def test_the_refusals_say_how(
    tmp_path: Path, collection: ragkit.Collection, docs: Path, embedding_server: LoopbackServer
) -> None:
    """Another model, other dimensions and another passage size are refused with the way out."""
    own = Settings(api_key=Secret(KEY), workers=1)
    other_model = (
        r"has model test/small, not model test/fixed: .* with `ragkit migrate --model test/fixed`,"
    )
    with pytest.raises(FingerprintMismatch, match=other_model):
        ragkit.open(collection.path, model="test/fixed", settings=own)
    other_width = (
        r"has model test/small, its own dimensions, not model test/small, dimensions 16: .*"
        r"`ragkit migrate --dimensions 16`"
    )
    with pytest.raises(FingerprintMismatch, match=other_width):
        ragkit.open(collection.path, dimensions=16, settings=own)
    elsewhere = (
        r"has model test/small, base_url .*, not model test/small, base_url http://127.0.0.1:9/v1:"
        r" its texts go to that server and no other; .* move it with"
        r" `ragkit migrate --base-url http://127.0.0.1:9/v1`, which keeps vectors"
    )
    with pytest.raises(FingerprintMismatch, match=elsewhere):
        ragkit.open(collection.path, base_url="http://127.0.0.1:9/v1", settings=own)
    (docs / "new.md").write_text("Walnuts have shells.")
    resized = settings(embedding_server, size=50)
    with (
        ragkit.open(collection.path, settings=resized) as other,
        pytest.raises(FingerprintMismatch, match="with `ragkit migrate --passage-tokens 50`"),
    ):
        other.sync(docs)
    collection.migrate(dimensions=16)
    assert collection.status().dimensions == 16
    assert collection.search("comets", k=1)[0].source == "comets.md"


def test_a_setting_for_new_collections_changes_no_size(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """Another model alone keeps the size of passages, whatever a settings file asks for."""
    before = contents(collection)
    resized = settings(embedding_server, size=50)
    with ragkit.open(collection.path, settings=resized) as other:
        other.migrate(model=WIDE)
        assert contents(other) == before


def test_searches_go_on_across_the_switch(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """Threads that search while the collection migrates there and back get whole answers only."""
    stop, problems, answers = threading.Event(), [], []

    def search() -> None:
        while not stop.is_set():
            try:
                hits = collection.search("comets number 22", k=1)
                assert [hit.source for hit in hits] == ["comets.md"]
                answers.append(len(hits))
            except BaseException as error:  # noqa: BLE001 - told to the main thread
                problems.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            collection.migrate(model=WIDE)
            collection.migrate(back=True)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert problems == []
    assert answers


def test_whoever_is_open_elsewhere_is_told(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """Another object on the same directory says that the model changed, and works when reopened."""
    own = Settings(api_key=Secret(KEY))
    with ragkit.open(collection.path, settings=own) as other:
        assert other.search("comets", k=1)
        collection.migrate(model=WIDE)
        with pytest.raises(FingerprintMismatch, match="open it again"):
            other.search("comets", k=1)
    with ragkit.open(collection.path, settings=own) as again:
        assert (again.model, again.search("comets", k=1)[0].source) == (WIDE, "comets.md")


def test_an_old_reader_keeps_its_vectors(collection: ragkit.Collection) -> None:
    """A retriever of the generation before the switch answers from the old vectors after it."""
    retriever = collection.retriever
    before = [(hit.passage.id, hit.score) for hit in retriever.search("dunes", mode="semantic")]
    collection.migrate(model=WIDE)
    collection.migrate(passage_tokens=40)
    after = [(hit.passage.id, hit.score) for hit in retriever.search("dunes", mode="semantic")]
    assert after == before


def test_the_embedded_model_is_a_way_out(
    collection: ragkit.Collection, embedding_server: LoopbackServer
) -> None:
    """A remote collection becomes a local one, which asks no server any more."""
    collection.migrate(model="local/all-minilm-l6-v2")
    sent = len(embedding_server.ledger.requests)
    with ragkit.open(collection.path, settings=Settings(workers=1)) as again:
        assert again.status().dimensions == 384
        assert again.search("How do things fly in space?", k=1)
    assert len(embedding_server.ledger.requests) == sent
    assert (
        os.environ["RAGKIT_API_KEY"].encode()
        not in (collection.path / "collection.db").read_bytes()
    )


def test_secrets_stay_at_home(tmp_path: Path, docs: Path, embedding_server: LoopbackServer) -> None:
    """From the embedded model to a remote one, secrets are masked, told, and keep their ids."""
    secret = "AKIA" + "QWERTYUIOPASDFGH"
    (docs / "keys.md").write_text(f"The access key of the store is {secret}, by the way.")
    with ragkit.open(tmp_path / "local", settings=Settings(workers=1)) as collection:
        collection.sync(docs)
        before = contents(collection)
        report = collection.migrate(model=SMALL, base_url=embedding_server.base_url, api_key=KEY)
        assert [source for source, _ in report.warnings] == ["keys.md"]
        assert secret not in str(asked(embedding_server))
        assert contents(collection) == before
        assert collection.verify().problems == ()
        collection.migrate(back=True)
        assert collection.status().model == "local/all-minilm-l6-v2"
        assert collection.verify().problems == ()


def test_pictures_come_back_with_the_next_index(
    tmp_path: Path, embedding_server: LoopbackServer
) -> None:
    """What is embedded of pictures cannot be made from a collection: it is told, and read again."""
    docs = tmp_path / "pictures"
    docs.mkdir()
    (docs / "red.png").write_bytes(picture("red", (200, 150)))
    (docs / "page.md").write_text(
        "# Page\n\nIt shows this:\n\n![a wall](red.png)\n\nand no more.\n"
    )
    with ragkit.open(
        tmp_path / "kb", settings=settings(embedding_server, "test/pictures")
    ) as collection:
        collection.sync(docs)
        before = [(item.source, item.text) for item in collection.passages() if item.image]
        assert len(before) >= 1
        report = collection.migrate(passage_tokens=40)
        assert {source for source, _ in report.warnings} >= {source for source, _ in before}
        assert collection.verify().problems == ()
        assert collection.sync(docs).failed == ()
        after = [(item.source, item.text) for item in collection.passages() if item.image]
        assert after == before
        assert collection.search("something red", k=1)[0].passage.image is not None
        assert collection.sync(docs).unchanged == 2
        assert collection.verify().problems == ()
