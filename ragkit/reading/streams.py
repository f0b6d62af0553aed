"""Files that gzip, bzip2 or xz have packed, and tar archives, packed or not; no path on disk."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import Allowance, RawFile, Reading
from ragkit.reading.member_folder import read_members
from ragkit.reading.members import read_member

__all__ = ["read_stream", "read_tar"]

_AT_ONCE_BYTES = 1024 * 1024
# A log packs to a hundredth; a file that stays small is never a bomb.
_MOST_GROWTH = 200
_NEVER_A_BOMB_BYTES = 8 * 1024 * 1024
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
_DAMAGE = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)
_TAR_DAMAGE = (tarfile.TarError, *_DAMAGE, OverflowError, MemoryError)


_PACKERS: MappingProxyType[bytes, Callable[[io.BytesIO], io.BufferedIOBase]] = MappingProxyType(
    {
        b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
        b"BZh": bz2.BZ2File,
        b"\xfd7zXZ\x00": lzma.LZMAFile,
    }
)
_ENDINGS = (".gz", ".bz2", ".xz", ".tgz", ".tbz2", ".tbz", ".txz")


def read_stream(raw: RawFile) -> Reading:
    """Read a packed file: as the file that was packed, or as the archive that a packed tar is.

    Raises:
        DocumentSkipped: What is packed holds no text.
        DocumentUnreadable: It is damaged or a bomb.
    """
    data = _unpacked(raw.data, raw.allowance)
    if not data:
        raise DocumentSkipped("empty")
    if data.startswith(_TAR_MARK, _TAR_MARK_AT):
        return read_members(raw, _members(data, raw.allowance))
    name = raw.source.rpartition("/")[2]
    ending = next((each for each in _ENDINGS if name.lower().endswith(each)), "")
    inner = read_member(raw, name[: len(name) - len(ending)] or name, data)
    # The document is the file on disk, whatever it was before it was packed.
    document = replace(inner.document, source=raw.source, root=raw.root, media_type=raw.media_type)
    return Reading(document=document, warnings=inner.warnings)


def read_tar(raw: RawFile) -> Reading:
    """Read an archive, as ``read_members`` does; links and devices in it are left out.

    Raises:
        DocumentSkipped: No member holds text.
        DocumentUnreadable: It is damaged, or none of its members can be read.
    """
    return read_members(raw, _members(raw.data, raw.allowance))


def _unpacked(data: bytes, allowance: Allowance) -> bytes:
    opener = next((each for mark, each in _PACKERS.items() if data.startswith(mark)), None)
    if opener is None:
        raise DocumentUnreadable("damaged, or not what its name says: it is not packed")
    most = max(_NEVER_A_BOMB_BYTES, _MOST_GROWTH * len(data))
    pieces: list[bytes] = []
    size = 0
    try:
        with opener(io.BytesIO(data)) as stream:
            while piece := stream.read(_AT_ONCE_BYTES):
                size += len(piece)
                allowance.take_bytes(len(piece))
                if size > most:
                    raise DocumentUnreadable(
                        f"unpacks to more than {_MOST_GROWTH} times its size: refused"
                    )
                pieces.append(piece)
    except _DAMAGE as error:
        raise DocumentUnreadable("damaged or cut off: it cannot be unpacked") from error
    return b"".join(pieces)


def _members(data: bytes, allowance: Allowance) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Name and content of the regular files of a tar, in its order."""
    try:
        archive = tarfile.open(fileobj=io.BytesIO(data), mode="r:")  # noqa: SIM115 - in memory
        for member in archive:
            # A sparse member's size is what it claims, not what is there.
            if member.isreg() and not member.issparse():
                yield member.name, partial(_content, archive, member, allowance)
    except _TAR_DAMAGE as error:
        raise DocumentUnreadable("damaged or cut off: its tar archive cannot be read") from error


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, allowance: Allowance) -> bytes:
    allowance.take_bytes(member.size)
    try:
        stream = archive.extractfile(member)
        content = stream.read() if stream is not None else b""
    except _TAR_DAMAGE as error:
        raise DocumentUnreadable("damaged or cut off") from error
    if len(content) < member.size:
        raise DocumentUnreadable("damaged or cut off")
    return content
