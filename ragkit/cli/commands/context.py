"""``ragkit context``: text for the prompt of an LLM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import (
    RecordCommand,
    collection_option,
    json_option,
    min_relevance_option,
    mode_option,
    parse_where,
    query_argument,
    rerank_option,
    where_option,
)
from ragkit.cli.looks import Looks, printable
from ragkit.cli.output import out_looks, write_json, write_note, write_text
from ragkit.cli.reranked import rerank_json, rerank_line, write_rerank_warning, write_unnoted

if TYPE_CHECKING:
    from ragkit.retrieval.excerpts import Format
    from ragkit.retrieval.retriever import Mode

__all__ = ["ContextOptions", "command", "run"]

_FORMATS = ("markdown", "xml", "json")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextOptions:
    """What was typed."""

    query: str
    collection: str | None = None
    max_tokens: int = 3000
    format: Format = "markdown"
    tokenizer: str = "cl100k"
    mode: Mode = "hybrid"
    where: tuple[str, ...] = ()
    rerank: str | None = None
    min_relevance: float | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``context``."""
    return RecordCommand(
        name="context",
        options=ContextOptions,
        run=run,
        params=[
            query_argument(),
            collection_option(),
            click.Option(
                ["--max-tokens"],
                type=int,
                default=3000,
                show_default=True,
                metavar="N",
                help="Most tokens of the text, markup included.",
            ),
            click.Option(
                ["--tokenizer"],
                default="cl100k",
                show_default=True,
                metavar="NAME",
                help="Whose tokens: an LLM's name, cl100k or o200k; for an LLM that is not OpenAI's"
                " an upper bound.",
            ),
            click.Option(
                ["--format"],
                type=click.Choice(_FORMATS),
                default="markdown",
                show_default=True,
                help="How the excerpts are set.",
            ),
            mode_option(),
            where_option(),
            rerank_option(),
            min_relevance_option(),
            json_option(),
        ],
        about=(
            "Pack passages that answer QUERY into a prompt.\n\nThey are numbered, cited, and fenced"
            " as quotations. As QUERY, - reads stdin."
        ),
        examples=[
            'ragkit context "how are keys rotated?" > context.md',
            'ragkit context "how are keys rotated?" --max-tokens 1000 --format xml',
            'ragkit context "how are keys rotated?" --tokenizer gpt-4o',
        ],
    )


def run(options: ContextOptions) -> int:
    """Print the context."""
    from ragkit.cli.place import collection_directory, read_query  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    where = parse_where(options.where)
    query = read_query(options.query)
    directory = collection_directory(options.collection)
    with open_collection(directory, create=False) as collection:
        context = collection.context(
            query,
            max_tokens=options.max_tokens,
            mode=options.mode,
            where=where or None,
            rerank=options.rerank,
            min_relevance=options.min_relevance,
            format=options.format,
            tokenizer=options.tokenizer,
        )
        write_rerank_warning(context.rerank)
        write_unnoted(collection.unnoted, context.rerank)
    if options.as_json:
        write_json(
            {
                "query": query,
                "text": context.text,
                "tokens": context.tokens,
                "citations": context.citations,
                **rerank_json(context.rerank),
            }
        )
        return 0
    if context.rerank is not None:
        write_note(rerank_line(context.rerank, Looks()))
    if not context.citations:
        write_note("Nothing found, or nothing that fits into --max-tokens.")
    elif context.relevant is False:
        write_note("Nothing here seems to answer that; the context says so.")
    write_text(printable(context.text) if out_looks().is_terminal else context.text)
    return 0
