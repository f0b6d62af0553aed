"""``ragkit purge``: a document out of every file of a collection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option, wait_option
from ragkit.cli.output import jsonable, write_json, write_text

if TYPE_CHECKING:
    from ragkit.reports import PurgeReport

__all__ = ["PurgeOptions", "command", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeOptions:
    """What was typed."""

    source: str
    collection: str | None = None
    wait: float = 0.0
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``purge``."""
    return RecordCommand(
        name="purge",
        options=PurgeOptions,
        run=run,
        params=[
            click.Argument(["source"], metavar="[ROOT:]SOURCE"),
            collection_option(),
            wait_option(),
            json_option(),
        ],
        about=(
            "Take a document out of every file of the collection, as if it had never been there."
            "\n\nNo file of the collection, no log, no free page and no index holds a text of it"
            " afterwards that no other document holds too, nor its vector; its name is taken out"
            " of the ledger. It works for a document that an earlier index removed, too. The file"
            " itself is left alone: while it is in its folder, the next index reads it again."
        ),
        examples=["ragkit purge letters/complaint.pdf", "ragkit purge -c kb docs:cv.docx"],
    )


def run(options: PurgeOptions) -> int:
    """Purge and print."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415 - --help needs none of it
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415

    directory = collection_directory(options.collection)
    with (
        open_collection(directory, create=False) as collection,
        shown_progress(quiet=options.as_json, first="purging") as progress,
    ):
        report = collection.purge(options.source, wait_s=options.wait, progress=progress)
    if options.as_json:
        fields = jsonable(report)
        known = fields if isinstance(fields, dict) else {}
        write_json({"collection": str(collection.path), **known})
    else:
        write_text(_text(report))
    return 0


def _text(report: PurgeReport) -> str:
    from ragkit.cli.looks import inline, named  # noqa: PLC0415

    if not report.root:
        return f"{named(report.source)} was purged before; nothing of it is left."
    lines = [
        f"{named(f'{report.root}:{report.source}')} is in no file of the collection any more:"
        f" {report.passages:,} passages and {report.vectors:,} vectors were dropped."
    ]
    if report.migration is not None:
        lines.append(
            "The migration that was on its way has to begin anew, and to buy its vectors again:"
            f" `{inline(report.migration)}`."
        )
    if report.path is not None:
        lines.append(
            f"Its file is still at {named(report.path)}: unless it goes, the next index reads it"
            " again."
        )
    return "\n".join(lines)
