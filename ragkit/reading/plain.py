"""Plain text, configuration, code that no grammar is known of: the decoded file, unchanged."""

from __future__ import annotations

import re

from ragkit.errors import DocumentSkipped
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import Decoded, decode
from ragkit.reading.structure import split_lines
from ragkit.records import Block, Document

__all__ = ["code_blocks", "decode_source", "read_plain", "read_source"]

# PEP 263; other languages' editors write the same.
_CODING = re.compile(rb"^[ \t\f]*(?:#|//|%|;|--).*?coding[:=][ \t]*([-\w.]+)")
_MINIFIED_LINE_CHARACTERS = 500
_MINIFIED_KINDS = ("text/javascript", "text/css")


def read_plain(raw: RawFile) -> Reading:
    """Read text without markup; paragraphs are the chunker's to find."""
    decoded = decode(raw.data)
    document = Document(
        source=raw.source, root=raw.root, media_type=raw.media_type, text=decoded.text
    )
    return Reading(document=document, warnings=decoded.warnings)


def read_source(raw: RawFile) -> Reading:
    """Read source code or configuration, as blocks that begin at unindented lines after a blank.

    Raises:
        DocumentSkipped: It is minified, which no question is answered by.
    """
    decoded = decode_source(raw)
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=decoded.text,
        blocks=tuple(code_blocks(decoded.text)),
    )
    return Reading(document=document, warnings=decoded.warnings)


def decode_source(raw: RawFile) -> Decoded:
    """Decode source code by what it declares.

    Raises:
        DocumentSkipped: It is minified, or no text.
    """
    decoded = decode(raw.data, _declared(raw.data))
    if raw.media_type in _MINIFIED_KINDS and _minified(raw.source, decoded.text):
        raise DocumentSkipped("minified file")
    return decoded


def _declared(data: bytes) -> str | None:
    for line in data[:1000].split(b"\n", 2)[:2]:
        match = _CODING.match(line)
        if match:
            return match.group(1).decode("ascii", errors="replace")
    return None


def _minified(source: str, text: str) -> bool:
    if source.lower().endswith((".min.js", ".min.css")):
        return True
    lines = text.count("\n") + 1
    if len(text) / lines < _MINIFIED_LINE_CHARACTERS:
        return False
    blanks = sum(text.count(blank) for blank in " \t\n")
    return blanks < len(text) / 10


def code_blocks(text: str) -> list[Block]:
    """Blocks that begin at unindented lines after a blank one."""
    blocks: list[Block] = []
    at, begin, end, after_blank = 0, -1, 0, True
    for line in split_lines(text):
        if line.isspace():
            after_blank = True
        else:
            if after_blank and not line[0].isspace():
                if begin >= 0:
                    blocks.append(Block(start=begin, end=end, kind="code"))
                begin = at
            elif begin < 0:
                begin = at
            end = at + len(line.rstrip("\r\n"))
            after_blank = False
        at += len(line)
    if begin >= 0:
        blocks.append(Block(start=begin, end=end, kind="code"))
    return blocks
