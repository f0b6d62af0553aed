"""XML: the character data of its elements, one element a line; attributes are left out.

expat is spoken to directly: no tree, so no recursion, no network, and entities under our rules.
What is not well formed, or says nothing outside its attributes, is read as the text it is.
"""

from __future__ import annotations

import re
from itertools import accumulate
from xml.parsers import expat

from ragkit.errors import DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.structure import Heading, nest_sections
from ragkit.records import Document

__all__ = ["read_xml"]

_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w.-]+)")
# References that an entity may hold: to characters, and the five that XML itself defines.
_HARMLESS = re.compile(r"&(?:#\w+|amp|lt|gt|quot|apos);")
_MARKUP = re.compile(r"</[a-zA-Z]|<(?:p|br|li|div)\b")
_AT_ONCE_CHARACTERS = 64 * 1024
_MOST_GROWTH = 20
_ALWAYS_ALLOWED_CHARACTERS = 1_000_000
_TITLE_DEPTH = 3
_BOMB = "its entities expand into more text than it holds: refused"


def read_xml(raw: RawFile) -> Reading:
    """Read XML; the title is its first shallow ``title`` element.

    Raises:
        DocumentUnreadable: Its entities are a bomb.
    """
    match = _DECLARED.match(raw.data[:300])
    decoded = decode(raw.data, match.group(1).decode("ascii") if match else None)
    warnings = decoded.warnings
    collector = _Collector(len(decoded.text))
    try:
        collector.parse(decoded.text)
    except expat.ExpatError as error:
        if "amplification" in str(error):
            raise DocumentUnreadable(_BOMB) from error
        warnings = (*warnings, f"not well-formed XML, read as text: {error}")
        collector = _Collector(0)
    text = collector.text()
    if not text and (raw.media_type != "image/svg+xml" or warnings):
        # What keeps all it says in attributes is read as it is; a drawing's are its lines.
        text = decoded.text
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        title=collector.title,
        sections=nest_sections(collector.headings(), len(text)),
    )
    return Reading(document=document, warnings=warnings)


class _Collector:
    """Turns expat's events into lines.

    An element begins a new line unless its parent has text of its own before it, as ``<code>`` has
    in a sentence. A parent of elements ends with a blank line.
    """

    def __init__(self, length: int) -> None:
        self.title: str | None = None
        self._allowed = _MOST_GROWTH * length + _ALWAYS_ALLOWED_CHARACTERS
        self._lines: list[str] = []
        self._line: list[str] = []
        # (index of its line, depth, words) of each title, of a feed's item or a book's chapter.
        self._titles: list[tuple[int, int, str]] = []
        # Of each open element: its name, whether it has text, whether it has children.
        self._open: list[list[str | bool]] = []

    def parse(self, text: str) -> None:
        """Feed a document in pieces, so that a bomb is seen before it has gone off."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        for at in range(0, len(text), _AT_ONCE_CHARACTERS):
            parser.Parse(text[at : at + _AT_ONCE_CHARACTERS].encode(), False)
        parser.Parse(b"", True)

    def text(self) -> str:
        """The lines of all elements."""
        self._break()
        return "\n".join(self._lines).strip("\n")

    def headings(self) -> list[Heading]:
        """Titles where their lines begin, ranked by how deep their elements lie."""
        ranks = {depth: rank for rank, depth in enumerate(sorted({t[1] for t in self._titles}), 1)}
        starts = [0, *accumulate(len(line) + 1 for line in self._lines)]
        return [Heading(starts[line], ranks[depth], words) for line, depth, words in self._titles]

    def _start(self, name: str, attributes: dict[str, str]) -> None:  # noqa: ARG002 - expat's shape
        if self._open:
            if not self._open[-1][1]:
                self._break()
            self._open[-1][2] = True
        self._open.append([name.rpartition(":")[2].lower(), False, False])

    def _end(self, name: str) -> None:  # noqa: ARG002 - expat's shape
        element, has_text, has_children = self._open.pop()
        if element == "title":
            self._add_title(" ".join("".join(self._line).split()))
        within_sentence = bool(self._open) and bool(self._open[-1][1])
        if within_sentence:
            return
        self._break()
        if has_children and not has_text and self._lines and self._lines[-1]:
            self._lines.append("")

    def _add_title(self, words: str) -> None:
        if not words:
            return
        depth = len(self._open)
        if self.title is None and depth < _TITLE_DEPTH:
            self.title = words
        self._titles.append((len(self._lines), depth, words))

    def _characters(self, data: str) -> None:
        self._allowed -= len(data)
        if self._allowed < 0:
            raise DocumentUnreadable(_BOMB)
        if self._open and not data.isspace():
            self._open[-1][1] = True
        self._line.append(data)

    def _break(self) -> None:
        words = "".join(self._line).strip()
        self._line.clear()
        if not words:
            return
        if _MARKUP.search(words):
            words = _without_markup(words)
        self._lines.append(_folded(words))

    def _entity(self, *declaration: str | int | None) -> None:
        """Refuse an entity made of others; the third item is its text, None if it lies outside."""
        value = declaration[2]
        if isinstance(value, str) and "&" in _HARMLESS.sub("", value):
            raise DocumentUnreadable(_BOMB)


def _without_markup(words: str) -> str:
    """Feeds carry HTML as escaped text."""
    from ragkit.reading.html import text_of_html  # noqa: PLC0415

    return text_of_html(words) or words


def _folded(words: str) -> str:
    """White space within a line is XML's indentation; line breaks in long text are kept."""
    return "\n".join(" ".join(line.split()) for line in words.splitlines() if line.strip())
