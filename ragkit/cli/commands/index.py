"""``ragkit index``: make the collection mirror folders."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import (
    RecordCommand,
    collection_option,
    dimensions_option,
    json_option,
    wait_option,
)
from ragkit.cli.output import jsonable, out_looks, write_error, write_json, write_text

if TYPE_CHECKING:
    from ragkit.collection.collection import Collection
    from ragkit.config import Settings
    from ragkit.reports import SyncPlan, SyncReport

__all__ = ["IndexOptions", "command", "run"]

DONE, FAILED, SOME_FAILED, STOPPED, INTERRUPTED = 0, 1, 3, 4, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexOptions:
    """What was typed."""

    paths: tuple[str, ...]
    collection: str | None = None
    model: str | None = None
    base_url: str | None = None
    dimensions: int | None = None
    dry_run: bool = False
    max_cost: float | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    checksum: bool = False
    allow_empty: bool = False
    wait: float = 0.0
    strict: bool = False
    verbose: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``index``."""
    return RecordCommand(
        name="index",
        options=IndexOptions,
        run=run,
        params=[click.Argument(["paths"], nargs=-1, required=True, metavar="PATH..."), *_params()],
        about=(
            "Make the collection mirror the paths.\n\nOnly what changed is read, and only text that"
            " is new is embedded. Interrupt it whenever you like: the same command continues.\n\n"
            "Exit code 3 says that some files failed, 4 that the budget or the credit is spent."
        ),
        examples=[
            "ragkit index docs/",
            "ragkit index docs/ --dry-run",
            "ragkit index docs/ -c kb --model openai/text-embedding-3-small --max-cost 1.00",
            "ragkit index docs/ -c kb --model bge-m3 --base-url http://localhost:11434/v1",
        ],
    )


def _params() -> list[click.Parameter]:
    return [
        collection_option(),
        click.Option(["--model"], metavar="M", help="Only for a new collection; it remembers."),
        click.Option(["--base-url"], metavar="URL", help="Root of an OpenAI-compatible API."),
        dimensions_option(),
        click.Option(["--dry-run"], is_flag=True, help="Say what would be done and cost."),
        click.Option(["--max-cost"], type=float, metavar="USD", help="Most that may be spent."),
        click.Option(["--include"], multiple=True, metavar="GLOB", help="Only files that fit."),
        click.Option(["--exclude"], multiple=True, metavar="GLOB", help="Not files that fit."),
        click.Option(["--checksum"], is_flag=True, help="Compare contents, not size and time."),
        click.Option(
            ["--allow-empty"], is_flag=True, help="A vanished folder loses its documents."
        ),
        wait_option(),
        click.Option(
            ["--strict"],
            is_flag=True,
            help="Exit with 1 instead of 3 when files failed; the others are indexed all the same.",
        ),
        click.Option(["-v", "--verbose"], is_flag=True, help="List every file with a problem."),
        json_option(),
    ]


def run(options: IndexOptions) -> int:
    """Index, or say what indexing would do."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415 - --help needs none of it

    directory = collection_directory(options.collection, create=True)
    return _plan(options, directory) if options.dry_run else _sync(options, directory)


def _sync(options: IndexOptions, directory: Path) -> int:
    from ragkit.cli.interruption import stop_on_ctrl_c  # noqa: PLC0415
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415

    try:
        with (
            stop_on_ctrl_c() as stop,
            _open(options, directory) as collection,
            shown_progress(quiet=options.as_json) as progress,
        ):
            report = collection.sync(
                list(options.paths),
                max_cost_usd=options.max_cost,
                include=options.include,
                exclude=options.exclude,
                checksum=options.checksum,
                allow_empty=options.allow_empty,
                wait_s=options.wait,
                progress=progress,
                stop=stop,
            )
    except KeyboardInterrupt:
        write_error("aborted; vectors that arrived are kept, and the same command continues")
        return INTERRUPTED
    _show(options, report, collection)
    return _code(report, strict=options.strict)


def _plan(options: IndexOptions, directory: Path) -> int:
    with contextlib.ExitStack() as stack:
        place, settings = directory, None
        if not (directory / "collection.db").is_file():
            # A plan writes nothing, so a collection that is not there yet is made elsewhere.
            from ragkit.config import load_settings  # noqa: PLC0415

            elsewhere = stack.enter_context(tempfile.TemporaryDirectory(prefix="ragkit-plan-"))
            place, settings = Path(elsewhere) / "new", load_settings(directory.absolute().parent)
        collection = stack.enter_context(_open(options, place, settings))
        plan = collection.plan(
            list(options.paths),
            include=options.include,
            exclude=options.exclude,
            checksum=options.checksum,
            allow_empty=options.allow_empty,
        )
    if options.as_json:
        write_json(_json(plan, str(directory.absolute()), collection.model))
    else:
        from ragkit.cli.place import seen_from_here  # noqa: PLC0415
        from ragkit.cli.report import plan_text  # noqa: PLC0415

        where = f"{seen_from_here(directory.absolute())} with {collection.model}"
        write_text(plan_text(plan, where, looks=out_looks(), verbose=options.verbose))
    return SOME_FAILED if plan.failed else DONE


def _open(options: IndexOptions, directory: Path, settings: Settings | None = None) -> Collection:
    from ragkit.collection.opening import open_collection  # noqa: PLC0415

    return open_collection(
        directory,
        model=options.model,
        base_url=options.base_url,
        dimensions=options.dimensions,
        settings=settings,
    )


def _show(options: IndexOptions, report: SyncReport, collection: Collection) -> None:
    if options.as_json:
        write_json(_json(report, str(collection.path), collection.model))
    else:
        from ragkit.cli.place import seen_from_here  # noqa: PLC0415
        from ragkit.cli.report import report_text  # noqa: PLC0415

        where = f"{seen_from_here(collection.path)} with {collection.model}"
        write_text(report_text(report, where, looks=out_looks(), verbose=options.verbose))
    if report.stopped == "interrupted":
        write_error("interrupted; the work is kept, and the same command continues")
    elif report.stopped is not None:
        write_error(report.stopped)


def _json(done: SyncReport | SyncPlan, collection: str, model: str) -> dict[str, object]:
    fields = jsonable(done)
    return {
        **(fields if isinstance(fields, dict) else {}),
        "collection": collection,
        "model": model,
    }


def _code(report: SyncReport, *, strict: bool) -> int:
    if report.stopped == "interrupted":
        return INTERRUPTED
    if report.stopped is not None:
        return STOPPED
    if report.failed:
        return FAILED if strict else SOME_FAILED
    return DONE
