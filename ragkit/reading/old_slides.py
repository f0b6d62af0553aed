"""PowerPoint presentations of 1997 to 2003 (``.ppt``): records in an OLE2 container (MS-PPT).

A file keeps the records of earlier savings. Which count is said by directories, the newest first,
that the stream "Current User" leads to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ragkit.errors import DocumentUnreadable
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.ole import OLE_MARK, PARSE_ERRORS, open_container
from ragkit.reading.ole_properties import summary_of
from ragkit.reading.properties import stated_metadata, stated_title

if TYPE_CHECKING:
    import olefile

__all__ = ["read_old_slides"]

_STREAM, _CURRENT = "PowerPoint Document", "Current User"
_ENCRYPTED_MARK = 0xF3D1_C4DF
_EDIT, _DIRECTORY = 0x0FF5, 0x1772
_NOTES, _NOTES_ATOM = 0x03F0, 0x03F1
_GROUP, _SHAPE, _ANCHOR = 0xF003, 0xF004, 0xF00F
_LIST, _LISTED, _HEADER, _WIDE, _NARROW = 0x0FF0, 0x03F3, 0x0F9F, 0x0FA0, 0x0FA8
# What a master shows on every slide.
_PLACEHOLDER = 0x0BC3
_REPEATED = frozenset({0x08, 0x09, 0x0A, 0x0B, 0x0C})
_TITLE_KINDS, _NOTES_KIND = frozenset({0, 6}), 2
_CONTAINER = 0xF
_HEADER_BYTES = 8
_DEEPEST = 30
_MOST_RECORDS = 2_000_000
_MOST_EDITS = 10_000


@dataclass(frozen=True, slots=True)
class _Record:
    kind: int
    instance: int
    is_container: bool
    begin: int
    end: int


@dataclass(slots=True)
class _Shape:
    """Words of a kind (title, notes ...) at a place, or the rows of a table."""

    kind: int = -1
    words: str = ""
    left: int = 0
    top: int = 0
    rows: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class _Slide:
    """Key and number of a slide, and its texts by kind, as the outline has them."""

    key: int
    number: int
    texts: list[tuple[int, str]] = field(default_factory=list)


def read_old_slides(raw: RawFile) -> Reading:
    """Read a presentation, a page and a section for each slide, with its notes.

    Raises:
        DocumentUnreadable: It is damaged, encrypted, or older than PowerPoint 97.
    """
    if not raw.data.startswith(OLE_MARK):
        raise DocumentUnreadable("not a PowerPoint presentation, whatever its name says")
    try:
        with open_container(raw.data) as container:
            if container.exists("EncryptedPackage"):
                raise DocumentUnreadable("encrypted: save it without a password")
            if not (container.exists(_STREAM) and container.exists(_CURRENT)):
                raise DocumentUnreadable("not a PowerPoint presentation of 1997 or later")
            properties = summary_of(container)
            composer = _Show(container).composed()
    except PARSE_ERRORS as error:
        raise DocumentUnreadable("damaged or cut off: its records make no sense") from error
    title = stated_title(properties.pop("title", ""))
    return composer.reading(raw, title=title, metadata=stated_metadata(properties))


class _Show:
    """The slides of a presentation."""

    def __init__(self, container: olefile.OleFileIO) -> None:
        self._stream: bytes = container.openstream(_STREAM).read()
        self._records_left = _MOST_RECORDS
        current: bytes = container.openstream(_CURRENT).read()
        if int.from_bytes(current[12:16], "little") == _ENCRYPTED_MARK:
            raise DocumentUnreadable("encrypted: save it without a password")
        self._places, document = self._directory(int.from_bytes(current[16:20], "little"))
        if document not in self._places:
            raise DocumentUnreadable("damaged: no directory leads to its slides")
        self._document = self._at(self._places[document])
        self._notes = self._all_notes()

    def composed(self) -> Composer:
        """The slides, in the order in which they are shown."""
        composer = Composer()
        for number, slide in enumerate(self._slides(instance=0), start=1):
            composer.page()
            place = self._places.get(slide.key)
            shapes = list(self._shapes(self._at(place))) if place is not None else []
            self._write(composer, number, slide, shapes)
        return composer

    def _write(self, composer: Composer, number: int, slide: _Slide, shapes: list[_Shape]) -> None:
        titles = [text for kind, text in slide.texts if kind in _TITLE_KINDS]
        titles += [shape.words for shape in shapes if shape.kind in _TITLE_KINDS]
        bodies = [text for kind, text in slide.texts if kind not in _TITLE_KINDS]
        title = one_line(" ".join(titles))
        before = composer.length
        composer.heading(f"Slide {number}: {title}" if title else f"Slide {number}", 1)
        after = composer.length
        for text in bodies:
            lines = [line for line in text.split("\r") if line.strip()]
            for line in lines:
                if len(lines) > 1:
                    composer.item(_plain(line))
                else:
                    composer.paragraph(_plain(line))
        for shape in shapes:
            if shape.rows:
                composer.table(shape.rows)
            elif shape.kind not in _TITLE_KINDS:
                composer.paragraph(_plain(shape.words))
        for text in self._notes.get(slide.number, ()):
            composer.paragraph(f"Notes: {_plain(text)}")
        if composer.length == after and not title:
            composer.take_back(before)

    def _directory(self, edit: int) -> tuple[dict[int, int], int]:
        """Where each object is, by its key, and the key of the document."""
        places: dict[int, int] = {}
        document = -1
        seen: set[int] = set()
        while edit and edit not in seen and len(seen) < _MOST_EDITS:
            seen.add(edit)
            record = self._at(edit)
            if record.kind != _EDIT:
                break
            before, directory, key = (self._long(record.begin + at) for at in (8, 12, 16))
            if record.end - record.begin >= 32 and self._long(record.begin + 28):
                raise DocumentUnreadable("encrypted: save it without a password")
            document = key if document < 0 else document
            for object_key, place in self._listed(self._at(directory)):
                places.setdefault(object_key, place)
            edit = before
        return places, document

    def _listed(self, record: _Record) -> Iterator[tuple[int, int]]:
        at = record.begin
        while record.kind == _DIRECTORY and at + 4 <= record.end:
            first = self._long(at)
            at += 4
            for number in range(first >> 20):
                if at + 4 > record.end:
                    return
                yield (first & 0xFFFFF) + number, self._long(at)
                at += 4

    def _slides(self, instance: int) -> list[_Slide]:
        """Slides (0) or notes (2) with the texts that the outline has of them."""
        slides: list[_Slide] = []
        kind = -1
        for listing in self._inside(self._document):
            if listing.kind != _LIST or listing.instance != instance:
                continue
            for record in self._inside(listing):
                if record.kind == _LISTED:
                    key, number = self._long(record.begin), self._long(record.begin + 12)
                    slides.append(_Slide(key, number))
                elif record.kind == _HEADER:
                    kind = self._long(record.begin)
                elif record.kind in (_WIDE, _NARROW) and slides:
                    slides[-1].texts.append((kind, self._text(record)))
        return slides

    def _all_notes(self) -> dict[int, list[str]]:
        """The words of the notes, by the number of their slide."""
        notes: dict[int, list[str]] = {}
        for slide in self._slides(instance=2):
            place = self._places.get(slide.key)
            if place is None:
                continue
            record = self._at(place)
            if record.kind != _NOTES:
                continue
            number = next(
                (self._long(r.begin) for r in self._inside(record) if r.kind == _NOTES_ATOM), 0
            )
            said = [shape.words for shape in self._shapes(record) if shape.kind == _NOTES_KIND]
            notes.setdefault(number, []).extend(said)
        return notes

    def _shapes(self, record: _Record, depth: int = 0) -> Iterator[_Shape]:
        """The shapes with words, as they lie in groups; a group that is a table is one shape."""
        for inner in self._inside(record):
            if not inner.is_container or depth >= _DEEPEST:
                continue
            if inner.kind == _SHAPE:
                shape = self._shape(inner)
                if shape.words:
                    yield shape
                continue
            found = list(self._shapes(inner, depth + 1))
            rows = _grid(found) if inner.kind == _GROUP else []
            if rows:
                yield _Shape(kind=-1, words=" ", rows=rows)
            else:
                yield from found

    def _shape(self, record: _Record) -> _Shape:
        """A shape's own words and place; without words if it shows what the master has."""
        shape = _Shape()
        for each in self._leaves(record, 0):
            if each.kind == _HEADER:
                shape.kind = self._long(each.begin)
            elif each.kind == _ANCHOR:
                shape.left, shape.top = self._long(each.begin), self._long(each.begin + 4)
            elif each.kind == _PLACEHOLDER and self._stream[each.begin + 4] in _REPEATED:
                return _Shape()
            elif each.kind in (_WIDE, _NARROW):
                words = self._text(each)
                # "*" stands for a number or date that is filled in when the slide is shown.
                shape.words += words if words.strip() != "*" else ""
        return shape if shape.words.strip() else _Shape()

    def _leaves(self, record: _Record, depth: int) -> Iterator[_Record]:
        for inner in self._inside(record):
            if not inner.is_container:
                yield inner
            elif depth < _DEEPEST:
                yield from self._leaves(inner, depth + 1)

    def _inside(self, record: _Record) -> Iterator[_Record]:
        at = record.begin
        while at + _HEADER_BYTES <= record.end:
            inner = self._at(at)
            if inner.end > record.end:
                return
            yield inner
            at = inner.end

    def _at(self, place: int) -> _Record:
        self._records_left -= 1
        if self._records_left < 0:
            raise DocumentUnreadable("damaged: its records go round in circles")
        head = self._stream[place : place + _HEADER_BYTES]
        version = int.from_bytes(head[:2], "little")
        begin = place + _HEADER_BYTES
        end = min(begin + int.from_bytes(head[4:8], "little"), len(self._stream))
        return _Record(
            kind=int.from_bytes(head[2:4], "little"),
            instance=version >> 4,
            is_container=version & 0xF == _CONTAINER,
            begin=begin,
            end=end,
        )

    def _text(self, record: _Record) -> str:
        data = self._stream[record.begin : record.end]
        return data.decode("utf-16-le" if record.kind == _WIDE else "latin-1", "replace")

    def _long(self, at: int) -> int:
        return int.from_bytes(self._stream[at : at + 4], "little")


def _plain(words: str) -> str:
    """Line breaks within a paragraph as such."""
    return words.replace("\x0b", "\n").replace("\r", "\n")


def _grid(shapes: list[_Shape]) -> list[list[str]]:
    """The rows of a group whose shapes stand in a grid, as the cells of a table do; else none."""
    tops = sorted({shape.top for shape in shapes})
    lefts = sorted({shape.left for shape in shapes})
    places = {(shape.top, shape.left): one_line(shape.words) for shape in shapes}
    full = len(places) == len(shapes) and 2 * len(shapes) > len(tops) * len(lefts)
    if len(tops) < 2 or len(lefts) < 2 or not full or any(shape.rows for shape in shapes):
        return []
    return [[places.get((top, left), "") for left in lefts] for top in tops]
