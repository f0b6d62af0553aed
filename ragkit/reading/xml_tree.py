"""XML parts of office files: a tree or events by expat, without entities, network or deep nesting.

Names come with the short prefix that the standard uses for their namespace (``w:p``), whatever the
file calls it, so that the transitional and the strict variant of a format read the same.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ragkit.errors import DocumentUnreadable

__all__ = ["Attributes", "Element", "child", "children", "parse_events", "parse_tree", "text_at"]

Attributes = dict[str, str]

_DEEPEST = 1000
_OPEN_XML = (
    ("w", "wordprocessingml/2006/main", "wordprocessingml/main"),
    ("p", "presentationml/2006/main", "presentationml/main"),
    ("s", "spreadsheetml/2006/main", "spreadsheetml/main"),
    ("a", "drawingml/2006/main", "drawingml/main"),
    ("c", "drawingml/2006/chart", "drawingml/chart"),
    ("dgm", "drawingml/2006/diagram", "drawingml/diagram"),
    ("xdr", "drawingml/2006/spreadsheetDrawing", "drawingml/spreadsheetDrawing"),
    ("wp", "drawingml/2006/wordprocessingDrawing", "drawingml/wordprocessingDrawing"),
    ("r", "officeDocument/2006/relationships", "officeDocument/relationships"),
    ("m", "officeDocument/2006/math", "officeDocument/math"),
    ("mc", "markup-compatibility/2006", "markup-compatibility"),
    ("cp", "package/2006/metadata/core-properties", "package/metadata/core-properties"),
)
_OPEN_DOCUMENT = "urn:oasis:names:tc:opendocument:xmlns:"
_PREFIXES = MappingProxyType(
    {
        **{f"http://schemas.openxmlformats.org/{path}": prefix for prefix, path, _ in _OPEN_XML},
        **{f"http://purl.oclc.org/ooxml/{path}": prefix for prefix, _, path in _OPEN_XML},
        "http://purl.org/dc/elements/1.1/": "dc",
        "http://purl.org/dc/terms/": "dcterms",
        "http://www.w3.org/XML/1998/namespace": "xml",
        "http://www.w3.org/1999/xlink": "xlink",
    }
)


class _Names(dict[str, str]):
    """From ``namespace}name`` to ``prefix:name``; a namespace that no reader asks for goes."""

    def __missing__(self, full: str) -> str:
        namespace, _, local = full.rpartition("}")
        prefix = _PREFIXES.get(namespace, "")
        if namespace.startswith(_OPEN_DOCUMENT):
            prefix = namespace.removeprefix(_OPEN_DOCUMENT).partition(":")[0]
        self[full] = short = f"{prefix}:{local}" if prefix else local
        return short


# ElementTree's own paths would take the colon of a short name for a prefix to be resolved.
def children(parent: Element | None, tag: str) -> list[Element]:
    """The elements of a name right below another."""
    return [item for item in parent if item.tag == tag] if parent is not None else []


def child(parent: Element | None, *path: str) -> Element | None:
    """The first element at a path of names, if all of it is there."""
    for tag in path:
        parent = (
            next((item for item in parent if item.tag == tag), None) if parent is not None else None
        )
    return parent


def text_at(parent: Element | None, *path: str) -> str:
    """All text of the first element at a path, or ``""``."""
    found = child(parent, *path)
    return "".join(found.itertext()) if found is not None else ""


def parse_tree(data: bytes, part: str) -> Element:
    """The root element of an XML part.

    Args:
        data: The part.
        part: Its name, for messages.

    Raises:
        DocumentUnreadable: It is not well formed, nested too deeply, or declares entities.
    """
    builder = TreeBuilder()

    def start(name: str, attributes: Attributes) -> None:
        builder.start(name, attributes)

    def end(name: str) -> None:
        builder.end(name)

    def characters(text: str) -> None:
        builder.data(text)

    parse_events(data, part, start=start, end=end, characters=characters)
    root: Element = builder.close()
    return root


def parse_events(
    data: bytes,
    part: str,
    *,
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None],
    characters: Callable[[str], None],
) -> None:
    """Call back for each element and each run of text of an XML part.

    Raises:
        DocumentUnreadable: It is not well formed, nested too deeply, or declares entities.
    """
    names = _Names()
    depth = 0

    def on_start(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise DocumentUnreadable(f"nested too deeply: {part!r}")
        if attributes:
            attributes = {names[key]: value for key, value in attributes.items()}
        start(names[name], attributes)

    def on_end(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(names[name])

    def on_entity(*declaration: str | int | None) -> None:  # noqa: ARG001 - expat's shape
        raise DocumentUnreadable(f"{part!r} declares entities: refused")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartElementHandler = on_start
    parser.EndElementHandler = on_end
    parser.CharacterDataHandler = characters
    parser.EntityDeclHandler = on_entity
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise DocumentUnreadable(f"damaged: {part!r} is not well-formed XML ({error})") from error
