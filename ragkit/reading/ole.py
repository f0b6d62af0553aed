"""OLE2 containers, opened by olefile once their header has been found to make sense."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from ragkit.errors import DocumentUnreadable

if TYPE_CHECKING:
    import olefile

__all__ = ["OLE_MARK", "PARSE_ERRORS", "open_container"]

OLE_MARK = b"\xd0\xcf\x11\xe0"
# What a damaged container, and the records within, make of arithmetic on their numbers.
PARSE_ERRORS = (OSError, ValueError, IndexError, KeyError, TypeError, OverflowError, struct.error)
_HEADER_BYTES = 512
_SECTOR_SHIFTS = (9, 12)
_MINI_SHIFT = 6
# A stream, and the root, whose content is the small streams.
_WITH_CONTENT = (2, 5)


def open_container(data: bytes) -> olefile.OleFileIO:
    """Open a container; its errors are ``PARSE_ERRORS``.

    Raises:
        DocumentUnreadable: It claims what such a file cannot have; olefile would believe it and ask
            for memory or loop accordingly.
    """
    # 20 ms of import that only such files pay.
    import olefile  # noqa: PLC0415

    if len(data) < _HEADER_BYTES:
        raise DocumentUnreadable("damaged or cut off: its OLE2 container cannot be read")
    shift, mini_shift = struct.unpack_from("<HH", data, 30)
    (tables,) = struct.unpack_from("<I", data, 44)
    (mini_tables,) = struct.unpack_from("<I", data, 64)
    (lists,) = struct.unpack_from("<I", data, 72)
    sectors = len(data) // _HEADER_BYTES
    if (
        shift not in _SECTOR_SHIFTS
        or mini_shift != _MINI_SHIFT
        or max(tables, mini_tables, lists) > sectors
    ):
        raise DocumentUnreadable("damaged: the header of its OLE2 container makes no sense")
    container = olefile.OleFileIO(data)
    # A chain of sectors that bites its tail is followed for as long as its stream claims to be.
    if any(
        entry is not None and entry.entry_type in _WITH_CONTENT and entry.size > len(data)
        for entry in container.direntries
    ):
        container.close()
        raise DocumentUnreadable("damaged or cut off: a part of it is larger than the file")
    return container
