"""``ragkit migrate``: the whole collection by another model, or in passages of another size."""

from __future__ import annotations

from dataclasses import dataclass
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
    from pathlib import Path

    from ragkit.collection.collection import Collection
    from ragkit.reports import SyncPlan, SyncReport

__all__ = ["MigrateOptions", "command", "run"]

DONE, SOME_FAILED, STOPPED, INTERRUPTED = 0, 3, 4, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOptions:
    """What was typed."""

    collection: str | None = None
    model: str | None = None
    base_url: str | None = None
    dimensions: int | None = None
    passage_tokens: int | None = None
    back: bool = False
    stage: bool = False
    dry_run: bool = False
    max_cost: float | None = None
    wait: float = 0.0
    verbose: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``migrate``."""
    return RecordCommand(
        name="migrate",
        options=MigrateOptions,
        run=run,
        params=_params(),
        about=(
            "Embed the whole collection anew by another model, with other dimensions, or in"
            " passages of another size.\n\nSearches go on with the old vectors until one commit"
            " switches to the new ones. Interrupt it whenever you like: no text is bought twice,"
            " and the same command continues. --stage stops before the switch, so that `ragkit"
            " eval FILE --compare staged` can tell whether it is worth it; the same command without"
            " --stage then switches. --back returns, at no cost for what did not change, until the"
            " collection is compacted."
        ),
        examples=[
            "ragkit migrate --model openai/text-embedding-3-small --dry-run",
            "ragkit migrate --model openai/text-embedding-3-small --max-cost 2.00 --stage",
            "ragkit eval questions.jsonl --compare staged",
            "ragkit migrate --model openai/text-embedding-3-small",
            "ragkit migrate --passage-tokens 200",
            "ragkit migrate --back",
        ],
    )


def _params() -> list[click.Parameter]:
    return [
        collection_option(),
        click.Option(["--model"], metavar="M", help="The model to go to."),
        click.Option(["--base-url"], metavar="URL", help="Root of its API, if that is another."),
        dimensions_option(),
        click.Option(
            ["--passage-tokens"],
            type=click.IntRange(min=1),
            metavar="N",
            help="Size that passages aim at.",
        ),
        click.Option(["--back"], is_flag=True, help="Return to what it was before."),
        click.Option(["--stage"], is_flag=True, help="Stop before the switch."),
        click.Option(["--dry-run"], is_flag=True, help="Say what would be done and cost."),
        click.Option(["--max-cost"], type=float, metavar="USD", help="Most that may be spent."),
        wait_option(),
        click.Option(["-v", "--verbose"], is_flag=True, help="List every file with a problem."),
        json_option(),
    ]


def run(options: MigrateOptions) -> int:
    """Migrate, or say what migrating would do."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415

    directory = collection_directory(options.collection)
    return _plan(options, directory) if options.dry_run else _migrate(options, directory)


def _plan(options: MigrateOptions, directory: Path) -> int:
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    with open_collection(directory, create=False) as collection:
        plan = collection.plan_migration(
            model=options.model,
            base_url=options.base_url,
            dimensions=options.dimensions,
            passage_tokens=options.passage_tokens,
            back=options.back,
        )
    if options.as_json:
        write_json(_json(plan, collection))
    else:
        from ragkit.cli.place import seen_from_here  # noqa: PLC0415
        from ragkit.cli.report import plan_text  # noqa: PLC0415

        where = f"{seen_from_here(collection.path)} with {collection.model} {_target(options)}"
        write_text(
            plan_text(plan, where, looks=out_looks(), verbose=options.verbose, verb="migrate")
        )
    return DONE


def _migrate(options: MigrateOptions, directory: Path) -> int:
    from ragkit.cli.interruption import stop_on_ctrl_c  # noqa: PLC0415
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    try:
        with (
            stop_on_ctrl_c() as stop,
            open_collection(directory, create=False) as collection,
            shown_progress(quiet=options.as_json) as progress,
        ):
            address = collection.base_url
            report = collection.migrate(
                model=options.model,
                base_url=options.base_url,
                dimensions=options.dimensions,
                passage_tokens=options.passage_tokens,
                back=options.back,
                stage_only=options.stage,
                max_cost_usd=options.max_cost,
                wait_s=options.wait,
                progress=progress,
                stop=stop,
            )
    except KeyboardInterrupt:
        write_error("aborted; vectors that arrived are kept, and the same command continues")
        return INTERRUPTED
    _show(options, report, collection, readdressed=collection.base_url != address)
    if report.stopped is not None:
        return INTERRUPTED if report.stopped == "interrupted" else STOPPED
    return SOME_FAILED if report.failed else DONE


def _target(options: MigrateOptions) -> str:
    """Where it was told to lead, for the first line of a plan."""
    if options.back:
        return "back to what it was"
    named = (
        (options.model, "{}"),
        (options.base_url, "the server at {}"),
        (options.dimensions, "{:,} dimensions"),
        (options.passage_tokens, "passages of {:,} tokens"),
    )
    return "to " + ", ".join(said.format(value) for value, said in named if value is not None)


def _show(
    options: MigrateOptions, report: SyncReport, collection: Collection, *, readdressed: bool
) -> None:
    if options.as_json:
        write_json({**_json(report, collection), "staged": collection.status().staged})
    else:
        from ragkit.cli.place import seen_from_here  # noqa: PLC0415
        from ragkit.cli.report import report_text  # noqa: PLC0415

        verb = "staged" if options.stage else "migrated"
        model = collection.status().staged or collection.model
        where, looks = f"{seen_from_here(collection.path)} with {model}", out_looks()
        if readdressed and not report.updated:
            address = collection.base_url or "OpenRouter"
            write_text(f"{looks.bold('Migrated')}: {where} at {address}; its vectors stay")
        else:
            write_text(report_text(report, where, looks=looks, verbose=options.verbose, verb=verb))
    if report.stopped == "interrupted":
        write_error("interrupted; vectors that arrived are kept, and the same command continues")
    elif report.stopped is not None:
        write_error(report.stopped)


def _json(done: SyncReport | SyncPlan, collection: Collection) -> dict[str, object]:
    fields = jsonable(done)
    return {
        **(fields if isinstance(fields, dict) else {}),
        "collection": str(collection.path),
        "model": collection.model,
    }
