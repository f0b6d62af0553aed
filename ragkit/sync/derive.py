"""What is derived of a generation: its lexical index, and what its scores are judged by."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from ragkit.chunking.recipe import embedded_text
from ragkit.errors import CollectionError, remedy
from ragkit.indexing.manifest import DerivedUnusable, check
from ragkit.indexing.wordbuild import WordEntry, build_words
from ragkit.indexing.words import kind
from ragkit.retrieval.calibration import CALIBRATION_SETTING
from ragkit.storage.files import make_directory, remove_tree
from ragkit.storage.seam import StoredPassage
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store
from ragkit.storage.writer import Sealed, Writer
from ragkit.sync.calibrating import derive_calibration

__all__ = [
    "derive",
    "derive_all_words",
    "derive_words",
    "derive_words_anew",
    "sweep_words",
    "words_are_usable",
    "words_directory",
]

_NAME = "words-{}"
_NAMED = re.compile(r"words-[0-9]+(-[0-9]+)?")
_SEPARATORS = re.compile(r"[\W_]+")


def words_directory(store: Store, snapshot: Snapshot) -> Path | None:
    """The lexical index of a generation; None when it has no passages.

    A name that leads out of the collection, or is none of ours, is as good as none.
    """
    name = snapshot.setting("words", "")
    if not _NAMED.fullmatch(name) or store.derived.is_symlink():
        return None
    directory = store.derived / name
    return None if directory.is_symlink() else directory


def words_are_usable(store: Store, snapshot: Snapshot, key: bytes) -> bool:
    """Whether the lexical index of a generation is there, whole, and of our making."""
    directory = words_directory(store, snapshot)
    if directory is None:
        return not snapshot.setting("words", "")
    try:
        check(directory, key, kind=kind())
    except DerivedUnusable:
        return False
    return True


def derive(
    store: Store,
    writer: Writer,
    sealed: Sealed,
    key: bytes,
    *,
    fingerprint: str,
    staging: int | None = None,
) -> dict[str, object]:
    """Make all that is derived of the coming generation.

    Args:
        store: The collection.
        writer: Has it staged and sealed.
        sealed: What changed.
        key: Signs the lexical index.
        fingerprint: Of its vectors.
        staging: As for ``derive_words``.

    Returns:
        Settings, to be committed together with the generation.
    """
    name = derive_words(store, writer, sealed, key, staging=staging)
    calibration = derive_calibration(writer, sealed, store.derived / name, key, fingerprint)
    return {"words": name, CALIBRATION_SETTING: calibration}


def derive_words(
    store: Store, writer: Writer, sealed: Sealed, key: bytes, *, staging: int | None = None
) -> str:
    """Make the lexical index of the coming generation beside the one that readers use.

    Args:
        store: The collection.
        writer: Has it staged and sealed.
        sealed: What changed.
        key: Signs the index.
        staging: Number of a generation that will be held: readers may come for it until it is
            dropped, so that no other may have its name.

    Returns:
        Its name, to be committed together with the generation.

    Raises:
        CollectionError: The disk is full or refuses.
    """
    coming = writer.snapshot(coming=True)
    name = _NAME.format(coming.generation if staging is None else f"{coming.generation}-{staging}")
    directory = store.derived / name
    try:
        if store.derived.is_symlink():
            remove_tree(store.derived)
        make_directory(store.derived)
        # Left over from a sync that was interrupted before its commit.
        remove_tree(directory)
    except OSError as error:
        raise CollectionError(
            f"{directory} cannot be written: {error.strerror}; {remedy(error)}"
        ) from error
    previous = words_directory(store, writer.snapshot())
    if previous is None or not _extend(directory, previous, sealed, coming, key):
        derive_all_words(directory, coming, key)
    return name


def derive_words_anew(store: Store, snapshot: Snapshot, key: bytes) -> str:
    """Make the lexical index of a coming generation from truth alone, in the collection.

    Returns:
        Its name, to be committed together with the generation.
    """
    name = _NAME.format(snapshot.generation)
    derive_all_words(_made_room(store, name), snapshot, key)
    return name


def derive_all_words(directory: Path, snapshot: Snapshot, key: bytes) -> None:
    """Make the lexical index of a generation from truth alone."""
    everything = map(_entry, snapshot.all_passages())
    build_words(directory, previous=None, removed_ids=(), added=everything, key=key)


def sweep_words(store: Store, keep: set[str]) -> None:
    """Remove the lexical indexes that no generation names; open readers keep their files."""
    for directory in () if store.derived.is_symlink() else store.derived.glob(_NAME.format("*")):
        if directory.name not in keep:
            with contextlib.suppress(OSError):
                remove_tree(directory)


def _made_room(store: Store, name: str) -> Path:
    """The directory of a coming generation, without what an interrupted writer left there."""
    if store.derived.is_symlink():
        remove_tree(store.derived)
    make_directory(store.derived)
    remove_tree(store.derived / name)
    return store.derived / name


def _extend(directory: Path, previous: Path, sealed: Sealed, coming: Snapshot, key: bytes) -> bool:
    """Go on from the previous index; False if that is deleted, damaged or not of our making."""
    try:
        added = _entries(coming, sealed)
        build_words(directory, previous=previous, removed_ids=sealed.gone, added=added, key=key)
    except DerivedUnusable:
        return False
    return True


def _entries(coming: Snapshot, sealed: Sealed) -> Iterator[WordEntry]:
    ids = sealed.come.tolist()
    for start in range(0, len(ids), 500):
        found = coming.passages(ids[start : start + 500])
        for id_ in sorted(found):
            yield _entry(found[id_])


def _entry(stored: StoredPassage) -> WordEntry:
    passage = stored.passage
    text = embedded_text(stored.title, passage)
    # Of a passage that is all letters of a file, the words of its path would show nothing else.
    holds_words = text or passage.image is not None
    return WordEntry(
        id=passage.id,
        text=text,
        path_words=_SEPARATORS.sub(" ", passage.source) if holds_words else "",
        language=stored.language,
    )
