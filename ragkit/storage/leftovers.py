"""What an interrupted sync, or one that ended, leaves behind for the next writer to clear."""

from __future__ import annotations

import sqlite3

from ragkit.storage.connecting import atomic

__all__ = ["remove_dead", "undo_staged"]

# So many rows go in one transaction: a migration leaves a whole generation behind.
_ROWS_AT_ONCE = 10_000


def undo_staged(connection: sqlite3.Connection, generation: int) -> None:
    """Take back what was staged for the generation after this one.

    Belongs inside the caller's transaction.
    """
    # A staged passage always belongs to a staged document, so that no scan is needed.
    staged = "SELECT id FROM documents WHERE born > ?"
    for statement in (
        f"DELETE FROM passages WHERE document_id IN ({staged})",  # noqa: S608
        "DELETE FROM documents WHERE born > ?",
        "UPDATE passages SET died = NULL WHERE died > ?",
        "UPDATE documents SET died = NULL WHERE died > ?",
    ):
        connection.execute(statement, (generation,))


def remove_dead(connection: sqlite3.Connection, generation: int) -> None:
    """Drop the rows that neither this generation nor a later one shows.

    Readers are inside a read transaction and go on seeing what they see.
    """
    for table, row in (("passages", "row"), ("documents", "id")):
        some = f"SELECT {row} FROM {table} WHERE died <= ? LIMIT {_ROWS_AT_ONCE}"  # noqa: S608
        removed = _ROWS_AT_ONCE
        while removed == _ROWS_AT_ONCE:
            with atomic(connection):
                removed = connection.execute(
                    f"DELETE FROM {table} WHERE {row} IN ({some})",  # noqa: S608
                    (generation,),
                ).rowcount
