"""The files of a collection, opened so that nothing in it can lead out of it.

A collection may have come from a stranger. A link in the place of one of its files would have us
read, or empty, a file somewhere else; a pipe would have us wait for ever.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ragkit.errors import CollectionDamaged

__all__ = ["DATABASE_NAME", "make_directory", "open_plain", "refuse_links", "remove_tree"]
__all__ += ["sync_directory"]

DATABASE_NAME = "collection.db"


def open_plain(path: Path, flags: int) -> int:
    """A descriptor of a plain file; with ``O_CREAT`` it is made, readable by everyone.

    Raises:
        CollectionDamaged: A link, a pipe or a device stands in its place.
        OSError: As ``os.open``.
    """
    refuse_links(path)
    file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _no_file(path)
    return file


def refuse_links(*paths: Path) -> None:
    """See that what stands at each path, if anything, is a plain file.

    Raises:
        CollectionDamaged: A link, a pipe, a device or a folder stands there.
    """
    for path in paths:
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise _no_file(path)


def remove_tree(path: Path) -> None:
    """Remove a folder with what is in it, or the link or file in its place; a link's target stays.

    Nothing there is as good as removed.

    Raises:
        OSError: Something cannot be removed.
    """
    try:
        is_folder = stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_folder:
        path.unlink(missing_ok=True)
        return
    # shutil.rmtree goes by descriptors: no link inside leads out.
    import shutil  # noqa: PLC0415 - readers never come here

    shutil.rmtree(path)


def make_directory(path: Path, *, parents: bool = False) -> None:
    """Make a folder if it is not there yet, durably; with *parents* what it lies in, too.

    Raises:
        OSError: It cannot be made.
    """
    missing = [path]
    while not missing[-1].exists():
        missing.append(missing[-1].parent)
    path.mkdir(parents=parents, exist_ok=True)
    for above in missing[1:]:
        sync_directory(above)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_file(path: Path) -> CollectionDamaged:
    return CollectionDamaged(
        f"{path} is no plain file but a link, a pipe or a folder, and a collection holds none: do"
        " not use it unless you know who put it there"
    )
