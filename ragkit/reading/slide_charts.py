"""The numbers of a chart as a table: a column for each series, a row for each category."""

from __future__ import annotations

from ragkit.reading.composing import one_line
from ragkit.reading.open_xml import drawn_text
from ragkit.reading.xml_tree import Element, child, children, text_at

__all__ = ["chart_rows"]

_MOST_POINTS = 1000


def chart_rows(root: Element) -> tuple[str, list[list[str]]]:
    """The title of a chart, and its rows, the series' names first."""
    title = child(root, "c:chart", "c:title", "c:tx")
    name = one_line(" ".join(map(drawn_text, title.iter("a:p")))) if title is not None else ""
    series = list(root.iter("c:ser"))
    if not series:
        return name, []
    categories = _points(series[0], "c:cat", "c:xVal")
    columns = [_points(item, "c:val", "c:yVal") for item in series]
    header = ["", *(" ".join(_points(item, "c:tx").values()) for item in series)]
    indexes = sorted({index for column in (categories, *columns) for index in column})
    rows = [
        [categories.get(index, ""), *(column.get(index, "") for column in columns)]
        for index in indexes[:_MOST_POINTS]
    ]
    return name, [header, *rows]


def _points(series: Element, *tags: str) -> dict[int, str]:
    """Index and text of the points that a chart has cached."""
    found: dict[int, str] = {}
    for tag in tags:
        for part in children(series, tag):
            for point in part.iter("c:pt"):
                index = point.get("idx", "")
                if index.isascii() and index.isdigit():
                    found[int(index)] = text_at(point, "c:v")
    return found
