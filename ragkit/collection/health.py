"""Whether a collection's parts fit each other, as far as a quick look tells."""

from __future__ import annotations

import numpy as np

from ragkit.embedding.checks import Check
from ragkit.errors import CollectionError
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store

__all__ = ["index_checks"]

# Rows that are looked at; all of them are `ragkit verify`'s to read.
_SAMPLE = 1000


def index_checks(store: Store, key: bytes) -> tuple[Check, ...]:
    """Generation, vectors and derived files of a collection; nothing is changed.

    Args:
        store: The collection.
        key: This installation's, which signs the derived files.
    """
    with store.snapshot() as snapshot:
        generation = Check(
            name="generation",
            ok=True,
            detail=f"{snapshot.generation}: {snapshot.count('documents'):,} documents,"
            f" {snapshot.count('passages'):,} passages",
            remedy="" if snapshot.generation else "nothing was indexed yet: `ragkit index FOLDER`",
        )
        return (generation, _vectors(store, snapshot), _words(store, snapshot, key))


def _vectors(store: Store, snapshot: Snapshot) -> Check:
    restore = "restore the collection from a copy, or delete it and index again"
    ids, slots = snapshot.ids_and_slots()
    without = snapshot.count("passages") - len(ids)
    try:
        rows = store.rows(snapshot)
    except CollectionError as error:
        return Check(name="vectors", ok=False, detail=str(error), remedy=restore)
    if len(slots) and int(slots.max()) >= len(rows):
        detail = f"a passage names row {int(slots.max()):,} of {len(rows):,}"
        return Check(name="vectors", ok=False, detail=detail, remedy=restore)
    chosen = slots[:: max(1, len(slots) // _SAMPLE)]
    norms = np.linalg.norm(np.asarray(rows[chosen], np.float64), axis=1)
    wrong = int((~(np.abs(norms - 1) < 1e-3)).sum())
    if wrong:
        detail = f"{wrong:,} of {len(chosen):,} looked at are not of unit length"
        return Check(name="vectors", ok=False, detail=detail, remedy=restore)
    said = ""
    if without:
        have, them = ("passage has", "it") if without == 1 else ("passages have", "them")
        said = f", {without:,} {have} none: the model refused {them}"
    return Check(name="vectors", ok=True, detail=f"one for each of {len(ids):,} passages{said}")


def _words(store: Store, snapshot: Snapshot, key: bytes) -> Check:
    from ragkit.indexing.manifest import DerivedUnusable  # noqa: PLC0415
    from ragkit.indexing.words import WordIndex  # noqa: PLC0415 - loads tantivy
    from ragkit.sync.derive import words_directory  # noqa: PLC0415

    rebuild = "each search makes it anew in memory of its own; the next sync that changes anything"
    rebuild += " keeps one"
    directory = words_directory(store, snapshot)
    if directory is None:
        return Check(name="lexical index", ok=True, detail="none yet")
    try:
        index = WordIndex.open(directory, key=key, verify=True)
    except DerivedUnusable as error:
        said = str(error).removesuffix(": rebuild the index")
        return Check(name="lexical index", ok=False, detail=said, remedy=rebuild)
    try:
        number = index.documents
    finally:
        index.close()
    passages = snapshot.count("passages")
    if number != passages:
        detail = f"{number:,} passages where the collection has {passages:,}"
        return Check(name="lexical index", ok=False, detail=detail, remedy=rebuild)
    return Check(name="lexical index", ok=True, detail=f"{number:,} passages, every sum right")
