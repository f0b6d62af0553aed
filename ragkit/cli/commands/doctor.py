"""``ragkit doctor``: what is well, what is not, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option
from ragkit.cli.output import out_looks, write_json, write_text

if TYPE_CHECKING:
    from ragkit.cli.looks import Looks
    from ragkit.embedding.checks import Check, Examination

__all__ = ["DoctorOptions", "command", "examination_text", "run"]

DONE, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions:
    """What was typed."""

    collection: str | None = None
    model: str | None = None
    base_url: str | None = None
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``doctor``."""
    return RecordCommand(
        name="doctor",
        options=DoctorOptions,
        run=run,
        params=[
            collection_option(),
            click.Option(["--model"], metavar="M", help="Another model than the collection's."),
            click.Option(["--base-url"], metavar="URL", help="Root of an OpenAI-compatible API."),
            json_option(),
        ],
        about=(
            "Examine the key, the model, its server and the collection.\n\nA server is sent three"
            " requests of five short sentences in all; the embedded model needs no network. Exit"
            " code 1 says that something is not well."
        ),
        examples=[
            "ragkit doctor",
            "ragkit doctor -c kb",
            "ragkit doctor --model openai/text-embedding-3-small",
            "ragkit doctor --model bge-m3 --base-url http://localhost:11434/v1 --json",
        ],
    )


def run(options: DoctorOptions) -> int:
    """Examine and print."""
    from ragkit.collection.examination import examine  # noqa: PLC0415 - --help needs none of it

    found = examine(_directory(options), model=options.model, base_url=options.base_url)
    if options.as_json:
        write_json({"ok": found.ok, "checks": found.checks, "learnt": found.learnt})
    else:
        write_text(examination_text(found, looks=out_looks()))
    return DONE if found.ok else FAILED


def examination_text(found: Examination, *, looks: Looks) -> str:
    """One line for each check, and under it what to do where there is something."""
    from ragkit.cli.looks import columns  # noqa: PLC0415

    width = max(columns(check.name) for check in found.checks)
    lines = [line for check in found.checks for line in _lines(check, width, looks)]
    ill = sum(not check.ok for check in found.checks)
    verdict = "All is well." if not ill else f"{ill} of {len(found.checks)} not well."
    return "\n".join([*lines, looks.bold(verdict)])


def _lines(check: Check, width: int, looks: Looks) -> list[str]:
    from ragkit.cli.looks import inline  # noqa: PLC0415

    # The word says what the colour says, for those who see none.
    mark = looks.good("ok  ") if check.ok else looks.bad("FAIL")
    lines = [f"{mark}  {check.name.ljust(width)}  {inline(check.detail)}"]
    if check.remedy:
        lines.append(f"{' ' * (width + 8)}{looks.dim(inline(check.remedy))}")
    return lines


def _directory(options: DoctorOptions) -> Path | None:
    from ragkit.cli.place import collection_directory  # noqa: PLC0415
    from ragkit.errors import CollectionNotFound  # noqa: PLC0415

    if options.collection is not None:
        return collection_directory(options.collection)
    if options.model is not None or options.base_url is not None:
        return None
    try:
        return collection_directory(None)
    except CollectionNotFound:
        return None
