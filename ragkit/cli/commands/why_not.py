"""``ragkit why-not``: why a document was not returned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import (
    RecordCommand,
    collection_option,
    json_option,
    mode_option,
    parse_where,
    query_argument,
    rerank_option,
    where_option,
)
from ragkit.cli.output import out_looks, write_json, write_text
from ragkit.cli.reranked import rerank_json, write_rerank_warning

if TYPE_CHECKING:
    from ragkit.cli.looks import Looks
    from ragkit.retrieval.absence import WhyNot
    from ragkit.retrieval.retriever import Mode

__all__ = ["WhyNotOptions", "command", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyNotOptions:
    """What was typed."""

    source: str
    query: str
    collection: str | None = None
    k: int | None = None
    mode: Mode = "hybrid"
    where: tuple[str, ...] = ()
    rerank: str | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``why-not``."""
    return RecordCommand(
        name="why-not",
        options=WhyNotOptions,
        run=run,
        params=[
            click.Argument(["source"], metavar="SOURCE"),
            query_argument(),
            collection_option(),
            click.Option(
                ["-k"], type=int, help="How many hits were seen. [default: 10, or as tuned]"
            ),
            mode_option(),
            where_option(),
            rerank_option(),
            json_option(),
        ],
        about=(
            "Say why a search for QUERY does not return SOURCE, and what would lift it.\n\nSOURCE"
            " is a document as the collection names it, ROOT:SOURCE, or a file's path from here. As"
            " QUERY, - reads stdin."
        ),
        examples=[
            'ragkit why-not guides/keys.md "how are keys rotated?"',
            'ragkit why-not guides/keys.md "rotation" -k 3 --where "source=guides/*"',
        ],
    )


def run(options: WhyNotOptions) -> int:
    """Explain and print."""
    from ragkit.cli.place import collection_directory, read_query  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    where = parse_where(options.where)
    query = read_query(options.query)
    directory = collection_directory(options.collection)
    with open_collection(directory, create=False) as collection:
        answer = collection.why_not(
            options.source,
            query,
            where or None,
            k=options.k,
            mode=options.mode,
            rerank=options.rerank,
        )
        write_rerank_warning(answer.rerank)
        if options.as_json:
            write_json(_json(answer))
        else:
            write_text(_text(answer, collection.roots, out_looks()))
    return 0


def _json(answer: WhyNot) -> dict[str, object]:
    from ragkit.cli.commands.search import hit_json  # noqa: PLC0415

    return {
        "source": answer.source,
        "root": answer.root,
        "query": answer.query,
        "verdict": answer.verdict,
        "reason": answer.reason,
        "advice": answer.advice,
        "k": answer.k,
        "rank": answer.rank,
        "passages": answer.passages,
        "best": None if answer.best is None else hit_json(answer.best),
        "last": None if answer.last is None else hit_json(answer.last),
        **rerank_json(answer.rerank),
    }


def _text(answer: WhyNot, roots: dict[str, str], looks: Looks) -> str:
    from ragkit.cli.hits import hit_lines  # noqa: PLC0415 - loads the stemmer
    from ragkit.cli.looks import inline, named  # noqa: PLC0415

    verdict = looks.bold(answer.verdict[0].upper() + answer.verdict[1:])
    lines = [f"{verdict}: {named(answer.source)}: {inline(answer.reason)}."]
    lines += [f"  - {inline(one)}" for one in answer.advice]
    if answer.best is not None:
        lines += ["", "Its best passage:", *hit_lines(answer.best, answer.query, roots, looks)]
    return "\n".join(lines)
