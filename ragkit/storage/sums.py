"""Checksums of rows: each row of truth carries one over the rest of it.

A byte that changes on the disk makes a text that nobody wrote, and SQLite does not notice. The sum
is made and checked by SQLite through one function of ours, so that a table's columns stand here and
nowhere else.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

__all__ = [
    "FIRST_SUMS",
    "SECOND_SUMS",
    "SUMS",
    "SUMS_SCHEMA",
    "UNSEALED",
    "add_function",
    "holds",
    "seal_rows",
    "sum_of",
]

# What each sum is over, as the schema had it that brought the sums. Not summed is what is known
# twice: born and died are the same for a document and its passages; the slot is that of the key in
# ``vectors``, whose rows are checked against the matrix, and whose keys against the texts.
FIRST_SUMS = MappingProxyType(
    {
        ("settings", "checksum"): ("key", "value"),
        ("roots", "checksum"): ("id", "name", "path", "is_file"),
        ("documents", "checksum"): (
            *("id", "root_id", "source", "raw_name", "digest", "size", "mtime_ns", "media_type"),
            *("reader_version", "chunker_version", "language", "title", "metadata", "links"),
        ),
        ("documents", "text_checksum"): ("id", "pages", "sections", "text", "blocks"),
        ("passages", "checksum"): (
            *("document_id", "ordinal", "start", "end", "text", "headings", "page", "line"),
            *("tokens", "key", "image", "table_header", "boxes"),
        ),
        ("matrices", "checksum"): ("number", "fingerprint", "width"),
        ("problems", "checksum"): (
            *("root_id", "source", "kind", "reason", "size", "mtime_ns", "reading_version"),
            "of_model",
        ),
        ("ledger", "checksum"): (
            *("run", "started", "model", "texts", "tokens", "requests", "cost_usd", "counted"),
            *("reused", "reused_tokens", "pictures", "picture_tokens", "picture_usd"),
        ),
        ("spending", "checksum"): ("run", "root", "source", "texts", "tokens", "cost_usd"),
        ("expenses", "checksum"): ("day", "use", "model", "requests", "tokens", "cost_usd"),
    }
)
# Since schema 10.
SECOND_SUMS = MappingProxyType(
    {
        **FIRST_SUMS,
        ("passages", "checksum"): (*FIRST_SUMS["passages", "checksum"], "encoded", "masks"),
    }
)
# What each sum is over now. Whoever adds a column to a table makes the next sums, with the column
# at the end; where it is null, they stay as they are.
SUMS: Mapping[tuple[str, str], tuple[str, ...]] = SECOND_SUMS
# What stands in a row until its sum does, in the same transaction.
UNSEALED = 0
# The first schema that has them.
SUMS_SCHEMA = 8


def add_function(connection: sqlite3.Connection) -> None:
    """Let SQLite make sums."""
    connection.create_function("row_sum", -1, _row_sum, deterministic=True)


def sum_of(
    table: str,
    column: str = "checksum",
    sums: Mapping[tuple[str, str], tuple[str, ...]] = SUMS,
) -> str:
    """The sum that a row must have, as SQL.

    The id of a passage stands above the sum of the rest, since it is given when the rest has long
    been written.
    """
    columns = ", ".join(f'{table}."{name}"' for name in sums[table, column])
    if table == "passages":
        return f"(row_sum({columns}) + (coalesce(passages.id, 0) << 32))"
    return f"row_sum({columns})"


def holds(*tables: str, sums: Mapping[tuple[str, str], tuple[str, ...]] = SUMS) -> str:
    """Whether the rows of these tables in one joined row are what was written, as SQL: 0 or 1.

    A table may be named with the column of one of its sums, as ``documents.text_checksum``; *sums*
    are those of the database's schema.
    """
    named = [table.partition(".") for table in tables]
    pairs = [(table, column or "checksum") for table, _, column in named]
    return " AND ".join(
        f"coalesce({table}.{column} = {sum_of(table, column, sums)}, 0)" for table, column in pairs
    )


def seal_rows(
    connection: sqlite3.Connection, table: str, where: str = "1", values: Sequence[object] = ()
) -> None:
    """Write the sums of rows that were written; belongs inside the same transaction."""
    columns = [column for known, column in SUMS if known == table]
    sums = ", ".join(f"{column} = {sum_of(table, column)}" for column in columns)
    connection.execute(f"UPDATE {table} SET {sums} WHERE {where}", values)  # noqa: S608


def _row_sum(*values: object) -> int:
    end = len(values)
    while end and values[end - 1] is None:
        end -= 1
    # MessagePack writes a value in one way only, whatever the version of Python; its repr changes
    # with the Unicode that Python knows.
    return zlib.crc32(msgspec.msgpack.encode(values[:end]))
