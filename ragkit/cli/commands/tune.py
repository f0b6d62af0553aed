"""``ragkit tune``: how a collection is best searched, learnt from questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import (
    RecordCommand,
    collection_option,
    json_option,
    wait_option,
)
from ragkit.cli.output import out_looks, write_error, write_json, write_note, write_text
from ragkit.cli.reranked import write_unnoted

if TYPE_CHECKING:
    from ragkit.collection.collection import Collection
    from ragkit.evaluation.tuning import Tuning

__all__ = ["TuneOptions", "command", "run"]

DONE, INTERRUPTED = 0, 130


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneOptions:
    """What was typed."""

    file: str | None = None
    collection: str | None = None
    passage_tokens: tuple[int, ...] = ()
    rerank: str | None = None
    max_cost: float | None = None
    seed: int = 0
    apply: bool = False
    reset: bool = False
    wait: float = 0.0
    verbose: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``tune``."""
    return RecordCommand(
        name="tune",
        options=TuneOptions,
        run=run,
        params=_params(),
        about=(
            "Find out with the questions in FILE how the collection is best searched.\n\nThe size"
            " of passages, the weights of meaning and of neighbouring passages, the number of hits,"
            " and a reranking model if you name one, are tried against what the collection does"
            " now. A change is recommended only where questions that had no part in choosing it"
            " gain, beyond luck. Nothing changes without --apply; --reset goes back to ragkit's own"
            " way.\n\nFILE is as for `ragkit eval`; 100 questions tell more than 20. Other sizes of"
            " passages are cut and embedded beside what is searched: with the embedded model as"
            " long as that takes minutes, with another only within --max-cost."
        ),
        examples=[
            "ragkit tune questions.jsonl",
            "ragkit tune questions.jsonl --apply",
            "ragkit tune questions.jsonl --passage-tokens 60 --passage-tokens 150",
            "ragkit tune questions.jsonl --rerank cohere/rerank-v3.5 --max-cost 0.50",
            "ragkit tune --reset",
        ],
    )


def _params() -> list[click.Parameter]:
    return [
        click.Argument(["file"], metavar="[FILE]", required=False),
        collection_option(),
        click.Option(
            ["--passage-tokens"],
            type=click.IntRange(min=1),
            multiple=True,
            metavar="N",
            help="A size of passages to try; may be given again. [default: 100, 200, 400]",
        ),
        click.Option(
            ["--rerank"],
            metavar="MODEL",
            help="Try this reranking model on top of the best, such as cohere/rerank-v3.5.",
        ),
        click.Option(
            ["--max-cost"],
            type=float,
            metavar="USD",
            help="Most that may be spent on other sizes, and on reranking.",
        ),
        click.Option(
            ["--seed"],
            type=int,
            default=0,
            show_default=True,
            metavar="N",
            help="Decides which questions are held out together.",
        ),
        click.Option(["--apply"], is_flag=True, help="Search as recommended from now on."),
        click.Option(["--reset"], is_flag=True, help="Search in ragkit's own way again."),
        wait_option(),
        click.Option(["-v", "--verbose"], is_flag=True, help="List every way that was tried."),
        json_option(),
    ]


def run(options: TuneOptions) -> int:
    """Tune, and apply what was found if asked to; or take it back."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    if options.reset == (options.file is not None):
        raise click.UsageError("give a FILE of questions, or --reset, and not both")
    directory = collection_directory(options.collection)
    try:
        with open_collection(directory, create=False) as collection:
            if options.reset:
                return _reset(collection, options)
            before = collection.search_settings
            tuning = collection.tune(
                options.file or "",
                passage_tokens=options.passage_tokens or None,
                rerank=options.rerank,
                max_cost_usd=options.max_cost,
                seed=options.seed,
                wait_s=options.wait,
                told=None if options.as_json else write_note,
            )
            if options.apply:
                collection.apply_tuning(tuning, wait_s=options.wait)
            write_unnoted(collection.unnoted, None)
    except KeyboardInterrupt:
        write_error("aborted; nothing is changed, and vectors that arrived are kept")
        return INTERRUPTED
    is_news = tuning.settings != before or tuning.recommended is not tuning.now
    _show(options, collection, tuning, is_news=is_news)
    return DONE


def _reset(collection: Collection, options: TuneOptions) -> int:
    collection.reset_tuning(wait_s=options.wait)
    if options.as_json:
        write_json({"collection": str(collection.path), "settings": {}})
    else:
        write_text("Searches go ragkit's own way again; passages keep their size.")
    return DONE


def _show(options: TuneOptions, collection: Collection, tuning: Tuning, *, is_news: bool) -> None:
    from ragkit.cli.tuning import tuning_json, tuning_text  # noqa: PLC0415

    if options.as_json:
        write_json(
            {
                "collection": str(collection.path),
                "model": collection.model,
                **tuning_json(tuning),
                "applied": options.apply,
            }
        )
        return
    write_text(tuning_text(tuning, out_looks(), verbose=options.verbose))
    if options.apply:
        write_text(
            "Applied: searches go this way from now on; `ragkit tune --reset` takes it back."
        )
    elif is_news:
        write_text("Nothing is changed yet: the same command with --apply does that.")
    else:
        write_text("That is how it is searched already.")
