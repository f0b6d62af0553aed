"""Word documents of 1997 to 2003 (``.doc``): the pieces of a text in an OLE2 container (MS-DOC)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.errors import DocumentUnreadable
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.old_paragraphs import ParagraphStyle, ParagraphStyles
from ragkit.reading.ole import OLE_MARK, PARSE_ERRORS, open_container
from ragkit.reading.ole_properties import summary_of
from ragkit.reading.properties import stated_metadata, stated_title

if TYPE_CHECKING:
    import olefile

__all__ = ["read_old_word"]

_IDENT, _OLDEST = 0xA5EC, 0x00C1
_ENCRYPTED, _OTHER_TABLE = 0x0100, 0x0200
# Where the header keeps the lengths of the text's parts: main, notes, headers, macros, comments,
# endnotes, text boxes.
_LENGTHS_AT, _PARTS = 0x4C, 7
_HEADERS, _MACROS = 2, 3
_PIECES_AT, _PARAGRAPHS_AT = 0x01A2, 0x0102
_COMPRESSED = 0x4000_0000
_MOST_PIECES = 1_000_000
_FIELD = re.compile("\x13[^\x13\x14\x15]*(?:\x14([^\x13\x14\x15]*))?\x15")
_UNWANTED = re.compile("[\x00-\x06\x08\x0e-\x1d\x1f]")
_ENDS = re.compile("[\r\x07\x0c]")
_DEEPEST_FIELD = 20


@dataclass(frozen=True, slots=True)
class _Piece:
    """Characters ``start`` to ``end`` of the text, at ``at`` in the stream."""

    start: int
    end: int
    at: int
    width: int


def read_old_word(raw: RawFile) -> Reading:
    """Read a document: headings, lists and tables, then notes, comments and text boxes.

    Raises:
        DocumentUnreadable: It is damaged, encrypted, or older than Word 97.
    """
    if not raw.data.startswith(OLE_MARK):
        raise DocumentUnreadable("not a Word document, or one older than Word 6")
    try:
        with open_container(raw.data) as container:
            if not container.exists("WordDocument"):
                if container.exists("EncryptedPackage"):
                    raise DocumentUnreadable("encrypted: save it without a password")
                raise DocumentUnreadable("not a Word document, whatever its name says")
            properties = summary_of(container)
            composer = _Text(container).composed()
    except PARSE_ERRORS as error:
        raise DocumentUnreadable("damaged or cut off: its records make no sense") from error
    title = stated_title(properties.pop("title", ""))
    return composer.reading(raw, title=title, metadata=stated_metadata(properties))


class _Text:
    """The text of a document, out of its pieces."""

    def __init__(self, container: olefile.OleFileIO) -> None:
        self._stream: bytes = container.openstream("WordDocument").read()
        if self._word(0) != _IDENT or self._word(2) < _OLDEST:
            raise DocumentUnreadable("a Word document older than Word 97: save it as .docx")
        flags = self._word(0x0A)
        if flags & _ENCRYPTED:
            raise DocumentUnreadable("encrypted: save it without a password")
        name = "1Table" if flags & _OTHER_TABLE else "0Table"
        if not container.exists(name):
            raise DocumentUnreadable("damaged: it lacks the table of its pieces")
        table: bytes = container.openstream(name).read()
        self._pieces = list(_pieces(_slice(table, self._pair(_PIECES_AT))))
        bins = _slice(table, self._pair(_PARAGRAPHS_AT))
        self._styles = ParagraphStyles(self._stream, bins)
        self._lengths = [self._long(_LENGTHS_AT + 4 * part) for part in range(_PARTS)]

    def composed(self) -> Composer:
        """The parts that a reader of the document sees, in order."""
        writer = _Writer()
        at = 0
        for part, length in enumerate(self._lengths):
            if part not in (_HEADERS, _MACROS):
                for words, mark, style in self._paragraphs(at, at + length):
                    writer.add(words, mark, style)
                writer.close()
            at += length
        return writer.composer

    def _paragraphs(self, start: int, end: int) -> Iterator[tuple[str, str, ParagraphStyle]]:
        """Words, the sign that ends them, and style, of each paragraph and cell."""
        pending = ""
        for piece in self._pieces:
            first, last = max(piece.start, start), min(piece.end, end)
            if first >= last:
                continue
            begin = piece.at + (first - piece.start) * piece.width
            data = self._stream[begin : piece.at + (last - piece.start) * piece.width]
            text = data.decode("utf-16-le" if piece.width == 2 else "cp1252", "replace")
            after = 0
            for match in _ENDS.finditer(text):
                at = begin + match.start() * piece.width
                yield pending + text[after : match.start()], match.group(), self._styles.at(at)
                pending, after = "", match.end()
            pending += text[after:]
        if pending.strip():
            yield pending, "\r", ParagraphStyle()

    def _word(self, at: int) -> int:
        return int.from_bytes(self._stream[at : at + 2], "little")

    def _long(self, at: int) -> int:
        return int.from_bytes(self._stream[at : at + 4], "little")

    def _pair(self, at: int) -> tuple[int, int]:
        return self._long(at), self._long(at + 4)


def _slice(data: bytes, place: tuple[int, int]) -> bytes:
    return data[place[0] : place[0] + place[1]]


def _pieces(table: bytes) -> Iterator[_Piece]:
    """The table of pieces, after the properties that pieces may have."""
    at = 0
    while table[at : at + 1] == b"\x01":
        at += 3 + int.from_bytes(table[at + 1 : at + 3], "little")
    if table[at : at + 1] != b"\x02":
        raise DocumentUnreadable("damaged: the table of its pieces makes no sense")
    length = int.from_bytes(table[at + 1 : at + 5], "little")
    listed = table[at + 5 : at + 5 + length]
    count = min((len(listed) - 4) // 12, _MOST_PIECES)
    for index in range(count):
        start, end = (
            int.from_bytes(listed[4 * each : 4 * each + 4], "little") for each in (index, index + 1)
        )
        entry = listed[4 * (count + 1) + 8 * index :][:8]
        place = int.from_bytes(entry[2:6], "little")
        if place & _COMPRESSED:
            yield _Piece(start, end, (place & (_COMPRESSED - 1)) // 2, 1)
        else:
            yield _Piece(start, end, place, 2)


class _Writer:
    """Paragraphs and cells to blocks."""

    def __init__(self) -> None:
        self.composer = Composer()
        self._rows: list[list[str]] = []
        self._cells: list[str] = []
        self._cell: list[str] = []

    def add(self, words: str, mark: str, style: ParagraphStyle) -> None:
        """Write a paragraph, or keep a cell for its table."""
        plain = _plain(words)
        if style.ends_row:
            self._rows.append([*self._cells, *([plain] if plain.strip() else [])])
            self._cells = []
        elif mark == "\x07":
            self._cells.append(one_line(" ".join([*self._cell, plain])))
            self._cell = []
        elif style.in_table:
            self._cell.append(plain)
        else:
            self.close()
            self._paragraph(plain, style)

    def close(self) -> None:
        """End the table that is open."""
        if self._cells:
            self._rows.append(self._cells)
        if self._rows:
            self.composer.table(self._rows)
        self._rows, self._cells, self._cell = [], [], []

    def _paragraph(self, words: str, style: ParagraphStyle) -> None:
        if style.heading:
            self.composer.heading(words, style.heading)
        elif style.is_item:
            self.composer.item(words, style.depth + 1)
        else:
            self.composer.paragraph(words)


def _plain(words: str) -> str:
    """Without field codes, marks of pictures and notes; soft breaks and hyphens as they look."""
    for _ in range(_DEEPEST_FIELD):
        if "\x13" not in words:
            break
        words = _FIELD.sub(r"\1", words)
    words = words.replace("\x0b", "\n").replace("\x1e", "-").replace("\xa0", " ")
    return _UNWANTED.sub("", words)
