"""``ragkit status``: what a collection holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option
from ragkit.cli.output import jsonable, out_looks, write_json, write_text

if TYPE_CHECKING:
    from ragkit.cli.looks import Looks
    from ragkit.reports import CollectionStatus, ModelSpending

__all__ = ["StatusOptions", "command", "run", "status_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusOptions:
    """What was typed."""

    collection: str | None = None
    verbose: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``status``."""
    return RecordCommand(
        name="status",
        options=StatusOptions,
        run=run,
        params=[
            collection_option(),
            click.Option(["-v", "--verbose"], is_flag=True, help="List every file not in it."),
            json_option(),
        ],
        about="Say what the collection holds, and what is not in it.",
        examples=["ragkit status", "ragkit status -c kb --json"],
    )


def run(options: StatusOptions) -> int:
    """Print the status."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    directory = collection_directory(options.collection)
    with open_collection(directory, create=False, read_only=True) as collection:
        status = collection.status()
    if options.as_json:
        # The skipped files are a matter of `index`: the contract's status does not list them.
        fields = jsonable(status)
        known = fields.items() if isinstance(fields, dict) else ()
        write_json({name: value for name, value in known if name != "skipped"})
    else:
        write_text(status_text(status, looks=out_looks(), verbose=options.verbose))
    return 0


_USES = {"query": "with questions", "rerank": "to rerank", "check": "to check the server"}


def _spent(item: ModelSpending) -> str:
    from ragkit.cli.report import dollars, saved_text  # noqa: PLC0415

    said = f"{dollars(item.cost_usd)} for {item.tokens:,} tokens"
    if item.use != "index":
        requests = f"{item.requests:,} request{'' if item.requests == 1 else 's'}"
        said = f"{dollars(item.cost_usd)} for {requests} {_USES[item.use]}"
    if item.saved_tokens:
        said += f"; saved {saved_text(item.saved_tokens, item.saved_usd)}"
    return said


def _migration(status: CollectionStatus) -> list[tuple[str, str]]:
    from ragkit.cli.looks import inline  # noqa: PLC0415

    if status.migration is None:
        return []
    command = f"`{inline(status.migration)}`"
    if status.staged is None:
        return [("migration", f"not finished: {command} goes on")]
    return [("staged", f"{inline(status.staged)}: {command} switches to it")]


def status_text(status: CollectionStatus, *, looks: Looks, verbose: bool) -> str:
    """The status as people read it."""
    from ragkit.cli.looks import inline, named  # noqa: PLC0415
    from ragkit.cli.report import bytes_text, dollars, problem_lines, table  # noqa: PLC0415

    width = f" ({status.dimensions} dimensions)" if status.dimensions else ""
    rows = [
        ("model", f"{status.model}{width}"),
        *((f"root {named(name)}", named(path)) for name, path in status.roots.items()),
        ("documents", f"{status.documents:,}"),
        ("passages", f"{status.passages:,}"),
        ("vectors", f"{status.vectors:,}"),
        ("size", bytes_text(status.bytes)),
        ("generation", f"{status.generation:,}"),
        ("recall", f"{status.measured_recall:.3f} of exact search"),
        *_migration(status),
        *((("tuned", inline(status.tuned)),) if status.tuned else ()),
        ("spent", dollars(status.spent_usd)),
        *(("", f"{inline(item.model)}: {_spent(item)}") for item in status.spent),
    ]
    lines = [looks.bold(named(status.collection)), *table(rows)]
    for kind, problems in (("failed", status.failed), ("skipped", status.skipped)):
        if problems:
            lines += table([(kind, f"{len(problems):,}")])
            lines += problem_lines(problems, looks=looks, verbose=verbose)
    return "\n".join(lines)
