"""Lines and headings: what the readers of text formats share. All of it is linear in the text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ragkit.records import Block, Section

__all__ = [
    "WIKI_HEADING",
    "Heading",
    "blank_separated",
    "nest_sections",
    "only_top_title",
    "split_lines",
    "word_set",
]

# str.splitlines would also break at form feeds, U+0085 and U+2028, which end no line in a file.
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
# MediaWiki's ``== Title ==``, also with blanks between the signs, as tokenised dumps have it; as
# many signs behind as before, and those are the rank.
WIKI_HEADING = re.compile(
    r"(?P<marks>={2,6}|=(?: =){0,5}(?=[ \t]))[ \t]*"
    r"(?P<title>[^=\s](?:[^=]*[^=\s])?)[ \t]*(?P=marks)[ \t]*$"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading's place, its rank from 1 for the outermost, and its words without markup."""

    start: int
    level: int
    title: str


def split_lines(text: str) -> list[str]:
    """The lines of a text with their ends (LF, CRLF or CR), so that they join to the same text."""
    if "\r" in text:
        return _LINE.findall(text)
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    if not lines[-1]:
        lines.pop()
    return lines


def nest_sections(headings: Iterable[Heading], text_length: int) -> tuple[Section, ...]:
    """Sections in order of start: each ends at the next heading of its rank or above.

    Args:
        headings: In order of start.
        text_length: Where sections that nothing closes end.
    """
    listed = list(headings)
    ends = [text_length] * len(listed)
    open_indexes: list[int] = []
    for index, heading in enumerate(listed):
        while open_indexes and listed[open_indexes[-1]].level >= heading.level:
            ends[open_indexes.pop()] = heading.start
        open_indexes.append(index)
    return tuple(
        Section(start=heading.start, end=end, level=heading.level, title=heading.title)
        for heading, end in zip(listed, ends, strict=True)
    )


def only_top_title(headings: list[Heading]) -> str | None:
    """The first heading, if it is of the top rank and the only one of it."""
    if not headings or headings[0].level != 1:
        return None
    if any(heading.level == 1 for heading in headings[1:]):
        return None
    return headings[0].title or None


def blank_separated(lines: Iterable[str], kind: str, start: int = 0) -> list[Block]:
    """Blocks of lines between blank lines, each without the blank lines around it.

    Args:
        lines: With their ends.
        kind: Of every block.
        start: Offset of the first line.
    """
    blocks: list[Block] = []
    at, begin, end = start, -1, -1
    for line in lines:
        if line.isspace():
            if begin >= 0:
                blocks.append(Block(start=begin, end=end, kind=kind))
                begin = -1
        else:
            if begin < 0:
                begin = at
            end = at + len(line.rstrip("\r\n"))
        at += len(line)
    if begin >= 0:
        blocks.append(Block(start=begin, end=end, kind=kind))
    return blocks


def word_set(words: str) -> frozenset[str]:
    """The words of a line, for tables of names that read better as one."""
    return frozenset(words.split())
