"""Files within a file: attachments and members of archives, each by its own reader, bounded."""

from __future__ import annotations

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.registry import load_reader, media_type

__all__ = ["MOST_CONTAINERS", "read_member", "shown_name"]

MOST_CONTAINERS = 3
_LONGEST_NAME = 200


def read_member(container: RawFile, name: str, data: bytes) -> Reading:
    """Read a file that lies in another.

    Args:
        container: What it lies in; the member draws on its allowance.
        name: The member's; only its extension counts, and it is never a path on disk.
        data: The member's content.

    Raises:
        DocumentSkipped: It holds no text, or lies too deep.
        DocumentUnreadable: It is damaged, encrypted or a bomb.
    """
    if container.depth >= MOST_CONTAINERS:
        raise DocumentSkipped(f"more than {MOST_CONTAINERS} containers within each other")
    if not data:
        raise DocumentSkipped("empty")
    kind = media_type(name, data)
    inner = RawFile(
        source=name,
        root=container.root,
        media_type=kind,
        data=data,
        depth=container.depth + 1,
        allowance=container.allowance,
        album=container.album,
    )
    try:
        reading = load_reader(kind)(inner)
    except RecursionError as error:
        raise DocumentUnreadable("nested too deeply") from error
    document = reading.document
    if not document.text.strip() and document.image is None and not document.figures:
        raise DocumentSkipped("empty: no text in it")
    return reading


def shown_name(name: str) -> str:
    """A member's name as a heading: printable, on one line, not endless."""
    printable = "".join(sign if sign.isprintable() else " " for sign in name)
    return " ".join(printable.split())[:_LONGEST_NAME]
