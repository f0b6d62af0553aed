"""Thumbnails that are gone are made again from the files; nothing is embedded for it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ragkit.reading.messages import ReadReply, ReadRequest
from ragkit.storage.snapshot import PictureState, Snapshot
from ragkit.storage.store import Store

if TYPE_CHECKING:
    from ragkit.reading.pool import WorkerPool
    from ragkit.sync.worker import CutReply

__all__ = ["missing_thumbnails", "restore_thumbnails", "sweep_thumbnails"]


def missing_thumbnails(store: Store, snapshot: Snapshot) -> list[PictureState]:
    """The pictures that have none."""
    pictures = snapshot.pictures()
    missing = store.thumbnails.missing({item.digest for item in pictures}) if pictures else set()
    return [item for item in pictures if item.digest in missing]


def restore_thumbnails(
    store: Store,
    snapshot: Snapshot,
    missing: Sequence[PictureState],
    pool: WorkerPool[CutReply],
    max_bytes: int,
) -> None:
    """Read their files once more. A file that is not there or has changed is left to the sync."""
    by_file: defaultdict[tuple[str, str], list[PictureState]] = defaultdict(list)
    for item in missing:
        by_file[item.root, item.source].append(item)
    asked = list(_requests(store, snapshot, by_file, max_bytes))
    for request, reply in pool.run(asked):
        read = getattr(reply, "read", None)
        if isinstance(read, ReadReply) and read.document is not None:
            _keep(store, read, by_file[request.root, request.source])


def sweep_thumbnails(store: Store, snapshot: Snapshot) -> None:
    """Remove those of pictures that the collection no longer holds."""
    store.thumbnails.sweep({item.digest for item in snapshot.pictures()})


def _requests(
    store: Store,
    snapshot: Snapshot,
    by_file: dict[tuple[str, str], list[PictureState]],
    max_bytes: int,
) -> Iterator[ReadRequest]:
    roots = {root.name: root for root in snapshot.roots()}
    for (name, source), items in by_file.items():
        root = roots.get(name)
        if root is None:
            continue
        place = os.fsencode(os.path.realpath(store.place_of(root)))
        path = place if root.is_file else place + b"/" + items[0].raw_name
        yield ReadRequest(
            path=path, source=source, root=name, max_file_bytes=max_bytes, pictures=True
        )


def _keep(store: Store, read: ReadReply, wanted: Sequence[PictureState]) -> None:
    """By their places: another Pillow may encode a picture in another way."""
    if read.document is None or read.digest != wanted[0].file_digest:
        return
    images = [figure.image for figure in read.document.figures]
    if read.document.image is not None:
        images.append(read.document.image)
    now = {image.path: image.digest for image in images}
    for item in wanted:
        prepared = read.pictures.get(now.get(item.path, item.digest))
        if prepared is not None:
            store.thumbnails.keep(item.digest, prepared.thumbnail)
