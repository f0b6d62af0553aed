"""``ragkit chunk``: the passages that a file becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, json_option
from ragkit.cli.output import jsonable, out_looks, write_json, write_text

if TYPE_CHECKING:
    from ragkit.cli.looks import Looks
    from ragkit.records import Passage

__all__ = ["ChunkOptions", "command", "passages_text", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOptions:
    """What was typed."""

    file: str
    max_tokens: int | None = None
    model: str | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``chunk``."""
    return RecordCommand(
        name="chunk",
        options=ChunkOptions,
        run=run,
        params=[
            click.Argument(["file"], metavar="FILE"),
            click.Option(
                ["--max-tokens"],
                type=int,
                metavar="N",
                help="Most tokens of the model in a passage; without it what the model takes.",
            ),
            click.Option(["--model"], metavar="M", help="Whose tokens count for the limit."),
            json_option(),
        ],
        about="Show the passages that FILE becomes.\n\nAs FILE, - is stdin.",
        examples=["ragkit chunk manual.pdf", "ragkit chunk notes.md --max-tokens 64 --json"],
    )


def run(options: ChunkOptions) -> int:
    """Read and cut the file, and print the passages."""
    from ragkit.chunking import Chunker  # noqa: PLC0415 - loads numpy
    from ragkit.cli.commands.read import read_argument  # noqa: PLC0415
    from ragkit.config import (  # noqa: PLC0415
        DEFAULT_MODEL,
        DEFAULT_PASSAGE_TOKENS,
        load_settings,
    )

    settings = load_settings(Path.cwd()).with_arguments(model=options.model)
    model = settings.model or DEFAULT_MODEL
    chunker = Chunker(
        max_tokens=options.max_tokens,
        model=settings.profile,
        passage_tokens=settings.passage_tokens or DEFAULT_PASSAGE_TOKENS,
    )
    document = read_argument(options.file)
    passages = chunker.split(document)
    if options.as_json:
        write_json(
            {
                "source": document.source,
                "title": document.title,
                "model": model,
                "max_tokens": chunker.max_tokens,
                "passages": jsonable(passages),
            }
        )
    else:
        write_text(passages_text(passages, out_looks()))
    return 0


def passages_text(passages: Sequence[Passage], looks: Looks) -> str:
    """Each passage under a rule that says where it stands."""
    from ragkit.cli.looks import printable  # noqa: PLC0415

    shown = [
        f"{_rule(number, passage, looks)}\n"
        + (printable(passage.text) if looks.is_terminal else passage.text)
        for number, passage in enumerate(passages, 1)
    ]
    return "\n\n".join(shown)


def _rule(number: int, passage: Passage, looks: Looks) -> str:
    from ragkit.cli.looks import inline, named  # noqa: PLC0415

    dash = "─" if looks.unicode else "-"
    place = f"line {passage.line}" if passage.page is None else f"page {passage.page}"
    path = looks.arrow.join(inline(heading) for heading in passage.headings)
    size = f"{passage.tokens} tokens"
    if passage.image is not None:
        image = passage.image
        size = f"picture {named(image.path)}, {image.width_px:,} x {image.height_px:,} px"
    facts = f"{dash * 2} {number}, {place}, {size}"
    return looks.dim(facts) + (f"  {looks.bold(path)}" if path else "")
