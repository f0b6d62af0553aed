"""``ragkit forget``: a root that is not to be found any more."""

from __future__ import annotations

from dataclasses import dataclass

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option, wait_option
from ragkit.cli.output import jsonable, write_json, write_text

__all__ = ["ForgetOptions", "command", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetOptions:
    """What was typed."""

    root: str
    collection: str | None = None
    wait: float = 0.0
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``forget``."""
    return RecordCommand(
        name="forget",
        options=ForgetOptions,
        run=run,
        params=[
            click.Argument(["root"], metavar="ROOT"),
            collection_option(),
            wait_option(),
            json_option(),
        ],
        about=(
            "Remove a root, as `ragkit status` names them: its documents are found no more.\n\nThe"
            " folder is left alone. Vectors are kept until `ragkit compact`, so that a root that"
            " comes back costs nothing; for what must not be kept there is `ragkit purge`."
        ),
        examples=["ragkit forget docs", "ragkit forget -c kb manuals-2"],
    )


def run(options: ForgetOptions) -> int:
    """Forget and print."""
    from ragkit.cli.looks import named  # noqa: PLC0415 - --help needs none of it
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415

    directory = collection_directory(options.collection)
    with open_collection(directory, create=False) as collection:
        report = collection.forget(options.root, wait_s=options.wait)
    if options.as_json:
        fields = jsonable(report)
        known = fields if isinstance(fields, dict) else {}
        write_json({"collection": str(collection.path), **known})
    else:
        write_text(
            f"{named(report.root)} ({named(report.path)}) is forgotten: {report.documents:,}"
            f" documents and {report.passages:,} passages are found no more."
        )
    return 0
