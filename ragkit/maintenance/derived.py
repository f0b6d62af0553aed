"""Law 3: what is derived holds exactly what truth holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ragkit.indexing.manifest import DerivedUnusable
from ragkit.indexing.words import WordIndex
from ragkit.maintenance.findings import Finding
from ragkit.storage.audit import Audit
from ragkit.storage.store import Store
from ragkit.sync.derive import words_directory

__all__ = ["check_words", "words_are_missing"]


def words_are_missing(store: Store, audit: Audit) -> bool:
    """Whether the lexical index was deleted, which is allowed: each search then makes it anew."""
    directory = words_directory(store, audit.snapshot)
    return directory is not None and not directory.exists()


def check_words(store: Store, audit: Audit, key: bytes) -> Iterator[Finding]:
    """The lexical index is ours, byte for byte, and holds exactly the living passages.

    Args:
        store: The collection.
        audit: Of it.
        key: This installation's, which signs derived files.
    """
    directory = words_directory(store, audit.snapshot)
    if directory is None:
        if audit.snapshot.count("passages"):
            yield Finding(law="derived", place="derived", problem="no lexical index is named")
        return
    place = f"derived/{directory.name}"
    try:
        index = WordIndex.open(directory, key=key, verify=True)
    except DerivedUnusable as error:
        problem = str(error).removesuffix(": rebuild the index")
        yield Finding(law="derived", place=place, problem=problem)
        return
    try:
        found = index.ids()
    finally:
        index.close()
    expected = audit.ids()
    lacking, excess = len(np.setdiff1d(expected, found)), len(np.setdiff1d(found, expected))
    if lacking or excess:
        problem = f"it lacks {lacking:,} passages and holds {excess:,} that are not alive"
        yield Finding(law="derived", place=place, problem=problem)
    elif len(found) != len(expected):
        yield Finding(law="derived", place=place, problem="it holds a passage twice")
