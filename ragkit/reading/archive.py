"""ZIP containers, opened in memory with bounds; no name in one is ever a path on disk."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib

from ragkit.errors import DocumentUnreadable
from ragkit.reading.content import Allowance

__all__ = ["Archive"]

_DIRECTORY_ENTRY = b"PK\x01\x02"
_MOST_ENTRIES = 100_000
_OLE2 = b"\xd0\xcf\x11\xe0"
_AT_ONCE_BYTES = 1024 * 1024
# Office files pack their XML up to about 100 to 1. A member that is small is never a bomb.
_MOST_GROWTH = 200
_NEVER_A_BOMB_BYTES = 8 * 1024 * 1024


class Archive:
    """The members of a ZIP file."""

    def __init__(self, data: bytes, allowance: Allowance) -> None:
        """Read the directory.

        Args:
            data: The whole file.
            allowance: What may be unpacked; every read draws from it.

        Raises:
            DocumentUnreadable: It is no ZIP file, or a damaged one.
        """
        if data.startswith(_OLE2):
            raise DocumentUnreadable(
                "encrypted, or of an older format than its name says: save it without a password"
            )
        if data.count(_DIRECTORY_ENTRY) > _MOST_ENTRIES:
            raise DocumentUnreadable(f"more than {_MOST_ENTRIES} members: refused")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except (
            zipfile.BadZipFile,
            NotImplementedError,  # a member says that it needs a newer version of ZIP
            struct.error,
            ValueError,
            OSError,
        ) as error:
            what = "damaged or cut off" if data.startswith(b"PK") else "not what its name says"
            raise DocumentUnreadable(f"{what}: its ZIP container cannot be opened") from error
        self._allowance = allowance
        self.members: tuple[zipfile.ZipInfo, ...] = tuple(self._zip.infolist())
        self._by_name = {member.filename: member for member in self.members}

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def read(self, name: str) -> bytes:
        """The content of a member.

        Raises:
            DocumentUnreadable: It is missing, encrypted, damaged or a bomb.
        """
        member = self._by_name.get(name)
        if member is None:
            raise DocumentUnreadable(f"damaged: it lacks its part {name!r}")
        return self.read_member(member)

    def read_member(self, member: zipfile.ZipInfo) -> bytes:
        """The content of one of ``members``, of which several may have the same name.

        Raises:
            DocumentUnreadable: It is encrypted, damaged or a bomb.
        """
        if member.flag_bits & 1:
            raise DocumentUnreadable("encrypted: save it without a password")
        most = max(_NEVER_A_BOMB_BYTES, _MOST_GROWTH * member.compress_size)
        pieces: list[bytes] = []
        size = 0
        try:
            with self._zip.open(member) as stream:
                while piece := stream.read(_AT_ONCE_BYTES):
                    size += len(piece)
                    self._allowance.take_bytes(len(piece))
                    if size > most:
                        raise DocumentUnreadable(
                            f"{member.filename!r} unpacks to more than {_MOST_GROWTH} times its"
                            " size: refused"
                        )
                    pieces.append(piece)
        except (
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            struct.error,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,  # encrypted in a way that the flag does not say; a method not built in
        ) as error:
            raise DocumentUnreadable(f"damaged: its part {member.filename!r} is broken") from error
        return b"".join(pieces)
