"""CSV and TSV: the decoded file unchanged, a block for each row, the header's names beside it."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.structure import split_lines
from ragkit.records import Block, Document, Metadata

__all__ = ["read_table"]

_DELIMITERS = ",;\t|"
_LINES_LOOKED_AT = 20
_LONGEST_HEADER_CHARACTERS = 64 * 1024
_MOST_COLUMNS = 1000


def read_table(raw: RawFile) -> Reading:
    """Read a table.

    The header is a ``table`` block and every other row a ``row``; where no row looks like a header,
    all are rows. ``metadata["columns"]`` holds the header's names.
    """
    decoded = decode(raw.data)
    text = decoded.text
    lines = split_lines(text)
    delimiter = _delimiter(lines, raw.media_type)
    rows, unclosed = _rows(lines)
    warnings = decoded.warnings
    if unclosed is not None:
        warnings = (*warnings, f"line {unclosed}: a quote is never closed; each line is a row")
    columns = _header(text[rows[0][0] : rows[0][1]], delimiter) if rows else ()
    blocks = [Block(start=start, end=end, kind="row") for start, end in rows]
    if columns:
        blocks[0] = Block(start=rows[0][0], end=rows[0][1], kind="table")
    metadata: Metadata = {"columns": list(columns)} if columns else {}
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        blocks=tuple(blocks),
        metadata=metadata,
    )
    return Reading(document=document, warnings=warnings)


def _delimiter(lines: list[str], media_type: str) -> str:
    """The sign that stands equally often in the first lines, and most often of those that do."""
    if media_type == "text/tab-separated-values":
        return "\t"
    sample = [line for line in lines[:_LINES_LOOKED_AT] if line.strip()]
    counts = {sign: [line.count(sign) for line in sample] for sign in _DELIMITERS}
    return max(_DELIMITERS, key=lambda sign: (min(counts[sign], default=0), sum(counts[sign])))


def _rows(lines: list[str]) -> tuple[list[tuple[int, int]], int | None]:
    """(start, end) of each row; a line whose quotes are open goes on in the next.

    Returns:
        The rows, and the number of the line whose quote is never closed: rows are then lines.
    """
    rows: list[tuple[int, int]] = []
    at, begin, opened_at, is_open = 0, 0, 0, False
    for number, line in enumerate(lines, start=1):
        if not is_open:
            begin, opened_at = at, number
        if line.count('"') % 2:
            is_open = not is_open
        bare = line.rstrip("\r\n")
        if not is_open and (begin < at or bare.strip()):
            rows.append((begin, at + len(bare)))
        at += len(line)
    if is_open:
        return list(_line_rows(lines)), opened_at
    return rows, None


def _line_rows(lines: list[str]) -> Iterator[tuple[int, int]]:
    at = 0
    for line in lines:
        bare = line.rstrip("\r\n")
        if bare.strip():
            yield at, at + len(bare)
        at += len(line)


def _header(row: str, delimiter: str) -> tuple[str, ...]:
    """The names in a row that looks like a header: distinct, not blank, and no numbers."""
    if len(row) > _LONGEST_HEADER_CHARACTERS or "\0" in row:
        return ()
    try:
        cells = next(csv.reader([row], delimiter=delimiter), [])
    except csv.Error:
        return ()
    names = [" ".join(cell.split()) for cell in cells]
    if not names or len(names) > _MOST_COLUMNS or len(set(names)) < len(names):
        return ()
    if not all(names) or any(_is_number(name) for name in names):
        return ()
    return tuple(names)


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
