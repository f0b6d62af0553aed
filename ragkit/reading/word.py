"""Word documents (``.docx``): headings, numbered lists, tables, notes, comments and text boxes."""

from __future__ import annotations

from collections.abc import Iterator

from ragkit.reading.album import Album
from ragkit.reading.composing import Composer, has_header, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.open_xml import Package
from ragkit.reading.package_pictures import PackagePictures
from ragkit.reading.structure import word_set
from ragkit.reading.word_styles import Numbering, Styles
from ragkit.reading.word_text import Aside, Words, paragraph_words
from ragkit.reading.xml_tree import Element, child, children

__all__ = ["read_word"]

_MAIN = "word/document.xml"
# Wrappers whose content stands in their place.
_TRANSPARENT = word_set(
    "w:sdt w:sdtContent w:customXml w:smartTag w:ins w:moveTo mc:AlternateContent mc:Choice"
)
_LONGEST_REPEATED_CELL = 80
_DEEPEST_HEADING = 9


def read_word(raw: RawFile) -> Reading:
    """Read a Word document as it reads with all changes accepted.

    A note stands after the paragraph that refers to it, and so do comments and text boxes. Page
    headers and footers are read only where there is nothing else.

    Raises:
        DocumentUnreadable: It is damaged, encrypted or a bomb.
    """
    package = Package(raw, main=_MAIN)
    title, metadata = package.properties()
    body = _Body(package, raw.album)
    body.write(package.main, package.tree(package.main))
    if not body.composer.blocks:
        for relation in package.relations(package.main).values():
            if relation.kind in ("header", "footer") and relation.part in package.archive:
                body.write(relation.part, package.tree(relation.part))
    return body.composer.reading(raw, title=title or body.title, metadata=metadata)


class _Body:
    """Writes the blocks of a document, in order."""

    def __init__(self, package: Package, album: Album | None) -> None:
        self.composer = Composer()
        self.title: str | None = None
        self._pictures = PackagePictures(package, album)
        self._styles = Styles(package.related(package.main, "styles"))
        self._numbering = Numbering(package.related(package.main, "numbering"))
        self._notes = {
            kind: _by_id(package.related(package.main, f"{kind}s"), f"w:{kind}")
            for kind in ("footnote", "endnote", "comment")
        }

    def write(self, part: str, root: Element) -> None:
        """Write what stands in a part's root, or in its body."""
        self._pictures.of_part(part)
        body = child(root, "w:body")
        self._blocks(root if body is None else body)

    def _blocks(self, parent: Element) -> None:
        for item in _children(parent):
            if item.tag == "w:p":
                self._paragraph(item)
            elif item.tag == "w:tbl":
                self._table(item)

    def _paragraph(self, item: Element) -> None:
        properties = child(item, "w:pPr")
        words = paragraph_words(item)
        text = words.text.strip()
        before = self.composer.length
        if text:
            self._write(text, properties)
        if text and self._styles.is_named(properties, "caption"):
            self.composer.caption(self.composer.blocks[-1].start)
        for described, image in self._pictures.shown_in(item):
            self.composer.figure(image, described, since=before)
        self._asides(words)

    def _write(self, text: str, properties: Element | None) -> None:
        level = self._styles.heading_level(properties)
        list_id, depth = self._styles.numbering(properties)
        label = self._numbering.label(list_id, depth) if list_id is not None else ""
        if self._styles.is_named(properties, "title") and level is None:
            if self.title is None:
                self.title = one_line(text)
            self.composer.heading(text, 1)
        elif level is not None:
            # Under a title, the document's own headings are of the second rank.
            level = min(level + (self.title is not None), _DEEPEST_HEADING)
            self.composer.heading(text if label in ("", "-") else f"{label} {text}", level)
        elif label:
            self.composer.item(text, depth + 1, label)
        elif self._styles.is_named(properties, "list paragraph", "list bullet", "list number"):
            self._unnumbered(text, properties)
        else:
            quoted = self._styles.is_named(properties, "quote", "intense quote")
            self.composer.paragraph(text, "quote" if quoted else "paragraph")

    def _unnumbered(self, text: str, properties: Element | None) -> None:
        """List styles of a template without numbering still show bullets in most programs."""
        if self._styles.is_named(properties, "list bullet", "list number"):
            self.composer.item(text)
        else:
            self.composer.paragraph(text)

    def _asides(self, words: Words) -> None:
        for aside in words.asides:
            if aside.box is not None:
                self._blocks(aside.box)
                continue
            note = self._notes[aside.kind].get(aside.key)
            said = one_line(_plain(note)) if note is not None else ""
            if said and aside.kind == "comment":
                author = one_line(note.get("w:author") or "") if note is not None else ""
                by = f" by {author}" if author else ""
                self.composer.paragraph(f"[Comment{by}: {said}]")
            elif said:
                self.composer.paragraph(f"{aside.mark} {said}")

    def _table(self, table: Element) -> None:
        rows: list[list[str]] = []
        asides: list[Aside] = []
        above: list[str] = []
        cells = [(row, list(_cells(row))) for row in _children(table) if row.tag == "w:tr"]
        if _is_layout(cells):
            for _, row_cells in cells:
                for cell in row_cells:
                    self._blocks(cell)
            return
        for _, row_cells in cells:
            row: list[str] = []
            for cell in row_cells:
                words = _cell_words(cell)
                asides += words.asides
                row += _spanned(cell, words.text, above[len(row) : len(row) + 1])
            rows.append(row)
            above = row
        marked = bool(cells) and child(cells[0][0], "w:trPr", "w:tblHeader") is not None
        self.composer.table(rows, header=marked or has_header(rows))
        self._asides(Words("", asides))


def _children(parent: Element) -> Iterator[Element]:
    """The elements of a container, those in transparent wrappers among them."""
    for item in parent:
        if item.tag == "mc:Fallback":
            continue
        if item.tag in _TRANSPARENT:
            yield from _children(item)
        else:
            yield item


def _cells(row: Element) -> Iterator[Element]:
    return (item for item in _children(row) if item.tag == "w:tc")


def _is_layout(cells: list[tuple[Element, list[Element]]]) -> bool:
    """A table that only frames or arranges text: one cell, or tables within cells."""
    every = [cell for _, row in cells for cell in row]
    return len(every) == 1 or any(next(cell.iter("w:tbl"), None) is not None for cell in every)


def _cell_words(cell: Element) -> Words:
    paragraphs = [paragraph_words(item) for item in _children(cell) if item.tag == "w:p"]
    text = " ".join(words.text for words in paragraphs)
    return Words(text, [aside for words in paragraphs for aside in words.asides])


def _spanned(cell: Element, text: str, above: list[str]) -> list[str]:
    """A cell and the places that it covers; what spans rows is said in each, if it is short."""
    merge = child(cell, "w:tcPr", "w:vMerge")
    if merge is not None and merge.get("w:val", "continue") == "continue" and not text.strip():
        text = above[0] if above and len(above[0]) <= _LONGEST_REPEATED_CELL else ""
    span = child(cell, "w:tcPr", "w:gridSpan")
    count = span.get("w:val", "1") if span is not None else "1"
    width = min(int(count), 100) if count.isascii() and count.isdigit() else 1
    return [text, *[""] * (width - 1)]


def _by_id(root: Element | None, tag: str) -> dict[str, Element]:
    return {
        item.get("w:id", ""): item
        for item in children(root, tag)
        if item.get("w:type", "normal") == "normal"
    }


def _plain(note: Element) -> str:
    return "\n".join(paragraph_words(item).text for item in note.iter("w:p"))
