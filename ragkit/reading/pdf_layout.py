"""From the fragments of a PDF's pages to a text that reads right, with blocks, headings and boxes.

Lines stay lines, so that a place in the text is one on the page. Paragraphs, headings and tables
stand apart by a blank line; a table's row is a line with its cells joined by `` | ``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ragkit.reading.composing import has_header, join_cells
from ragkit.reading.pdf_columns import reading_regions
from ragkit.reading.pdf_content import PdfPage
from ragkit.reading.pdf_hyphens import BreakableLine, mend_hyphens
from ragkit.reading.pdf_rows import Row, Table, find_tables, rows_of
from ragkit.reading.pdf_running import usual_size, without_running_lines
from ragkit.reading.structure import Heading
from ragkit.records import Block, Box

__all__ = ["PAGE_BREAK", "LaidOut", "lay_out"]

PAGE_BREAK = "\n\f"
# Pages that were drawn by a bomb rather than set: no more lines are arranged.
_MOST_FRAGMENTS = 5_000
# A gap wider than this, in leadings of the region, parts paragraphs.
_PARAGRAPH_GAP = 1.3
_INDENT = 0.9
_LARGER = 1.12
_LONGEST_HEADING = 200
_LONGEST_BOLD_HEADING = 100
_MOST_HEADING_LINES = 3
_MOST_HEADINGS_SHARE = 0.3
_MOST_LEVELS = 4
_SENTENCE_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]*$")
_ITEM = re.compile(r"(?:[•◦▪▫‣●○■□–—*·\-]|\(?(?:\d{1,3}|[a-zA-Z])[.)])\s+\S")


@dataclass(slots=True)
class _Line(BreakableLine):
    """A line of the text: where it stands, what it is, and whether it begins a paragraph."""

    kind: str = "text"
    begins: bool = True
    size: float = 0.0
    bold: bool = False
    rows: tuple[Row, ...] = ()
    page: int = 0
    level: int = 0
    # Of the table that it is a row of.
    columns: int = 0
    header: str = ""


@dataclass(slots=True)
class LaidOut:
    """The text of a document and what is known of it; as the fields of ``Document``."""

    pages: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All pages, joined by a line end and a form feed."""
        return PAGE_BREAK.join(self.pages)


def lay_out(pages: Sequence[PdfPage]) -> LaidOut:
    """Arrange the pages of a document."""
    kept, running = without_running_lines(pages)
    lines: list[list[_Line]] = []
    for index, (page, fragments) in enumerate(zip(pages, kept, strict=True)):
        if not page.fragments or len(fragments) > _MOST_FRAGMENTS:
            lines.append(_plain(page, index))
            continue
        found: list[_Line] = []
        for region in reading_regions(fragments):
            above = found[-1] if found else next(_last(lines), None)
            found += _region(rows_of(region), index, above)
        _connect(found)
        found += [_Line(text, flows=False, page=index) for text in page.turned]
        lines.append(found)
    every = [line for page_lines in lines for line in page_lines]
    mend_hyphens(every)
    _mark_headings(every)
    laid_out = LaidOut(running=running)
    for page_lines in lines:
        _write(laid_out, [line for line in page_lines if line.text])
    return laid_out


def _plain(page: PdfPage, index: int) -> list[_Line]:
    """The lines as the parser gave them; blank ones part paragraphs."""
    lines: list[_Line] = []
    begins = True
    for text in page.text.split("\n"):
        if text.strip():
            lines.append(_Line(text, begins=begins, page=index))
        begins = not text.strip()
    return lines


def _last(lines: Sequence[list[_Line]]) -> Iterator[_Line]:
    """The last line of the last page that has one."""
    return (page_lines[-1] for page_lines in reversed(lines) if page_lines)


def _region(rows: list[Row], page: int, above: _Line | None) -> Iterator[_Line]:
    """The lines of a region, in order.

    Args:
        rows: From top to bottom.
        page: Index of the page.
        above: The line that is read before them, of another region.
    """
    leading = _leading(rows)
    tables = {table.first: table for table in find_tables(rows)}
    if rows and 0 not in tables and above is not None and len(rows[0].cells) > 1:
        lone = Table(0, 1, [[cell.text for cell in rows[0].cells]], [[rows[0]]])
        if above.columns == len(rows[0].cells):
            tables[0] = lone
    index = 0
    while index < len(rows):
        table = tables.get(index)
        if table is not None:
            yield from _table_lines(table, page, above if index == 0 else None)
            index = table.last
            continue
        row = rows[index]
        yield _Line(
            " ".join(cell.text for cell in row.cells),
            broken=row.cells[-1].broken,
            begins=index == 0 or _begins(rows[index - 1], row, rows, leading),
            size=row.size,
            bold=row.bold,
            rows=(row,),
            page=page,
        )
        index += 1


def _table_lines(table: Table, page: int, above: _Line | None) -> Iterator[_Line]:
    """The rows of a table; it may go on with the one that ends in the region before it."""
    width = len(table.cells[0])
    goes_on = above is not None and above.columns == width
    names = join_cells(table.cells[0])
    if goes_on and above is not None:
        headed = names == above.header
        header = above.header
    else:
        headed = has_header(table.cells) or _is_set_as_header(table)
        header = names if headed else ""
    for index, (cells, rows) in enumerate(zip(table.cells, table.rows, strict=True)):
        yield _Line(
            join_cells(cells),
            flows=False,
            kind="table" if index == 0 and headed else "row",
            begins=index == 0,
            size=rows[0].size,
            rows=tuple(rows),
            page=page,
            columns=width,
            header=header,
        )


def _is_set_as_header(table: Table) -> bool:
    """Whether the first row of a table alone is bold."""
    first, *others = (all(row.bold for row in rows) for rows in table.rows)
    return first and bool(others) and not any(others)


def _leading(rows: Sequence[Row]) -> float:
    """The usual distance from one line's upper edge to the next one's."""
    steps = sorted(
        below.bottom - above.bottom
        for above, below in itertools.pairwise(rows)
        if below.bottom > above.bottom
    )
    return steps[len(steps) // 2] if steps else 0.0


def _begins(above: Row, row: Row, rows: Sequence[Row], leading: float) -> bool:
    """Whether a line begins a paragraph, an item or a heading."""
    if row.bottom - above.bottom > _PARAGRAPH_GAP * max(leading, 1.1 * row.size):
        return True
    if abs(row.size - above.size) > 0.1 * max(row.size, above.size) or row.bold != above.bold:
        return not _continues(above.text, row.text) or abs(row.size - above.size) > 1
    if _ITEM.match(row.text):
        return True
    margin = min(each.left for each in rows)
    indented = row.left - above.left > _INDENT * row.size and above.left - margin < row.size
    return indented and _SENTENCE_END.search(above.text) is not None


def _continues(above: str, text: str) -> bool:
    """Whether a sentence goes on from one line to the next."""
    return _SENTENCE_END.search(above) is None and text[:1].islower()


def _connect(lines: list[_Line]) -> None:
    """A sentence that goes on in the next column is one paragraph."""
    for above, line in itertools.pairwise(lines):
        if line.begins and line.flows and above.flows and above.rows and line.rows:
            is_new_region = line.rows[0].top < above.rows[0].top
            if is_new_region and _continues(above.text, line.text):
                line.begins = False


def _mark_headings(lines: Sequence[_Line]) -> None:
    """Lines of larger or bolder type that stand alone; ranks follow their sizes."""
    text = [line for line in lines if line.kind == "text" and line.size and line.text]
    body = usual_size(cell for line in text for row in line.rows for cell in row.cells)
    bold_stands_out = 3 * _length([line for line in text if line.bold]) < _length(text)
    found = [group for group in _paragraphs(text) if _is_heading(group, body, bold_stands_out)]
    if sum(map(_length, found)) > _MOST_HEADINGS_SHARE * _length(text):
        return
    ranks = sorted({_rank(group, body) for group in found}, reverse=True)
    for group in found:
        level = min(ranks.index(_rank(group, body)) + 1, _MOST_LEVELS)
        for line in group:
            line.kind, line.level, line.flows = "heading", level, False


def _paragraphs(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    group: list[_Line] = []
    for line in lines:
        if group and (line.begins or line.page != group[0].page):
            yield group
            group = []
        group.append(line)
    if group:
        yield group


def _length(lines: Sequence[_Line]) -> int:
    return sum(len(line.text) for line in lines)


def _rank(group: Sequence[_Line], body: float) -> float:
    size = round(2 * group[0].size) / 2
    return size if size >= _LARGER * body else body


def _is_heading(group: Sequence[_Line], body: float, bold_stands_out: bool) -> bool:
    if len(group) > _MOST_HEADING_LINES:
        return False
    words = " ".join(line.text for line in group)
    if len(words) > _LONGEST_HEADING or not any(sign.isalpha() for sign in words):
        return False
    if all(line.size >= _LARGER * body for line in group):
        return True
    if not bold_stands_out or not all(line.bold for line in group):
        return False
    return len(words) <= _LONGEST_BOLD_HEADING and words[-1] not in ".,;" and group[0].size >= body


def _write(laid_out: LaidOut, lines: Sequence[_Line]) -> None:
    """Add a page."""
    start = 0
    if laid_out.pages:
        start = laid_out.starts[-1] + len(laid_out.pages[-1]) + len(PAGE_BREAK)
    laid_out.starts.append(start)
    parts: list[str] = []
    length = 0
    block: list[_Line] = []
    begin = 0
    for line in lines:
        goes_on = bool(parts) and not line.begins
        if parts:
            gap = "\n" if goes_on else "\n\n"
            parts.append(gap)
            length += len(gap)
        if not goes_on or line.kind in ("table", "row"):
            _close(laid_out, block, start + begin)
            block, begin = [], length
        block.append(line)
        parts.append(line.text)
        _place(laid_out, line, start + length)
        length += len(line.text)
    _close(laid_out, block, start + begin)
    laid_out.pages.append("".join(parts))


def _close(laid_out: LaidOut, block: Sequence[_Line], begin: int) -> None:
    """End the block that began at an offset."""
    if not block:
        return
    first = block[0]
    words = "\n".join(line.text for line in block)
    kind = {"text": "list" if _ITEM.match(words) else "paragraph"}.get(first.kind, first.kind)
    level = first.level or int(kind == "list")
    laid_out.blocks.append(Block(start=begin, end=begin + len(words), kind=kind, level=level))
    if kind == "heading":
        laid_out.headings.append(Heading(begin, first.level, " ".join(words.split())))


def _place(laid_out: LaidOut, line: _Line, start: int) -> None:
    if not line.rows:
        return
    laid_out.boxes.append(
        Box(
            start=start,
            end=start + len(line.text),
            page=line.page + 1,
            left_pt=round(min(row.left for row in line.rows), 1),
            top_pt=round(min(row.top for row in line.rows), 1),
            right_pt=round(max(row.right for row in line.rows), 1),
            bottom_pt=round(max(row.bottom for row in line.rows), 1),
        )
    )
