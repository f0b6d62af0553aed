"""The blocks of an Open Document text: headings, paragraphs, lists, tables, frames and notes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ragkit.reading.composing import Composer, has_header, one_line
from ragkit.reading.odf_cells import repeated, table_rows
from ragkit.reading.odf_styles import OdfStyles
from ragkit.reading.structure import word_set
from ragkit.reading.xml_tree import Element, child, children, text_at

__all__ = ["Writer"]

_LEFT_OUT = word_set(
    "text:tracked-changes office:forms text:sequence-decls text:note-citation dc:creator dc:date"
    " text:bibliography-mark presentation:notes svg:title draw:glue-point office:event-listeners"
)
_MOST_BLANKS = 1000
_DEEPEST_HEADING = 9


@dataclass(slots=True)
class _Words:
    parts: list[str] = field(default_factory=list)
    asides: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts)


class Writer:
    """Writes elements as blocks.

    Attributes:
        title: Words of the first paragraph styled as a title.
    """

    def __init__(self, composer: Composer, styles: OdfStyles) -> None:
        self.title: str | None = None
        self._composer = composer
        self._styles = styles
        self._counts: list[int] = []

    def blocks(self, parent: Element) -> None:
        """Write all that stands in an element."""
        for item in parent:
            self.block(item)

    def block(self, item: Element) -> None:
        """Write one element."""
        if item.tag == "text:h":
            self._heading(item)
        elif item.tag == "text:p":
            self._paragraph(item)
        elif item.tag == "text:list":
            self._list(item, item.get("text:style-name", ""), 1)
        elif item.tag == "table:table":
            self._table(item)
        elif item.tag not in _LEFT_OUT:
            # Sections, frames, boxes, groups, indexes: what they hold stands in their place.
            if item.tag == "svg:desc":
                self._composer.paragraph("".join(item.itertext()))
            self.blocks(item)

    def plain(self, parent: Element) -> str:
        """The words of all paragraphs below an element, without their asides."""
        paragraphs = (item for item in parent.iter() if item.tag in ("text:p", "text:h"))
        return " ".join(self._words(item).text for item in paragraphs)

    def _words(self, item: Element) -> _Words:
        words = _Words()
        _collect(item, words)
        return words

    def _heading(self, item: Element) -> None:
        words = self._words(item)
        stated = item.get("text:outline-level", "1")
        level = int(stated) if stated in set("123456789") else 1
        label = self._outline_label(level) if words.text.strip() else ""
        shifted = min(level + (self.title is not None), _DEEPEST_HEADING)
        self._composer.heading(f"{label} {words.text}" if label else words.text, shifted)
        self._asides(words)

    def _outline_label(self, level: int) -> str:
        shape = self._styles.outline.get(level)
        counts = self._counts[:level]
        while len(counts) < level:
            missing = self._styles.outline.get(len(counts) + 1)
            counts.append(missing.start - (len(counts) + 1 == level) if missing is not None else 0)
        counts[level - 1] += 1
        self._counts = counts
        return shape.label(counts).strip() if shape is not None and shape.form else ""

    def _paragraph(self, item: Element) -> None:
        words = self._words(item)
        style = item.get("text:style-name", "")
        if words.text.strip() and self._styles.is_named(style, "title"):
            self.title = self.title or one_line(words.text)
            self._composer.heading(words.text, 1)
        else:
            quoted = self._styles.is_named(style, "quotations")
            self._composer.paragraph(words.text, "quote" if quoted else "paragraph")
        self._asides(words)

    def _asides(self, words: _Words) -> None:
        for item in words.asides:
            if item.tag == "text:note":
                mark, body = text_at(item, "text:note-citation"), child(item, "text:note-body")
                said = self.plain(body) if body is not None else ""
                self._composer.paragraph(f"[{one_line(mark)}] {said}" if said.strip() else "")
            elif item.tag == "office:annotation":
                said, author = self.plain(item), one_line(text_at(item, "dc:creator"))
                by = f" by {author}" if author else ""
                self._composer.paragraph(f"[Comment{by}: {one_line(said)}]" if said.strip() else "")
            else:
                self.block(item)

    def _list(self, item: Element, style: str, depth: int) -> None:
        shape = self._styles.list_shape(style, depth)
        count = shape.start - 1
        for entry in item:
            if entry.tag == "text:list-item":
                count += 1
            first = entry.tag == "text:list-item"
            for inner in entry:
                if inner.tag == "text:list":
                    self._list(inner, inner.get("text:style-name") or style, depth + 1)
                elif inner.tag == "text:p":
                    words = self._words(inner)
                    marker = (shape.label([count]) if shape.form else "-") if first else " "
                    self._composer.item(words.text, depth, marker.strip() or "-")
                    first = first and not words.text.strip()
                    self._asides(words)
                else:
                    self.block(inner)

    def _table(self, table: Element) -> None:
        rows = table_rows(table)
        cells = [cell for row in rows for cell in children(row, "table:table-cell")]
        if len(cells) == 1 or any(next(cell.iter("table:table"), None) is not None
                                  for cell in cells):  # fmt: skip
            for cell in cells:
                self.blocks(cell)
            return
        lines: list[list[str]] = []
        asides = _Words()
        for row in rows:
            line: list[str] = []
            for cell in row:
                if cell.tag not in ("table:table-cell", "table:covered-table-cell"):
                    continue
                words = _Words()
                for inner in cell.iter():
                    if inner.tag in ("text:p", "text:h"):
                        _collect(inner, words)
                        words.parts.append(" ")
                asides.asides += words.asides
                line += [words.text] + [""] * (repeated(cell, "columns") - 1)
            lines.append(line)
        marked = child(table, "table:table-header-rows") is not None
        self._composer.table(lines, header=marked or has_header(lines))
        self._asides(asides)


def _collect(item: Element, words: _Words) -> None:
    """Words of a paragraph and what hangs on it; text stands in elements and after them."""
    words.parts.append(item.text or "")
    for inner in item:
        tag = inner.tag
        if tag == "text:s":
            words.parts.append(" " * min(repeated(inner, ""), _MOST_BLANKS))
        elif tag == "text:tab":
            words.parts.append("\t")
        elif tag == "text:line-break":
            words.parts.append("\n")
        elif tag in ("text:note", "office:annotation") or tag.startswith("draw:"):
            if tag == "text:note":
                words.parts.append(f"[{one_line(text_at(inner, 'text:note-citation'))}]")
            words.asides.append(inner)
        elif tag not in _LEFT_OUT:
            _collect(inner, words)
        words.parts.append(inner.tail or "")
