"""What is promised to collections of other versions: earlier ones go on, newer ones stay whole."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from schema_fixtures import FOLDER, restore, write_documents

import ragkit
from ragkit.config import Settings
from ragkit.errors import CollectionError, SchemaTooNew
from ragkit.screening.findings import Finding
from ragkit.storage import schema
from ragkit.storage.schema import SCHEMA_VERSION
from ragkit.storage.store import Store
from ragkit.storage.sums import add_function, holds

SETTINGS = Settings(workers=1)
SCHEMAS = range(1, SCHEMA_VERSION + 1)
KEYS = (
    "# Keys\n\nSigning keys are rotated every ninety days.\n\n"
    "## Loss\n\nWhoever loses a key tells the duty officer at once."
)
LUNCH = "Lunch is at one. The soup is always hot."


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def version_of(kb: Path) -> int:
    with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database:
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        return version


def definitions(path: Path) -> dict[str, str]:
    """Every table and index by name, as SQLite was told of it."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"
        )
        return {name: " ".join(sql.split()) for name, sql in rows}


def test_every_schema_has_its_fixture() -> None:
    """Each schema that ever was is kept, this one too; ``schema_fixtures.py`` makes a new one."""
    kept = {path.name for path in FOLDER.glob("schema-*.sql")}
    assert kept == {f"schema-{version}.sql" for version in SCHEMAS}


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_reader_takes_every_schema_as_it_is(tmp_path: Path, version: int) -> None:
    """A collection of an earlier schema answers at once, and reading it changes no byte."""
    kb = tmp_path / "kb"
    restore(version, kb)
    before = {path.name: path.read_bytes() for path in kb.iterdir()}
    with ragkit.open(kb, read_only=True, settings=SETTINGS) as collection:
        assert [(item.id, item.text) for item in collection.passages()] == [(1, KEYS), (3, LUNCH)]
        assert collection.search("when do we eat?", mode="semantic", k=1)[0].text == LUNCH
        assert collection.search("duty officer", mode="lexical", k=1)[0].text == KEYS
        assert collection.context("who is told of a lost key?").citations[0].source == "keys.md"
        assert [item.source for item in collection.documents()] == ["keys.md", "lunch.txt"]
        status = collection.status()
        assert (status.generation, status.vectors, status.dimensions) == (2, 3, 384)
        assert [source for source, _ in status.failed] == ["broken.pdf"]
        collection.spending()
    assert version_of(kb) == version
    after = {
        path.name: path.read_bytes() for path in kb.iterdir() if path.suffix in (".db", ".f32")
    }
    assert after == before


@pytest.mark.parametrize("version", SCHEMAS)
def test_an_index_brings_every_schema_forward(tmp_path: Path, version: int) -> None:
    """The next index migrates it; ids, texts and vectors stay, and nothing is bought."""
    kb = tmp_path / "kb"
    restore(version, kb)
    write_documents(tmp_path / "docs")
    with ragkit.open(kb, settings=SETTINGS) as collection:
        (tmp_path / "docs" / "more.txt").write_text("Bridges cross rivers.")
        report = collection.sync(tmp_path / "docs")
        assert (report.added, report.embedded, report.removed) == (1, 1, 0)
        texts = {item.id: item.text for item in collection.passages()}
        assert texts == {1: KEYS, 3: LUNCH, 4: "Bridges cross rivers."}
        assert collection.search("when do we eat?", mode="semantic", k=1)[0].text == LUNCH
        assert [source for source, _ in report.failed] == ["broken.pdf"]
        generation = collection.status().generation
        assert collection.sync(tmp_path / "docs").unchanged == 3
        assert collection.status().generation == generation
    assert version_of(kb) == SCHEMA_VERSION
    with ragkit.open(tmp_path / "fresh", settings=SETTINGS):
        pass
    assert definitions(kb / "collection.db") == definitions(tmp_path / "fresh" / "collection.db")


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_migration_happens_or_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """A migration that fails at its end leaves the schema before it, and is done by the next."""
    kb = tmp_path / "kb"
    restore(version, kb)
    step = schema._MIGRATIONS[version]

    def fails(database: sqlite3.Connection) -> None:
        step(database)
        database.execute("INSERT INTO nowhere VALUES (1)")

    steps = list(schema._MIGRATIONS)
    steps[version] = fails
    before, store = definitions(kb / "collection.db"), Store(kb)
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_MIGRATIONS", tuple(steps))
        with pytest.raises(CollectionError, match="no such table: nowhere"), store.writing():
            pass
    assert version_of(kb) == version
    assert definitions(kb / "collection.db") == before
    with store.writing():
        pass
    assert version_of(kb) == SCHEMA_VERSION


def test_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    """A collection of a newer ragkit is refused in one sentence, and not a byte of it changes."""
    kb = tmp_path / "kb"
    restore(SCHEMA_VERSION, kb)
    write_documents(tmp_path / "docs")
    with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    before = {path.name: path.read_bytes() for path in kb.iterdir()}
    said = f"has schema {SCHEMA_VERSION + 1} and this ragkit knows up to {SCHEMA_VERSION}"
    for read_only in (True, False):
        with pytest.raises(SchemaTooNew, match=said):
            ragkit.open(kb, read_only=read_only, settings=SETTINGS)
    after = {
        path.name: path.read_bytes() for path in kb.iterdir() if path.suffix in (".db", ".f32")
    }
    assert after == before


def test_a_newer_schema_that_comes_while_it_is_open(tmp_path: Path) -> None:
    """A collection that a newer ragkit migrated meanwhile is not written by the older one."""
    kb = tmp_path / "kb"
    restore(SCHEMA_VERSION, kb)
    write_documents(tmp_path / "docs")
    (tmp_path / "docs" / "more.txt").write_text("Bridges cross rivers.")
    with ragkit.open(kb, settings=SETTINGS) as collection:
        assert collection.search("lunch", k=1)[0].text == LUNCH
        with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database:
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        with pytest.raises(SchemaTooNew):
            collection.sync(tmp_path / "docs")
        with pytest.raises(SchemaTooNew):
            collection.search("lunch", k=1)


def test_what_was_masked_is_kept_through_the_schemas(tmp_path: Path) -> None:
    """Masks of vectors become those of their passages; a row that was damaged stays so."""
    kb = tmp_path / "kb"
    restore(9, kb)
    masks, mask = '[[2,6,"password"]]', Finding(start=2, end=6, kind="password")
    with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database, database:
        database.execute("UPDATE vectors SET masks = ? WHERE slot = 0", (masks,))
    with contextlib.closing(Store(kb)) as store:
        with store.snapshot() as snapshot:
            before = {one.passage.id: one.masks for one in snapshot.all_passages()}
        assert sorted(before.values()) == [(), (mask,)]
        with store.writing(), store.snapshot() as snapshot:
            assert {one.passage.id: one.masks for one in snapshot.all_passages()} == before
    restore(9, tmp_path / "damaged")
    with contextlib.closing(sqlite3.connect(tmp_path / "damaged" / "collection.db")) as database:
        with database:
            database.execute("UPDATE vectors SET masks = ?", (masks,))
            database.execute("UPDATE passages SET line = 7 WHERE id = 1")
        with contextlib.closing(Store(tmp_path / "damaged")) as store, store.writing():
            pass
        add_function(database)
        query = f"SELECT id, {holds('passages')} FROM passages WHERE died IS NULL ORDER BY id"  # noqa: S608
        assert database.execute(query).fetchall() == [(1, 0), (3, 1)]
