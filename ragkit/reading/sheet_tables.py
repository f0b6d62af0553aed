"""From the cells of a sheet to tables as a person sees them: parts between blank rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ragkit.reading.composing import Composer, has_header

__all__ = ["write_sheet"]

Cells = dict[int, str]


def write_sheet(
    composer: Composer, name: str, rows: Iterable[Cells], asides: Iterable[str] = ()
) -> None:
    """Write a sheet under its name; a sheet without a word is left out.

    A line of one cell above a table is its caption. Columns that are blank in all rows go.

    Args:
        composer: Where to.
        name: The sheet's.
        rows: Column and text of the cells that are not blank, by row.
        asides: Comments and text boxes.
    """
    parts = list(_parts(rows))
    remarks = [aside for aside in asides if aside.strip()]
    if not parts and not remarks:
        return
    composer.heading(name or "Sheet", 1)
    columns = sorted({column for part in parts for row in part for column in row})
    place = {column: index for index, column in enumerate(columns)}
    for part in parts:
        _write_part(composer, [_dense(row, place) for row in part])
    for remark in remarks:
        composer.paragraph(remark)


def _write_part(composer: Composer, rows: list[list[str]]) -> None:
    """Write the rows between two blank ones."""
    widest = max(sum(map(bool, row)) for row in rows)
    first = 0
    while widest > 1 and first < len(rows) and sum(map(bool, rows[first])) == 1:
        composer.paragraph("".join(rows[first]))
        first += 1
    table = rows[first:]
    # Columns to the left of this table belong to others.
    indented = min(next(index for index, cell in enumerate(row) if cell) for row in table)
    table = [row[indented:] for row in table]
    composer.table(table, header=has_header(table))


def _parts(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    part: list[Cells] = []
    for row in rows:
        if row:
            part.append(row)
        elif part:
            yield part
            part = []
    if part:
        yield part


def _dense(row: Cells, place: dict[int, int]) -> list[str]:
    """Cells at their columns, up to the last that is not blank."""
    cells = [""] * (max(place[column] for column in row) + 1)
    for column, words in row.items():
        cells[place[column]] = words
    return cells
