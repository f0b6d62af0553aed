"""reStructuredText: the decoded file unchanged, with sections and blocks from its lines."""

from __future__ import annotations

import re

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.structure import Heading, nest_sections, only_top_title, split_lines
from ragkit.reading.table_lines import TableStyle, grid_rows, simple_rows, table_blocks
from ragkit.records import Block, Document

__all__ = ["read_restructured"]

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*$")
_ITEM = re.compile(r"(?:[-*+•]|\(?(?:\d{1,9}|#|[a-zA-Z])[.)])[ \t]+\S")
_TABLE = re.compile(r"\+[-=+]{2,}\+$|={2,}(?: +={2,})+$")
_CODE_DIRECTIVE = re.compile(r"\.\. (?:code|code-block|sourcecode|literalinclude|parsed-literal)::")
_TABLE_DIRECTIVE = re.compile(r"\.\. (list|csv)-table::")
_OPTION = re.compile(r"[ \t]+:[\w-]+:")
_HEADER_ROWS = re.compile(r"[ \t]+:header-rows:[ \t]*1$")
_HEADER_NAMES = re.compile(r"[ \t]+:header:|[ \t]+:header-rows:[ \t]*1$")
_ROW = re.compile(r"[ \t]+[*+-][ \t]+[*+-](?:[ \t]|$)")
_WIDEST_TITLE = 500


def read_restructured(raw: RawFile) -> Reading:
    """Read reStructuredText; ranks follow the order in which adornments first appear."""
    decoded = decode(raw.data)
    headings, blocks = _Scan(decoded.text).run()
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=decoded.text,
        title=only_top_title(headings),
        sections=nest_sections(headings, len(decoded.text)),
        blocks=tuple(blocks),
    )
    return Reading(document=document, warnings=decoded.warnings)


class _Scan:
    """One pass over the lines, paragraph by paragraph."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = split_lines(text)
        self.bare = [line.rstrip() for line in self.lines]
        self.offsets: list[int] = []
        at = 0
        for line in self.lines:
            self.offsets.append(at)
            at += len(line)
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []
        self.styles: list[tuple[str, bool]] = []

    def run(self) -> tuple[list[Heading], list[Block]]:
        """Headings and blocks, in order."""
        index, count = 0, len(self.lines)
        literal = False
        while index < count:
            line = self.bare[index]
            if not line:
                index += 1
                continue
            if literal and line[0] in " \t":
                index = self._indented(index)
                literal = False
                continue
            lines_of_heading = self._heading(index)
            if lines_of_heading:
                index += lines_of_heading
                literal = False
                continue
            if directive := _TABLE_DIRECTIVE.match(line):
                end = self._indented_end(index + 1)
                self._directive(index, end, directive.group(1))
                index, literal = end, False
                continue
            end = self._paragraph_end(index)
            last = self.bare[end - 1]
            literal = last.endswith("::") and (
                not last.startswith("..") or bool(_CODE_DIRECTIVE.match(last))
            )
            literal = literal or bool(_CODE_DIRECTIVE.match(line))
            self._paragraph(index, end)
            index = end
        return self.headings, self.blocks

    def _heading(self, index: int) -> int:
        """Lines that a heading at this index takes; 0 if there is none."""
        over = self._adornment(index)
        if over is not None and index + 2 < len(self.lines):
            title, under = self.bare[index + 1].strip(), self._adornment(index + 2)
            if under is not None and under[0] == over[0] and title and under[1] >= 3:
                return self._add_heading(index, title, (over[0], True), 3)
        title = self.bare[index]
        if over is None and title[0] not in " \t" and index + 1 < len(self.lines):
            under = self._adornment(index + 1)
            if under is not None and under[1] >= min(len(title), 4):
                return self._add_heading(index, title, (under[0], False), 2)
        return 0

    def _adornment(self, index: int) -> tuple[str, int] | None:
        line = self.bare[index]
        if len(line) < 2 or line[0] != line[-1] or not _ADORNMENT.match(line):
            return None
        return line[0], len(line)

    def _add_heading(self, index: int, title: str, style: tuple[str, bool], lines: int) -> int:
        if len(title) > _WIDEST_TITLE:
            return 0
        if style not in self.styles:
            self.styles.append(style)
        level = self.styles.index(style) + 1
        start, last = self.offsets[index], index + lines - 1
        end = self.offsets[last] + len(self.bare[last])
        self.headings.append(Heading(start, level, " ".join(title.replace("``", "").split())))
        self.blocks.append(Block(start=start, end=end, kind="heading", level=level))
        return lines

    def _paragraph_end(self, index: int) -> int:
        end = index + 1
        while end < len(self.lines) and self.bare[end]:
            end += 1
        return end

    def _indented(self, index: int) -> int:
        """A literal block runs to the next line that is not indented."""
        end = self._indented_end(index)
        self._add(index, end, "code")
        return end

    def _indented_end(self, index: int) -> int:
        """One past the last line that is indented and not blank."""
        end, last = index, index - 1
        while end < len(self.lines) and (not self.bare[end] or self.bare[end][0] in " \t"):
            last = end if self.bare[end] else last
            end += 1
        return last + 1

    def _directive(self, index: int, end: int, kind: str) -> None:
        """A table whose rows are items of a list or lines of commas."""
        header = _HEADER_ROWS if kind == "list" else _HEADER_NAMES
        options = [at for at in range(index + 1, end) if _OPTION.match(self.bare[at])]
        named = [at for at in options if header.match(self.bare[at])]
        body = range(max(options, default=index) + 1, end)
        begins = [
            at for at in body if self.bare[at] and (kind == "csv" or _ROW.match(self.bare[at]))
        ]
        if kind == "csv" and named and not self.bare[named[-1]].rstrip().endswith("1"):
            # The names stand in the option itself.
            begins = [named[-1], *begins]
        if len(begins) < 2:
            self._add(index, end, "table")
            return
        self._add(index, begins[0], "paragraph")
        for number, (first, stop) in enumerate(zip(begins, [*begins[1:], end], strict=True)):
            self._add(first, stop, "table" if number == 0 and named else "row")

    def _paragraph(self, index: int, end: int) -> None:
        first = self.bare[index].lstrip()
        if _TABLE.match(first):
            self._table(index, end, grid_rows if first[0] == "+" else simple_rows)
            return
        if not _ITEM.match(first):
            quoted = self.bare[index][0] in " \t" and not first.startswith((":", ".."))
            self._add(index, end, "quote" if quoted else "paragraph")
            return
        begin = index
        for line in range(index + 1, end):
            if _ITEM.match(self.bare[line].lstrip()):
                self._add(begin, line, "list")
                begin = line
        self._add(begin, end, "list")

    def _table(self, index: int, end: int, style: TableStyle) -> None:
        start, last = self.offsets[index], end - 1
        stop = self.offsets[last] + len(self.bare[last])
        self.blocks += table_blocks(self.text, start, stop, style)

    def _add(self, index: int, end: int, kind: str) -> None:
        while not self.bare[end - 1]:
            end -= 1
        start = self.offsets[index]
        level = 0
        if kind == "list":
            line = self.bare[index]
            level = 1 + (len(line) - len(line.lstrip())) // 2
        stop = self.offsets[end - 1] + len(self.bare[end - 1])
        self.blocks.append(Block(start=start, end=stop, kind=kind, level=level))
