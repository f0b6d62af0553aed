"""What is kept of roots, files and documents beside their text, and what a sync goes by."""

from __future__ import annotations

from dataclasses import dataclass

from ragkit.records import Document

__all__ = ["DocumentState", "FileFacts", "Link", "Problem", "Root", "StoredDocument"]

# Path from the folder of its document, size and mtime_ns of a picture file.
Link = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """A folder, or a single file, that the collection mirrors.

    Attributes:
        id: Key in the database.
        name: Last component of its path, made unique.
        path: As stored: relative to the collection where it can be, with ``/``.
        is_file: Whether it is a single file.
    """

    id: int
    name: str
    path: str
    is_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentState:
    """What a sync must know of a document to tell whether its file changed.

    ``links`` are (path from its folder, size, mtime_ns) of the picture files that it shows.
    """

    id: int
    root: str
    source: str
    digest: bytes
    size: int
    mtime_ns: int
    media_type: str
    reader_version: int
    chunker_version: int
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What is kept of the file besides its text; ``links`` as in ``DocumentState``."""

    raw_name: bytes
    digest: bytes
    size: int
    mtime_ns: int
    reader_version: int
    chunker_version: int
    language: str | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocument:
    """A living document with all that is kept of it, to be cut and embedded again.

    Attributes:
        id: Key in the database.
        facts: Of its file.
        document: As its reader made it.
        whole: Whether all is there that it was cut by; an earlier schema kept less.
        shows_pictures: Whether some of its passages are pictures, which are not kept themselves.
    """

    id: int
    facts: FileFacts
    document: Document
    whole: bool
    shows_pictures: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A file that is not in the collection, or not whole, and why.

    Attributes:
        root: Name of the root.
        source: Path inside the root.
        kind: ``failed``, ``skipped`` or ``warning``.
        reason: One line for the report.
        size: Of the file as it was read; None when it is to be tried again at the next sync.
        mtime_ns: The same.
        reading_version: Of the readers that said so.
        of_model: Whether it is the model's remark on passages, and not the reader's on the file.
    """

    root: str
    source: str
    kind: str
    reason: str
    size: int | None = None
    mtime_ns: int | None = None
    reading_version: int = 0
    of_model: bool = False
