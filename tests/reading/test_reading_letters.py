from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from reading_ole import Tree, ole_bytes

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import Reading
from ragkit.reading.files import read_bytes
from ragkit.reading.rtf_packed import unpacked_rtf
from ragkit.records import Document


def read(name: str, data: bytes) -> Reading:
    return read_bytes(data, source=name)


def sections(document: Document) -> list[tuple[int, str]]:
    return [(section.level, section.title) for section in document.sections]


RTF = rb"""{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0\fswiss Arial;}{\f1\fcharset204 Arial Cyr;}}
{\colortbl;\red0\green0\blue0;}
{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 \'dcberschrift;}{\s2 heading 2;}{\*\cs3 Own;}}
{\info{\title The lamp}{\author Ida}{\operator Bo}{\creatim\yr2026}}
{\header On every page}
\pard\s1 Lamps\par\pard\s2 Parts\par\pard Caf\'e9 \u8364?\u-10179?\u-8704? and {\f1\'eb\'e0}
{\b bold\b0}text{\v hidden}{\*\unknown gone}.{\footnote\pard A note.\par}\line Next\par
{\field{\*\fldinst HYPERLINK "x"}{\fldrslt a link}}\tab{\pict\bin4 }}{\} \emdash{} end\par
{\listtext 1.\tab}\ilvl0 Fill it\par\pard{\listtext\'b7\tab}\ilvl1 slowly\par
\trowd\cellx1\cellx2\pard\intbl Part\cell Price\cell\row\trowd\intbl wick\par again\cell 2\cell\row
\pard After\par}"""


def test_rtf_reads_as_it_is_shown() -> None:
    """Styles make headings; charsets, notes, lists and tables come out; what is hidden goes."""
    found = read("a.rtf", RTF).document
    assert found.text == (
        "Lamps\n\nParts\n\nCafé €😀 and лаboldtext.\nNext\n\n[Note: A note.]\n\n"
        "a link — end\n\n1. Fill it\n  - slowly\n\nPart | Price\nwick again | 2\n\nAfter"
    )
    assert sections(found) == [(1, "Lamps"), (2, "Parts")]
    assert found.title == "The lamp"
    assert found.metadata == {"author": "Ida"}
    kinds = [block.kind for block in found.blocks]
    assert kinds[-5:] == ["list", "list", "table", "row", "paragraph"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (rb"{\rtf1 " + b"{" * 20_000 + b"deep" + b"}" * 20_000 + b"}", "deep"),
        (rb"{\rtf1 cut \b off", "cut off"),
        (rb"{\rtf1 a}}}} b", "a b"),
        (rb"{\rtf1 a\bin999999999 b", "a"),
        (rb"{\rtf1\u55357? alone}", "� alone"),
        (rb"{\rtf1\ansicpg99999 caf\'e9\f77 x}", "caféx"),
        (rb"{\rtf1 \{a\}\\\~b\'zz}", "{a}\\ bzz"),
        (rb"{\rtf1{\footnote one}\par}", "[Note: one]"),
        (rb"{\rtf1\uc2\u946 ??b\'e1}", "βbá"),
    ],
)
def test_odd_rtf_is_read(data: bytes, expected: str) -> None:
    """Deep, cut and unbalanced RTF keeps its words."""
    assert read("a.rtf", data).document.text == expected


def test_what_is_no_rtf_is_told() -> None:
    """Another file under the name is reported, RTF under another name is read."""
    with pytest.raises(DocumentUnreadable, match="not RTF"):
        read("a.rtf", b"just words")
    with pytest.raises(DocumentSkipped, match="empty"):
        read("a.rtf", rb"{\rtf1\ansi\par}")
    assert read("a.doc", rb"{\rtf1 lamp}").document.text == "lamp"


def test_packed_rtf_is_unpacked() -> None:
    """The example of the specification, and the stored form, come out whole."""
    packed = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c09002062"
        "7705b06c647d0a800fa0"
    )
    assert unpacked_rtf(packed) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert unpacked_rtf(struct.pack("<II4sI", 16, 4, b"MELA", 0) + b"lamp") == b"lamp"
    for bad in (b"", packed[:10], packed[:8] + b"????" + packed[12:]):
        with pytest.raises(DocumentUnreadable, match="damaged"):
            unpacked_rtf(bad)


def text(number: int, words: str) -> dict[str, bytes]:
    return {f"__substg1.0_{number:04X}001F": words.encode("utf-16-le")}


def fixed(top: int, **values: int) -> bytes:
    """A list of properties: the time sent and the like."""
    entries = b"".join(
        struct.pack("<IIQ", int(key[1:], 16) << 16 | 0x40, 6, value)
        for key, value in values.items()
    )
    return bytes(top) + entries


SENT = 133_800_000_000_000_000
INNER: Tree = {
    "__properties_version1.0": fixed(24),
    **text(0x0037, "Earlier"),
    "__substg1.0_10130102": b"<p>When does <b>it</b> come?</p>",
}
MESSAGE: Tree = {
    "__properties_version1.0": fixed(32, p0039=SENT),
    **text(0x0037, "Lampenöl"),
    **text(0x0C1A, "Ida"),
    **text(0x5D01, "ida@example.org"),
    **text(0x0E04, "Bo; Eva"),
    **text(0x1000, "It is late.\r\n\r\n> Where?\r\n"),
    "__attach_version1.0_#00000000": {
        "__properties_version1.0": bytes(8),
        **text(0x3707, "parts.csv"),
        "__substg1.0_37010102": b"Part,Price\nwick,2\n",
    },
    "__attach_version1.0_#00000001": {
        "__properties_version1.0": bytes(8),
        "__substg1.0_3701000D": INNER,
    },
}


def test_an_outlook_message_is_a_letter() -> None:
    """Properties become the head, the plain text the body, attachments and messages sections."""
    found = read("a.msg", ole_bytes(MESSAGE)).document
    assert found.text == (
        "Lampenöl\n\nFrom: Ida <ida@example.org>\nTo: Bo; Eva\nDate: 2024-12-30T02:40:00+00:00\n"
        "Attachments: parts.csv, Earlier\n\nIt is late.\n\n> Where?\n\n"
        "Attachment: parts.csv\n\nPart,Price\nwick,2\n\n\n"
        "Attached message: Earlier\n\nEarlier\n\nWhen does it come?"
    )
    assert found.title == "Lampenöl"
    assert found.metadata["date"] == "2024-12-30T02:40:00+00:00"
    assert [level for level, _ in sections(found)] == [1, 2, 2, 3]


def test_a_message_with_rich_text_alone_is_read() -> None:
    """Where there is neither plain text nor HTML, the RTF is the body."""
    rich = rb"{\rtf1\ansi\fromhtml1{\*\htmltag <b>}Lamp{\*\htmltag </b>}\htmlrtf x\htmlrtf0 oil}"
    packed = struct.pack("<II4sI", len(rich) + 12, len(rich), b"MELA", 0) + rich
    data = ole_bytes({"__properties_version1.0": fixed(32), "__substg1.0_10090102": packed})
    assert read("a.msg", data).document.text == "Lampoil"


def test_damaged_messages_are_told() -> None:
    """Containers cut anywhere, of something else, or none at all end in a reason."""
    whole = ole_bytes(MESSAGE)
    for data in (b"words", whole[:600], ole_bytes({"Workbook": b"x"}), whole[:512] + bytes(5000)):
        with pytest.raises(DocumentUnreadable):
            read("a.msg", data)
    for cut in range(512, len(whole), 700):
        with suppress(DocumentUnreadable, DocumentSkipped):
            read("a.msg", whole[:cut])
