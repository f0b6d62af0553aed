"""Source code: the decoded file unchanged, its classes and functions as sections."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.definitions import Definition, find_definitions
from ragkit.reading.plain import code_blocks, decode_source
from ragkit.records import Block, Document, Section

__all__ = ["read_code"]

# A longer comment is not kept in one piece with the signature that it stands above.
_LONGEST_HEAD = 300


def read_code(raw: RawFile) -> Reading:
    """Read source code of a language that there is a grammar for.

    A class, function or method is a section that ends where it ends. Its title is its signature;
    its doc comment and decorators are part of it. What does not parse is read all the same.

    Raises:
        DocumentSkipped: It is minified, which no question is answered by.
    """
    decoded = decode_source(raw)
    text = decoded.text
    definitions = find_definitions(text, raw.media_type)
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        sections=tuple(
            Section(start=each.start, end=each.end, level=each.level, title=each.signature)
            for each in definitions
        ),
        blocks=tuple(_blocks(text, definitions)),
    )
    return Reading(document=document, warnings=decoded.warnings)


def _blocks(text: str, definitions: list[Definition]) -> list[Block]:
    """The blocks of plain code, cut where definitions begin and end; signatures are headings."""
    edges = sorted({at for each in definitions for at in (each.start, each.end)})
    heads = {
        each.start: each
        for each in definitions
        if each.start < each.body <= each.start + _LONGEST_HEAD
    }
    blocks: list[Block] = []
    for block in code_blocks(text):
        inside = edges[bisect_right(edges, block.start) : bisect_left(edges, block.end)]
        for start, end in zip([block.start, *inside], [*inside, block.end], strict=True):
            head = heads.get(start)
            if head is not None and head.body <= end:
                _add(blocks, text, (start, head.body), "heading", head.level)
                start = head.body  # noqa: PLW2901 - what is left of the stretch
            _add(blocks, text, (start, end), "code")
    return blocks


def _add(blocks: list[Block], text: str, span: tuple[int, int], kind: str, level: int = 0) -> None:
    """Add a block without the white space around it, if anything is left."""
    part = text[span[0] : span[1]]
    start = span[0] + len(part) - len(part.lstrip())
    end = span[0] + len(part.rstrip())
    if start < end:
        blocks.append(Block(start=start, end=end, kind=kind, level=level))
