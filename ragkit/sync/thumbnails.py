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

__all__ = ["Lost", "lost_thumbnails", "restore_thumbnails", "sweep_thumbnails"]

# A file to be read once more, and the pictures of it that have no thumbnail.
Lost = tuple[ReadRequest, list[PictureState]]


def lost_thumbnails(store: Store, snapshot: Snapshot, max_bytes: int) -> list[Lost]:
    """What it takes to make all thumbnails that are not there; files that are gone are left out."""
    pictures = snapshot.pictures()
    missing = store.thumbnails.missing({item.digest for item in pictures}) if pictures else set()
    by_file: defaultdict[tuple[str, str], list[PictureState]] = defaultdict(list)
    for item in pictures:
        if item.digest in missing:
            by_file[item.root, item.source].append(item)
    return list(_requests(store, snapshot, by_file, max_bytes)) if by_file else []


def restore_thumbnails(store: Store, lost: Sequence[Lost], pool: WorkerPool[CutReply]) -> None:
    """Make them. A file that has changed is left to the sync."""
    wanted = {(request.root, request.source): items for request, items in lost}
    for request, reply in pool.run([request for request, _ in lost]):
        read = getattr(reply, "read", None)
        if isinstance(read, ReadReply) and read.document is not None:
            _keep(store, read, wanted[request.root, request.source])


def sweep_thumbnails(store: Store, snapshot: Snapshot) -> None:
    """Remove those of pictures that the collection no longer holds."""
    store.thumbnails.sweep({item.digest for item in snapshot.pictures()})


def _requests(
    store: Store,
    snapshot: Snapshot,
    by_file: dict[tuple[str, str], list[PictureState]],
    max_bytes: int,
) -> Iterator[Lost]:
    roots = {root.name: root for root in snapshot.roots()}
    for (name, source), items in by_file.items():
        root = roots.get(name)
        if root is None:
            continue
        place = os.fsencode(os.path.realpath(store.place_of(root)))
        path = place if root.is_file else place + b"/" + items[0].raw_name
        if os.path.isfile(path):  # noqa: PTH113 - bytes
            request = ReadRequest(
                path=path, source=source, root=name, max_file_bytes=max_bytes, pictures=True
            )
            yield request, items


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
