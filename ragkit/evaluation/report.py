"""An evaluation as a file to be looked at and passed on."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from ragkit.errors import InvalidArgument
from ragkit.evaluation.results import Evaluation

__all__ = ["check_report_path", "write_report"]

_KINDS = (".html", ".htm", ".png")


def check_report_path(path: str | os.PathLike[str]) -> Path:
    """The path, if a report can be written there; for before anything is measured.

    Raises:
        InvalidArgument: It ends in nothing that a report can be, or has no folder.
    """
    file = Path(path)
    if file.suffix.lower() not in _KINDS:
        raise InvalidArgument(
            f"a report is an .html or a .png file, which {file} is not: rename it"
        )
    if not file.parent.is_dir():
        raise InvalidArgument(f"there is no folder {file.parent} to write {file.name} to: make it")
    return file


def write_report(
    path: str | os.PathLike[str], evaluation: Evaluation, other: Evaluation | None = None
) -> None:
    """Write an HTML page, or a PNG, by the name's end; an older one is replaced.

    The page needs no network and holds no script. It lists what was missed with what was found
    instead, so it quotes the documents.

    Args:
        path: Where to.
        evaluation: What was measured.
        other: What it is compared with, of the same questions.

    Raises:
        InvalidArgument: Another kind of file, no such folder, or two query sets.
    """
    file = check_report_path(path)
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    if file.suffix.lower() == ".png":
        from ragkit.evaluation.png_report import png_report  # noqa: PLC0415

        file.write_bytes(png_report(evaluation, other, made=made))
        return
    from ragkit.evaluation.html_report import html_report  # noqa: PLC0415

    file.write_text(html_report(evaluation, other, made=made), encoding="utf-8")
