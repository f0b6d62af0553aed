"""All that a collection says, as a value that can be held against another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import ragkit
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import MIGRATING_SETTING
from ragkit.storage.store import Store

__all__ = ["answers_of", "keys_of", "state_of"]

# Numbers of generations and names made of them: an interrupted command may have taken one more.
_COUNTED = ("generation", "words", "staged", "stagings", "oldest_generation", "coming_roots")
# What a server taught, which is learnt again.
_LEARNT = ("route", "server")
_QUERIES = ("valve of a size", "soup at noon", "Größe der Leitung", "section 3 of stations")
_HEAD = """roots.name AS root, source, raw_name, digest, size, mtime_ns, media_type,
    reader_version, chunker_version, language, title, metadata, links, pages, sections, text, blocks
    """
_PASSAGES = """passages.id, roots.name AS root, source, ordinal, start, "end", passages.text,
    headings, page, line, tokens, key, image, table_header, boxes, slot"""


def state_of(collection: ragkit.Collection) -> dict[str, str]:
    """A digest of each part of what readers see, and of what is staged beside it.

    Truth is held bit for bit, the vectors of the server among it; generations have their numbers
    by how many commands ran, and rows theirs by how many were interrupted.
    """
    with collection._store.snapshot() as snapshot:
        if not snapshot.generation:
            return {}
        parts = _parts(collection._store, snapshot)
        begun = snapshot.setting(MIGRATING_SETTING, dict[str, object]())
        if begun:
            parts["staged model"] = _digest([begun])
        if snapshot.staged is not None:
            staged = Snapshot(snapshot.connection, coming=True)
            parts |= {
                f"staged {name}": part for name, part in _parts(collection._store, staged).items()
            }
    return parts


def answers_of(collection: ragkit.Collection) -> dict[str, list[list[object]]]:
    """What searches by words and by meaning find: (id, score, source) of each hit."""
    found: dict[str, list[list[object]]] = {}
    if not collection.status().passages:
        return found
    for query in _QUERIES:
        for mode in ("lexical", "semantic"):
            hits = collection.search(query, mode=mode, k=5)
            found[f"{mode} {query}"] = [
                [hit.passage.id, round(hit.score, 4), hit.source] for hit in hits
            ]
    return found


def keys_of(collection: ragkit.Collection) -> list[str]:
    """Keys of all texts that have their vector or their refusal, as hexadecimal digits."""
    with collection._store.snapshot() as snapshot:
        return [row[0].hex() for row in snapshot.connection.execute("SELECT key FROM vectors")]


def _parts(store: Store, snapshot: Snapshot) -> dict[str, str]:
    of_root = "JOIN roots ON roots.id = root_id"
    alive = "born <= {0} AND (died IS NULL OR died > {0})".format(int(snapshot.generation))
    execute = snapshot.connection.execute
    settings = [
        [key, json.loads(value, parse_float=_rounded)]
        for key, value in execute("SELECT key, value FROM settings ORDER BY key")
        if key not in (*_COUNTED, *_LEARNT, MIGRATING_SETTING)
    ]
    documents = execute(
        f"SELECT {_HEAD} FROM documents {of_root} WHERE {alive} ORDER BY root, source"  # noqa: S608
    )
    passages = execute(
        f"""SELECT {_PASSAGES} FROM passages JOIN documents ON documents.id = document_id {of_root}
        WHERE passages.{alive.replace("died", "passages.died")} ORDER BY passages.id"""  # noqa: S608
    ).fetchall()
    rows = store.rows(snapshot)
    vectors = [None if row[-1] is None else rows[row[-1]].tobytes() for row in passages]
    problems = execute(
        f"""SELECT roots.name AS root, source, kind, reason, size, mtime_ns, reading_version,
        of_model FROM problems {of_root} ORDER BY root, source, kind, reason"""  # noqa: S608
    )
    roots = [[root.name, root.path, root.is_file] for root in snapshot.roots()]
    return {
        "settings": _digest(settings),
        "documents": _digest(documents),
        "passages": _digest(row[:-1] for row in passages),
        "vectors": _digest(vectors),
        "problems": _digest(problems),
        "roots": _digest(roots),
        "thumbnails": _digest(
            [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
            for path in sorted(store.derived.glob("thumbnails/*"))
        ),
    }


def _rounded(number: str) -> float:
    """What is measured on vectors hangs on the order in which they lie, in its last digits."""
    return round(float(number), 3)


def _digest(rows: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, default=repr).encode() + b"\n")
    return digest.hexdigest()[:16]
