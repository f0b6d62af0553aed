"""Where the name of a document occurs in a collection, whether or not it is alive."""

from __future__ import annotations

import contextlib

from ragkit.storage.snapshot import Snapshot

__all__ = ["documents_named", "places_named", "raw_name_of"]

# All that has the name of a root and of a source, and is not one generation's alone.
_TRACES = """
    SELECT roots.name AS root, source FROM documents JOIN roots ON roots.id = root_id
    UNION SELECT roots.name, source FROM problems JOIN roots ON roots.id = root_id
    UNION SELECT root, source FROM spending"""


def places_named(snapshot: Snapshot, name: str) -> list[tuple[str, str]]:
    """(root, source) of everything that ``SOURCE`` or ``ROOT:SOURCE`` names, sorted."""
    query = f"""SELECT root, source FROM ({_TRACES})
        WHERE source != '' AND (source = ?1 OR root || ':' || source = ?1)
        ORDER BY root, source"""  # noqa: S608
    # A name with half of a surrogate pair is no text, and nothing is called so.
    with contextlib.suppress(UnicodeEncodeError):
        found: list[tuple[str, str]] = snapshot.connection.execute(query, (name,)).fetchall()
        return found
    return []


def documents_named(snapshot: Snapshot, root: str, source: str) -> list[int]:
    """Ids of every row of a document, of whatever generation."""
    query = """SELECT documents.id FROM documents JOIN roots ON roots.id = root_id
        WHERE roots.name = ? AND source = ?"""
    return [row[0] for row in snapshot.connection.execute(query, (root, source))]


def raw_name_of(snapshot: Snapshot, document_id: int) -> bytes:
    """The bytes of a document's name below its root."""
    query = "SELECT raw_name FROM documents WHERE id = ?"
    return bytes(snapshot.connection.execute(query, (document_id,)).fetchone()[0])
