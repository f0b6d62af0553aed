"""What a reader is given and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ragkit.records import Document

__all__ = ["RawFile", "Reader", "Reading"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """The bytes of one file and what is known of it.

    Attributes:
        source: Path inside its root, as ``Document.source``.
        root: Name of its root; empty for a file that stands alone.
        media_type: What the registry takes it for.
        data: The whole file.
    """

    source: str
    root: str
    media_type: str
    data: bytes


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
