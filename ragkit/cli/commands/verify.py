"""``ragkit verify``: whether everything in a collection is as it must be."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ragkit.cli.command import RecordCommand, collection_option, json_option
from ragkit.cli.output import out_looks, write_json, write_text

if TYPE_CHECKING:
    from ragkit.cli.looks import Looks
    from ragkit.reports import VerifyReport

__all__ = ["VerifyOptions", "command", "run", "verify_text"]

DONE, FAILED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What was typed."""

    collection: str | None = None
    repair: bool = False
    sources: bool = False
    as_json: bool = False


def command() -> click.Command:
    """The parser of ``verify``."""
    return RecordCommand(
        name="verify",
        options=VerifyOptions,
        run=run,
        params=[
            collection_option(),
            click.Option(["--repair"], is_flag=True, help="Mend what needs no model."),
            click.Option(["--sources"], is_flag=True, help="Read every file again and compare."),
            json_option(),
        ],
        about=(
            "Check every law over the whole collection: each row and vector against its checksum,"
            " each passage against its document, the indexes against what they are made from.\n\n"
            "Exit code 1 says that something is wrong; each problem is named with its place."
            " --repair makes anew what is derived, reads damaged documents again from their files,"
            " takes out those whose files are gone, and forgets damaged vectors: the next index"
            " embeds their texts again, and what that costs is said."
        ),
        examples=[
            "ragkit verify",
            "ragkit verify --sources -c kb --json",
            "ragkit verify --repair",
        ],
    )


def run(options: VerifyOptions) -> int:
    """Verify and print."""
    from ragkit.cli.place import collection_directory  # noqa: PLC0415 - --help needs none of it

    report = _report(options, collection_directory(options.collection))
    if options.as_json:
        write_json(_json(report))
    else:
        write_text(verify_text(report, looks=out_looks()))
    return DONE if report.ok else FAILED


def _report(options: VerifyOptions, directory: Path) -> VerifyReport:
    from ragkit.cli.progress_bar import shown_progress  # noqa: PLC0415
    from ragkit.collection.opening import open_collection  # noqa: PLC0415
    from ragkit.errors import CollectionDamaged  # noqa: PLC0415
    from ragkit.maintenance.repair import mend_foundations  # noqa: PLC0415
    from ragkit.reports import Fault, VerifyReport  # noqa: PLC0415

    def looked_at() -> VerifyReport:
        with (
            open_collection(directory, create=False) as collection,
            shown_progress(quiet=options.as_json, first="verifying") as progress,
        ):
            return collection.verify(
                repair=options.repair, sources=options.sources, progress=progress
            )

    try:
        return looked_at()
    except CollectionDamaged as error:
        # It cannot even be opened, which is an answer and no failure to answer.
        fault = Fault(law="database", place="collection.db", problem=str(error))
    if options.repair:
        with contextlib.suppress(CollectionDamaged):
            mended = mend_foundations(directory)
            report = looked_at()
            return replace(report, mended=(*mended, *report.mended))
    return VerifyReport(ok=False, problems=(fault,))


def verify_text(report: VerifyReport, *, looks: Looks) -> str:
    """A line for each problem, and the verdict."""
    from ragkit.cli.looks import inline, named  # noqa: PLC0415

    lines = [
        f"{looks.bad(fault.law)}  {named(fault.place)}: {inline(fault.problem)}"
        for fault in report.problems
    ]
    lines += [looks.dim(inline(note)) for note in report.notes]
    lines += [f"{looks.good('mended')}  {inline(done)}" for done in report.mended]
    if report.to_embed:
        lines.append(_again(report))
    said = f"{report.documents:,} documents, {report.passages:,} passages and"
    said += f" {report.vectors:,} vectors were checked"
    number = len(report.problems)
    verdict = "nothing is wrong" if report.ok else f"{number:,} problem{'s' * (number != 1)}"
    return "\n".join([*lines, looks.bold(f"{said}: {verdict}.")])


def _again(report: VerifyReport) -> str:
    from ragkit.cli.report import dollars  # noqa: PLC0415

    price = "a price that is not known" if report.cost_usd is None else dollars(report.cost_usd)
    return (
        f"The next index embeds {report.to_embed:,} texts again, {report.tokens:,} tokens for"
        f" {price}."
    )


def _json(report: VerifyReport) -> dict[str, object]:
    from ragkit.cli.output import jsonable  # noqa: PLC0415

    fields = jsonable(report)
    return fields if isinstance(fields, dict) else {}
