"""``ragkit eval``: how well a collection answers a query set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import (
    RecordCommand,
    collection_option,
    json_option,
    mode_option,
    rerank_option,
)
from ragkit.cli.output import out_looks, write_error, write_json, write_note, write_text
from ragkit.cli.reranked import write_unnoted

if TYPE_CHECKING:
    from ragkit.cli.side import Side
    from ragkit.collection.collection import Collection
    from ragkit.evaluation.results import Comparison, Evaluation
    from ragkit.retrieval.retriever import Mode

__all__ = ["EvalOptions", "command", "run"]

_MODES = ("hybrid", "semantic", "lexical")
_STAGED = "staged"
_DEPTHS = (1, 3, 5, 10)
_WORSE, _SOME_FAILED = 1, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalOptions:
    """What was typed."""

    file: str
    collection: str | None = None
    k: tuple[int, ...] = ()
    mode: Mode = "hybrid"
    rerank: str | None = None
    compare: str | None = None
    report: tuple[str, ...] = ()
    make: int | None = None
    verbose: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``eval``."""
    return RecordCommand(
        name="eval",
        options=EvalOptions,
        run=run,
        params=[
            click.Argument(["file"], metavar="FILE"),
            collection_option(),
            click.Option(
                ["-k"],
                type=int,
                multiple=True,
                metavar="N",
                help="Measure recall at N hits; may be given again. [default: 1, 3, 5, 10]",
            ),
            mode_option(),
            rerank_option(),
            click.Option(
                ["--compare"],
                metavar="OTHER",
                help="Another collection, `staged`, which a migration holds ready, another mode of"
                " this one, or other settings, as semantic-weight=0.7,rerank=none; exit code 1 when"
                " it is better than what is measured.",
            ),
            click.Option(
                ["--report"],
                metavar="FILE",
                multiple=True,
                help="Write an .html page or a .png as well, with intervals, misses and what was"
                " found instead.",
            ),
            click.Option(
                ["--make"],
                type=int,
                metavar="N",
                help="Write a new FILE of at most N drafted questions instead.",
            ),
            click.Option(["-v", "--verbose"], is_flag=True, help="List every miss."),
            json_option(),
        ],
        about=(
            "Measure how well the collection answers the questions in FILE.\n\nFILE has one JSON"
            ' object a line: "question", "source" (a name or a list) and, if known, "answer"'
            ' (quoted from the document), "page", or "start" and "end".\n\n--make drafts it from'
            " the documents, without any model: headings and lines that are questions, definitions,"
            " headings with their first sentence. Drafts share their words with the text, so they"
            " are easier than what users ask: edit them."
        ),
        examples=[
            "ragkit eval questions.jsonl",
            "ragkit eval questions.jsonl --report eval.html --report eval.png",
            "ragkit eval questions.jsonl --compare lexical",
            "ragkit eval questions.jsonl --rerank cohere/rerank-v3.5 --compare rerank=none",
            "ragkit eval questions.jsonl --compare semantic-weight=0.7,context-weight=0",
            "ragkit eval questions.jsonl --compare staged",
            "ragkit eval questions.jsonl -c kb-new --compare kb-old --json",
            "ragkit eval drafts.jsonl --make 100",
        ],
    )


def run(options: EvalOptions) -> int:
    """Measure, compare or draft."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy
    from ragkit.evaluation.report import check_report_path  # noqa: PLC0415

    if options.make is not None and options.compare is not None:
        raise click.UsageError("--make and --compare are two commands: give one of them")
    for path in options.report:
        check_report_path(path)
    directory = collection_directory(options.collection)
    with open_collection(directory, create=False) as collection:
        if options.make is not None:
            return _make(collection, options)
        side = _own_side(collection, options)
        changed = _changed(side, options.compare)
        first = _evaluated(collection, options, side)
        second = _other(collection, options, changed)
        write_unnoted(collection.unnoted, None)
    for path in options.report:
        first.write_report(path, second)
    if second is None:
        return _show(options, first, None)
    from ragkit.evaluation.results import compare  # noqa: PLC0415

    return _show(options, first, (second, compare(first, second)))


def _own_side(collection: Collection, options: EvalOptions) -> Side:
    """How a collection is searched, tuned or not, with the reranking that was asked for."""
    from ragkit.cli.side import Side  # noqa: PLC0415

    own = collection.search_settings
    return Side(mode=options.mode, settings=replace(own, rerank=own.rerank_of(options.rerank)))


def _evaluated(collection: Collection, options: EvalOptions, side: Side) -> Evaluation:
    found = collection.evaluate(
        options.file,
        k=options.k or _DEPTHS,
        mode=side.mode,
        settings=side.settings,
    )
    if found.not_reranked:
        number = f"{found.not_reranked:,} of {len(found.outcomes):,} questions"
        write_error(f"{number} not reranked: {found.why_not_reranked}")
    return found


def _changed(side: Side, typed: str | None) -> Side | None:
    """The other side, where it is this collection searched otherwise.

    A mode's name means the mode; a directory of that name is written as ./lexical.
    """
    if typed in _MODES:
        return side.changed(f"mode={typed}")
    if typed is not None and "=" in typed and not Path(typed).exists():
        return side.changed(typed)
    return None


def _other(collection: Collection, options: EvalOptions, changed: Side | None) -> Evaluation | None:
    from ragkit.collection.opening import open_collection  # noqa: PLC0415

    if changed is not None:
        return _evaluated(collection, options, changed)
    if options.compare is None:
        return None
    if options.compare == _STAGED:
        with collection.staged() as staged:
            return _evaluated(staged, options, _own_side(staged, options))
    with open_collection(options.compare, create=False) as other:
        return _evaluated(other, options, _own_side(other, options))


def _show(
    options: EvalOptions, first: Evaluation, other: tuple[Evaluation, Comparison] | None
) -> int:
    from ragkit.cli.evaluation import comparison_text, evaluation_json, evaluation_text  # noqa: PLC0415

    if options.as_json:
        answer = evaluation_json(first)
        if other is not None:
            comparison = other[1]
            answer["compared_with"] = evaluation_json(other[0])
            answer["differences"] = comparison.differences
            answer["decided_by"] = f"{comparison.decisive.by} {comparison.decisive.name}"
            answer["verdict"] = comparison.verdict
        write_json(answer)
    else:
        write_text(evaluation_text(first, out_looks(), verbose=options.verbose))
        if other is not None:
            write_text("\n" + comparison_text(*other, out_looks(), verbose=options.verbose))
    if other is not None and other[1].verdict == "worse":
        return _WORSE
    sides = (first,) if other is None else (first, other[0])
    return _SOME_FAILED if any(side.not_reranked for side in sides) else 0


def _make(collection: Collection, options: EvalOptions) -> int:
    from ragkit.evaluation.querysets import write_questions  # noqa: PLC0415

    questions = collection.draft_questions(options.make or 0)
    write_questions(options.file, questions)
    if options.as_json:
        write_json({"file": options.file, "questions": len(questions), "drafts": True})
        return 0
    write_text(f"Wrote {len(questions):,} drafted questions to {options.file}.")
    write_text("They are drafts: remove what nobody would ask, and put the rest in users' words.")
    if len(questions) < (options.make or 0):
        write_note("The documents gave no more.")
    return 0
