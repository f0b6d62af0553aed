"""Stage 1: a folder becomes files, and each file a ``Document``.

``walk`` finds the files, ``registry`` says which reader takes which, ``files`` reads one, ``pool``
reads many in worker processes that a hostile file may hang, crash or bloat without harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from ragkit.records import Document

__all__ = ["read"]


def read(path: str | os.PathLike[str]) -> Document:
    """Read one file.

    What rests on native parsers (source code, PDF, pictures, and HTML, Office files, mail and
    archives, which may hold them) is read in a process of its own, which a hostile file may crash,
    hang or bloat without harm to this one, and which takes 0.2 s to start; the rest in this one.

    Args:
        path: The file; a symbolic link is followed.

    Returns:
        A document whose ``source`` is the file's name and whose ``root`` is empty.

    Raises:
        PathNotFound: There is no such file, or it is a folder.
        DocumentSkipped: The file is not to be indexed; the message says why.
        DocumentUnreadable: The file cannot be read; the message says why.
        ReadingError: No process can be started.
    """
    # Loaded here so that a name in `ragkit` costs no parser.
    from ragkit.reading.files import read_path  # noqa: PLC0415

    return read_path(path)
