"""What a derived directory holds, signed by the installation that built it.

A derived file that came with a copied or downloaded collection was made by a stranger, and its
parser trusts what it reads. So nothing under ``derived/`` is opened unless its manifest carries
this installation's signature; everything else is built anew from truth.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ragkit.errors import CollectionDamaged

__all__ = ["MANIFEST_NAME", "DerivedUnusable", "FileSum", "Manifest", "check", "seal"]

MANIFEST_NAME = "manifest.json"
_FORMAT = 1
_MAX_BYTES = 4 * 2**20
# Summed at every opening; larger ones only on demand.
_SMALL_BYTES = 256 * 2**10
_BLOCK_BYTES = 2**20


class DerivedUnusable(CollectionDamaged):
    """A derived directory that is missing, foreign, damaged or of another version: rebuild it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSum:
    """What one file must be; at another time of change than ``mtime_ns`` its sum is made anew."""

    bytes: int
    sha256: str
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a derived directory holds.

    Attributes:
        kind: What made it, with every version that its content depends on.
        documents: Passages in it.
        removed: Passages removed since all of it was last written anew; their words still count in
            the statistics of the others.
        files: Size and sum of each file, by name.
    """

    kind: str
    documents: int
    removed: int
    files: Mapping[str, FileSum]


class _Sealed(msgspec.Struct, forbid_unknown_fields=True):
    """The manifest as it lies on disk: the signature is over the bytes of the content."""

    format: int
    content: msgspec.Raw
    hmac_sha256: str


def seal(directory: Path, manifest: Manifest, key: bytes) -> None:
    """Write the manifest with its signature; the last thing written, and durable.

    Raises:
        OSError: The disk is full or refuses.
    """
    content = msgspec.json.encode(manifest, order="sorted")
    sealed = _Sealed(_FORMAT, msgspec.Raw(content), _signature(content, key))
    path = directory / MANIFEST_NAME
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(sealed))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_directory(directory)


def check(directory: Path, key: bytes, *, kind: str, verify: bool = False) -> Manifest:
    """Read the manifest and see that this installation wrote it and that the files fit it.

    Args:
        directory: A derived directory.
        key: This installation's secret.
        kind: What the manifest must be of.
        verify: Sum up all files, which takes about 1 s a gigabyte; else only small ones, and those
            that were written to since.

    Raises:
        DerivedUnusable: There is none, another installation or version wrote it, or a file is not
            what it says.
    """
    path = directory / MANIFEST_NAME
    try:
        with path.open("rb") as file:
            sealed = msgspec.json.decode(file.read(_MAX_BYTES), type=_Sealed)
        content = bytes(sealed.content)
        if not hmac.compare_digest(
            _signature(content, key).encode(), sealed.hmac_sha256.encode("utf-8", "replace")
        ):
            raise DerivedUnusable(f"{path} was not signed by this installation: rebuild the index")
        manifest = msgspec.json.decode(content, type=Manifest)
    except OSError as error:
        raise DerivedUnusable(
            f"{path} cannot be read ({error.strerror}): rebuild the index"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DerivedUnusable(f"{path} is not a manifest: rebuild the index") from error
    if manifest.kind != kind or sealed.format != _FORMAT:
        raise DerivedUnusable(f"{path} is of another version: rebuild the index")
    for name, expected in manifest.files.items():
        _check_file(directory / name, expected, summed=verify)
    return manifest


def sum_file(path: Path) -> FileSum:
    """Size, sum and time of change of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        mtime_ns = os.fstat(file.fileno()).st_mtime_ns
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            size += len(block)
    return FileSum(bytes=size, sha256=digest.hexdigest(), mtime_ns=mtime_ns)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_file(path: Path, expected: FileSum, *, summed: bool) -> None:
    try:
        found = path.stat()
        # tantivy trusts what it maps: a file that was touched is not given to it unseen.
        summed = summed or found.st_size <= _SMALL_BYTES or found.st_mtime_ns != expected.mtime_ns
        same = found.st_size == expected.bytes and (
            not summed or sum_file(path).sha256 == expected.sha256
        )
    except OSError as error:
        raise DerivedUnusable(
            f"{path} cannot be read ({error.strerror}): rebuild the index"
        ) from error
    if not same:
        raise DerivedUnusable(f"{path} is not the file that was written: rebuild the index")


def _signature(content: bytes, key: bytes) -> str:
    # The prefix keeps a signature from being good for anything else signed with the same key.
    return hmac.new(key, b"ragkit derived manifest\n" + content, hashlib.sha256).hexdigest()
