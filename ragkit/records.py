"""The records that travel from stage to stage on the way in: frozen, slotted, keyword-only.

All offsets are in code points of ``Document.text``; all ends are exclusive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

__all__ = [
    "Block",
    "Box",
    "Document",
    "Figure",
    "Image",
    "JsonValue",
    "Metadata",
    "Passage",
    "Section",
]

# Plain JSON, as metadata may hold it.
if TYPE_CHECKING:
    JsonValue = str | int | float | bool | None | list["JsonValue"] | dict[str, "JsonValue"]
else:
    # msgspec decodes these records by their annotations and takes no recursive alias.
    JsonValue = Any
Metadata = Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands under it.

    Attributes:
        start: Where the heading begins.
        end: Where the section ends: the next heading of its rank or above, or the text's end; in
            code where the class or function ends.
        level: 1 for the outermost.
        title: The heading's words, without markup; in code the signature.
    """

    start: int
    end: int
    level: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of structure that a chunker would rather not cut.

    Attributes:
        start: First character.
        end: One past the last.
        kind: ``heading``, ``paragraph``, ``list`` (one item), ``table``, ``row`` (of a table),
            ``code``, ``quote`` or ``front_matter``.
        level: Nesting depth of a list item, rank of a heading, else 0.
    """

    start: int
    end: int
    kind: str
    level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Where on a page a stretch of text is shown.

    Lengths are in points (1/72 inch) from the upper left corner of the page as it is shown.

    Attributes:
        start: First character of the stretch in the document's text.
        end: One past its last.
        page: Counted from 1.
        left_pt: Left edge.
        top_pt: Upper edge.
        right_pt: Right edge.
        bottom_pt: Lower edge.
    """

    start: int
    end: int
    page: int
    left_pt: float
    top_pt: float
    right_pt: float
    bottom_pt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture that is a passage of its own.

    Attributes:
        path: The source of its file; of a picture inside a document its place there, such as
            ``media/pump.png`` or ``page 3, picture 1``.
        width_px: Of the original, upright.
        height_px: The same.
        thumbnail: A small JPEG of it, as an absolute path; None where there is none at the moment.
        digest: sha256, in hexadecimal, of the picture as it is sent to be embedded.
    """

    path: str
    width_px: int
    height_px: int
    thumbnail: str | None = None
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A picture inside a document.

    Attributes:
        start: Where its caption or alternative text begins; where it stands, if it has none.
        end: One past the last character of that.
        image: The picture.
    """

    start: int
    end: int
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file as text, with what its reader saw of its structure.

    Attributes:
        source: Path inside its root, valid Unicode with ``/``.
        text: For text formats the decoded file unchanged; for others what the reader made of it.
        root: Name of the root it belongs to; empty for a document that stands alone.
        title: The title that the document itself states, if any; never made from the path.
        media_type: As the registry of readers knows it.
        pages: Offset at which each page starts; empty for formats without pages.
        sections: In order of ``start``; an inner section lies inside its outer one.
        blocks: In order of ``start``; empty when the reader saw none.
        metadata: Front matter, PDF information and the like.
        image: Set for a picture; its text is then a caption or empty.
        figures: Pictures in it, in order of ``start``, each of them once.
        boxes: Of each line, in order, where the format has pages with places; else empty.
    """

    source: str
    text: str
    root: str = ""
    title: str | None = None
    media_type: str = "text/plain"
    pages: tuple[int, ...] = ()
    sections: tuple[Section, ...] = ()
    blocks: tuple[Block, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    image: Image | None = None
    figures: tuple[Figure, ...] = ()
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A span of a document that is embedded, found and cited as one.

    ``text == document.text[start:end]``, always.

    Attributes:
        id: Given by the collection's one writer, never reused; 0 before that.
        root: Name of the root.
        source: Path inside the root.
        start: First character in the document's text.
        end: One past the last.
        text: The span itself, never rewritten.
        headings: The headings it stands under, outermost first.
        page: Page on which it starts, counted from 1; None where there are no pages.
        line: Line of ``document.text`` on which it starts, counted from 1.
        tokens: Length in cl100k tokens.
        metadata: The document's.
        image: Set for a picture; the text is then its caption or empty, and may lie in a passage of
            text as well.
        table_header: The names of the columns, where the passage goes on with a table whose header
            is in a passage before it; else empty.
        boxes: Where it is shown, one for each column and page that it touches; empty where the
            format has no places on pages.
        encoded: Spans of ``text`` that are files as data URLs: they hold no words, and are neither
            embedded nor looked up.
    """

    id: int = 0
    root: str = ""
    source: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None
    line: int = 1
    tokens: int = 0
    metadata: Metadata = field(default_factory=dict)
    image: Image | None = None
    table_header: str = ""
    boxes: tuple[Box, ...] = ()
    encoded: tuple[tuple[int, int], ...] = ()
