"""The headings of a document: as its reader gave them, or as its lines show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ragkit.chunking.characters import Characters, Positions
from ragkit.chunking.lines import Lines
from ragkit.reading.structure import WIKI_HEADING
from ragkit.records import Document, Section

__all__ = ["Heading", "headings_of", "paths_at", "sections_from"]

# A longer line is a paragraph that was marked up wrongly.
LONGEST_HEADING = 300
_MARKED = re.compile(r"(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r"([=\-~^\"'*+#`:._])\1{2,}$")
_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*(\w?)")
_SCANNED_TYPES = ("text/markdown", "text/x-markdown", "text/plain", "text/x-rst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading's own span, markup and underline included.

    Attributes:
        start: First character.
        end: One past the last.
        level: 1 for the outermost.
        title: Its words.
    """

    start: int
    end: int
    level: int
    title: str


def headings_of(document: Document, characters: Characters, lines: Lines) -> list[Heading]:
    """The headings of a document in order, from its sections if it has any."""
    if document.sections:
        return _stated(document, characters.text, lines)
    if document.blocks or document.media_type not in _SCANNED_TYPES:
        return []
    return _scanned(characters, lines, strict=document.media_type == "text/plain")


def sections_from(headings: Sequence[Heading], text_end: int) -> tuple[Section, ...]:
    """The sections that headings open: each ends where the next of its rank or above begins."""
    ends = [text_end] * len(headings)
    opened: list[int] = []
    for index, heading in enumerate(headings):
        while opened and headings[opened[-1]].level >= heading.level:
            ends[opened.pop()] = heading.start
        opened.append(index)
    return tuple(
        Section(start=heading.start, end=end, level=heading.level, title=heading.title)
        for heading, end in zip(headings, ends, strict=True)
    )


def paths_at(sections: Sequence[Section], positions: Positions) -> list[tuple[str, ...]]:
    """For each position the titles of the sections around it, outermost first."""
    if not sections:
        return [()] * positions.size
    marks: list[int] = [0]
    paths: list[tuple[str, ...]] = [()]
    opened: list[tuple[int, tuple[str, ...]]] = []
    for section in sections:
        _close(opened, section.start, marks, paths)
        path = (*(opened[-1][1] if opened else ()), section.title.strip())
        path = path if path[-1] else path[:-1]
        opened.append((section.end, path))
        marks.append(section.start)
        paths.append(path)
    _close(opened, sections[-1].end + len(sections), marks, paths)
    found = np.searchsorted(np.array(marks, np.int64), positions, side="right") - 1
    return [paths[index] for index in found.tolist()]


def _close(
    opened: list[tuple[int, tuple[str, ...]]],
    position: int,
    marks: list[int],
    paths: list[tuple[str, ...]],
) -> None:
    """End the sections that are over at a position."""
    while opened and opened[-1][0] <= position:
        end, _ = opened.pop()
        marks.append(max(end, marks[-1]))
        paths.append(opened[-1][1] if opened else ())


def _stated(document: Document, text: str, lines: Lines) -> list[Heading]:
    """Headings of the reader's sections, ending with their block or else with their line."""
    blocks = {block.start: block.end for block in document.blocks if block.kind == "heading"}
    starts = np.array([section.start for section in document.sections], np.int64)
    line = np.searchsorted(lines.first, starts, side="left")
    headings = []
    for section, index in zip(document.sections, line.tolist(), strict=True):
        end = blocks.get(section.start)
        if end is None:
            end = _line_end(text, lines, index, section.start)
        end = min(end, section.end)
        headings.append(
            Heading(start=section.start, end=end, level=max(section.level, 1), title=section.title)
        )
    return headings


def _line_end(text: str, lines: Lines, index: int, start: int) -> int:
    """Where the heading that begins at ``start`` ends: its line, and an underline if it has one."""
    if index > 0 and lines.stop[index - 1] > start:
        return int(lines.stop[index - 1])
    if index >= lines.first.size:
        return start
    end = int(lines.stop[index])
    if index + 1 < lines.first.size and not lines.after_blank[index + 1]:
        below = text[lines.first[index + 1] : min(lines.stop[index + 1], end + LONGEST_HEADING)]
        if _UNDERLINE.match(below):
            return int(lines.stop[index + 1])
    return end


def _scanned(characters: Characters, lines: Lines, *, strict: bool) -> list[Heading]:
    """Headings as Markdown and MediaWiki mark them, or underlined, outside of fences.

    Args:
        characters: The text.
        lines: Its lines.
        strict: Ask for blank lines around one of Markdown, since ``#`` often begins a mere comment.
    """
    found: list[Heading] = []
    fence = ""
    for index, start, stop in _candidates(characters, lines, strict=strict):
        if stop - start > LONGEST_HEADING:
            continue
        line = characters.text[start:stop]
        if line[0] in "`~":
            if opening := _FENCE.match(line):
                fence = _fence_after(fence, opening)
            continue
        heading = None if fence else _heading(characters.text, lines, index, line)
        if heading is None and not fence and (wiki := WIKI_HEADING.match(line)):
            level = wiki["marks"].count("=")
            found.append(Heading(start=start, end=stop, level=level, title=wiki["title"]))
        elif heading is not None and (not strict or _stands_alone(lines, heading, index)):
            found.append(heading)
    return found


def _candidates(
    characters: Characters, lines: Lines, *, strict: bool
) -> list[tuple[int, int, int]]:
    """Number, start and end of the lines that may be a heading, an underline or a fence."""
    codes = characters.codes
    marked = characters.is_any(lines.first, "#=-`~").nonzero()[0]
    if not marked.size:
        return []
    first = lines.first[marked]
    last = lines.stop[marked] - 1
    sign = codes[first]
    hash_sign = sign == ord("#")
    fence = (sign == ord("`")) | (sign == ord("~"))
    # An underline is all of one sign, and right under a line that stands after a blank one.
    after_blank = lines.after_blank[marked]
    under = ~after_blank & lines.after_blank[np.maximum(marked - 1, 0)]
    under &= (codes[np.minimum(first + 1, last)] == sign) & (codes[last] == sign)
    wiki = (sign == ord("=")) & (codes[last] == sign)
    hash_sign &= after_blank | (not strict)
    kept = (fence | under | wiki | hash_sign).nonzero()[0]
    found = (marked[kept], first[kept], last[kept] + 1)
    return list(zip(*(each.tolist() for each in found), strict=True))


def _fence_after(fence: str, opening: re.Match[str]) -> str:
    """The fence that is open after a fence line; one with a language always opens.

    So a missing end is made good at the next fence that names its language.
    """
    mark, language = opening.groups()
    if fence and not language and mark[0] == fence[0]:
        return ""
    return fence if fence and mark[0] != fence[0] else mark


def _heading(text: str, lines: Lines, index: int, line: str) -> Heading | None:
    start, stop = int(lines.first[index]), int(lines.stop[index])
    if marked := _MARKED.match(line):
        marks, title = marked.groups()
        return Heading(start=start, end=stop, level=len(marks), title=title)
    if line[0] not in "=-" or line.strip(line[0]) or len(line) < 3 or lines.after_blank[index]:
        return None
    above, above_end = int(lines.first[index - 1]), int(lines.stop[index - 1])
    title = text[above : min(above_end, above + LONGEST_HEADING)]
    if not lines.after_blank[index - 1] or len(title) > 2 * len(line) + 10 or title[0] in "#|-*>`":
        return None
    return Heading(start=above, end=stop, level=1 if line[0] == "=" else 2, title=title)


def _stands_alone(lines: Lines, heading: Heading, last_line: int) -> bool:
    """Whether there are blank lines around a heading that ends with a line."""
    first_line = last_line if heading.start == lines.first[last_line] else last_line - 1
    below = last_line + 1
    blank_below = below >= lines.first.size or bool(lines.after_blank[below])
    return bool(lines.after_blank[first_line]) and blank_below
