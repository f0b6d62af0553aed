"""The one file that a collection is carried away in: a ZIP archive of files that are only stored.

Any unpacker opens it. Our own reader takes nothing but what our writer makes, from the beginning to
the end: the expected names in their order, nothing packed, nothing encrypted, no size that is not
there. The directory at the end of the archive, where archives lie about what is in them, is not
looked at.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import msgspec

from ragkit.errors import CollectionDamaged

__all__ = ["DATABASE", "MANIFEST", "MATRIX", "Manifest", "Member", "read_archive", "write_archive"]

MANIFEST, DATABASE, MATRIX = "manifest.json", "collection.db", "vectors.f32"
FORMAT = 1

_MOST_MANIFEST_BYTES = 2**16
_BLOCK_BYTES = 2**20
_HEADER = struct.Struct("<4sHHHHHIIIHH")
_WIDE_SIZES = struct.Struct("<HHQQ")
_IS_UTF8 = 0x800
_TOO_LARGE = 0xFFFFFFFF
# The same for every archive, so that the same collection makes the same one.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What one file of the archive must be."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an archive holds.

    Attributes:
        format: Of the archive.
        ragkit: Version that wrote it.
        schema: Of its database.
        model: That made its vectors.
        dimensions: Width of its vectors; 0 without any.
        documents: Documents in it.
        passages: Passages.
        vectors: Vectors.
        files: Size and sum of each file, by name.
    """

    format: int
    ragkit: str
    schema: int
    model: str
    dimensions: int
    documents: int
    passages: int
    vectors: int
    files: Mapping[str, Member]


def member_of(path: Path) -> Member:
    """Size and sum of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return Member(bytes=size, sha256=digest.hexdigest())


def write_archive(target: IO[bytes], manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Write the manifest, and then the files by the order of its names.

    Raises:
        OSError: The disk is full or refuses.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry(MANIFEST), msgspec.json.encode(manifest, order="sorted"))
        for name in manifest.files:
            with (
                files[name].open("rb") as source,
                archive.open(_entry(name), "w", force_zip64=True) as member,
            ):
                while block := source.read(_BLOCK_BYTES):
                    member.write(block)


def read_archive(source: IO[bytes], directory: Path) -> Manifest:
    """Unpack an archive into a directory, each file checked as it is written.

    Args:
        source: The archive; read once, from its beginning.
        directory: Empty.

    Raises:
        CollectionDamaged: It is no archive of ours, or not what was written.
        OSError: The disk is full or refuses.
    """
    size = _next_member(source, MANIFEST)
    if size > _MOST_MANIFEST_BYTES:
        raise _strange("its manifest is too long")
    try:
        manifest = msgspec.json.decode(_read(source, size), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _strange(f"its manifest cannot be read ({error})") from error
    if manifest.format != FORMAT or tuple(manifest.files) != (DATABASE, MATRIX):
        raise _strange("it is of another format: a newer ragkit may read it")
    for name, member in manifest.files.items():
        if _next_member(source, name) != member.bytes:
            raise _strange(f"{name} is not as long as the manifest says")
        _unpack(source, directory / name, member)
    return manifest


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o644 << 16
    return entry


def _next_member(source: IO[bytes], name: str) -> int:
    """Go to the content of the next file, which must be of this name; its size in bytes."""
    fields = _HEADER.unpack(_read(source, _HEADER.size))
    mark, _, flags, method, _, _, _, packed, size, name_length, extra_length = fields
    found, extra = _read(source, name_length), _read(source, extra_length)
    if mark != b"PK\x03\x04" or found != name.encode():
        raise _strange(f"{name} does not come where it should")
    if method != zipfile.ZIP_STORED or flags & ~_IS_UTF8:
        raise _strange(f"{name} is packed or encrypted")
    if size == _TOO_LARGE and len(extra) == _WIDE_SIZES.size:
        kind, _, size, packed = _WIDE_SIZES.unpack(extra)
        if kind != 1:
            raise _strange(f"the size of {name} is not told")
    if packed != size:
        raise _strange(f"{name} is packed")
    return int(size)


def _unpack(source: IO[bytes], path: Path, member: Member) -> None:
    digest, left = hashlib.sha256(), member.bytes
    with path.open("xb") as file:
        while left:
            # The size is a claim: no more is asked for, or made room for, than a block.
            block = _read(source, min(left, _BLOCK_BYTES))
            digest.update(block)
            file.write(block)
            left -= len(block)
    if digest.hexdigest() != member.sha256:
        raise _strange(f"{path.name} is not what was written")


def _read(source: IO[bytes], number: int) -> bytes:
    data = source.read(number)
    if len(data) != number:
        raise _strange("it ends too early")
    return data


def _strange(reason: str) -> CollectionDamaged:
    return CollectionDamaged(
        f"the file is no collection that ragkit exported, or it was damaged: {reason}; export it"
        " again"
    )
