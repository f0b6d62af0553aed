"""``ragkit watch``: keep the collection in step with folders as they change."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import (
    RecordCommand,
    collection_option,
    dimensions_option,
    json_option,
)
from ragkit.cli.output import flush, jsonable, out_looks, write_error, write_json, write_text

if TYPE_CHECKING:
    from ragkit.collection.collection import Collection
    from ragkit.reports import WatchEvent

__all__ = ["WatchOptions", "command", "run"]

STOPPED, INTERRUPTED = 4, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions:
    """What was typed."""

    paths: tuple[str, ...]
    collection: str | None = None
    model: str | None = None
    base_url: str | None = None
    dimensions: int | None = None
    max_cost: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    quiet: float = 0.5
    rescan: float = 300.0
    verbose: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``watch``."""
    return RecordCommand(
        name="watch",
        options=WatchOptions,
        run=run,
        params=[click.Argument(["paths"], nargs=-1, required=True, metavar="PATH..."), *_params()],
        about=(
            "Index the paths, and again whenever something in them changes, until Ctrl-C.\n\n"
            "Searches go on undisturbed. A folder that vanishes removes nothing and is followed"
            " again when it comes back. What is in the way of an index, such as a server that does"
            " not answer, is told once and tried again. --json prints an object a line, one for"
            " each index that did something."
        ),
        examples=["ragkit watch docs/", "ragkit watch docs/ -c kb --max-cost 1.00"],
    )


def _params() -> list[click.Parameter]:
    seconds = click.FloatRange(min=0, min_open=True)
    return [
        collection_option(),
        click.Option(["--model"], metavar="M", help="Only for a new collection; it remembers."),
        click.Option(["--base-url"], metavar="URL", help="Root of an OpenAI-compatible API."),
        dimensions_option(),
        click.Option(
            ["--max-cost"], type=float, metavar="USD", help="Most that all of it may spend."
        ),
        click.Option(["--include"], multiple=True, metavar="GLOB", help="Only files that fit."),
        click.Option(["--exclude"], multiple=True, metavar="GLOB", help="Not files that fit."),
        click.Option(
            ["--quiet"],
            type=seconds,
            default=0.5,
            show_default=True,
            metavar="SECONDS",
            help="How long nothing may change before it indexes.",
        ),
        click.Option(
            ["--rescan"],
            type=seconds,
            default=300.0,
            show_default=True,
            metavar="SECONDS",
            help="Look at least so often, for file systems that tell of no changes.",
        ),
        click.Option(["-v", "--verbose"], is_flag=True, help="List every file with a problem."),
        json_option(),
    ]


def run(options: WatchOptions) -> int:
    """Watch until it is interrupted, or the money is spent."""
    from ragkit.cli.interruption import stop_on_ctrl_c  # noqa: PLC0415
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    directory = collection_directory(options.collection, create=True)
    stopped = None
    try:
        with (
            stop_on_ctrl_c() as stop,
            open_collection(
                directory,
                model=options.model,
                base_url=options.base_url,
                dimensions=options.dimensions,
            ) as collection,
        ):
            events = collection.watch(
                list(options.paths),
                max_cost_usd=options.max_cost,
                include=options.include,
                exclude=options.exclude,
                quiet_s=options.quiet,
                rescan_s=options.rescan,
                stop=stop,
            )
            with contextlib.closing(events):
                for event in events:
                    _show(options, event, collection)
                    stopped = None if event.report is None else event.report.stopped
    except KeyboardInterrupt:
        stopped = "interrupted"
    if stopped in (None, "interrupted"):
        return INTERRUPTED
    write_error(stopped)
    return STOPPED


def _show(options: WatchOptions, event: WatchEvent, collection: Collection) -> None:
    if options.as_json:
        fields = jsonable(event.report)
        write_json(
            {
                **(fields if isinstance(fields, dict) else {}),
                "trouble": event.trouble,
                "collection": str(collection.path),
                "model": collection.model,
            }
        )
    elif event.report is not None:
        from ragkit.cli.place import seen_from_here  # noqa: PLC0415
        from ragkit.cli.report import report_text  # noqa: PLC0415

        where = f"{seen_from_here(collection.path)} with {collection.model}"
        text = report_text(event.report, where, looks=out_looks(), verbose=options.verbose)
        write_text(f"{time.strftime('%H:%M:%S')}  {text}")
    if event.trouble is not None:
        write_error(f"{event.trouble}; it is tried again")
    # Whoever reads a pipe wants each event when it happens.
    flush()
