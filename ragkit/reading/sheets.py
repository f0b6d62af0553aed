"""Excel workbooks (``.xlsx``): a section for each sheet, a line for each row, values as shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragkit.errors import DocumentUnreadable
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.open_xml import Package, drawn_text
from ragkit.reading.sheet_tables import write_sheet
from ragkit.reading.sheet_values import Formats, shown
from ragkit.reading.xml_tree import Attributes, Element, child, children, parse_events, text_at

__all__ = ["read_sheets"]

_MAIN = "xl/workbook.xml"
_PLACE = re.compile(r"([A-Z]{1,3})[0-9]+$")
_MOST_COLUMNS = 16_384


def read_sheets(raw: RawFile) -> Reading:
    """Read a workbook; hidden sheets are read too, formulas by the value last computed.

    Raises:
        DocumentUnreadable: It is damaged, encrypted or a bomb.
    """
    package = Package(raw, main=_MAIN)
    title, metadata = package.properties()
    workbook = package.tree(package.main)
    properties = child(workbook, "s:workbookPr")
    since_1904 = properties is not None and properties.get("date1904") in ("1", "true")
    formats = Formats(package.related(package.main, "styles"), since_1904=since_1904)
    strings = [_rich_text(item) for item in package.related(package.main, "sharedStrings") or ()]
    relations = package.relations(package.main)
    composer = Composer()
    for sheet in children(child(workbook, "s:sheets"), "s:sheet"):
        name = one_line(sheet.get("name", ""))
        relation = relations.get(sheet.get("r:id", ""))
        if relation is None or relation.kind != "worksheet":
            continue
        try:
            rows = _Rows(strings, formats)
            rows.read(package.archive.read(relation.part), relation.part)
        except DocumentUnreadable as error:
            composer.warnings.append(f"sheet {name!r} could not be read: {error}")
            continue
        write_sheet(composer, name, rows.rows, list(_asides(package, relation.part)))
    if composer.warnings and not composer.blocks:
        raise DocumentUnreadable(composer.warnings[0])
    return composer.reading(raw, title=title, metadata=metadata)


def _asides(package: Package, part: str) -> Iterator[str]:
    """What is attached to a sheet: comments with their cell, and text boxes."""
    for relation in package.relations(part).values():
        if relation.part not in package.archive:
            continue
        if relation.kind == "comments":
            listed = child(package.tree(relation.part), "s:commentList")
            for comment in children(listed, "s:comment"):
                said = one_line(_rich_text(child(comment, "s:text")))
                if said:
                    yield f"[Comment on {comment.get('ref', '')}: {said}]"
        elif relation.kind == "drawing":
            for body in package.tree(relation.part).iter("xdr:txBody"):
                yield "\n".join(map(drawn_text, children(body, "a:p")))


def _rich_text(item: Element | None) -> str:
    """A string, whose runs may be formatted; how it is pronounced is left out."""
    runs = children(item, "s:r")
    return text_at(item, "s:t") + "".join(text_at(run, "s:t") for run in runs)


class _Rows:
    """Collects the cells of a sheet from events: a large sheet as a tree would not fit."""

    def __init__(self, strings: list[str], formats: Formats) -> None:
        self.rows: list[dict[int, str]] = []
        self._strings = strings
        self._formats = formats
        self._row: dict[int, str] = {}
        self._column = -1
        self._kind, self._style = "n", ""
        self._value: list[str] = []
        self._taking = False

    def read(self, data: bytes, part: str) -> None:
        """Read the XML of a sheet."""
        parse_events(data, part, start=self._start, end=self._end, characters=self._characters)

    def _start(self, tag: str, attributes: Attributes) -> None:
        if tag == "s:row":
            self._row = {}
            self._column = -1
        elif tag == "s:c":
            match = _PLACE.match(attributes.get("r", ""))
            self._column = _column(match.group(1)) if match else self._column + 1
            self._kind = attributes.get("t", "n")
            self._style = attributes.get("s", "")
            self._value = []
        elif tag in ("s:v", "s:t"):
            self._taking = True

    def _characters(self, text: str) -> None:
        if self._taking:
            self._value.append(text)

    def _end(self, tag: str) -> None:
        if tag in ("s:v", "s:t", "s:rPh"):
            self._taking = False
        elif tag == "s:c":
            words = self._cell("".join(self._value))
            if words and self._column < _MOST_COLUMNS:
                self._row[self._column] = words
        elif tag == "s:row":
            self.rows.append(self._row)

    def _cell(self, value: str) -> str:
        if self._kind == "s":
            index = int(value) if value.isascii() and value.isdigit() else -1
            words = self._strings[index] if 0 <= index < len(self._strings) else ""
        elif self._kind == "b":
            words = "TRUE" if value == "1" else "FALSE"
        elif self._kind == "n":
            words = shown(value, self._formats.of(self._style), since_1904=self._formats.since_1904)
        else:
            words = value
        return one_line(words)


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
