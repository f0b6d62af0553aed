"""``ragkit read``: what a file becomes."""

from __future__ import annotations

import shutil
import sys
import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, json_option
from ragkit.cli.output import jsonable, out_looks, write_json, write_text

if TYPE_CHECKING:
    from ragkit.cli.looks import Looks
    from ragkit.records import Document

__all__ = ["ReadOptions", "command", "document_text", "read_argument", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What was typed."""

    file: str
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``read``."""
    return RecordCommand(
        name="read",
        options=ReadOptions,
        run=run,
        params=[click.Argument(["file"], metavar="FILE"), json_option()],
        about=(
            "Show what FILE becomes.\n\n"
            "Its title, pages and headings, then its text. As FILE, - is stdin."
        ),
        examples=["ragkit read manual.pdf", "ragkit read notes.md --json"],
    )


def run(options: ReadOptions) -> int:
    """Read the file and print it."""
    document = read_argument(options.file)
    if options.as_json:
        fields = jsonable(document)
        write_json(fields if isinstance(fields, dict) else {})
    else:
        write_text(document_text(document, out_looks()))
    return 0


def read_argument(name: str) -> Document:
    """The file of that name, or stdin for ``-``, as a document.

    Raises:
        PathNotFound: There is no such file.
        DocumentSkipped: It is none that would be indexed; the message names it, then the reason.
        DocumentUnreadable: It cannot be read; the message names it, then the reason.
    """
    from ragkit.errors import DocumentSkipped, DocumentUnreadable  # noqa: PLC0415

    try:
        return _read(name)
    except DocumentSkipped as error:
        raise DocumentSkipped(f"{_shown(name)} would not be indexed: {error}") from error
    except DocumentUnreadable as error:
        raise DocumentUnreadable(f"{_shown(name)} cannot be read: {error}") from error


def _read(name: str) -> Document:
    from ragkit.reading import read  # noqa: PLC0415 - loads readers

    if name != "-":
        return read(name)
    # A parser that is to be guarded reads files.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stdin"
        with file.open("wb") as kept:
            shutil.copyfileobj(sys.stdin.buffer, kept)
        return read(file)


def _shown(name: str) -> str:
    return "stdin" if name == "-" else repr(name)


def document_text(document: Document, looks: Looks) -> str:
    """An outline, then the text."""
    from ragkit.cli.looks import inline, named, printable  # noqa: PLC0415

    lines = [
        looks.bold(inline(document.title or "") or named(document.source)),
        f"  {document.media_type}",
    ]
    if document.pages:
        lines.append(f"  {len(document.pages)} pages")
    if document.image is not None:
        lines.append(f"  {document.image.width_px:,} x {document.image.height_px:,} px")
    for figure in document.figures:
        image = figure.image
        lines.append(f"  picture {named(image.path)}: {image.width_px:,} x {image.height_px:,} px")
    lines += [f"  {inline(key)}: {inline(str(item))}" for key, item in document.metadata.items()]
    line_starts = [index + 1 for index, each in enumerate(document.text) if each == "\n"]
    for section in document.sections:
        line = bisect_right(line_starts, section.start) + 1
        indent = "  " * section.level
        lines.append(f"{line:>6}{indent}{inline(section.title)}")
    text = printable(document.text) if looks.is_terminal else document.text
    return "\n".join([*lines, "", text])
