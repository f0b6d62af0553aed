"""What a store promises of generations, ids and leftovers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from ragkit.errors import (
    CollectionDamaged,
    CollectionLocked,
    CollectionNotFound,
    InvalidArgument,
    NotACollection,
    SchemaTooNew,
)
from ragkit.records import Document, Passage
from ragkit.storage.states import FileFacts, Problem, Root
from ragkit.storage.store import Store
from ragkit.storage.writer import Writer

SPENT = ("local/test", 3, 0, Decimal(0))


def facts(digest: bytes = b"d") -> FileFacts:
    return FileFacts(
        raw_name=b"a.md",
        digest=digest,
        size=1,
        mtime_ns=2,
        reader_version=1,
        chunker_version=1,
    )


def stage(
    writer: Writer, root: Root, source: str, texts: Sequence[str], *, replaces: int | None = None
) -> None:
    """Stage a document of these passages, one line each; its vectors are made from the texts."""
    whole = "\n".join(texts)
    document = Document(source=source, text=whole, title="Title", metadata={"team": {"name": "x"}})
    keys = [text.encode().ljust(32, b".") for text in texts]
    known = writer.vectors.known(keys)
    new = [key for key in dict.fromkeys(keys) if key not in known]
    rows = np.eye(8, dtype=np.float32)[[key[0] % 8 for key in new]]
    slots = {**known, **writer.vectors.add(new, rows, refused={}, spent=SPENT)}
    passages, start = [], 0
    for line, (text, key) in enumerate(zip(texts, keys, strict=True), 1):
        passage = Passage(source=source, start=start, end=start + len(text), text=text, line=line)
        passages.append((passage, key, slots[key], ()))
        start += len(text) + 1
    writer.add_document(root, document, facts(whole.encode()), passages, replaces=replaces)


def commit(writer: Writer, *roots: Root, problems: Sequence[Problem] = ()) -> None:
    writer.seal()
    writer.commit(settings={}, problems=problems, roots=roots)


def living(store: Store) -> list[tuple[int, str, str]]:
    with store.snapshot() as snapshot:
        return [
            (item.passage.id, item.passage.source, item.passage.text)
            for item in snapshot.all_passages()
        ]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "kb")
    with store.writing() as writer:
        writer.decide({"fingerprint": "test"})
    return store


@pytest.fixture
def filled(store: Store) -> Store:
    with store.writing() as writer:
        root = writer.add_root("docs", "../docs", is_file=False)
        stage(writer, root, "b.md", ["three", "four"])
        stage(writer, root, "a.md", ["one", "two"])
        commit(writer, root)
    return store


def document_id(store: Store, source: str) -> int:
    with store.snapshot() as snapshot:
        return next(item.id for item in snapshot.document_states() if item.source == source)


def root_of(store: Store) -> Root:
    with store.snapshot() as snapshot:
        return snapshot.roots()[0]


def test_ids_follow_source_order_not_arrival(filled: Store) -> None:
    """Ids are given in the order (root, source, start), whichever document was finished first."""
    assert living(filled) == [
        (1, "a.md", "one"),
        (2, "a.md", "two"),
        (3, "b.md", "three"),
        (4, "b.md", "four"),
    ]


def test_an_edit_keeps_the_ids_of_what_stayed(filled: Store) -> None:
    """Unchanged passages keep their ids through an edit, new ones get ids never used before."""
    with filled.writing() as writer:
        replaces = document_id(filled, "a.md")
        stage(writer, root_of(filled), "a.md", ["zero", "two", "one"], replaces=replaces)
        sealed = writer.seal()
        writer.commit(settings={}, problems=[], roots=[])
    assert living(filled)[:3] == [(5, "a.md", "zero"), (2, "a.md", "two"), (1, "a.md", "one")]
    assert (sealed.gone.tolist(), sealed.come.tolist()) == ([], [5])


def test_a_move_keeps_ids_and_vectors(filled: Store) -> None:
    """A moved document keeps its passages' ids and slots, and its index entries are renewed."""
    with filled.snapshot() as snapshot:
        before = snapshot.ids_and_slots()
    with filled.writing() as writer:
        moved = document_id(filled, "a.md")
        writer.move_document(moved, root_of(filled), "z/ä.md", facts())
        sealed = writer.seal()
        writer.commit(settings={}, problems=[], roots=[])
    assert [row[:2] for row in living(filled)] == [
        (3, "b.md"),
        (4, "b.md"),
        (1, "z/ä.md"),
        (2, "z/ä.md"),
    ]
    assert (sealed.gone.tolist(), sealed.come.tolist()) == ([1, 2], [1, 2])
    with filled.snapshot() as snapshot:
        after = snapshot.ids_and_slots()
    assert [column.tolist() for column in before] == [column.tolist() for column in after]


def test_ids_are_never_reused(filled: Store) -> None:
    """Even when the newest passages are removed and swept, the next ids go on from there."""
    with filled.writing() as writer:
        writer.remove_document(document_id(filled, "b.md"))
        commit(writer)
    with filled.writing() as writer:
        stage(writer, root_of(filled), "c.md", ["five"])
        commit(writer)
    assert living(filled)[-1] == (5, "c.md", "five")


def test_what_is_staged_is_invisible_until_the_commit(filled: Store) -> None:
    """A reader sees the old generation while a sync writes, and the new one after its commit."""
    before = living(filled)
    with filled.writing() as writer:
        writer.remove_document(document_id(filled, "b.md"))
        stage(writer, root_of(filled), "c.md", ["five"])
        assert living(filled) == before
        writer.seal()
        assert living(filled) == before
        with filled.snapshot() as old:
            writer.commit(settings={}, problems=[], roots=[])
            assert [item.passage.text for item in old.all_passages()] == [row[2] for row in before]
    assert [row[2] for row in living(filled)] == ["one", "two", "five"]


def test_an_interrupted_sync_leaves_only_its_vectors(filled: Store) -> None:
    """The next writer clears what was staged, and the vectors that were bought are still known."""
    before = living(filled)
    with filled.writing() as writer:
        writer.remove_document(document_id(filled, "b.md"))
        stage(writer, root_of(filled), "c.md", ["five"])
        writer.seal()
    with filled.writing() as writer:
        assert writer.vectors.known([b"five".ljust(32, b".")]) == {b"five".ljust(32, b"."): 4}
        commit(writer)
    assert living(filled) == before


def test_equal_texts_share_one_vector(filled: Store) -> None:
    """The same embedded text in two documents has one row in the matrix and two ids."""
    with filled.writing() as writer:
        stage(writer, root_of(filled), "c.md", ["one"])
        commit(writer)
    with filled.snapshot() as snapshot:
        ids, slots = snapshot.ids_and_slots()
        rows = filled.rows(snapshot)
    by_id = dict(zip(ids.tolist(), slots.tolist(), strict=True))
    assert by_id[5] == by_id[1]
    assert rows.shape == (4, 8)
    assert rows[by_id[5]].tolist() == np.eye(8)[ord("o") % 8].tolist()


def test_rows_past_the_committed_ones_are_overwritten(filled: Store) -> None:
    """Bytes that an interrupted append left behind never become anybody's vector."""
    matrix = filled.directory / "vectors.f32"
    with matrix.open("ab") as file:
        file.write(b"\xff" * 77)
    with filled.writing() as writer:
        stage(writer, root_of(filled), "c.md", ["five"])
        commit(writer)
    with filled.snapshot() as snapshot:
        assert filled.rows(snapshot)[4].tolist() == np.eye(8)[ord("f") % 8].tolist()


def test_a_matrix_that_is_too_short_is_damage(filled: Store) -> None:
    """A cut matrix is named with its sizes instead of read."""
    os.truncate(filled.directory / "vectors.f32", 100)
    with (
        filled.snapshot() as snapshot,
        pytest.raises(CollectionDamaged, match=r"vectors\.f32 holds 100 bytes where 128 belong"),
    ):
        filled.rows(snapshot)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"source": "a*"}, [1, 2]),
        ({"source": "A*"}, []),
        ({"root": "DOCS", "title": "tit*"}, [1, 2, 3, 4]),
        ({"team.name": "x"}, [1, 2, 3, 4]),
        ({"team.name": "y"}, []),
        ({"missing": "*"}, []),
    ],
)
def test_where_matches_globs(filled: Store, where: dict[str, str], expected: list[int]) -> None:
    """Conditions are globs over source, root, title and metadata, all of which must fit."""
    with filled.snapshot() as snapshot:
        matching = snapshot.matching(where)
    assert matching is not None
    assert matching.tolist() == expected


def test_an_empty_condition_is_refused(filled: Store) -> None:
    """No condition is `None`, a blank one is a mistake."""
    with filled.snapshot() as snapshot:
        assert snapshot.matching({}) is None
        with pytest.raises(InvalidArgument, match="a key and a glob"):
            snapshot.matching({"source": ""})


def test_spans_come_from_the_documents_text(filled: Store) -> None:
    """A span between two passages is the document's own text."""
    with filled.snapshot() as snapshot:
        (stored,) = snapshot.passages([1, 99]).values()
        assert snapshot.span(stored.document_id, 0, 7) == "one\ntwo"
        siblings = snapshot.siblings(stored.document_id, 0, 5)
    assert [item.passage.text for item in siblings] == ["one", "two"]


def test_neighbours_stand_beside_each_other_in_a_document(filled: Store) -> None:
    """The living passages before and after, asked one by one or of all; none beyond a document."""
    with filled.writing() as writer:
        stage(writer, root_of(filled), "c.md", ["five", "six", "seven"])
        commit(writer, root_of(filled))
    asked = np.array([1, 2, 3, 4, 5, 6, 7, 99], np.int64)
    before, after = [-1, 1, -1, 3, -1, 5, 6, -1], [2, -1, 4, -1, 6, 7, -1, -1]
    with filled.snapshot() as snapshot:
        for found in (snapshot.neighbours(asked), snapshot.neighbour_map().of(asked)):
            assert [each.tolist() for each in found] == [before, after]
    with filled.writing() as writer:
        writer.remove_document(document_id(filled, "c.md"))
        commit(writer, root_of(filled))
    with filled.snapshot() as snapshot:
        for found in (snapshot.neighbours(asked), snapshot.neighbour_map().of(asked)):
            assert found[1].tolist() == [2, -1, 4, -1, -1, -1, -1, -1]


def test_neighbours_stand_under_the_same_headings(store: Store) -> None:
    """A passage under another heading is about something else, and no neighbour."""
    text = "one\ntwo\nthree"
    spans = [(0, 3, ("A",)), (4, 7, ("A",)), (8, 13, ("B",))]
    with store.writing() as writer:
        root = writer.add_root("docs", "../docs", is_file=False)
        keys = [bytes([n]) * 32 for n in range(3)]
        slots = writer.vectors.add(keys, np.eye(8, dtype=np.float32)[:3], refused={}, spent=SPENT)
        passages = [
            (Passage(source="a", start=s, end=e, text=text[s:e], headings=h), key, slots[key], ())
            for (s, e, h), key in zip(spans, keys, strict=True)
        ]
        document = Document(source="a", text=text)
        writer.add_document(root, document, facts(b"a"), passages, replaces=None)
        commit(writer, root)
    asked = np.array([1, 2, 3], np.int64)
    with store.snapshot() as snapshot:
        for found in (snapshot.neighbours(asked), snapshot.neighbour_map().of(asked)):
            assert [each.tolist() for each in found] == [[-1, 1, -1], [2, -1, -1]]


def test_problems_are_kept_by_root(filled: Store) -> None:
    """A sync replaces the problems of its roots and leaves those of others."""
    docs = root_of(filled)
    first = Problem(root="docs", source="x.bin", kind="skipped", reason="binary", size=3)
    with filled.writing() as writer:
        other = writer.add_root("other", "/other", is_file=False)
        kept = Problem(root="other", source="y", kind="failed", reason="cut")
        commit(writer, docs, other, problems=[first, kept])
    with filled.writing() as writer:
        commit(writer, docs)
    with filled.snapshot() as snapshot:
        assert snapshot.problems() == [kept]


def test_the_ledger_adds_up(filled: Store) -> None:
    """What a run spent is in the ledger as exact decimals, whether or not the sync ended."""
    spent = ("paid", 10, 1, Decimal("0.1"))
    with filled.writing() as writer:
        for key in (b"k" * 32, b"l" * 32, b"m" * 32):
            writer.vectors.add([key], np.eye(8, dtype=np.float32)[:1], refused={}, spent=spent)
    with filled.snapshot() as snapshot:
        assert snapshot.spent()[-1] == ("paid", 30, 3, "0.3")


def test_a_refused_text_is_remembered(filled: Store) -> None:
    """A text that the model will never take is known with its reason and has no slot."""
    none = np.empty((0, 8), np.float32)
    with filled.writing() as writer:
        writer.vectors.add([], none, refused={b"r" * 32: "too odd"}, spent=SPENT)
        assert writer.vectors.known([b"r" * 32]) == {b"r" * 32: None}
        assert writer.vectors.refusals([b"r" * 32]) == {b"r" * 32: "too odd"}


def test_the_second_writer_is_told_who_holds_it(store: Store) -> None:
    """Another process gets the holder's PID, and gets the lock when the holder dies."""
    script = (
        "import sys, time; from pathlib import Path; from ragkit.storage.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(store.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(CollectionLocked, match=f"process {holder.pid} on .* since 20"),
            store.writing(),
        ):
            pass
        holder.kill()
    with store.writing(wait_s=5):
        pass


def test_a_directory_with_other_things_is_refused(tmp_path: Path) -> None:
    """No collection is made among somebody's files, nor in another program's database."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(NotACollection, match="not empty and holds no collection"):
        Store(tmp_path)
    with pytest.raises(CollectionNotFound, match="there is no collection at"):
        Store(tmp_path / "none", create=False)


def test_a_newer_schema_is_refused(store: Store) -> None:
    """A collection of a newer ragkit is left alone, politely."""
    with store.writing() as writer:
        writer._connection.execute("PRAGMA user_version = 999")
    with (
        pytest.raises(SchemaTooNew, match="has schema 999"),
        Store(store.directory).snapshot(),
    ):
        pass


def test_a_file_that_is_no_database_is_damage(store: Store) -> None:
    """A database file full of noise is named, with what to do."""
    store.close()
    (store.directory / "collection.db").write_bytes(b"noise " * 2000)
    with (
        pytest.raises(CollectionDamaged, match=r"collection\.db is damaged"),
        Store(store.directory).snapshot(),
    ):
        pass
