"""Open Document files: text (``.odt``), spreadsheets (``.ods``) and presentations (``.odp``)."""

from __future__ import annotations

from ragkit.errors import DocumentUnreadable
from ragkit.reading.archive import Archive
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.odf_blocks import Writer
from ragkit.reading.odf_cells import sheet_rows
from ragkit.reading.odf_styles import OdfStyles
from ragkit.reading.properties import stated_metadata, stated_title
from ragkit.reading.sheet_tables import write_sheet
from ragkit.reading.xml_tree import Element, child, children, parse_tree, text_at

__all__ = ["read_open_document"]

_MANIFEST = "META-INF/manifest.xml"
_PROPERTIES = (
    ("author", "meta:initial-creator"),
    ("subject", "dc:subject"),
    ("keywords", "meta:keyword"),
    ("description", "dc:description"),
    ("language", "dc:language"),
    ("date", "dc:date"),
)


def read_open_document(raw: RawFile) -> Reading:
    """Read an Open Document file by what its body holds, whatever its extension says.

    Raises:
        DocumentUnreadable: It is damaged, encrypted or a bomb.
    """
    archive = Archive(raw.data, raw.allowance)
    _refuse_encrypted(archive)
    content = parse_tree(archive.read("content.xml"), "content.xml")
    common = (
        parse_tree(archive.read("styles.xml"), "styles.xml") if "styles.xml" in archive else None
    )
    composer = Composer()
    writer = Writer(composer, OdfStyles(content, common))
    body = child(content, "office:body")
    for part in body if body is not None else ():
        if part.tag == "office:spreadsheet":
            for sheet in part.iter("table:table"):
                write_sheet(composer, one_line(sheet.get("table:name", "")), *sheet_rows(sheet))
        elif part.tag in ("office:presentation", "office:drawing"):
            for number, page in enumerate(children(part, "draw:page"), start=1):
                _write_slide(composer, writer, page, number)
        else:
            writer.blocks(part)
    title, metadata = _properties(archive)
    return composer.reading(raw, title=title or writer.title, metadata=metadata)


def _refuse_encrypted(archive: Archive) -> None:
    if _MANIFEST not in archive:
        return
    for item in parse_tree(archive.read(_MANIFEST), _MANIFEST).iter():
        if item.tag.endswith("encryption-data"):
            raise DocumentUnreadable("encrypted: save it without a password")


def _properties(archive: Archive) -> tuple[str | None, dict[str, str]]:
    if "meta.xml" not in archive:
        return None, {}
    said = child(parse_tree(archive.read("meta.xml"), "meta.xml"), "office:meta")
    found = {
        key: ", ".join("".join(item.itertext()) for item in children(said, name))
        for key, name in _PROPERTIES
    }
    found["author"] = found["author"] or text_at(said, "dc:creator")
    return stated_title(text_at(said, "dc:title")), stated_metadata(found)


def _write_slide(composer: Composer, writer: Writer, page: Element, number: int) -> None:
    """Write a slide under its title; one without a word keeps its number and is left out."""
    composer.page()
    frames = [item for item in page if item.tag != "presentation:notes"]
    titles = [item for item in frames if item.get("presentation:class") == "title"]
    title = one_line(" ".join(writer.plain(item) for item in titles))
    if number == 1:
        writer.title = title or None
    before = composer.length
    composer.heading(f"Slide {number}: {title}" if title else f"Slide {number}", 1)
    after = composer.length
    for item in frames:
        if item not in titles:
            writer.block(item)
    for notes in children(page, "presentation:notes"):
        said = " ".join(
            writer.plain(frame)
            for frame in children(notes, "draw:frame")
            if frame.get("presentation:class") == "notes"
        )
        composer.paragraph(f"Notes: {one_line(said)}" if said.strip() else "")
    if composer.length == after and not title:
        composer.take_back(before)
