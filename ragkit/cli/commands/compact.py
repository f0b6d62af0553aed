"""``ragkit compact``: the space of what belongs to nothing any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option, wait_option
from ragkit.cli.output import jsonable, write_json, write_text

if TYPE_CHECKING:
    from ragkit.reports import CompactReport

__all__ = ["CompactOptions", "command", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactOptions:
    """What was typed."""

    collection: str | None = None
    wait: float = 0.0
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``compact``."""
    return RecordCommand(
        name="compact",
        options=CompactOptions,
        run=run,
        params=[collection_option(), wait_option(), json_option()],
        about=(
            "Give back the space of vectors, rows and postings that belong to nothing any more.\n\n"
            "The collection is written anew beside itself and then takes its own place; kill it"
            " whenever you like. Vectors of texts that are gone are dropped, and would be embedded"
            " again if these came back; there is no way back from a migration afterwards. `index`"
            " compacts by itself when more than half of the vectors, and 10,000 of them, belong to"
            " no passage."
        ),
        examples=["ragkit compact", "ragkit compact -c kb --wait 60"],
    )


def run(options: CompactOptions) -> int:
    """Compact and print."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415 - --help needs none of it
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415

    directory = collection_directory(options.collection)
    with (
        open_collection(directory, create=False) as collection,
        shown_progress(quiet=options.as_json, first="compacting") as progress,
    ):
        report = collection.compact(wait_s=options.wait, progress=progress)
    if options.as_json:
        fields = jsonable(report)
        known = fields if isinstance(fields, dict) else {}
        write_json({"collection": str(collection.path), **known})
    else:
        write_text(_text(report))
    return 0


def _text(report: CompactReport) -> str:
    from ragkit.cli.report import bytes_text  # noqa: PLC0415

    said = f"{bytes_text(report.before_bytes)} became {bytes_text(report.after_bytes)}"
    return f"{said}; {report.vectors:,} vectors belonged to no passage any more."
