"""``ragkit import``: a collection out of one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from ragkit.cli.command import RecordCommand, json_option
from ragkit.cli.output import jsonable, write_json, write_text

__all__ = ["ImportOptions", "command", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What was typed."""

    file: str
    collection: str | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``import``."""
    return RecordCommand(
        name="import",
        options=ImportOptions,
        run=run,
        params=[
            click.Argument(["file"], metavar="FILE"),
            click.Option(
                ["-c", "--collection"],
                metavar="DIR",
                help="Where the collection will be; without it .ragkit here.",
            ),
            json_option(),
        ],
        about=(
            "Make a collection of a file that `ragkit export` wrote.\n\nNothing in the file is"
            " trusted: it is unpacked beside the place, every law is verified, and then it is"
            " there at once. A folder that was indexed is found again by its name when it is"
            " indexed here, at no cost."
        ),
        examples=["ragkit import manuals.ragkit", "ragkit import /mnt/usb/kb.ragkit -c kb"],
    )


def run(options: ImportOptions) -> int:
    """Import and print."""
    from ragkit.cli.looks import inline  # noqa: PLC0415 - --help needs none of it
    from ragkit.cli.place import DEFAULT_NAME, seen_from_here  # noqa: PLC0415
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415
    from ragkit.collection.upkeep import import_collection  # noqa: PLC0415

    with shown_progress(quiet=options.as_json, first="importing") as progress:
        report = import_collection(
            options.file, options.collection or DEFAULT_NAME, progress=progress
        )
    if options.as_json:
        fields = jsonable(report)
        write_json(fields if isinstance(fields, dict) else {})
    else:
        # Whoever searches sends the query there, and the key for such servers with it.
        server = f" at {inline(report.base_url)}" if report.base_url else ""
        write_text(
            f"{seen_from_here(Path(report.collection))}"
            f" with {inline(report.model)}{server}:"
            f" {report.documents:,} documents, {report.passages:,} passages and"
            f" {report.vectors:,} vectors."
        )
    return 0
