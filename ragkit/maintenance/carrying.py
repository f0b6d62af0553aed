"""Carrying a collection away in one file, and taking it in elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import ragkit
from ragkit.errors import (
    CollectionDamaged,
    CollectionError,
    NotACollection,
    PathNotFound,
    SchemaTooNew,
)
from ragkit.maintenance.archive import (
    DATABASE,
    FORMAT,
    MATRIX,
    Manifest,
    member_of,
    read_archive,
    write_archive,
)
from ragkit.maintenance.verify import Verification
from ragkit.reports import ExportReport, ImportReport
from ragkit.storage.drafts import Draft
from ragkit.storage.files import remove_tree, sync_directory
from ragkit.storage.lock import LOCK_NAME, writer_lock
from ragkit.storage.rewriting import Selection
from ragkit.storage.rows import path_from_value, path_value
from ragkit.storage.schema import SCHEMA_VERSION
from ragkit.storage.store import Store
from ragkit.sync.derive import derive_words_anew
from ragkit.sync.progress import ProgressListener
from ragkit.sync.roots import UNPLACED_SETTING

__all__ = ["export_collection", "import_archive"]

# What says something of this installation alone, or of what is not in the archive.
_LEFT_BEHIND = ("words", "purged", "oldest_generation", UNPLACED_SETTING)


def export_collection(
    store: Store, file: Path, key: bytes, *, listener: ProgressListener | None = None
) -> ExportReport:
    """Write the newest generation into one file; it takes the file's place when it is whole.

    Truth alone goes along: living documents, their passages and vectors, and the ledger. What is
    derived is made again where it is taken in; no key is in a collection; paths of folders that
    do not move with the collection are reduced to the folders' names.

    Args:
        store: The collection; writers are not disturbed, and the directory is not written to.
        file: Is replaced if it is there.
        key: This installation's.
        listener: Told how far the verification is.

    Raises:
        CollectionDamaged: Something in it is not what was written.
        CollectionError: The disk is full or refuses, or an earlier ragkit wrote the collection and
            nothing has brought it forward yet.
    """
    started = time.monotonic()
    try:
        with _workplace(file, "exporting") as place:
            manifest, size = _write(store, place, file, key, listener)
    except OSError as error:
        raise CollectionError(
            f"{file} cannot be written: {error.strerror}; make room, or name another file"
        ) from error
    return ExportReport(
        file=str(file),
        bytes=size,
        documents=manifest.documents,
        passages=manifest.passages,
        vectors=manifest.vectors,
        seconds=time.monotonic() - started,
    )


def _write(
    store: Store, place: Path, file: Path, key: bytes, listener: ProgressListener | None
) -> tuple[Manifest, int]:
    with store.auditing() as audit:
        snapshot = audit.snapshot
        selection = Selection(dropped=_LEFT_BEHIND, root_path=_carried)
        with contextlib.closing(Draft(place, snapshot, selection, lambda: None)) as draft:
            draft.add_matrix(store.rows(snapshot))
            written = draft.snapshot()
            counts = {name: written.count(name) for name in ("documents", "passages", "vectors")}
            model, width = written.setting("model", ""), written.width
            draft.finish()
            files = {DATABASE: place / DATABASE, MATRIX: place / MATRIX}
            draft.database.rename(files[DATABASE])
            draft.matrix.rename(files[MATRIX])
            # An export that cannot be taken in again is none.
            _see_that_it_is_sound(place, key, listener, "`ragkit verify --repair` may mend it")
            manifest = Manifest(
                format=FORMAT,
                ragkit=ragkit.__version__,
                schema=SCHEMA_VERSION,
                model=model,
                dimensions=width,
                files={name: member_of(path) for name, path in files.items()},
                **counts,
            )
            whole = place / file.name
            with whole.open("xb") as target:
                write_archive(target, manifest, files)
                target.flush()
                os.fsync(target.fileno())
            size = whole.stat().st_size
            whole.replace(file)
            sync_directory(file.parent)
    return manifest, size


def import_archive(
    file: Path, directory: Path, key: bytes, *, listener: ProgressListener | None = None
) -> ImportReport:
    """Make a collection of an exported file; it is there when everything in it is verified.

    Args:
        file: The archive.
        directory: Where the collection will be; nothing may be there, or an empty folder.
        key: This installation's, which signs derived files.
        listener: Told how far the verification is.

    Raises:
        PathNotFound: There is no such file.
        NotACollection: Something is at the directory already.
        CollectionDamaged: The file is no archive of ours, or what is in it breaks a law.
        SchemaTooNew: A newer ragkit wrote it.
        CollectionError: The disk is full or refuses.
    """
    started = time.monotonic()
    if not file.is_file():
        raise PathNotFound(f"there is no file at {file}")
    _see_that_nothing_is_at(directory)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with _workplace(directory, "importing") as place:
            with file.open("rb") as source:
                manifest = read_archive(source, place)
            if manifest.schema > SCHEMA_VERSION:
                raise SchemaTooNew(
                    f"{file} has schema {manifest.schema} and this ragkit knows up to"
                    f" {SCHEMA_VERSION}: install the newer ragkit that wrote it"
                )
            report = _take_in(place, key, listener)
            _see_that_nothing_is_at(directory)
            place.rename(directory)
            sync_directory(directory.parent)
    except OSError as error:
        named = error.filename if isinstance(error.filename, str) else str(directory)
        raise CollectionError(f"{named}: {error.strerror}; name another file or place") from error
    seconds = time.monotonic() - started
    return replace(report, collection=str(directory), seconds=seconds)


def _take_in(place: Path, key: bytes, listener: ProgressListener | None) -> ImportReport:
    """Verify what was unpacked, and make of it what an index would have made.

    Returns:
        What it is, whatever the manifest says.
    """
    with contextlib.closing(Store(place, create=False)) as store:
        # An earlier ragkit's is brought forward: only this one's can be verified.
        store.settle({})
    _see_that_it_is_sound(place, key, listener, "export it again")
    with contextlib.closing(Store(place, create=False)) as store:
        with store.snapshot() as snapshot:
            words = derive_words_anew(store, snapshot, key)
            unplaced = [
                root.name for root in snapshot.roots() if not os.path.lexists(store.place_of(root))
            ]
            report = ImportReport(
                collection=str(place),
                model=snapshot.setting("model", ""),
                base_url=snapshot.setting("base_url", ""),
                documents=snapshot.count("documents"),
                passages=snapshot.count("passages"),
                vectors=snapshot.count("vectors"),
            )
        store.settle({"words": words, UNPLACED_SETTING: unplaced})
    for name in (DATABASE, MATRIX):
        with (place / name).open("rb+") as written:
            os.fsync(written.fileno())
    sync_directory(place)
    return report


def _see_that_it_is_sound(
    place: Path, key: bytes, listener: ProgressListener | None, remedy: str
) -> None:
    with contextlib.closing(Store(place, create=False)) as store:
        looked = Verification(store=store, key=key, listener=listener)
        looked.run()
    for fault in looked.found.told():
        # The lexical index is not part of an archive.
        if fault.law != "derived":
            raise CollectionDamaged(
                f"the collection breaks a law: {fault.place}: {fault.problem}; {remedy}"
            )


def _carried(path: str | bytes) -> str | bytes:
    """A root's path for elsewhere: where it lies beside the collection, or its name alone."""
    named = PurePosixPath(path_from_value(path))
    return path_value(f"../{named.name}") if named.is_absolute() else path


def _see_that_nothing_is_at(directory: Path) -> None:
    if os.path.lexists(directory) and not (directory.is_dir() and not any(directory.iterdir())):
        raise NotACollection(f"{directory} is there already: name another directory with -c")


@contextlib.contextmanager
def _workplace(beside: Path, doing: str) -> Iterator[Path]:
    """A directory of one's own beside what is to be; of an interrupted call nothing is left."""
    place = beside.with_name(f".{beside.name}.{doing}")
    place.mkdir(exist_ok=True)
    with writer_lock(place):
        for path in list(place.iterdir()):
            if path.name != LOCK_NAME:
                remove_tree(path)
        try:
            yield place
        finally:
            if os.path.lexists(place):
                remove_tree(place)
