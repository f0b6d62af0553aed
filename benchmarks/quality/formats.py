"""Whether every file of a folder is found by its own words, and its tables by questions on rows.

    python benchmarks/quality/formats.py FOLDER [--rows 5] [--quiet]

The folder is indexed with the embedded model into a collection that is thrown away. For each
document a phrase of eight words is taken from the middle of its text and searched; it is found if
one of the first five hits shows it, whatever document that hit is of, for texts are often copies,
or stands where it stands, for a phrase may run over the end of a passage.
For each table some rows are asked for in the form "column of row", such as "price of model 7": the
answer is found if one of the first five hits has the row. Files that were not read are listed with
the reason, so that nothing is missing from the count in silence.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ragkit
from ragkit.answers import Hit
from ragkit.records import Document

PHRASE_WORDS = 8
DEPTH = 5
_WORDS = re.compile(r"\S*\w\S*")
_BETWEEN_CELLS = re.compile(r"\s*\|\s*|\t")


@dataclass(frozen=True, slots=True)
class Row:
    """A row to ask for: the question, and the cells that the answer has."""

    question: str
    cells: tuple[str, ...]


def main() -> None:
    """Index, ask, print a line for each document, and the sums."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=5, help="rows asked for in each document")
    parser.add_argument("--quiet", action="store_true", help="print what was missed alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, ragkit.open(Path(place) / "kb") as collection:
        report = collection.sync(arguments.folder)
        totals = [0, 0, 0, 0]
        for document in collection.documents():
            counts, missed = _ask(collection, document, arguments.rows)
            totals = [total + count for total, count in zip(totals, counts, strict=True)]
            if missed or not arguments.quiet:
                print(f"{counts[0]}/{counts[1]} phrase  {counts[2]}/{counts[3]} rows ", end=" ")
                print(document.source)
            for question in missed:
                print(f"    missed: {question}")
        for what in ("failed", "skipped"):
            for source, reason in getattr(report, what):
                print(f"{what}: {source}: {reason}")
        print(f"{totals[0]} of {totals[1]} documents found by a phrase from their middle")
        print(f"{totals[2]} of {totals[3]} rows found by a question")


def _ask(
    collection: ragkit.Collection, document: Document, most_rows: int
) -> tuple[tuple[int, int, int, int], list[str]]:
    """(phrases found, of, rows found, of), and what was missed."""
    missed: list[str] = []
    start, end = phrase_of(document.text)
    phrase = " ".join(document.text[start:end].split())
    found = int(
        any(
            _flat(phrase) in _flat(hit.text)
            or (hit.source == document.source and hit.start < end and hit.end > start)
            for hit in _hits(collection, phrase)
        )
    )
    missed += [] if found else [phrase]
    rows = list(rows_of(document))
    chosen = random.Random(document.source).sample(rows, min(most_rows, len(rows)))  # noqa: S311
    shown = 0
    for row in chosen:
        if any(
            all(cell in _flat(h.text) for cell in row.cells)
            for h in _hits(collection, row.question)
        ):
            shown += 1
        else:
            missed.append(row.question)
    return (found, 1, shown, len(chosen)), missed


def _hits(collection: ragkit.Collection, question: str) -> Sequence[Hit]:
    return collection.search(question, k=DEPTH)


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()


def phrase_of(text: str) -> tuple[int, int]:
    """Where eight words from the middle of a text are; fewer where it has no more."""
    words = list(_WORDS.finditer(text))
    place = max(0, min(len(words) // 2 - PHRASE_WORDS // 2, len(words) - PHRASE_WORDS))
    return words[place].start(), words[min(place + PHRASE_WORDS, len(words)) - 1].end()


def rows_of(document: Document) -> Iterator[Row]:
    """Questions on the rows of the tables that have a header, one on each row."""
    names: list[str] = []
    last = ""
    for block in document.blocks:
        cells = _cells(document, block.start, block.end)
        if block.kind == "table":
            names = cells
        elif block.kind != "row" or last not in ("table", "row"):
            names = []
        elif len(names) > 1 and len(cells) == len(names) and cells[0]:
            filled = [index for index, cell in enumerate(cells) if index and cell and names[index]]
            if filled:
                column = filled[len(cells[0]) % len(filled)]
                cells_wanted = (_flat(cells[0]), _flat(cells[column]))
                yield Row(f"{names[column]} of {cells[0]}", cells_wanted)
        last = block.kind


def _cells(document: Document, start: int, end: int) -> list[str]:
    line = document.text[start:end].split("\n")[0].strip().removeprefix("|").removesuffix("|")
    parts = line.split(",") if document.media_type == "text/csv" else _BETWEEN_CELLS.split(line)
    return [part.strip() for part in parts]


if __name__ == "__main__":
    main()
