"""HTML: what a reader of the page reads, in order, without navigation, scripts and footers.

Headings, list items, table rows and code keep their places as sections and blocks. The tree is
walked by its pointers, not by recursion: pages nest twenty thousand deep when someone means harm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import Decoded, decode
from ragkit.reading.html_pictures import PagePictures
from ragkit.reading.html_text import TextBuilder
from ragkit.reading.structure import nest_sections, word_set
from ragkit.records import Document, Metadata

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["read_chapter", "read_html", "text_of_html"]

_DECLARED = re.compile(
    rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?\s*([\w.:-]+)|<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.-]+)",
    re.IGNORECASE,
)
_DECLARED_WITHIN_BYTES = 4096
_NEVER_READ = word_set(
    "script style noscript template head svg canvas iframe object embed audio video map math-"
    " field button select option optgroup datalist textarea input dialog noframes"
)
_BOILERPLATE = frozenset({"nav", "aside", "footer"})
_BOILERPLATE_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary"})
_MAY_BE_HIDDEN = word_set("div section p ul ol header span form main article table")
_ARRANGED = word_set("table h1 h2 h3 h4 pre hr article section main form")
_TABLE_PARTS = word_set("table thead tbody tfoot tr td th caption")
_EMPTY_ELEMENT = re.compile(r"<([a-zA-Z][\w:.-]*)((?:\s[^<>]*)?)/>")
_VOID = word_set("area base br col embed hr img input link meta param source track wbr")
_METADATA = ("description", "author", "keywords", "date")


def read_html(raw: RawFile, declared: str | None = None) -> Reading:
    """Read a page; its title is ``<title>``, else its first ``<h1>``.

    Args:
        raw: The page.
        declared: Its charset, where what it came in says so.
    """
    decoded = decode(raw.data, declared or _declared(raw.data))
    return _reading(raw, decoded, LexborHTMLParser(decoded.text), boilerplate=False)


def read_chapter(raw: RawFile) -> Reading:
    """Read a part of a book, which is XHTML: an aside in it is a note, and belongs to it."""
    decoded = decode(raw.data, _declared(raw.data))
    # HTML knows no empty elements but its own: after <title/> all is title to it.
    markup = _EMPTY_ELEMENT.sub(_spelled_out, decoded.text)
    return _reading(raw, decoded, LexborHTMLParser(markup), boilerplate=True)


def _spelled_out(match: re.Match[str]) -> str:
    name = match.group(1)
    return match.group() if name.lower() in _VOID else f"<{name}{match.group(2)}></{name}>"


def _declared(data: bytes) -> str | None:
    match = _DECLARED.search(data[:_DECLARED_WITHIN_BYTES])
    return (match.group(1) or match.group(2)).decode("ascii", "replace") if match else None


def _reading(
    raw: RawFile, decoded: Decoded, tree: LexborHTMLParser, *, boilerplate: bool
) -> Reading:
    page = _read_tree(tree, PagePictures(raw), boilerplate=boilerplate)
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=page.text,
        title=_title(tree) or page.first_heading(1),
        sections=nest_sections(page.headings, len(page.text)),
        blocks=tuple(page.blocks),
        metadata=_metadata(tree),
        figures=tuple(page.figures),
    )
    warnings = decoded.warnings
    unknown = page.text.count("\ufffd") - decoded.text.count("\ufffd")
    if unknown > 0:
        warnings = (*warnings, f"{unknown} invalid character references replaced by U+FFFD")
    return Reading(document=document, warnings=warnings)


def text_of_html(markup: str) -> str:
    """The words of a fragment of HTML."""
    return _read_tree(LexborHTMLParser(markup), PagePictures()).text


def _read_tree(
    tree: LexborHTMLParser, pictures: PagePictures, *, boilerplate: bool = False
) -> TextBuilder:
    body = tree.body or tree.root
    if body is None:
        return TextBuilder()
    layout = _layout_tables(body) if tree.css_first("table") is not None else frozenset()
    page = _read_node(body, layout, pictures, boilerplate=boilerplate)
    if not page.text:
        # A page that is all sidebar is better than none.
        page = _read_node(body, layout, pictures, boilerplate=True)
    return page


def _read_node(
    top: LexborNode,
    layout: frozenset[int],
    pictures: PagePictures,
    *,
    boilerplate: bool,
) -> TextBuilder:
    """Write what stands below a node.

    Args:
        top: The body.
        layout: Memory ids of the tables whose cells are blocks.
        pictures: Finds what it shows.
        boilerplate: Whether navigation and footers are read too.
    """
    builder = TextBuilder()
    pictures.begin()
    tables: list[bool] = []
    left_out = 0
    for node, tag, entering in _events(top):
        if left_out:
            # Everything until the same element ends: its own events nest.
            left_out += 1 if entering else -1
            continue
        if tag == "-text":
            if entering:
                builder.add_text(node.text_content or "")
            continue
        if entering and _left_out(node, tag, boilerplate=boilerplate):
            left_out = 1
            continue
        if tag == "table" and entering:
            tables.append(node.mem_id in layout)
        is_layout = tag in _TABLE_PARTS and (not tables or tables[-1])
        if tag == "table" and not entering:
            tables.pop()
        role = "div" if is_layout else tag
        if entering:
            builder.enter(role)
            if tag == "img":
                builder.picture(node.attributes.get("alt") or "", pictures.of(node))
        else:
            builder.leave(role)
    builder.finish()
    return builder


def _events(top: LexborNode) -> Iterator[tuple[LexborNode, str, bool]]:
    """(node, tag, whether it begins) for everything below a node, in document order."""
    path: list[tuple[LexborNode, str]] = []
    node = top.child
    while True:
        if node is not None:
            tag = node.tag or ""
            yield node, tag, True
            path.append((node, tag))
            node = node.child
            continue
        if not path:
            return
        ended, tag = path.pop()
        yield ended, tag, False
        node = ended.next


def _left_out(node: LexborNode, tag: str, *, boilerplate: bool) -> bool:
    if tag in _NEVER_READ or tag.startswith(("-", "!")):
        return True
    if boilerplate:
        return False
    if tag in _BOILERPLATE:
        return True
    if tag == "a":
        return _skips_navigation(node)
    if tag in _MAY_BE_HIDDEN:
        attributes = node.attributes
        if attributes:
            return (
                "hidden" in attributes
                or attributes.get("aria-hidden") == "true"
                or (attributes.get("role") or "").lower() in _BOILERPLATE_ROLES
            )
    return False


def _skips_navigation(node: LexborNode) -> bool:
    """Whether a link is the one that takes keyboards past the navigation."""
    if not (node.attributes.get("href") or "").startswith("#") or node.child is None:
        return False
    words = (node.child.text_content or "").strip().lower()
    return words.startswith(("skip to", "skip nav", "jump to content"))


def _layout_tables(top: LexborNode) -> frozenset[int]:
    """Tables that arrange a page (they hold headings, tables …): their cells are blocks."""
    layout: set[int] = set()
    tables: list[int] = []
    for node, tag, entering in _events(top):
        if entering and tag in _ARRANGED and tables:
            layout.add(tables[-1])
        if tag == "table":
            if entering:
                tables.append(node.mem_id)
            else:
                tables.pop()
    return frozenset(layout)


def _title(tree: LexborHTMLParser) -> str | None:
    node = tree.css_first("head > title")
    return " ".join(node.text().split()) or None if node is not None else None


def _metadata(tree: LexborHTMLParser) -> Metadata:
    found: dict[str, str] = {}
    for node in tree.css("head > meta"):
        attributes = node.attributes
        name, content = (attributes.get("name") or "").lower(), attributes.get("content")
        if name in _METADATA and content and content.strip() and name not in found:
            found[name] = " ".join(content.split())[:1000]
    html = tree.css_first("html")
    language = (html.attributes.get("lang") or "").strip() if html is not None else ""
    return {**found, "language": language[:35]} if language else dict(found)
