"""Lines of a region from top to bottom, and the tables among them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ragkit.reading.pdf_content import Fragment

__all__ = ["Row", "Table", "find_tables", "rows_of"]

_MARKER = re.compile(
    r"(?:[•◦▪▫‣●○■□–—*·\-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)]|\.?\d+(?:\.\d+)*\.?)$"
)
# A bullet or number stands at most so far from its text, in sizes of the type.
_FARTHEST_MARKER = 5.0
_WIDEST_BLANK = 1.0
_CLOSE = 0.08
# Rows of one table stand at most so far apart, in heights of a line.
_FARTHEST_ROW = 3.0
_MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a region: its cells from left to right, a single one where there is no wide gap."""

    cells: tuple[Fragment, ...]

    @property
    def left(self) -> float:
        """Left edge."""
        return self.cells[0].left

    @property
    def right(self) -> float:
        """Right edge."""
        return max(cell.right for cell in self.cells)

    @property
    def top(self) -> float:
        """Upper edge."""
        return min(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return max(cell.bottom for cell in self.cells)

    @property
    def text(self) -> str:
        """All of its words."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def size(self) -> float:
        """Size of the type of most of it."""
        return max(self.cells, key=lambda cell: len(cell.text)).size

    @property
    def bold(self) -> bool:
        """Whether all of it is bold."""
        return all(cell.bold for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows ``first`` to ``last`` (exclusive) of a region, as cells, and which rows each is of."""

    first: int
    last: int
    cells: list[list[str]]
    rows: list[list[Row]]


def rows_of(fragments: Sequence[Fragment]) -> list[Row]:
    """The lines of a region: what stands beside each other by more than half is one line."""
    rows: list[list[Fragment]] = []
    for part in sorted(fragments, key=lambda part: (part.top + part.bottom, part.left)):
        if rows and _on_line(rows[-1], part):
            rows[-1].append(part)
        else:
            rows.append([part])
    return [Row(tuple(_cells(row))) for row in rows]


def _on_line(row: Sequence[Fragment], part: Fragment) -> bool:
    tallest = max(row, key=lambda each: each.bottom - each.top)
    overlap = min(tallest.bottom, part.bottom) - max(tallest.top, part.top)
    if overlap < min(tallest.bottom - tallest.top, part.bottom - part.top) / 2:
        return False
    # Two of a height that lie over each other are two lines set closely, not one.
    crosses = any(
        min(each.right, part.right) - max(each.left, part.left) > each.size for each in row
    )
    return not crosses or abs(tallest.top - part.top) < 1


def _cells(row: list[Fragment]) -> list[Fragment]:
    """A line's fragments from left to right, those joined that no wide gap parts."""
    row.sort(key=lambda part: part.left)
    cells = [row[0]]
    for part in row[1:]:
        last = cells[-1]
        gap = (part.left - last.right) / max(last.size, part.size, 1.0)
        is_marker = len(cells) == 1 and _MARKER.match(last.text) is not None
        widest = _FARTHEST_MARKER if is_marker and len(row) == 2 else _WIDEST_BLANK
        if gap <= widest:
            cells[-1] = _joined(last, part, "" if -_CLOSE <= gap < _CLOSE else " ")
        else:
            cells.append(part)
    return cells


def _joined(left: Fragment, right: Fragment, between: str) -> Fragment:
    longer = max(left, right, key=lambda part: len(part.text))
    return replace(
        left,
        text=f"{left.text}{between}{right.text}",
        # A bullet or a raised figure says little about the line.
        top=longer.top,
        right=max(left.right, right.right),
        bottom=longer.bottom,
        size=longer.size,
        bold=left.bold and right.bold,
        broken=right.broken,
    )


def find_tables(rows: Sequence[Row]) -> list[Table]:
    """Runs of lines whose cells stand below each other in two columns or more."""
    tables: list[Table] = []
    index = 0
    while index < len(rows):
        last = _run(rows, index) if len(rows[index].cells) > 1 else index
        if last > index:
            tables.append(_table(rows, index, last))
            index = last
        else:
            index += 1
    return tables


def _run(rows: Sequence[Row], first: int) -> int:
    """Where the table that begins at a row ends; the row itself if it begins none."""
    columns = [(cell.left, cell.right) for cell in rows[first].cells]
    last, full = first + 1, 1
    for index in range(first + 1, len(rows)):
        row, above = rows[index], rows[index - 1]
        if row.top - above.bottom > _FARTHEST_ROW * (above.bottom - above.top):
            break
        widened = _widened(columns, row)
        if widened is None or len(widened) > _MOST_COLUMNS:
            break
        if len(row.cells) > 1:
            last, full = index + 1, full + 1
        elif not _is_inner(columns, row):
            # A line in the first column goes on with the table only if rows follow.
            if row.right > columns[0][1] + row.size:
                break
        else:
            last = index + 1
        columns = widened
    return last if full > 1 else first


def _widened(columns: list[tuple[float, float]], row: Row) -> list[tuple[float, float]] | None:
    """The columns with a row's cells in them; None where a cell lies in two, or two in one."""
    found = list(columns)
    taken: set[int] = set()
    for cell in row.cells:
        within = [
            index
            for index, (left, right) in enumerate(found)
            if cell.left < right and cell.right > left
        ]
        if len(within) > 1 or (within and within[0] in taken):
            return None
        if not within:
            found.append((cell.left, cell.right))
            taken.add(len(found) - 1)
            continue
        left, right = found[within[0]]
        found[within[0]] = (min(left, cell.left), max(right, cell.right))
        taken.add(within[0])
    ordered = sorted(found)
    apart = all(a[1] <= b[0] for a, b in itertools.pairwise(ordered))
    return ordered if apart else None


def _is_inner(columns: Sequence[tuple[float, float]], row: Row) -> bool:
    """Whether a line stands in another column than the first."""
    return row.left >= columns[0][1]


def _table(rows: Sequence[Row], first: int, last: int) -> Table:
    """The cells of a run of rows, each in its column; lines that go on with a cell join it."""
    columns = [(cell.left, cell.right) for cell in rows[first].cells]
    for row in rows[first + 1 : last]:
        columns = _widened(columns, row) or columns
    table = Table(first, last, [], [])
    tight = _tight(rows[first:last])
    for index in range(first, last):
        row = rows[index]
        cells = [""] * len(columns)
        for cell in row.cells:
            centre = (cell.left + cell.right) / 2
            at = min(
                range(len(columns)),
                key=lambda i: max(columns[i][0] - centre, centre - columns[i][1]),
            )
            cells[at] = f"{cells[at]} {cell.text}".strip()
        goes_on = table.rows and not cells[0] and row.top - rows[index - 1].bottom < tight
        if goes_on:
            table.cells[-1] = [
                f"{a} {b}".strip() for a, b in zip(table.cells[-1], cells, strict=True)
            ]
            table.rows[-1].append(row)
        else:
            table.cells.append(cells)
            table.rows.append([row])
    return table


def _tight(rows: Sequence[Row]) -> float:
    """Below this gap a line without a first cell goes on with the row above it.

    That is half of what parts the rows that have a first cell, where that is wide enough to tell.
    """
    begin = rows[0].left + rows[0].size
    gaps = sorted(
        row.top - above.bottom for above, row in itertools.pairwise(rows) if row.left <= begin
    )
    if not gaps:
        return float("-inf")
    gap = gaps[len(gaps) // 2]
    height = rows[0].bottom - rows[0].top
    return gap / 2 if gap > 0.3 * height else float("-inf")
