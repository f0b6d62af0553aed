"""Office files and other containers, written by hand: as little of each format as makes it one."""

from __future__ import annotations

import io
import zipfile

__all__ = ["docx", "opc", "packed", "pptx", "xlsx"]

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    f'xmlns:r="{_OFFICE}" '
)
_CORE = (
    '<cp:coreProperties xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties">'
)


def packed(members: dict[str, str | bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP file of these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), content, method)
    return out.getvalue()


def relations(targets: dict[str, tuple[str, str]]) -> str:
    """A part of relations: id to (kind, target)."""
    items = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{_RELATIONS}">{items}</Relationships>'


def opc(
    main: str,
    parts: dict[str, str],
    *,
    related: dict[str, dict[str, tuple[str, str]]] | None = None,
    properties: str = "",
) -> bytes:
    """An Open XML package.

    Args:
        main: Name of its main part.
        parts: XML by name; namespaces are declared in each part's first element.
        related: Relations by the part that has them.
        properties: Elements of the core properties.
    """
    members: dict[str, str | bytes] = {
        name: content.replace(">", f" {_SPACES}>", 1).replace(f"/ {_SPACES}>", f" {_SPACES}/>", 1)
        for name, content in parts.items()
    }
    package = {"m": ("officeDocument", main)}
    if properties:
        package["p"] = ("metadata/core-properties", "core.xml")
        members["core.xml"] = f"{_CORE}{properties}</cp:coreProperties>"
    members["_rels/.rels"] = relations(package)
    for part, targets in (related or {}).items():
        folder, _, name = part.rpartition("/")
        members[f"{folder}/_rels/{name}.rels"] = relations(targets)
    return packed(members)


def docx(body: str, *, parts: dict[str, str] | None = None, properties: str = "") -> bytes:
    """A Word document; ``parts`` are named by what they are (``styles``, ``footnotes``)."""
    named = {f"word/{kind}.xml": content for kind, content in (parts or {}).items()}
    return opc(
        "word/document.xml",
        {"word/document.xml": f"<w:document><w:body>{body}</w:body></w:document>", **named},
        related={
            "word/document.xml": {k: (k.rstrip("0123456789"), f"{k}.xml") for k in parts or {}}
        },
        properties=properties,
    )


def pptx(slides: list[str], *, notes: dict[int, str] | None = None, chart: str = "") -> bytes:
    """A presentation of these shape trees, with notes by slide number."""
    parts = {
        "ppt/presentation.xml": "<p:presentation><p:sldIdLst>"
        + "".join(f'<p:sldId r:id="s{number}"/>' for number in range(len(slides)))
        + "</p:sldIdLst></p:presentation>"
    }
    # The order of the files is not the order of the slides.
    files = [f"slides/slide{len(slides) - number}.xml" for number in range(len(slides))]
    related = {
        "ppt/presentation.xml": {f"s{n}": ("slide", file) for n, file in enumerate(files)},
    }
    for number, (file, tree) in enumerate(zip(files, slides, strict=True), start=1):
        parts[f"ppt/{file}"] = f"<p:sld><p:cSld><p:spTree>{tree}</p:spTree></p:cSld></p:sld>"
        targets: dict[str, tuple[str, str]] = {}
        if notes and number in notes:
            parts[f"ppt/notes{number}.xml"] = (
                f"<p:notes><p:cSld><p:spTree>{notes[number]}</p:spTree></p:cSld></p:notes>"
            )
            targets["n"] = ("notesSlide", f"../notes{number}.xml")
        if chart and 'r:id="chart"' in tree:
            parts["ppt/charts/chart1.xml"] = chart
            targets["chart"] = ("chart", "/ppt/charts/chart1.xml")
        related[f"ppt/{file}"] = targets
    return opc("ppt/presentation.xml", parts, related=related)


def xlsx(sheets: dict[str, str], *, strings: str = "", styles: str = "", extra: str = "") -> bytes:
    """A workbook: the rows of each sheet by its name; ``extra`` are comments on the first."""
    space = ' xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    listed = "".join(
        f'<sheet name="{name}" sheetId="{n}" r:id="s{n}"/>' for n, name in enumerate(sheets)
    )
    parts = {"xl/workbook.xml": f"<workbook{space}><sheets>{listed}</sheets></workbook>"}
    targets = {}
    for number, rows in enumerate(sheets.values()):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f"<worksheet{space}><sheetData>{rows}</sheetData></worksheet>"
        )
        targets[f"s{number}"] = ("worksheet", f"worksheets/sheet{number}.xml")
    if strings:
        parts["xl/strings.xml"] = f"<sst{space}>{strings}</sst>"
        targets["strings"] = ("sharedStrings", "strings.xml")
    if styles:
        parts["xl/styles.xml"] = f"<styleSheet{space}>{styles}</styleSheet>"
        targets["styles"] = ("styles", "styles.xml")
    related = {"xl/workbook.xml": targets}
    if extra:
        parts["xl/comments.xml"] = f"<comments{space}><commentList>{extra}</commentList></comments>"
        related["xl/worksheets/sheet0.xml"] = {"c": ("comments", "../comments.xml")}
    return opc("xl/workbook.xml", parts, related=related)
