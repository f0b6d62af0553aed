"""PowerPoint presentations (``.pptx``): a page and a section for each slide, with its notes."""

from __future__ import annotations

from collections.abc import Iterator

from ragkit.errors import DocumentUnreadable
from ragkit.reading.album import Album
from ragkit.reading.composing import Composer, has_header, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.open_xml import Package, Relation, drawn_text
from ragkit.reading.package_pictures import PackagePictures
from ragkit.reading.slide_charts import chart_rows
from ragkit.reading.xml_tree import Element, child, children, text_at

__all__ = ["read_slides"]

_MAIN = "ppt/presentation.xml"
_TITLES = frozenset({"title", "ctrTitle"})
# What the master repeats on each slide.
_REPEATED = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})


def read_slides(raw: RawFile) -> Reading:
    """Read a presentation: ``Slide 3: its title`` heads what stands on the third slide.

    Raises:
        DocumentUnreadable: It is damaged, encrypted or a bomb.
    """
    package = Package(raw, main=_MAIN)
    title, metadata = package.properties()
    slides = _Slides(package, raw.album)
    for number, part in enumerate(_parts(package), start=1):
        slides.write(number, part)
    return slides.composer.reading(raw, title=title or slides.title, metadata=metadata)


def _parts(package: Package) -> list[str]:
    """The slides in the order in which they are shown."""
    listed = child(package.tree(package.main), "p:sldIdLst")
    relations = package.relations(package.main)
    found = [relations.get(item.get("r:id", "")) for item in children(listed, "p:sldId")]
    return [relation.part for relation in found if relation is not None]


class _Slides:
    """Writes one slide after the other."""

    def __init__(self, package: Package, album: Album | None) -> None:
        self.composer = Composer()
        self.title: str | None = None
        self._package = package
        self._pictures = PackagePictures(package, album)
        self._relations: dict[str, Relation] = {}

    def write(self, number: int, part: str) -> None:
        """Write a slide; one that cannot be read costs a warning."""
        self.composer.page()
        try:
            tree = self._package.tree(part)
            self._relations = self._package.relations(part)
            self._pictures.of_part(part)
        except DocumentUnreadable as error:
            self.composer.warnings.append(f"slide {number} could not be read: {error}")
            return
        shapes = list(_shapes(child(tree, "p:cSld", "p:spTree")))
        titles = [shape for shape in shapes if _placeholder(shape) in _TITLES]
        title = one_line(" ".join(map(_shape_text, titles)))
        if number == 1:
            self.title = title or None
        before = self.composer.length
        self.composer.heading(f"Slide {number}: {title}" if title else f"Slide {number}", 1)
        after = self.composer.length
        for shape in shapes:
            if _placeholder(shape) not in _REPEATED | _TITLES:
                self._shape(shape)
        self._notes()
        if self.composer.length == after and not title:
            self.composer.take_back(before)

    def _shape(self, shape: Element) -> None:
        if shape.tag == "p:graphicFrame":
            self._frame(shape)
        elif shape.tag == "p:pic":
            before = self.composer.length
            self.composer.paragraph(_description(shape))
            for _, image in self._pictures.shown_in(shape):
                self.composer.figure(image, _description(shape), since=before)
        else:
            self._paragraphs(shape, listed=_placeholder(shape) in ("body", "obj", "subTitle", ""))

    def _paragraphs(self, shape: Element, *, listed: bool) -> None:
        """Write a text body; what a master shows with bullets becomes a list."""
        paragraphs = children(child(shape, "p:txBody"), "a:p")
        written = [item for item in paragraphs if drawn_text(item).strip()]
        listed = listed and len(written) > 1 and _placeholder(shape) is not None
        counts: dict[int, int] = {}
        for item in written:
            properties = child(item, "a:pPr")
            level = properties.get("lvl", "0") if properties is not None else "0"
            depth = int(level) + 1 if level in set("012345678") else 1
            counts = {key: value for key, value in counts.items() if key <= depth}
            bare = child(properties, "a:buNone") is not None
            if child(properties, "a:buAutoNum") is not None:
                counts[depth] = counts.get(depth, 0) + 1
                self.composer.item(drawn_text(item), depth, f"{counts[depth]}.")
            elif not bare and (listed or child(properties, "a:buChar") is not None):
                self.composer.item(drawn_text(item), depth)
            else:
                self.composer.paragraph(drawn_text(item))

    def _frame(self, frame: Element) -> None:
        data = child(frame, "a:graphic", "a:graphicData")
        table = child(data, "a:tbl")
        if table is not None:
            rows = [[_cell(cell) for cell in children(row, "a:tc")]
                    for row in children(table, "a:tr")]  # fmt: skip
            properties = child(table, "a:tblPr")
            marked = properties is not None and properties.get("firstRow") in ("1", "true")
            self.composer.table(rows, header=marked or has_header(rows))
        for item in data if data is not None else ():
            relation = self._relations.get(item.get("r:id") or item.get("r:dm") or "")
            if relation is None or relation.part not in self._package.archive:
                continue
            tree = self._package.tree(relation.part)
            if item.tag == "c:chart":
                name, rows = chart_rows(tree)
                self.composer.paragraph(name)
                self.composer.table(rows)
            elif item.tag == "dgm:relIds":
                for point in tree.iter("a:p"):
                    self.composer.item(drawn_text(point))

    def _notes(self) -> None:
        for relation in self._relations.values():
            if relation.part not in self._package.archive:
                continue
            if relation.kind == "notesSlide":
                notes = child(self._package.tree(relation.part), "p:cSld", "p:spTree")
                for shape in _shapes(notes):
                    if _placeholder(shape) == "body" and _shape_text(shape).strip():
                        self.composer.paragraph(f"Notes: {_shape_text(shape)}")
            elif relation.kind == "comments":
                for comment in self._package.tree(relation.part):
                    said = text_at(comment, "p:text") or " ".join(
                        map(drawn_text, comment.iter("a:p"))
                    )
                    self.composer.paragraph(f"[Comment: {one_line(said)}]" if said.strip() else "")


def _shapes(tree: Element | None) -> Iterator[Element]:
    """The shapes of a slide, those in groups among them, in the order in which they are read."""
    for item in tree if tree is not None else ():
        if item.tag in ("p:grpSp", "mc:AlternateContent", "mc:Choice"):
            yield from _shapes(item)
        elif item.tag in ("p:sp", "p:graphicFrame", "p:pic", "p:cxnSp"):
            yield item


def _placeholder(shape: Element) -> str | None:
    """The kind of a placeholder, ``""`` where it is unnamed; None for another shape."""
    for part in shape:
        found = child(part, "p:nvPr", "p:ph")
        if found is not None:
            return found.get("type", "")
    return None


def _shape_text(shape: Element) -> str:
    return "\n".join(map(drawn_text, children(child(shape, "p:txBody"), "a:p")))


def _cell(cell: Element) -> str:
    return " ".join(map(drawn_text, children(child(cell, "a:txBody"), "a:p")))


def _description(picture: Element) -> str:
    found = child(picture, "p:nvPicPr", "p:cNvPr")
    return found.get("descr", "") if found is not None else ""
