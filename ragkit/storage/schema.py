"""The schema of ``collection.db``: numbered migrations, each in a transaction of its own.

Rows of truth carry the generations in which they were born and died. A reader of generation g sees
the rows with ``born <= g and (died is null or died > g)``; a sync writes rows of generation g + 1
in many short transactions, and one update of ``generation`` makes them visible together. What an
interrupted sync left behind is of a generation that never came, and the next writer removes it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
import sqlite3
import zlib
from collections.abc import Callable

from ragkit.errors import CollectionDamaged, SchemaTooNew
from ragkit.storage.sums import FIRST_SUMS, SECOND_SUMS, add_function, sum_of

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "check_objects", "migrate", "schema_version"]

APPLICATION_ID = 0x7261676B  # "ragk": a database of another program is refused

_INITIAL = (
    # Values are JSON.
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE roots (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        path TEXT NOT NULL,        -- relative to the collection where it can be, with /
        is_file INTEGER NOT NULL
    )""",
    # A row for each version of a document at a place: an edit or a move makes a new row.
    """CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES roots (id),
        source TEXT NOT NULL,
        raw_name BLOB NOT NULL,    -- the name's bytes below the root
        digest BLOB NOT NULL,      -- sha256 of the file
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL, -- with the size a cheap sign that nothing changed, no more
        media_type TEXT NOT NULL,
        reader_version INTEGER NOT NULL,
        chunker_version INTEGER NOT NULL,
        language TEXT,
        title TEXT,
        metadata TEXT NOT NULL,
        pages TEXT NOT NULL,       -- JSON list of offsets
        sections TEXT NOT NULL,    -- JSON list of [start, end, level, title]
        text BLOB NOT NULL,        -- zlib over UTF-8
        checksum INTEGER NOT NULL,
        born INTEGER NOT NULL,
        died INTEGER
    )""",
    "CREATE INDEX documents_by_source ON documents (root_id, source)",
    "CREATE INDEX documents_by_birth ON documents (born)",
    # An id names one embedded text of one document; rows of several generations may share it.
    """CREATE TABLE passages (
        row INTEGER PRIMARY KEY,
        id INTEGER,                -- null until the sync that made it is complete
        document_id INTEGER NOT NULL REFERENCES documents (id),
        ordinal INTEGER NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        text TEXT NOT NULL,
        headings TEXT NOT NULL,    -- JSON list, outermost first
        page INTEGER,
        line INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        key BLOB NOT NULL,         -- sha256 of fingerprint and embedded text
        slot INTEGER,              -- row of vectors.f32; null when the model refused the text
        checksum INTEGER NOT NULL,
        born INTEGER NOT NULL,
        died INTEGER
    )""",
    "CREATE INDEX passages_by_id ON passages (id)",
    "CREATE INDEX passages_by_document ON passages (document_id, ordinal)",
    "CREATE INDEX passages_dead ON passages (died) WHERE died IS NOT NULL",
    "CREATE INDEX documents_dead ON documents (died) WHERE died IS NOT NULL",
    # Every vector that was ever bought, whether or not its sync was finished.
    """CREATE TABLE vectors (
        key BLOB PRIMARY KEY,
        slot INTEGER UNIQUE,       -- null when the model refused the text
        reason TEXT,
        checksum INTEGER           -- crc32 of the row's bytes in vectors.f32
    ) WITHOUT ROWID""",
    # Files that are not in the collection, and why; size and mtime save reading them again.
    """CREATE TABLE problems (
        root_id INTEGER NOT NULL REFERENCES roots (id),
        source TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('failed', 'skipped', 'warning')),
        reason TEXT NOT NULL,
        size INTEGER,              -- null: to be tried again at the next sync
        mtime_ns INTEGER,
        reading_version INTEGER NOT NULL,
        PRIMARY KEY (root_id, source, kind, reason)
    ) WITHOUT ROWID""",
    """CREATE TABLE ledger (
        run INTEGER PRIMARY KEY,
        started TEXT NOT NULL,     -- ISO 8601, UTC
        model TEXT NOT NULL,
        texts INTEGER NOT NULL DEFAULT 0,
        tokens INTEGER NOT NULL DEFAULT 0,
        requests INTEGER NOT NULL DEFAULT 0,
        cost_usd TEXT NOT NULL DEFAULT '0'
    )""",
)


def m001_initial(database: sqlite3.Connection) -> None:
    """Settings, roots, documents, passages, vectors, problems and the ledger."""
    for statement in _INITIAL:
        database.execute(statement)


def m002_ledger_of_documents(database: sqlite3.Connection) -> None:
    """What each document cost in each run, our own count beside the bill, and what was reused."""
    for column in ("counted", "reused", "reused_tokens"):
        database.execute(f"ALTER TABLE ledger ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    # Root and source are names and no references: what was spent stays spent when they go.
    database.execute(
        """CREATE TABLE spending (
            run INTEGER NOT NULL REFERENCES ledger (run),
            root TEXT NOT NULL,        -- '' with the source '' for what belongs to no document
            source TEXT NOT NULL,
            texts INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            cost_usd TEXT NOT NULL,
            PRIMARY KEY (run, root, source)
        ) WITHOUT ROWID"""
    )


def m003_matrices(database: sqlite3.Connection) -> None:
    """A matrix for each fingerprint, and what it takes to cut a stored document again."""
    database.execute(
        """CREATE TABLE matrices (
            -- 1 is vectors.f32, n is vectors-n.f32; never given twice, since a reader of an old
            -- generation may still come for a file of that name
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            fingerprint TEXT NOT NULL,
            width INTEGER                -- null before its first vector
        )"""
    )
    stored = dict(database.execute("SELECT key, value FROM settings").fetchall())
    if "fingerprint" in stored:
        fingerprint, width = json.loads(stored["fingerprint"]), stored.get("width")
        database.execute(
            "INSERT INTO matrices VALUES (1, ?, ?)",
            (fingerprint, None if width is None else json.loads(width)),
        )
    database.execute(
        """CREATE TABLE vectors_by_matrix (
            key BLOB PRIMARY KEY,
            matrix INTEGER NOT NULL REFERENCES matrices (number),
            slot INTEGER,              -- null when the model refused the text
            reason TEXT,
            checksum INTEGER,          -- crc32 of the row's bytes in the matrix
            UNIQUE (matrix, slot)
        ) WITHOUT ROWID"""
    )
    database.execute(
        "INSERT INTO vectors_by_matrix SELECT key, 1, slot, reason, checksum FROM vectors"
    )
    database.execute("DROP TABLE vectors")
    database.execute("ALTER TABLE vectors_by_matrix RENAME TO vectors")
    # zlib over a JSON list of [start, end, kind, level]; null where an earlier version kept none,
    # and the next index reads such a document again.
    database.execute("ALTER TABLE documents ADD COLUMN blocks BLOB")
    database.execute("UPDATE documents SET chunker_version = 0")
    # What a model remarked on passages does not outlive the model.
    database.execute("ALTER TABLE problems ADD COLUMN of_model INTEGER NOT NULL DEFAULT 0")
    database.execute(
        """UPDATE problems SET of_model = 1
        WHERE reason LIKE '% no vector, %' OR reason LIKE '% a vector, %'"""
    )
    # The staged rows are looked for at each sync.
    database.execute("CREATE INDEX passages_by_birth ON passages (born)")


def m004_pictures(database: sqlite3.Connection) -> None:
    """Passages that are pictures, files that a document shows, and what pictures cost."""
    # JSON of [path, width_px, height_px, digest]; the path is null where the document is the
    # picture.
    database.execute("ALTER TABLE passages ADD COLUMN image TEXT")
    database.execute("CREATE INDEX passages_with_image ON passages (row) WHERE image IS NOT NULL")
    # JSON list of [source, size, mtime_ns] of the picture files that it shows.
    database.execute("ALTER TABLE documents ADD COLUMN links TEXT")
    for column in ("pictures", "picture_tokens"):
        database.execute(f"ALTER TABLE ledger ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
    database.execute("ALTER TABLE ledger ADD COLUMN picture_usd TEXT NOT NULL DEFAULT '0'")


def m005_expenses(database: sqlite3.Connection) -> None:
    """What was spent beside syncs."""
    database.execute(
        """CREATE TABLE expenses (
            day TEXT NOT NULL,         -- ISO 8601, UTC
            use TEXT NOT NULL,         -- query, rerank, check
            model TEXT NOT NULL,
            requests INTEGER NOT NULL,
            tokens INTEGER NOT NULL,
            cost_usd TEXT NOT NULL,
            PRIMARY KEY (day, use, model)
        ) WITHOUT ROWID"""
    )


def m006_masks(database: sqlite3.Connection) -> None:
    """What of an embedded text was masked before it left, so that its key can be made again."""
    # JSON list of [start, end, kind]; null for most.
    database.execute("ALTER TABLE vectors ADD COLUMN masks TEXT")


def m007_places(database: sqlite3.Connection) -> None:
    """The header of the table that a passage goes on with, and where on its pages it is shown."""
    database.execute("ALTER TABLE passages ADD COLUMN table_header TEXT")
    # JSON list of [start, end, page, left_pt, top_pt, right_pt, bottom_pt].
    database.execute("ALTER TABLE passages ADD COLUMN boxes TEXT")


def m008_sums(database: sqlite3.Connection) -> None:
    """A checksum for every row, the same under every version of Python."""
    add_function(database)
    database.create_function("sum_by_repr", -1, _sum_by_repr)
    tables = ("settings", "roots", "matrices", "problems", "ledger", "spending", "expenses")
    for table in tables:
        database.execute(f"ALTER TABLE {table} ADD COLUMN checksum INTEGER")
        database.execute(f"UPDATE {table} SET checksum = {sum_of(table, sums=FIRST_SUMS)}")  # noqa: S608
    database.execute("ALTER TABLE documents ADD COLUMN text_checksum INTEGER")
    # A row that was damaged before gets a sum that it never has, so that it stays so.
    database.execute(
        f"""UPDATE passages SET checksum = CASE WHEN checksum = sum_by_repr(11, document_id,
            ordinal, start, "end", text, headings, page, line, tokens, key, slot, image,
            table_header, boxes) THEN {sum_of("passages", sums=FIRST_SUMS)} ELSE -1 END"""  # noqa: S608
    )
    was_right = """checksum = sum_by_repr(6, digest, title, metadata, pages, sections, text,
        blocks)"""
    head = sum_of("documents", sums=FIRST_SUMS)
    text = sum_of("documents", "text_checksum", sums=FIRST_SUMS)
    database.execute(
        f"""UPDATE documents SET text_checksum = CASE WHEN {was_right} THEN {text} ELSE -1 END,
            checksum = CASE WHEN {was_right} THEN {head} ELSE -1 END"""  # noqa: S608
    )
    # Of a text that the model refused there is no row in the matrix to be summed.
    database.execute("UPDATE vectors SET checksum = row_sum(key, reason) WHERE slot IS NULL")


def m009_places_of_vectors(database: sqlite3.Connection) -> None:
    """Ids, rows of vectors and generations in one index: a million are read in half the time."""
    database.execute("DROP INDEX passages_by_id")
    database.execute("CREATE INDEX passages_by_id ON passages (id, slot, born, died)")


def m010_not_embedded(database: sqlite3.Connection) -> None:
    """What of each passage is not embedded as it stands, kept with the passage.

    Masks were kept with the vector, which passages with different secrets may share.
    """
    add_function(database)
    # JSON list of [start, end] in the text; null for most.
    database.execute("ALTER TABLE passages ADD COLUMN encoded TEXT")
    # JSON list of [start, end, kind] in the embedded text; null for most.
    database.execute("ALTER TABLE passages ADD COLUMN masks TEXT")
    database.execute(
        """UPDATE passages SET masks = vectors.masks FROM vectors
        WHERE vectors.key = passages.key AND vectors.masks IS NOT NULL"""
    )
    before, after = (sum_of("passages", sums=sums) for sums in (FIRST_SUMS, SECOND_SUMS))
    database.execute(
        f"""UPDATE passages SET checksum = CASE WHEN checksum = {before} THEN {after} ELSE -1 END
        WHERE masks IS NOT NULL"""  # noqa: S608
    )
    database.execute("ALTER TABLE vectors DROP COLUMN masks")


def _sum_by_repr(least: int, *values: object) -> int:
    """As it was before: those at the end that are not set were left out."""
    end = len(values)
    while end > least and values[end - 1] is None:
        end -= 1
    return zlib.crc32(repr(values[:end]).encode("utf-8", "surrogatepass"))


_MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    m001_initial,
    m002_ledger_of_documents,
    m003_matrices,
    m004_pictures,
    m005_expenses,
    m006_masks,
    m007_places,
    m008_sums,
    m009_places_of_vectors,
    m010_not_embedded,
)
SCHEMA_VERSION = len(_MIGRATIONS)


def migrate(database: sqlite3.Connection, name: str) -> None:
    """Bring the schema to this program's version.

    Args:
        database: Open for writing, outside a transaction.
        name: What messages call it.

    Raises:
        SchemaTooNew: A newer ragkit wrote it; nothing was touched.
    """
    check_version(database, name)
    while schema_version(database) < SCHEMA_VERSION:
        database.execute("BEGIN IMMEDIATE")
        with database:
            version = schema_version(database)
            # A new database is made at once, so that none is ever met that is half made.
            last = min(version + 1, SCHEMA_VERSION) if version else SCHEMA_VERSION
            for migration in _MIGRATIONS[version:last]:
                migration(database)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {last}")


def schema_version(database: sqlite3.Connection) -> int:
    """Number of the last migration that was applied."""
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    return version


def check_version(database: sqlite3.Connection, name: str) -> None:
    """Raise SchemaTooNew when this program is older than the collection."""
    version = schema_version(database)
    if version > SCHEMA_VERSION:
        raise SchemaTooNew(
            f"{name} has schema {version} and this ragkit knows up to {SCHEMA_VERSION}:"
            " install the newer ragkit that wrote it"
        )


def check_objects(database: sqlite3.Connection, name: str) -> None:
    """See that the database holds our tables and indexes as we made them, and nothing else.

    A view, a trigger or a changed table in a crafted file would have SQLite do what its maker
    wanted; of a newer schema, which is refused elsewhere, nothing is known.

    Raises:
        CollectionDamaged: It holds something that this program did not make.
    """
    version = schema_version(database)
    if version > SCHEMA_VERSION:
        return
    found, expected = _objects(database), _expected_objects(version)
    strange = sorted(name for name, _ in found ^ expected)
    if strange:
        raise CollectionDamaged(
            f"{name} holds {strange[0]!r} otherwise than ragkit makes it: it is damaged or was"
            " tampered with; restore it from a copy"
        )


@functools.cache
def _expected_objects(version: int) -> frozenset[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        for migration in _MIGRATIONS[:version]:
            migration(database)
        return _objects(database)


def _objects(database: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    rows = database.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    # Versions of SQLite may differ in blanks and in quotes around names.
    return frozenset((str(row[1]), re.sub(r'[\s"]+', " ", " ".join(map(str, row)))) for row in rows)
