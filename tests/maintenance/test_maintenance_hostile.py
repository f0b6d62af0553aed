"""Opening a collection that a stranger made: no code, no way out of it, no memory without bound."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from made_collection import crafted, opened

from ragkit.errors import CollectionDamaged, CollectionError

_SCHEMES = {
    "trigger": "CREATE TRIGGER t AFTER DELETE ON problems BEGIN DELETE FROM passages; END",
    "view": "CREATE VIEW spy AS SELECT text FROM passages",
    "table": "CREATE TABLE stash (x)",
    "index": "CREATE INDEX quick ON passages (hex(text))",
    "column": "ALTER TABLE settings ADD COLUMN more TEXT",
}
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")


def use(kb: Path) -> None:
    """All that reads of the collection, and then a write."""
    with opened(kb) as collection:
        collection.search("a valve", k=3)
        collection.documents()
        collection.context("a valve", max_tokens=500)
        collection.status()
        collection.sync(kb.parent / "docs", checksum=True)


def test_the_collection_that_is_copied_can_be_used(kb: Path) -> None:
    """What the other tests see refused is refused for what they changed."""
    use(kb)


@pytest.mark.parametrize("scheme", sorted(_SCHEMES))
def test_a_strange_schema_is_refused(kb: Path, scheme: str) -> None:
    """Views, triggers, indexes and defaults that ragkit did not make are never run."""
    with crafted(kb) as database:
        database.execute(_SCHEMES[scheme])
    with pytest.raises(CollectionDamaged, match="tampered"):
        opened(kb)


def test_a_generated_column_is_refused(kb: Path) -> None:
    """Nor is a table that was made anew with an expression in it."""
    with crafted(kb) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, 'title TEXT', "
            "'title TEXT AS (upper(source))') WHERE name = 'documents'"
        )
    with pytest.raises(CollectionError):
        opened(kb)


@pytest.mark.parametrize("name", ["collection.db", "vectors.f32", "lock", "collection.db-wal"])
def test_links_are_not_followed(kb: Path, tmp_path: Path, name: str) -> None:
    """A link in the place of a file is refused, and what it names stays as it is."""
    secret = tmp_path / "secret"
    if (kb / name).exists():
        (kb / name).rename(secret)
    else:
        secret.write_bytes(b"precious")
    before = secret.read_bytes()
    (kb / name).symlink_to(secret)
    with pytest.raises(CollectionDamaged, match="no plain file"):
        use_and_write(kb)
    assert secret.read_bytes() == before


def use_and_write(kb: Path) -> None:
    (kb.parent / "docs" / "new.md").write_text("# New\n\nSomething that was not there.\n")
    use(kb)


@pytest.mark.parametrize("name", ["collection.db", "vectors.f32", "lock"])
def test_pipes_are_not_waited_for(kb: Path, name: str) -> None:
    """A pipe in the place of a file is refused at once."""
    (kb / name).unlink(missing_ok=True)
    os.mkfifo(kb / name)
    with pytest.raises(CollectionError):
        use_and_write(kb)


@pytest.mark.parametrize("place", ["derived", "derived/words-1", "derived/words-2"])
def test_derived_files_are_not_written_elsewhere(kb: Path, tmp_path: Path, place: str) -> None:
    """A link in the place of a derived folder empties and fills no folder outside."""
    outside = tmp_path / "outside"
    (outside / "words-1").mkdir(parents=True)
    for path in (outside / "diary.txt", outside / "words-1" / "thesis.txt"):
        path.write_text("years of work")
    if (kb / place).exists():
        (kb / place).rename(tmp_path / "moved")
    (kb / place).symlink_to(outside)
    use_and_write(kb)
    found = sorted(path.relative_to(outside).as_posix() for path in outside.rglob("*.*"))
    assert found == ["diary.txt", "words-1/thesis.txt"]


def test_the_name_of_an_index_does_not_lead_out(kb: Path, tmp_path: Path) -> None:
    """A lexical index that is not in the collection is not opened, though this user built it."""
    (kb / "derived" / "words-1").rename(tmp_path / "words-1")
    with crafted(kb, sealed=True) as database:
        database.execute(
            "UPDATE settings SET value = ? WHERE key = 'words'", (json.dumps("../../words-1"),)
        )
    (tmp_path / "words-1" / "manifest.json").rename(tmp_path / "words-1" / "gone")
    with opened(kb) as collection:
        assert collection.search("valve", mode="lexical")[0].source == "guides/valves.md"


def test_a_journal_that_names_another_file_is_refused(kb: Path, tmp_path: Path) -> None:
    """SQLite would open that file, and delete it."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    name = os.fsencode(victim)
    tail = name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + _SUPER_JOURNAL
    (kb / "collection.db-journal").write_bytes(b"\0" * 512 + tail)
    with pytest.raises(CollectionDamaged, match="names a file outside"):
        opened(kb)
    assert victim.exists()


def test_a_text_does_not_unpack_without_end(kb: Path) -> None:
    """A row that would unpack to eleven gigabytes is refused within a bounded memory."""
    bomb = _bomb(11 * 2**30)
    with crafted(kb, sealed=True) as database:
        database.execute("UPDATE documents SET text = ?", (bomb,))
    script = (
        "import resource, sys, ragkit\n"
        "resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))\n"
        "with ragkit.open(sys.argv[1], create=False) as collection:\n"
        "    try:\n"
        "        collection.documents()\n"
        "    except ragkit.errors.CollectionDamaged as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(kb)], capture_output=True, text=True, check=True
    )
    assert "text" in done.stdout
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 3 * 2**20


def _bomb(size: int) -> bytes:
    packing, block = zlib.compressobj(9), b" " * 2**24
    # After a full flush nothing refers to what came before, so that a piece can be repeated.
    pieces = [packing.compress(block) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2)]
    return pieces[0] + pieces[1] * (size // len(block))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", b"\xff"),
        ("headings", "[" * 50_000),
        ("headings", "{}"),
        ("headings", '[["x"]]'),
        ("start", "one"),
        ("page", "one"),
        ("key", "text"),
        ("tokens", 1.5),
    ],
)
def test_values_of_other_types_are_refused(kb: Path, column: str, value: object) -> None:
    """A passage whose values none of ours has ends a search with one of our errors."""
    with crafted(kb, sealed=True) as database:
        database.execute(f"UPDATE passages SET {column} = ?", (value,))  # noqa: S608
    with opened(kb) as collection, pytest.raises(CollectionDamaged):
        collection.search("a valve")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("generation", '"one"'),
        ("fingerprint", "7"),
        ("fingerprint", json.dumps('{"exec": "rm"}')),
        ("fingerprint", json.dumps("[" * 50_000)),
        ("provider", "[1]"),
        ("input_type", "[1, 2]"),
        ("base_url", "5"),
        ("words", "{}"),
        ("words", "["),
        ("passage_tokens", "[" * 50_000),
    ],
)
def test_settings_of_other_types_are_refused(kb: Path, key: str, value: str) -> None:
    """Nested without end, of another type or not JSON at all: one of our errors, and no other."""
    with crafted(kb, sealed=True) as database:
        database.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (key, value))
    with pytest.raises(CollectionError), opened(kb) as collection:
        collection.search("a valve")


@pytest.mark.parametrize("slot", [-1, 2**40, 2**62])
def test_rows_outside_of_the_matrix_are_refused(kb: Path, slot: int) -> None:
    """A slot that no matrix has allocates nothing, though a sparse file may look as long."""
    os.truncate(kb / "vectors.f32", 2**42)
    with crafted(kb, sealed=True) as database:
        key = database.execute("SELECT key FROM vectors LIMIT 1").fetchone()[0]
        database.execute("UPDATE vectors SET slot = ? WHERE key = ?", (slot, key))
        database.execute("UPDATE passages SET slot = ? WHERE key = ?", (slot, key))
    with opened(kb) as collection, pytest.raises(CollectionDamaged):
        collection.search("a valve", mode="semantic")


def test_no_library_is_loaded_into_the_database(kb: Path) -> None:
    """The connection knows of no extension, and a schema cannot call what is dangerous."""
    with opened(kb) as collection, collection._store.snapshot() as snapshot:
        run = snapshot._connection.execute
        with pytest.raises(sqlite3.OperationalError, match="not authorized"):
            run("SELECT load_extension('evil')")
        assert run("PRAGMA trusted_schema").fetchone() == (0,)
