"""Writers of old Word documents and presentations, as small as their formats allow."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from reading_ole import ole_bytes

__all__ = ["OldParagraph", "presentation", "word_document"]

_PAGE = 512


@dataclass(frozen=True, slots=True)
class OldParagraph:
    """A paragraph: its words, the sign that ends it, its style and its modifiers."""

    words: str
    mark: str = "\r"
    style: int = 0
    modifiers: bytes = b""


def word_document(
    paragraphs: Sequence[OldParagraph],
    *,
    notes: str = "",
    wide: bool = True,
    flags: int = 0x0200,
) -> bytes:
    """A ``.doc`` of these paragraphs, its text in two pieces, and after it the text of notes."""
    main = "".join(each.words + each.mark for each in paragraphs)
    text = main + notes
    encoding, width = ("utf-16-le", 2) if wide else ("cp1252", 1)
    stored = text.encode(encoding)
    begin = 2 * _PAGE
    page_at = begin + -(-len(stored) // _PAGE) * _PAGE
    header = bytearray(begin)
    struct.pack_into("<HHxxxxxxH", header, 0, 0xA5EC, 0x00C1, flags)
    struct.pack_into("<II", header, 0x4C, len(main), len(notes))
    pieces = _pieces(len(text), begin, width)
    bins = struct.pack("<III", begin, begin + len(stored), page_at // _PAGE)
    struct.pack_into("<II", header, 0x01A2, 0, len(pieces))
    struct.pack_into("<II", header, 0x0102, len(pieces), len(bins))
    stream = bytes(header) + stored.ljust(page_at - begin, b"\0")
    stream += _paragraph_page(paragraphs, begin, width)
    return ole_bytes({"WordDocument": stream, "1Table": pieces + bins})


def _pieces(length: int, begin: int, width: int) -> bytes:
    """The table of pieces: two halves, and the properties of a piece before them."""
    half = length // 2
    listed = struct.pack("<III", 0, half, length)
    for start in (0, half):
        place = begin + start * width
        place = place if width == 2 else (place * 2) | 0x4000_0000
        listed += struct.pack("<HIH", 0, place, 0)
    return b"\x01\x02\x00ab" + b"\x02" + struct.pack("<I", len(listed)) + listed


def _paragraph_page(paragraphs: Sequence[OldParagraph], begin: int, width: int) -> bytes:
    starts = [begin]
    for each in paragraphs:
        starts.append(starts[-1] + width * len(each.words + each.mark))
    page = bytearray(_PAGE)
    struct.pack_into(f"<{len(starts)}I", page, 0, *starts)
    free = _PAGE - 2
    for index, each in enumerate(paragraphs):
        said = struct.pack("<H", each.style) + each.modifiers
        said += b"" if len(said) % 2 else b"\0"
        said = bytes([(len(said) + 1) // 2]) + said
        free = (free - len(said)) & ~1
        page[free : free + len(said)] = said
        page[4 * len(starts) + 13 * index] = free // 2
    assert 4 * len(starts) + 13 * len(paragraphs) <= free
    page[-1] = len(paragraphs)
    return bytes(page)


def _record(kind: int, body: bytes, *, instance: int = 0, holds: bool = False) -> bytes:
    return struct.pack("<HHI", (instance << 4) | (0xF if holds else 0), kind, len(body)) + body


def _words(kind: int, words: str) -> bytes:
    return _record(0x0F9F, struct.pack("<I", kind)) + _record(0x0FA0, words.encode("utf-16-le"))


def _shape(words: str, kind: int, place: tuple[int, int] = (0, 0), mark: bytes = b"") -> bytes:
    anchor = _record(0xF00F, struct.pack("<iiii", *place, 0, 0))
    textbox = _record(0xF00D, _words(kind, words), holds=True)
    return _record(0xF004, anchor + mark + textbox, holds=True)


def presentation(*, token: int = 0xE391_C05F) -> bytes:
    """A ``.ppt`` of two slides with outline, shapes, a footer, a table and notes.

    The first slide was saved twice; its first words are those of before.
    """
    footer = _record(0x0BC3, struct.pack("<IBBH", 0, 0x09, 0, 0))
    cells = [("Lamp", (0, 0)), ("Price", (9, 0)), ("model 1", (0, 5)), ("7 EUR", (9, 5))]
    group = _record(0xF003, b"".join(_shape(w, 4, at) for w, at in cells), holds=True)
    slides = [
        _shape("Of oil and glass", 4) + _shape("page of the master", 4, mark=footer),
        _shape("Prices", 0) + group,
    ]
    notes = _record(0x03F1, struct.pack("<I", 257)) + _shape("Speak slowly.", 2)
    objects = [
        _record(0x03EE, _shape("of before", 4), holds=True),
        *(_record(0x03EE, slide, holds=True) for slide in slides),
        _record(0x03F0, notes, holds=True),
    ]
    outline = _listed(2, 256) + _words(0, "Lamps") + _words(1, "Trim the wick.\rClean the glass.")
    shown = _record(0x0FF0, outline + _listed(3, 257), holds=True)
    noted = _record(0x0FF0, _listed(4, 1), instance=2, holds=True)
    objects.append(_record(0x03E8, shown + noted, holds=True))
    stream, places = b"", []
    for each in objects:
        places.append(len(stream))
        stream += each
    # Key 2 is the first slide: the old one by the first directory, the new one by the second.
    edits = [(2, [places[0]]), (1, [places[4], places[1], places[2], places[3]])]
    edit = 0
    for first, listed in edits:
        directory = len(stream)
        entry = struct.pack("<I", (len(listed) << 20) | first)
        stream += _record(0x1772, entry + struct.pack(f"<{len(listed)}I", *listed))
        body = struct.pack("<IIIIIII", 0, 0, edit, directory, 1, 0, 0)
        edit = len(stream)
        stream += _record(0x0FF5, body)
    current = struct.pack("<IIIII", 0, 0, 20, token, edit)
    return ole_bytes({"PowerPoint Document": stream, "Current User": current})


def _listed(key: int, number: int) -> bytes:
    return _record(0x03F3, struct.pack("<IIIII", key, 0, 0, number, 0))
