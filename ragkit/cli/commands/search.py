"""``ragkit search``: the passages that answer."""

from __future__ import annotations

import time
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
    rerank_option,
    where_option,
)
from ragkit.cli.output import out_looks, write_json, write_note, write_text
from ragkit.cli.reranked import rerank_json, rerank_line, write_rerank_warning, write_unnoted

if TYPE_CHECKING:
    from ragkit.answers import Hit
    from ragkit.records import Image
    from ragkit.retrieval.retriever import Mode

__all__ = ["SearchOptions", "command", "hit_json", "image_json", "run"]


_NOT_RELEVANT = "Nothing here seems to answer that; the nearest passages are these."


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What was typed."""

    query: str | None = None
    image: str | None = None
    collection: str | None = None
    k: int | None = None
    mode: Mode = "hybrid"
    where: tuple[str, ...] = ()
    rerank: str | None = None
    min_relevance: float | None = None
    exact: bool = False
    explain: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``search``."""
    return RecordCommand(
        name="search",
        options=SearchOptions,
        run=run,
        params=[
            click.Argument(["query"], metavar="[QUERY]", required=False),
            click.Option(
                ["--image"],
                metavar="FILE",
                help="Look for what this picture shows; `-` reads it from standard input. The model"
                " must take images.",
            ),
            collection_option(),
            click.Option(["-k"], type=int, help="How many hits. [default: 10, or as tuned]"),
            mode_option(),
            where_option(),
            rerank_option(),
            min_relevance_option(),
            click.Option(["--exact"], is_flag=True, help="Exact search, whatever it costs."),
            click.Option(
                ["--explain"],
                is_flag=True,
                help="Show each list's score and rank, and which words matched.",
            ),
            json_option(),
        ],
        about="Find the passages that answer QUERY, or look like a picture.\n\n"
        "As QUERY, - reads stdin.",
        examples=[
            'ragkit search "how are keys rotated?"',
            'ragkit search E1042 --mode lexical --where "source=runbooks/*"',
            'ragkit search "battery life" -k 3 --json',
            'ragkit search "battery life" --explain',
            'ragkit search "battery life" --min-relevance 0.5',
            'ragkit search "battery life" --rerank cohere/rerank-v3.5',
            "ragkit search --image photo.jpg",
        ],
    )


def run(options: SearchOptions) -> int:
    """Search and print the hits."""
    from ragkit.cli.place import collection_directory, read_image, read_query  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415 - loads numpy

    where = parse_where(options.where)
    if options.query is None and options.image is None:
        raise click.UsageError("there is nothing to look for: give a QUERY, or --image FILE")
    if options.query == options.image == "-":
        raise click.UsageError("query and picture cannot both be read from stdin")
    query = None if options.query is None else read_query(options.query)
    image = None if options.image is None else read_image(options.image)
    directory = collection_directory(options.collection)
    with open_collection(directory, create=False) as collection:
        started_s = time.perf_counter()
        hits = collection.search(
            query,
            image=image,
            k=options.k,
            mode=options.mode,
            where=where or None,
            rerank=options.rerank,
            min_relevance=options.min_relevance,
            exact=options.exact,
            explain=options.explain,
        )
        seconds = time.perf_counter() - started_s
        write_rerank_warning(hits.rerank)
        write_unnoted(collection.unnoted, hits.rerank)
        if options.as_json:
            write_json(
                {
                    "query": query,
                    **({} if options.image is None else {"image": options.image}),
                    "model": collection.model,
                    "seconds": round(seconds, 6),
                    "relevant": hits.relevant,
                    "hits": [hit_json(hit) for hit in hits],
                    **rerank_json(hits.rerank),
                }
            )
        elif hits:
            from ragkit.cli.hits import hits_text  # noqa: PLC0415 - loads the stemmer

            text = hits_text(hits, query or "", collection.roots, out_looks())
            if hits.relevant is False:
                text = f"{_NOT_RELEVANT}\n\n{text}"
            if hits.rerank is not None:
                text += f"\n\n{rerank_line(hits.rerank, out_looks())}"
            write_text(text)
        elif hits.relevant is False and options.min_relevance is not None:
            write_text(f"Nothing relevant found: no hit reaches {options.min_relevance:g}.")
        else:
            write_text("Nothing found.")
            write_note("Other words may help, or another --mode, or a wider --where.")
    return 0


def image_json(image: Image) -> dict[str, object]:
    """A picture as the JSON of ``search`` has it."""
    return {
        "path": image.path,
        "width_px": image.width_px,
        "height_px": image.height_px,
        "thumbnail": image.thumbnail,
    }


def hit_json(hit: Hit) -> dict[str, object]:
    """A hit as the JSON of ``search`` has it, what few have (boxes …) only where it has any."""
    passage = hit.passage
    fields: dict[str, object] = {
        "rank": hit.rank,
        "score": hit.score,
        "relevance": hit.relevance,
        "scores": hit.scores,
        "root": passage.root,
        "source": passage.source,
        "title": hit.title,
        "headings": passage.headings,
        "page": passage.page,
        "line": passage.line,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "metadata": passage.metadata,
        "image": None if passage.image is None else image_json(passage.image),
    }
    if passage.table_header:
        fields["table_header"] = passage.table_header
    if passage.boxes:
        fields["boxes"] = passage.boxes
    if hit.also_in:
        fields["also_in"] = [
            {
                "root": other.root,
                "source": other.source,
                "page": other.page,
                "line": other.line,
                "start": other.start,
                "end": other.end,
            }
            for other in hit.also_in
        ]
    return fields if hit.explanation is None else {**fields, "explanation": hit.explanation}
