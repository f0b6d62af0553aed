"""What a reader is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ragkit.errors import DocumentUnreadable

if TYPE_CHECKING:
    from ragkit.records import Document

__all__ = ["Allowance", "RawFile", "Reader", "Reading"]

_MIB = 1024 * 1024
_MOST_INFLATED_BYTES = 256 * _MIB
_MOST_MEMBERS = 10_000


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
class RawFile:
    """The bytes of one file and what is known of it.

    Attributes:
        source: Path inside its root, as ``Document.source``.
        root: Name of its root; empty for a file that stands alone.
        media_type: What the registry takes it for.
        data: The whole file.
        depth: How many containers it lies in: 0 for a file on disk, 1 for a member of a ZIP.
        allowance: What may still be unpacked; a member shares it with the file it lies in.
    """

    source: str
    root: str
    media_type: str
    data: bytes
    depth: int = 0
    allowance: Allowance = field(default_factory=Allowance)


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
