"""Text with blocks and headings, written piece by piece: what readers of binary formats share.

Paragraphs, lists and tables stand apart by a blank line; list items and rows by a line end. A row's
cells are joined by `` | ``, as in the text of web pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.structure import Heading, blank_separated, nest_sections, split_lines
from ragkit.records import Block, Document, Figure, Image, Metadata

__all__ = ["Composer", "has_header", "join_cells", "one_line"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"[^\S\n]+")
_MOST_BLANK_CELLS = 30
_DEEPEST_INDENTATION = 20
_LONGEST_HEADER_CELL = 120
_GAP = 2
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d\s.,:/%-]*\)?[%€$£¥]?$")


def one_line(words: str) -> str:
    """White space folded to single blanks."""
    return " ".join(words.split())


def join_cells(cells: Iterable[str]) -> str:
    """A row as a line: blank cells keep their place, those at the end go."""
    line: list[str] = []
    blank = 0
    for cell in cells:
        words = one_line(cell)
        if not words:
            blank += 1
            continue
        # Of a sparse sheet's thousand blank columns nobody counts the signs.
        blank = min(blank, _MOST_BLANK_CELLS)
        if line:
            line.append(" |" * (blank + 1) + " ")
        elif blank:
            line.append("| " * blank)
        line.append(words)
        blank = 0
    return "".join(line)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: it is full, distinct, short, and no number."""
    if len(rows) < 2:
        return False
    names = [one_line(cell) for cell in rows[0]]
    while names and not names[-1]:
        names.pop()
    if len(names) < 2 or len(set(names)) < len(names):
        return False
    # The first column's name is often left blank.
    return all(names[1:]) and not any(
        len(name) > _LONGEST_HEADER_CELL or _NUMBER.match(name) for name in names
    )


class Composer:
    """Collects a document's text; each piece becomes a block."""

    def __init__(self) -> None:
        self.length = 0
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []
        self.pages: list[int] = []
        self.warnings: list[str] = []
        self.figures: list[Figure] = []
        self._parts: list[str] = []
        self._kind = ""
        self._page_begins = False

    def heading(self, words: str, level: int) -> None:
        """A heading, and the section that it opens."""
        title = one_line(words)
        if title:
            start = self._write(title, "heading", level)
            self.headings.append(Heading(start, level, self._parts[-1]))

    def paragraph(self, words: str, kind: str = "paragraph") -> None:
        """A paragraph, quote or piece of code; line breaks in it stay."""
        if kind == "code":
            words = words.rstrip().strip("\n")
        else:
            words = "\n".join(
                line for part in words.split("\n") if (line := _BLANKS.sub(" ", part).strip())
            )
        if words:
            self._write(words, kind, 0)

    def item(self, words: str, depth: int = 1, marker: str = "-") -> None:
        """An item of a list.

        Args:
            words: The item's.
            depth: 1 for the outermost list.
            marker: Its bullet or number.
        """
        folded = one_line(words)
        if folded:
            indentation = "  " * (min(depth, _DEEPEST_INDENTATION) - 1)
            text = f"{indentation}{marker} {folded}"
            self._write(text, "list", depth, together=self._kind == "list")

    def table(self, rows: Sequence[Sequence[str]], *, header: bool | None = None) -> None:
        """Rows of cells; whether the first is a header is guessed unless it is said."""
        header = has_header(rows) if header is None else header and len(rows) > 1
        first = True
        for row in rows:
            line = join_cells(row)
            if line:
                kind = "table" if first and header else "row"
                self._write(line, kind, 0, together=not first)
                first = False
        if not first:
            self._kind = ""

    def figure(self, image: Image, words: str, *, since: int) -> None:
        """A picture that stands here.

        Args:
            image: The picture.
            words: Its alternative text, which was written or not.
            since: Length of the text before it was.
        """
        folded, begin, count = one_line(words), self.length, 0
        while begin > since:
            count += 1
            begin -= len(self._parts[-count])
        place = "".join(self._parts[-count:]).find(folded) if folded and count else -1
        start = begin + place if place >= 0 else self.length
        end = start + len(folded) if place >= 0 else self.length
        self.figures.append(Figure(start=start, end=end, image=image))

    def caption(self, word_start: int) -> None:
        """The text from there on describes the picture before it, if that says nothing itself."""
        last = self.figures[-1] if self.figures else None
        if last is not None and last.start == last.end and 0 <= word_start - last.end <= _GAP:
            self.figures[-1] = replace(last, start=word_start, end=self.length)

    def page(self) -> None:
        """What is written next begins a page; a page with nothing on it has its number too."""
        if self._page_begins:
            self.pages.append(self.length)
        self._page_begins = True

    def take_back(self, length: int) -> None:
        """Forget the last heading, under which nothing was written.

        Args:
            length: Of the text before it.
        """
        if self.blocks and self.blocks[-1].kind == "heading":
            self.blocks.pop()
            self.headings.pop()
            del self._parts[-2:]
            self.length = length
            self.figures = [
                replace(item, start=length, end=length) if item.start > length else item
                for item in self.figures
            ]
            if self.pages and self.pages[-1] > length:
                self.pages[-1] = length

    def plain(self, text: str) -> None:
        """Text whose paragraphs are set apart by blank lines, as in a letter."""
        for block in blank_separated(split_lines(text), "paragraph"):
            words = text[block.start : block.end]
            quoted = all(line.startswith(">") for line in split_lines(words))
            self.paragraph(words.replace("\r\n", "\n"), "quote" if quoted else "paragraph")

    def include(self, reading: Reading, *, level: int, name: str = "") -> None:
        """A document within this one, its headings below a level.

        Args:
            reading: Of the inner file.
            level: Of the heading that it stands under.
            name: Put before its warnings.
        """
        inner = reading.document
        self.warnings += [f"{name}: {remark}" if name else remark for remark in reading.warnings]
        figures = inner.figures
        if inner.image is not None:
            figures = (Figure(start=0, end=len(inner.text), image=inner.image),)
        if not inner.text.strip():
            self.figures += [replace(item, start=self.length, end=self.length) for item in figures]
            return
        start = self._write(inner.text, "", 0)
        self.figures += [
            replace(item, start=start + item.start, end=start + item.end) for item in figures
        ]
        if inner.blocks:
            self.blocks.pop()
        for block in inner.blocks:
            self.blocks.append(
                Block(
                    start=start + block.start,
                    end=start + block.end,
                    kind=block.kind,
                    level=block.level + level if block.kind == "heading" else block.level,
                )
            )
        self.headings += [
            Heading(start + section.start, section.level + level, section.title)
            for section in inner.sections
        ]

    def reading(
        self, raw: RawFile, *, title: str | None, metadata: Metadata | None = None
    ) -> Reading:
        """All of it as the reading of a file."""
        if self._page_begins:
            self.page()
        text = "".join(self._parts)
        document = Document(
            source=raw.source,
            root=raw.root,
            media_type=raw.media_type,
            text=text,
            title=title,
            pages=tuple(self.pages),
            sections=nest_sections(self.headings, len(text)),
            blocks=tuple(self.blocks),
            metadata=metadata or {},
            figures=tuple(sorted(self.figures, key=lambda figure: figure.start)),
        )
        unknown = text.count("\ufffd")
        if unknown and not any("U+FFFD" in remark for remark in self.warnings):
            plural = "" if unknown == 1 else "s"
            self.warnings.append(f"{unknown} unknown character{plural}, shown as U+FFFD")
        return Reading(document=document, warnings=tuple(self.warnings))

    def _write(self, words: str, kind: str, level: int, *, together: bool = False) -> int:
        """Add a block; returns where it starts."""
        if self._parts:
            gap = "\n" if together else "\n\n"
            self._parts.append(gap)
            self.length += len(gap)
        if self._page_begins:
            self.pages.append(self.length)
            self._page_begins = False
        start = self.length
        words = _SURROGATE.sub("\ufffd", words)
        self._parts.append(words)
        self.length += len(words)
        self._kind = kind
        self.blocks.append(
            Block(start=start, end=self.length, kind=kind or "paragraph", level=level)
        )
        return start
