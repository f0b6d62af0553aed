"""An evaluation as one picture, for a page, a slide or a pull request."""

from __future__ import annotations

from ragkit.evaluation.results import Comparison, Difference, Evaluation, Measure, compare
from ragkit.evaluation.sheet import SOFT, Sheet
from ragkit.evaluation.wording import (
    ABOUT,
    GROUPS,
    difference_name,
    fate,
    group_of,
    headline,
    headline_measures,
    many,
    measure_name,
    percent,
    rank_classes,
    rank_name,
    signed,
    verdict_text,
)

__all__ = ["png_report"]

_WIDTH, _MARGIN = 820, 40
# Without the rows of measures.
_TALLEST, _ROW = 1200, 21
_MOST_MISSES = 8
_LINE = "#dddbd4"
_ACCENT, _BAND, _GOOD, _BAD = "#2467a8", "#b9d3ec", "#25764a", "#b3372f"
_PALE_GOOD, _PALE_BAD = "#b5d6c3", "#ecc3bf"
_RANKS = ("#1d5a96", "#4a86bf", "#86b1da", "#bcd5ec", "#e2c08a", "#cf6a5f")


def png_report(evaluation: Evaluation, other: Evaluation | None = None, *, made: str = "") -> bytes:
    """The picture as a PNG file.

    Args:
        evaluation: What was measured.
        other: What it is compared with, of the same questions.
        made: When, in words; left out where it is empty.

    Raises:
        InvalidArgument: The two are of different questions.
    """
    comparison = None if other is None else compare(evaluation, other)
    sheet = Sheet(
        width=_WIDTH, height=_TALLEST + 2 * _ROW * len(evaluation.measures), margin=_MARGIN
    )
    _head(sheet, evaluation, made)
    if other is not None and comparison is not None:
        _verdict(sheet, other, comparison)
    _tiles(sheet, evaluation)
    _ranks(sheet, evaluation)
    _measures(sheet, evaluation)
    if comparison is not None:
        _differences(sheet, comparison)
    _misses(sheet, evaluation)
    return sheet.png()


def _head(sheet: Sheet, evaluation: Evaluation, made: str) -> None:
    sheet.write(headline(evaluation), size=25)
    sheet.down(36)
    facts = (evaluation.collection, evaluation.model, evaluation.way, made)
    sheet.write(" · ".join(filter(None, facts)), size=12.5, color=SOFT)
    sheet.down(32)


def _verdict(sheet: Sheet, other: Evaluation, comparison: Comparison) -> None:
    said, reason = verdict_text(comparison)
    color = {"better": _GOOD, "worse": _BAD}.get(comparison.verdict, SOFT)
    sheet.bar(x=sheet.left, y=0, width=4, height=44, color=color)
    sheet.write(f"{said} {reason}", x=sheet.left + 16, size=15, color=color)
    against = f"compared with {other.collection} ({other.model}, {other.way})"
    sheet.write(against, x=sheet.left + 16, y=24, size=12.5, color=SOFT)
    sheet.down(64)


def _tiles(sheet: Sheet, evaluation: Evaluation) -> None:
    tiles = headline_measures(evaluation)
    width = (sheet.right - sheet.left) // max(len(tiles), 3)
    for number, (about, measure) in enumerate(tiles):
        x = sheet.left + number * width
        sheet.write(percent(measure.mean), x=x, size=28)
        sheet.write(about, x=x, y=36, size=12.5, room=width - 6)
        interval = f"{percent(measure.low)} to {percent(measure.high)}"
        sheet.write(interval, x=x, y=54, size=12, color=SOFT)
    sheet.down(92)


def _ranks(sheet: Sheet, evaluation: Evaluation) -> None:
    sheet.title("Where the first right hit stands")
    total, start = len(evaluation.outcomes), float(sheet.left)
    classes = rank_classes(evaluation)
    for (_, count), color in zip(classes, _RANKS, strict=True):
        width = (sheet.right - sheet.left) * count / total
        sheet.bar(x=start, y=0, width=width, height=22, color=color)
        start += width
    sheet.down(32)
    x = float(sheet.left)
    for (name, count), color in zip(classes, _RANKS, strict=True):
        sheet.bar(x=x, y=3, width=10, height=10, color=color)
        x = sheet.write(f"{rank_name(name)}: {count:,}", x=x + 16, size=12.5) + 18
    sheet.down(42)


def _measures(sheet: Sheet, evaluation: Evaluation) -> None:
    for group in GROUPS:
        measures = [one for one in evaluation.measures if group_of(one) == group]
        if measures:
            number = many(measures[0].questions, "question")
            sheet.title(ABOUT[group], f"{number}, mean and 95 % interval")
            for one in measures:
                _measure(sheet, one)
            sheet.down(20)


def _measure(sheet: Sheet, one: Measure) -> None:
    _row(
        sheet,
        names=(measure_name(one.name), f"{one.mean:.3f}", f"{one.low:.3f} to {one.high:.3f}"),
        shares=(one.low, one.mean, one.high),
        colors=(_BAND, _ACCENT),
    )


def _differences(sheet: Sheet, comparison: Comparison) -> None:
    sheet.title("This less the other", "95 % intervals of the paired differences")
    reach = max(0.05, *(max(abs(one.low), abs(one.high)) for one in comparison.differences))
    for one in comparison.differences:
        _difference(sheet, one, reach)
    sheet.down(20)


def _difference(sheet: Sheet, one: Difference, reach: float) -> None:
    colors = (_BAND, _ACCENT)
    if one.low > 0:
        colors = (_PALE_GOOD, _GOOD)
    elif one.high < 0:
        colors = (_PALE_BAD, _BAD)
    low, mean, high = ((1 + value / reach) / 2 for value in (one.low, one.difference, one.high))
    _row(
        sheet,
        names=(
            difference_name(one),
            signed(one.difference),
            f"{signed(one.low)} to {signed(one.high)}",
        ),
        shares=(low, mean, high),
        colors=colors,
        zero=0.5,
    )


def _row(
    sheet: Sheet,
    *,
    names: tuple[str, str, str],
    shares: tuple[float, float, float],
    colors: tuple[str, str],
    zero: float | None = None,
) -> None:
    """A measure's name and mean, its interval on a rail, and the interval in digits."""
    start, length = sheet.left + 200, sheet.right - sheet.left - 340
    low, mean, high = (start + length * share for share in shares)
    sheet.write(names[0], size=13.5)
    sheet.write(names[1], x=sheet.left + 185, size=13.5, to_right=True)
    sheet.bar(x=start, y=8, width=length, height=1.5, color=_LINE)
    sheet.bar(x=low, y=4, width=max(high - low, 1), height=9, color=colors[0])
    if zero is not None:
        sheet.bar(x=start + length * zero - 0.5, y=1, width=1, height=15, color=SOFT)
    sheet.bar(x=mean - 1.5, y=1, width=3, height=15, color=colors[1])
    sheet.write(names[2], x=sheet.right, size=12, color=SOFT, to_right=True)
    sheet.down(_ROW)


def _misses(sheet: Sheet, evaluation: Evaluation) -> None:
    misses, most = evaluation.misses, evaluation.k[-1]
    if not misses:
        sheet.title(f"No misses: each question is answered by the first {most} hits")
        return
    sheet.title(f"{many(len(misses), 'miss', 'misses')} in the first {most} hits")
    for one in misses[:_MOST_MISSES]:
        sheet.write(one.question.question, size=13.5)
        found = one.hits[0].place if one.hits else "nothing"
        wanted = ", ".join(one.question.sources)
        said = f"{wanted}: {fate(one)}; first came {found}"
        sheet.write(said, y=18, size=12, color=SOFT)
        sheet.down(42)
    if len(misses) > _MOST_MISSES:
        sheet.write(f"and {len(misses) - _MOST_MISSES:,} more", size=12, color=SOFT)
        sheet.down(20)
