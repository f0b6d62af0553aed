"""Rich Text Format: paragraphs, headings by style, lists, tables and footnotes.

Groups are kept on a list, not on Python's stack: files nest twenty thousand deep when someone means
harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ragkit.errors import DocumentUnreadable
from ragkit.reading.composing import Composer, has_header, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.properties import stated_metadata, stated_title
from ragkit.reading.rtf_tokens import Token, codec_of_charset, codec_of_page, tokens
from ragkit.reading.structure import word_set

__all__ = ["read_rtf"]

_SIGNS = MappingProxyType(
    {
        "tab": "\t",
        "line": "\n",
        "emdash": "—",
        "endash": "–",
        "lquote": "‘",
        "rquote": "’",
        "ldblquote": "“",
        "rdblquote": "”",
        "bullet": "•",
        "enspace": " ",
        "emspace": " ",
        "qmspace": " ",
    }
)
_ESCAPES = MappingProxyType({b"~": " ", b"_": "-", b"\\": "\\", b"{": "{", b"}": "}"})
_LEFT_OUT = word_set(
    "colortbl pict objdata header headerl headerr headerf footer footerl footerr footerf filetbl"
    " listtable listoverridetable revtbl rsidtbl generator xmlnstbl themedata fldinst bkmkstart"
    " bkmkend nonshppict colorschememapping datastore latentstyles pn pntxtb pntxta htmltag ftnsep"
    " ftnsepc aftnsep aftnsepc template comment vern atnid atnauthor private1 do"
)
# Destinations that are marked as optional, and that are read.
_READ = word_set("shpinst shptxt footnote annotation listtext pntext shp")
_INFORMATION = word_set("title author subject keywords")
# What is collected by itself.
_FLOWS = word_set("footnote annotation listtext pntext fonttbl stylesheet")
_PARAGRAPH_ENDS = word_set("par sect page")
_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_BODY_LEVEL = 9


@dataclass(slots=True)
class _Group:
    """What holds until a group ends."""

    destination: str = ""
    skipped: bool = False
    hidden: bool = False
    codec: str = ""
    blanks_after_unicode: int = 1


@dataclass(slots=True)
class _Paragraph:
    """What holds until a paragraph's properties are reset."""

    style: int | None = None
    outline: int | None = None
    in_table: bool = False
    depth: int = 1


@dataclass(slots=True)
class _Tables:
    """What the tables at the beginning of a file say."""

    codecs: dict[int, str] = field(default_factory=dict)
    levels: dict[int, int] = field(default_factory=dict)
    font: int = 0
    style: int | None = None
    outline: int | None = None


def read_rtf(raw: RawFile) -> Reading:
    """Read RTF.

    Raises:
        DocumentUnreadable: It is no RTF.
    """
    if not raw.data.lstrip()[:5] == b"{\\rtf":
        raise DocumentUnreadable("not RTF, whatever its name says: it does not begin with {\\rtf")
    reader = _Reader()
    for token in tokens(raw.data.lstrip()):
        reader.take(token)
    reader.finish()
    title = stated_title(reader.information.pop("title", ""))
    metadata = stated_metadata(reader.information)
    return reader.composer.reading(raw, title=title, metadata=metadata)


class _Reader:
    """Takes tokens and writes blocks."""

    def __init__(self) -> None:
        self.composer = Composer()
        self.information: dict[str, str] = {}
        self._group = _Group()
        self._groups: list[_Group] = []
        self._paragraph = _Paragraph()
        self._tables = _Tables()
        self._page = "cp1252"
        self._starred = False
        self._to_skip = 0
        self._bytes = bytearray()
        # The text being collected; a note within a paragraph has its own.
        self._flow: list[str] = []
        self._flows: list[tuple[int, list[str]]] = []
        self._marker = ""
        self._notes: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []

    def take(self, token: Token) -> None:
        """Act on a token."""
        if token.kind == "text":
            self._text(token)
            return
        self._decode()
        if token.kind == "{":
            self._groups.append(self._group)
            self._group = replace(self._group)
            self._to_skip = 0
        elif token.kind == "}":
            self._close()
        elif token.kind == "sign":
            self._sign(token.data)
        else:
            starred, self._starred = self._starred, False
            self._word(token.word, token.number, starred=starred)

    def finish(self) -> None:
        """Write what is left."""
        self._decode()
        while self._flows:
            self._end_flow()
        self._end_paragraph()
        self._end_table()

    def _text(self, token: Token) -> None:
        self._starred = False
        data = token.data
        if self._to_skip:
            # The stand-in for a Unicode character, for programs that know none.
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        if data and not self._group.skipped and not self._group.hidden:
            self._bytes += data

    def _decode(self) -> None:
        if self._bytes:
            codec = self._group.codec or self._page
            self._flow.append(self._bytes.decode(codec, "replace"))
            self._bytes.clear()

    def _sign(self, sign: bytes) -> None:
        if sign == b"*":
            self._starred = True
        elif self._to_skip:
            self._to_skip -= 1
        elif sign in (b"\r", b"\n"):
            self._end_paragraph()
        elif not self._group.skipped and not self._group.hidden:
            self._flow.append(_ESCAPES.get(sign, ""))

    def _word(self, word: str, number: int | None, *, starred: bool) -> None:
        group = self._group
        if word in _LEFT_OUT or (starred and word not in _READ):
            group.skipped = True
        elif word == "info":
            group.destination, group.skipped = word, True
        elif word in _FLOWS or (word in _INFORMATION and group.destination == "info"):
            self._begin_flow(word)
        elif group.destination in ("fonttbl", "stylesheet"):
            self._table_word(word, number)
        elif word == "u":
            self._unicode(number or 0)
        elif word in _SIGNS:
            if not group.skipped and not group.hidden:
                self._flow.append(_SIGNS[word])
        else:
            self._property(word, number)

    def _property(self, word: str, number: int | None) -> None:
        """Words about characters and the file; others are about paragraphs."""
        group = self._group
        if word == "uc":
            group.blanks_after_unicode = max(0, min(number or 0, 10))
        elif word == "ansicpg":
            self._page = codec_of_page(number or 1252)
        elif word == "mac":
            self._page = "mac_roman"
        elif word == "f":
            group.codec = self._tables.codecs.get(number or 0, "")
        elif word in ("v", "deleted", "htmlrtf"):
            group.hidden = number != 0
        elif word == "plain":
            group.hidden, group.codec = False, ""
        elif not group.skipped:
            self._paragraph_word(word, number)

    def _paragraph_word(self, word: str, number: int | None) -> None:
        paragraph = self._paragraph
        if word in _PARAGRAPH_ENDS:
            self._end_paragraph()
        elif word == "pard":
            self._paragraph = _Paragraph()
        elif word == "s":
            paragraph.style = number
        elif word == "outlinelevel":
            paragraph.outline = number
        elif word == "ilvl":
            paragraph.depth = min(max(number or 0, 0), _BODY_LEVEL) + 1
        elif word == "intbl":
            paragraph.in_table = True
        elif word in ("cell", "nestcell"):
            self._cells.append(self._taken())
        elif word == "row":
            self._rows.append(self._cells)
            self._cells = []

    def _table_word(self, word: str, number: int | None) -> None:
        """A word within the table of fonts or of styles."""
        tables = self._tables
        if word == "f":
            tables.font = number or 0
        elif word == "fcharset":
            codec = codec_of_charset(number or 0)
            if codec is not None:
                tables.codecs[tables.font] = codec
        elif word == "s":
            tables.style, tables.outline = number, None
        elif word in ("cs", "ts", "ds"):
            tables.style = None
        elif word == "outlinelevel":
            tables.outline = number

    def _unicode(self, number: int) -> None:
        self._to_skip = self._group.blanks_after_unicode
        if not self._group.skipped and not self._group.hidden:
            self._flow.append(chr(number & 0xFFFF))

    def _begin_flow(self, word: str) -> None:
        if word in _INFORMATION:
            self._group.skipped = False
        self._group.destination = word
        self._flows.append((len(self._groups), self._flow))
        self._flow = []

    def _close(self) -> None:
        if self._group.destination in ("fonttbl", "stylesheet"):
            self._end_entry()
        if self._flows and self._flows[-1][0] == len(self._groups):
            self._end_flow()
        if self._groups:
            self._group = self._groups.pop()
        self._to_skip = 0

    def _end_entry(self) -> None:
        """A style ends with its name."""
        tables, name = self._tables, one_line(self._taken()).rstrip(";")
        if self._group.destination == "stylesheet" and tables.style is not None:
            match = _HEADING.match(name)
            if match:
                tables.levels[tables.style] = int(match.group(1))
            elif tables.outline is not None and 0 <= tables.outline < _BODY_LEVEL:
                tables.levels[tables.style] = tables.outline + 1

    def _end_flow(self) -> None:
        """A note, a list's label or a property is complete."""
        kind, words = self._group.destination, one_line(self._taken())
        _, self._flow = self._flows.pop()
        if kind in _INFORMATION:
            self.information[kind] = words
        elif kind in ("listtext", "pntext"):
            self._marker = words
        elif words:
            self._notes.append(f"[{'Comment' if kind == 'annotation' else 'Note'}: {words}]")

    def _taken(self) -> str:
        """The text of the flow, which begins anew; halves of a character are joined."""
        self._decode()
        text = "".join(self._flow)
        self._flow.clear()
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _end_paragraph(self) -> None:
        self._decode()
        if self._flows:
            self._flow.append("\n")
            return
        if self._paragraph.in_table:
            self._flow.append(" ")
            return
        text, marker = self._taken(), self._marker
        self._marker = ""
        if text.strip():
            self._end_table()
            self._write(text, marker)
        self._write_notes()

    def _write(self, text: str, marker: str) -> None:
        level = self._tables.levels.get(self._paragraph.style or 0)
        outline = self._paragraph.outline
        if outline is not None:
            level = outline + 1 if 0 <= outline < _BODY_LEVEL else None
        labelled = marker if any(sign.isalnum() for sign in marker) else ""
        if level is not None:
            self.composer.heading(f"{labelled} {text}" if labelled else text, level)
        elif marker:
            self.composer.item(text, self._paragraph.depth, labelled or "-")
        else:
            self.composer.paragraph(text)

    def _write_notes(self) -> None:
        if not self._rows:
            for note in self._notes:
                self.composer.paragraph(note)
            self._notes = []

    def _end_table(self) -> None:
        if self._cells:
            self._rows.append(self._cells)
        rows, self._rows, self._cells = self._rows, [], []
        if rows:
            self.composer.table(rows, header=has_header(rows))
            self._write_notes()
