"""Rows and cells of Open Document tables, which say a thing once and how often it is there."""

from __future__ import annotations

from ragkit.reading.xml_tree import Element

__all__ = ["repeated", "sheet_rows", "table_rows"]

_ROW_GROUPS = frozenset(
    {"table:table-header-rows", "table:table-rows", "table:table-row-group", "text:soft-page-break"}
)
_MOST_REPEATED = 1000
_MOST_COLUMNS = 16_384
_MOST_CELLS_REPEATED = 1_000_000


def repeated(item: Element, what: str) -> int:
    """How often a cell (``columns``), a row (``rows``) or a blank (``""``) stands there."""
    stated = item.get(f"table:number-{what}-repeated" if what else "text:c", "1")
    known = len(stated) < 10 and stated.isascii() and stated.isdigit()
    return min(max(int(stated), 1), _MOST_COLUMNS) if known else 1


def table_rows(table: Element) -> list[Element]:
    """The rows of a table, those in groups among them."""
    rows: list[Element] = []
    for item in table:
        if item.tag == "table:table-row":
            rows.append(item)
        elif item.tag in _ROW_GROUPS:
            rows += table_rows(item)
    return rows


def sheet_rows(sheet: Element) -> tuple[list[dict[int, str]], list[str]]:
    """Column and text of the cells that are not blank, by row; and the comments on them."""
    rows: list[dict[int, str]] = []
    remarks: list[str] = []
    budget = _MOST_CELLS_REPEATED
    for row in table_rows(sheet):
        cells: dict[int, str] = {}
        column = 0
        for cell in row:
            if cell.tag not in ("table:table-cell", "table:covered-table-cell"):
                continue
            count = repeated(cell, "columns")
            words = _cell_text(cell, remarks)
            # What says the same more often than a person would read is cut.
            for place in range(column, column + (min(count, _MOST_REPEATED) if words else 0)):
                if place < _MOST_COLUMNS and budget > 0:
                    cells[place] = words
                    budget -= place > column
            column += count
        rows.append(cells)
        again = min(repeated(row, "rows") - 1, _MOST_REPEATED) if cells else 0
        again = min(again, budget // max(1, len(cells)))
        budget -= again * len(cells)
        rows += [cells] * max(0, again)
    return rows, remarks


def _cell_text(cell: Element, remarks: list[str]) -> str:
    """What a cell shows; a comment on it is put aside."""
    lines: list[str] = []
    for item in cell:
        if item.tag == "office:annotation":
            said = " ".join("".join(line.itertext()) for line in item if line.tag == "text:p")
            if said.strip():
                remarks.append(f"[Comment: {said}]")
        elif item.tag == "text:p":
            lines.append("".join(item.itertext()))
    return " ".join(" ".join(lines).split())
