"""One text in four formats, each by a real writer, and questions on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docutils.core
import docx
from reportlab.lib import colors
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import (
    Flowable,
    ListFlowable,
    ListItem,
    Paragraph,
    SimpleDocTemplate,
    Table,
    TableStyle,
)

__all__ = ["QUESTIONS", "write_four"]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the text: ``kind`` is heading (of a level), paragraph, items or table."""

    kind: str
    words: str = ""
    level: int = 0
    items: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def _heading(level: int, words: str) -> Part:
    return Part("heading", words, level)


def _paragraph(words: str) -> Part:
    return Part("paragraph", words)


SOURCE = (
    _heading(1, "The Tarn Pump Handbook"),
    _paragraph(
        "The Tarn is a pump for wells of up to forty metres. It runs on the current of a single"
        " panel and needs no battery. This handbook tells how it is set up, used and repaired."
    ),
    _heading(2, "Setting it up"),
    _paragraph(
        "Lower the pump on its steel rope and never on its cable. The rope carries the weight; the"
        " cable carries the current and tears when it is pulled. Stop two metres above the ground"
        " of the well, so that no sand is drawn in."
    ),
    _heading(3, "The panel"),
    _paragraph(
        "Mount the panel so that it faces noon. A shadow over one corner halves the flow, because"
        " the cells are wired in a row. In winter the panel may stand steeper than its latitude."
    ),
    _heading(3, "The first start"),
    _paragraph(
        "Open the valve at the outlet before you switch the pump on. It fills its pipe within two"
        " minutes. If no water comes after five minutes, switch it off: a pump that runs dry for"
        " ten minutes loses its seal."
    ),
    _heading(2, "Care"),
    Part(
        "items",
        items=(
            "Every month: wipe the panel with water and a soft cloth, without soap.",
            "Every spring: lift the pump and rinse the sieve at its foot.",
            "Every third year: have the seal replaced, whether or not it leaks.",
        ),
    ),
    _paragraph(
        "Before the first frost the pipe must be emptied. Open the drain below the outlet and leave"
        " it open until spring. Water that freezes in the pipe bursts the joint at the wellhead,"
        " which is not covered by the guarantee."
    ),
    _heading(2, "Signals of the lamp"),
    _paragraph("The lamp on the controller tells what the pump is about."),
    Part(
        "table",
        rows=(
            ("Colour", "Meaning", "What to do"),
            ("green", "the pump runs", "nothing"),
            ("yellow", "too little light", "wait for the sun"),
            ("red", "the motor is blocked", "lift the pump and free the wheel"),
            ("blue", "the well is dry", "wait an hour for water to gather"),
            ("white", "an update is loading", "leave it switched on"),
        ),
    ),
    _heading(2, "Guarantee"),
    _paragraph(
        "The maker answers for the motor for seven years and for all other parts for two. Damage"
        " by frost, lightning and sand is excluded. Send the number on the name plate with every"
        " claim, since it says in which week the pump was built."
    ),
)

# Questions, each with words of the passage that answers it.
QUESTIONS = (
    ("Why must the pump not hang on its cable?", "tears when it is pulled"),
    ("What does a shadow on the panel do?", "halves the flow"),
    ("What happens to a pump that runs dry?", "loses its seal"),
    ("What must happen before the first frost?", "the pipe must be emptied"),
    ("How often is the seal replaced?", "Every third year"),
    ("What to do when the lamp is red?", "free the wheel"),
    ("What does blue mean?", "the well is dry"),
    ("For how many years is the motor guaranteed?", "for seven years"),
    ("Does the pump need a battery?", "needs no battery"),
)


def write_four(folder: Path) -> None:
    """Write the text as reStructuredText, as web page, as Word document and as PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    restructured = "\n".join(_restructured())
    (folder / "tarn.rst").write_text(restructured, encoding="utf-8")
    page = docutils.core.publish_string(restructured, writer="html5")
    (folder / "tarn.html").write_bytes(page)
    _write_word(folder / "tarn.docx")
    _write_pdf(folder / "tarn.pdf")


def _restructured() -> Iterator[str]:
    for part in SOURCE:
        if part.kind == "heading":
            yield from (part.words, "=-~"[part.level - 1] * len(part.words), "")
        elif part.kind == "paragraph":
            yield from (part.words, "")
        elif part.kind == "items":
            yield from (*(f"- {item}" for item in part.items), "")
        else:
            widths = [max(map(len, column)) for column in zip(*part.rows, strict=True)]
            rule = "  ".join("=" * width for width in widths)
            lines = [
                "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                for row in part.rows
            ]
            yield from (rule, lines[0], rule, *lines[1:], rule, "")


def _write_word(path: Path) -> None:
    document = docx.Document()
    for part in SOURCE:
        if part.kind == "heading":
            document.add_heading(part.words, part.level)
        elif part.kind == "paragraph":
            document.add_paragraph(part.words)
        elif part.kind == "items":
            for item in part.items:
                document.add_paragraph(item, style="List Bullet")
        else:
            table = document.add_table(0, len(part.rows[0]))
            for row in part.rows:
                for cell, words in zip(table.add_row().cells, row, strict=True):
                    cell.text = words
    document.save(str(path))


def _write_pdf(path: Path) -> None:
    styles = getSampleStyleSheet()
    story: list[Flowable] = []
    for part in SOURCE:
        if part.kind == "heading":
            story.append(Paragraph(part.words, styles[f"Heading{part.level}"]))
        elif part.kind == "paragraph":
            story.append(Paragraph(part.words, styles["BodyText"]))
        elif part.kind == "items":
            items = [ListItem(Paragraph(item, styles["BodyText"])) for item in part.items]
            story.append(ListFlowable(items, bulletType="bullet"))
        else:
            table = Table(part.rows, hAlign="LEFT")
            table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.grey)]))
            story.append(table)
    SimpleDocTemplate(str(path)).build(story)
