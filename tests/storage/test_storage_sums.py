"""Every row of truth carries a checksum, and what does not fit it is not shown."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from pathlib import Path

import pytest
from made_collection import crafted, opened
from schema_fixtures import restore

from ragkit.errors import CollectionDamaged
from ragkit.storage.schema import migrate
from ragkit.storage.sums import SUMS, SUMS_SCHEMA, add_function, holds, sum_of

# Known twice, or the sum itself: see sums.py. Of vectors all but the reason of a refusal is checked
# against the matrix, the texts and the indexes.
_NOT_SUMMED = {
    "documents": {"born", "died", "checksum", "text_checksum"},
    "passages": {"row", "id", "slot", "born", "died", "checksum"},
}
_OTHERS = {"vectors", "sqlite_sequence"}


def test_every_column_is_summed() -> None:
    """A column that is added to a table is added to a sum too."""
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        add_function(database)
        migrate(database, "memory")
        query = "SELECT name FROM sqlite_schema WHERE type = 'table'"
        tables = {row[0] for row in database.execute(query)} - _OTHERS
        assert tables == {table for table, _ in SUMS}
        for table in tables:
            columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            summed = [name for (of, _), names in SUMS.items() if of == table for name in names]
            assert columns == set(summed) | _NOT_SUMMED.get(table, {"checksum"})


def test_a_column_that_comes_later_leaves_sums_as_they_are() -> None:
    """Where the new column is null, the sum of a row is what it was without it."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        add_function(database)
        asked = "SELECT row_sum(1, 'a', NULL, x'00'), row_sum(1, 'a', NULL, x'00', NULL, NULL)"
        before, after = database.execute(asked).fetchone()
        assert before == after
        asked = "SELECT row_sum(1, NULL, 2), row_sum(1, 2), row_sum('1', NULL, 2), row_sum(1)"
        assert len(set(database.execute(asked).fetchone())) == 4


def test_the_sum_does_not_depend_on_the_version_of_python() -> None:
    """What one version wrote is what another expects: crc32 over MessagePack."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        add_function(database)
        text = "Größe \U0001fae8".encode()
        asked = "SELECT row_sum(7, ?, NULL, x'00ff', -1)"
        packed = b"\x95\x07" + bytes([0xA0 + len(text)]) + text + b"\xc0\xc4\x02\x00\xff\xff"
        assert database.execute(asked, (text.decode(),)).fetchone() == (zlib.crc32(packed),)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *(("passages", name) for name in SUMS["passages", "checksum"]),
        *(("documents", name) for name in SUMS["documents", "checksum"]),
        *(("roots", name) for name in SUMS["roots", "checksum"]),
        ("settings", "value"),
    ],
)
def test_what_was_changed_is_not_shown(kb: Path, table: str, column: str) -> None:
    """Whatever changed in the rows that a hit is made of: an error, or no hit, and never it."""
    change = f"""CASE typeof("{column}") WHEN 'integer' THEN "{column}" + 64
        WHEN 'null' THEN 'x' WHEN 'blob' THEN x'00' ELSE "{column}" || ' ' END"""
    with crafted(kb) as database:
        database.execute(f'UPDATE {table} SET "{column}" = {change}')  # noqa: S608
    try:
        with opened(kb) as collection:
            hits = collection.search("soup at noon", mode="lexical", k=3)
    except CollectionDamaged:
        return
    # Without its root or its document a passage is not found at all.
    unseen = {("passages", "document_id"), ("documents", "id"), ("documents", "root_id")}
    assert (table, column) in {*unseen, ("roots", "id")}
    assert hits == []


@pytest.mark.parametrize("column", ["pages", "sections", "text", "blocks"])
def test_a_document_that_was_changed_is_not_shown(kb: Path, column: str) -> None:
    """Nor is a text around a hit, or a document, whose row is not what was written."""
    with crafted(kb) as database:
        database.execute(
            f"UPDATE documents SET {column} = CAST({column} || ' ' AS "  # noqa: S608
            f"{'BLOB' if column in ('text', 'blocks') else 'TEXT'})"
        )
    with opened(kb) as collection:
        assert collection.search("soup at noon", mode="lexical")[0].source == "notes/lunch.txt"
        with pytest.raises(CollectionDamaged, match="not what was written"):
            collection.documents()
        with collection._store.snapshot() as snapshot, pytest.raises(CollectionDamaged):
            snapshot.span(1, 0, 5)


def test_another_id_in_an_index_does_not_show_another_text(kb: Path) -> None:
    """The sum holds the id to the text: what an index confuses is not shown."""
    with crafted(kb) as database:
        row = database.execute("SELECT row FROM passages WHERE id = 16").fetchone()[0]
        database.execute("UPDATE passages SET id = 900 WHERE id = 16")
        database.execute("UPDATE passages SET id = 16 WHERE id = 1")
        assert database.execute(
            f"SELECT checksum = {sum_of('passages')} FROM passages WHERE row = ?",  # noqa: S608
            (row,),
        ).fetchone() == (0,)
    with opened(kb) as collection, pytest.raises(CollectionDamaged, match="passage 16"):
        collection.search("soup at noon", mode="lexical")


def test_what_was_damaged_before_the_sums_came_stays_so(tmp_path: Path) -> None:
    """The migration gives no good sum to a row that was not what its old one said."""
    restore(SUMS_SCHEMA - 1, tmp_path / "kb")
    with crafted(tmp_path / "kb") as database:
        database.execute("UPDATE passages SET line = 9 WHERE id = 3")
        database.execute("UPDATE documents SET title = 'Other' WHERE source = 'keys.md'")
    with opened(tmp_path / "kb") as collection, collection._store.writing():
        pass
    with crafted(tmp_path / "kb") as database:
        for table, key, sound, unsound in (
            ("passages", "id", [1], [3]),
            ("documents", "source", ["lunch.txt"], ["keys.md"]),
        ):
            query = f"SELECT {key} FROM {table} WHERE {{}} AND died IS NULL"  # noqa: S608
            held = holds(table)
            assert [row[0] for row in database.execute(query.format(held))] == sound
            assert [row[0] for row in database.execute(query.format(f"NOT ({held})"))] == unsound
