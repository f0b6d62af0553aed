from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading_old_office import OldParagraph, presentation, word_document

from ragkit.errors import DocumentUnreadable, RagkitError
from ragkit.reading.files import read_bytes
from ragkit.records import Document

IN_TABLE = struct.pack("<HB", 0x2416, 1)
ROW_END = IN_TABLE + struct.pack("<HB", 0x2417, 1)
ITEM = struct.pack("<HB", 0x260A, 1) + struct.pack("<HH", 0x460B, 3)
TABS = struct.pack("<HB", 0xC60D, 2) + b"ab"
PARAGRAPHS = [
    OldParagraph("The Lamp Handbook", style=1),
    OldParagraph("A lamp\x0bburns oil. See \x13PAGEREF x\x14page 7\x15.", modifiers=TABS),
    OldParagraph("Parts", style=2),
    OldParagraph("a wick", modifiers=ITEM),
    OldParagraph("Lamp", "\x07", modifiers=IN_TABLE),
    OldParagraph("Price", "\x07", modifiers=IN_TABLE),
    OldParagraph("", "\x07", modifiers=ROW_END),
    OldParagraph("model 1, in", "\r", modifiers=IN_TABLE),
    OldParagraph("two lines", "\x07", modifiers=IN_TABLE),
    OldParagraph("7 EUR", "\x07", modifiers=IN_TABLE),
    OldParagraph("", "\x07", modifiers=ROW_END),
    OldParagraph("That is well\x1eknown, and all."),
]


def document(name: str, data: bytes) -> Document:
    return read_bytes(data, source=name).document


@pytest.mark.parametrize("wide", [True, False])
def test_an_old_word_document_has_headings_lists_and_tables(wide: bool) -> None:
    """Styles give headings, modifiers lists and tables; field codes are no words, results are."""
    found = document("a.doc", word_document(PARAGRAPHS, notes="It smells.\r", wide=wide))
    assert found.media_type == "application/msword"
    assert found.text.split("\n\n") == [
        "The Lamp Handbook",
        "A lamp\nburns oil. See page 7.",
        "Parts",
        "  - a wick",
        "Lamp | Price\nmodel 1, in two lines | 7 EUR",
        "That is well-known, and all.",
        "It smells.",
    ]
    assert [(s.level, s.title) for s in found.sections] == [(1, "The Lamp Handbook"), (2, "Parts")]
    assert [block.kind for block in found.blocks if block.kind in ("table", "row")] == [
        "table",
        "row",
    ]


def test_an_old_presentation_has_a_page_for_each_slide() -> None:
    """Outline, shapes, tables and notes in order, as they were saved last, without the master's."""
    found = document("a.ppt", presentation())
    assert found.media_type == "application/vnd.ms-powerpoint"
    assert [found.text[page:].split("\n")[0] for page in found.pages] == [
        "Slide 1: Lamps",
        "Slide 2: Prices",
    ]
    assert found.text.split("\n\n") == [
        "Slide 1: Lamps",
        "- Trim the wick.\n- Clean the glass.",
        "Of oil and glass",
        "Slide 2: Prices",
        "Lamp | Price\nmodel 1 | 7 EUR",
        "Notes: Speak slowly.",
    ]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.doc", word_document(PARAGRAPHS, flags=0x0300), "encrypted"),
        ("a.doc", word_document(PARAGRAPHS, flags=0), "lacks the table"),
        ("a.doc", presentation(), "not a Word document"),
        ("a.doc", b"PK\x03\x04 rest", "not a Word document"),
        ("a.ppt", presentation(token=0xF3D1_C4DF), "encrypted"),
        ("a.ppt", word_document(PARAGRAPHS), "not a PowerPoint presentation"),
    ],
)
def test_what_cannot_be_read_says_why(name: str, data: bytes, reason: str) -> None:
    """Encryption and files of another kind are told apart from damage."""
    with pytest.raises(DocumentUnreadable, match=reason):
        document(name, data)


def test_a_page_named_as_a_document_is_a_page() -> None:
    """Web applications export to Word by naming a page or RTF so."""
    assert document("a.doc", b"<html><body><p>lamp</p></body></html>").media_type == "text/html"
    assert document("a.doc", b"{\\rtf1 lamp}").media_type == "application/rtf"


@given(
    name=st.sampled_from(["a.doc", "a.ppt"]),
    changes=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=12),
    length=st.integers(0, 20_000),
)
def test_damage_is_an_error_of_ours_or_a_text(
    name: str, changes: list[tuple[int, int]], length: int
) -> None:
    """Whatever bytes are changed or cut off, reading ends in a document or in a stated reason."""
    data = bytearray(word_document(PARAGRAPHS) if name == "a.doc" else presentation())
    for at, value in changes:
        data[at % len(data)] = value
    if length < len(data) and length % 3 == 0:
        del data[length:]
    try:
        found = document(name, bytes(data))
    except RagkitError:
        return
    assert found.text.strip()
