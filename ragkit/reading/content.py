"""What a reader is given and what it gives back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from ragkit.errors import DocumentUnreadable

if TYPE_CHECKING:
    from ragkit.reading.album import Album
    from ragkit.records import Document

__all__ = [
    "NO_PICTURES",
    "PICTURE_TYPES",
    "SMALLEST_SIDE_PX",
    "Allowance",
    "Beside",
    "PreparedPicture",
    "RawFile",
    "Reader",
    "Reading",
    "picture_type",
]

PICTURE_TYPES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
NO_PICTURES: Final = "a picture, and the model is not known to take any"
# What is smaller is a bullet, a button or a spacer, and servers refuse it.
SMALLEST_SIDE_PX: Final = 32

_MIB = 1024 * 1024
_MOST_INFLATED_BYTES = 256 * _MIB
_MOST_MEMBERS = 10_000

_MARKS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


def picture_type(data: bytes) -> str | None:
    """The media type of a picture by its first bytes; None for anything else."""
    if data.startswith(b"RIFF") and data.startswith(b"WEBP", 8):
        return "image/webp"
    return next((kind for mark, kind in _MARKS if data.startswith(mark)), None)


@dataclass(slots=True, kw_only=True)
class Allowance:
    """What one file on disk may still unpack, its containers within containers included.

    Attributes:
        inflated_bytes: Bytes that may still come out of its archives.
        members: Members that may still be read as documents of their own.
    """

    inflated_bytes: int = _MOST_INFLATED_BYTES
    members: int = _MOST_MEMBERS

    def take_member(self) -> bool:
        """Account for one more member; False if it is one too many."""
        self.members -= 1
        return self.members >= 0

    def take_bytes(self, count: int) -> None:
        """Account for unpacked bytes.

        Raises:
            DocumentUnreadable: They are more than are left.
        """
        self.inflated_bytes -= count
        if self.inflated_bytes < 0:
            raise DocumentUnreadable(
                f"unpacks to more than {_MOST_INFLATED_BYTES // _MIB} MiB: refused"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedPicture:
    """A picture as it is sent.

    Attributes:
        content: PNG or JPEG.
        media_type: ``image/png`` or ``image/jpeg``.
        width_px: Of the original, upright.
        height_px: The same.
        thumbnail: JPEG of at most 256 pixels on a side.
        is_plain: Whether it is of one colour all over.
        is_moving: Whether the original has more frames than the one that is sent.
        caption: What the file itself says that it shows; mostly empty.
    """

    content: bytes
    media_type: str
    width_px: int
    height_px: int
    thumbnail: bytes
    is_plain: bool = False
    is_moving: bool = False
    caption: str = ""

    @property
    def digest(self) -> str:
        """sha256 of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def is_small(self) -> bool:
        """Whether it is too small to show anything."""
        return min(self.width_px, self.height_px) < SMALLEST_SIDE_PX


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A picture file that lies beside a document: its name there, and its content."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """The bytes of one file and what is known of it.

    Attributes:
        source: Path inside its root, as ``Document.source``.
        root: Name of its root; empty for a file that stands alone.
        media_type: What the registry takes it for.
        data: The whole file.
        depth: How many containers it lies in: 0 for a file on disk, 1 for a member of a ZIP.
        allowance: What may still be unpacked; a member shares it with the file it lies in.
        album: Where the pictures in it go; None where nobody asked for them. A member shares it.
        beside: Gives the content of a picture file that this one refers to by a relative URL; None
            from it where that leads nowhere, or somewhere that it may not.
    """

    source: str
    root: str
    media_type: str
    data: bytes
    depth: int = 0
    allowance: Allowance = field(default_factory=Allowance)
    album: Album | None = None
    beside: Callable[[str], Beside | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A document, and remarks about how it was read, each fit to be shown to the user."""

    document: Document
    warnings: tuple[str, ...] = ()


class Reader(Protocol):
    """Makes a document of a file's bytes."""

    def __call__(self, raw: RawFile, /) -> Reading:
        """Read a file.

        Raises:
            DocumentSkipped: It holds nothing to index.
            DocumentUnreadable: It is damaged, encrypted or a bomb.
        """
        ...
