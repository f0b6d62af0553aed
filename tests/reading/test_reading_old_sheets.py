from __future__ import annotations

import random
import struct

import pytest
from reading_ole import Tree, ole_bytes
from reading_packages import xlsx

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.files import read_bytes
from ragkit.reading.old_records import shared_strings
from ragkit.records import Document


def record(kind: int, layout: str, *values: object, tail: bytes = b"") -> bytes:
    data = struct.pack("<" + layout, *values) + tail
    return struct.pack("<HH", kind, len(data)) + data


def string(words: str, length: str = "H") -> bytes:
    wide = not words.isascii()
    data = words.encode("utf-16-le" if wide else "latin-1")
    return struct.pack(f"<{length}B", len(words), wide) + data


def workbook(cells: bytes, *, strings: tuple[str, ...] = (), extra: bytes = b"") -> Tree:
    """A workbook with one sheet of these cell records."""
    bof = record(0x0809, "HHHH", 0x0600, 5, 0, 0)
    formats = record(0x041E, "H", 170, tail=string("yyyy-mm-dd hh:mm"))
    styles = b"".join(record(0x00E0, "HH", 0, key) for key in (0, 14, 9, 170))
    table = record(0x00FC, "II", len(strings), len(strings), tail=b"".join(map(string, strings)))
    name = string("Lämps", "B")
    head = bof + extra + formats + styles
    start = len(head) + 4 + 6 + len(name) + len(table) + 4
    sheet = record(0x0085, "IBB", start, 0, 0, tail=name)
    body = record(0x0809, "HHHH", 0x0600, 16, 0, 0) + cells + record(0x000A, "")
    return {"Workbook": head + sheet + table + record(0x000A, "") + body}


CELLS = (
    record(0x00FD, "HHHI", 0, 0, 0, 0) + record(0x00FD, "HHHI", 0, 1, 0, 1)
    + record(0x0204, "HHH", 0, 2, 0, tail=string("Since"))
    + record(0x0204, "HHH", 1, 0, 0, tail=string("wick"))
    + record(0x00BD, "HHHIHIH", 1, 1, 0, (250 << 2) | 3, 1, (45_000 << 2) | 2, 2)
    + record(0x0006, "HHHBBBBBBH", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0xFFFF)
    + record(0x0207, "", tail=string("oil"))
    + record(0x0203, "HHHd", 2, 1, 2, 0.125) + record(0x0203, "HHHd", 2, 2, 3, 45_000.5)
    + record(0x0205, "HHHBB", 4, 0, 0, 1, 0)
)  # fmt: skip


def read(data: bytes) -> Document:
    return read_bytes(data, source="a.xls").document


def test_old_workbooks_read_as_new_ones() -> None:
    """Shared strings, packed numbers, dates, shares and formulas come out as shown."""
    found = read(ole_bytes(workbook(CELLS, strings=("Part", "Prïce"))))
    assert found.text == (
        "Lämps\n\nPart | Prïce | Since\nwick | 2.5 | 2023-03-15\n"
        "oil | 12.5% | 2023-03-15 12:00\n\nTRUE"
    )
    assert [(s.level, s.title) for s in found.sections] == [(1, "Lämps")]
    assert [block.kind for block in found.blocks] == ["heading", "table", "row", "row", "row"]


def test_strings_go_on_over_records() -> None:
    """A string cut by the end of a record goes on in the next, which states its width anew."""
    head = struct.pack("<II", 2, 2) + struct.pack("<HB", 6, 0) + b"lam"
    rest = b"\x01" + "pés".encode("utf-16-le") + struct.pack("<HB", 3, 8) + b"\1\0oil" + bytes(4)
    assert shared_strings([head, rest]) == ["lampés", "oil"]
    assert shared_strings([struct.pack("<II", 9, 0xFFFFFFFF)]) == []


def test_what_is_no_workbook_is_told() -> None:
    """Protected, foreign and damaged files end in a reason."""
    locked = workbook(b"", extra=record(0x002F, "H", 1))
    for data, says in (
        (ole_bytes(locked), "encrypted"),
        (ole_bytes({"EncryptedPackage": b"x"}), "encrypted"),
        (ole_bytes({"Else": b"x"}), "not an Excel workbook"),
        (b"words", "not an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000), "damaged"),
    ):
        with pytest.raises(DocumentUnreadable, match=says):
            read(data)


def test_changed_bytes_never_break_the_reader() -> None:
    """Whatever bytes are changed, a workbook is read, skipped or reported, soon."""
    whole = ole_bytes(workbook(CELLS, strings=("Part", "Price")))
    chance = random.Random(5)  # noqa: S311 - repeatable damage, not a secret
    outcomes = set()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.choice((1, 4, 20))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data))
            outcomes.add("read")
        except (DocumentUnreadable, DocumentSkipped):
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_what_is_called_xls_is_often_something_else() -> None:
    """Pages and newer workbooks under the old name are read as what they are."""
    page = b"<html><table><tr><th>Part</th></tr><tr><td>wick</td></tr></table></html>"
    assert read(page).text == "Part\nwick"
    new = xlsx({"S": '<row><c t="str"><v>lamp</v></c></row>'})
    assert read(new).text == "S\n\nlamp"
