"""``ragkit export``: a collection in one file."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option
from ragkit.cli.output import jsonable, write_json, write_text

__all__ = ["ExportOptions", "command", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What was typed."""

    file: str
    collection: str | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``export``."""
    return RecordCommand(
        name="export",
        options=ExportOptions,
        run=run,
        params=[
            click.Argument(["file"], metavar="FILE"),
            collection_option(),
            json_option(),
        ],
        about=(
            "Write the collection into one file, for `ragkit import` on another machine.\n\n"
            "Documents go along with their passages and vectors, so that nothing is embedded"
            " again, and what was spent; no key is in it, and of folders that do not lie beside"
            " the collection only their names. Everything is verified before the file takes its"
            " place."
        ),
        examples=["ragkit export manuals.ragkit", "ragkit export -c kb /mnt/usb/kb.ragkit"],
    )


def run(options: ExportOptions) -> int:
    """Export and print."""
    from ragkit.cli.looks import named  # noqa: PLC0415 - --help needs none of it
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415
    from ragkit.cli.report import bytes_text  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415

    directory = collection_directory(options.collection)
    with (
        open_collection(directory, create=False, read_only=True) as collection,
        shown_progress(quiet=options.as_json, first="exporting") as progress,
    ):
        report = collection.export(options.file, progress=progress)
    if options.as_json:
        fields = jsonable(report)
        known = fields if isinstance(fields, dict) else {}
        write_json({"collection": str(collection.path), **known})
    else:
        write_text(
            f"{named(report.file)}: {report.documents:,} documents, {report.passages:,} passages"
            f" and {report.vectors:,} vectors in {bytes_text(report.bytes)}."
        )
    return 0
