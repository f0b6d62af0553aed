"""Excel workbooks of 1993 to 2003 (``.xls``): the records of a stream in an OLE2 container.

calamine reads these too, and was tried: a single changed byte made it panic, or ask for 640 GiB and
end the process, which is a library's caller where no worker stands between.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from ragkit.errors import DocumentUnreadable
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.old_records import Record, records, shared_strings, text_at
from ragkit.reading.ole import OLE_MARK, PARSE_ERRORS, open_container
from ragkit.reading.ole_properties import summary_of
from ragkit.reading.properties import stated_metadata, stated_title
from ragkit.reading.rtf_tokens import codec_of_page
from ragkit.reading.sheet_tables import write_sheet
from ragkit.reading.sheet_values import format_kind, plain_number, shown

if TYPE_CHECKING:
    pass

__all__ = ["read_old_sheets"]

_BOF, _EOF, _SHEET, _STRINGS, _CODE_PAGE = 0x0809, 0x000A, 0x0085, 0x00FC, 0x0042
_STYLE, _FORMAT, _DATE_MODE, _PASSWORD = 0x00E0, 0x041E, 0x0022, 0x002F
_SHARED, _NUMBER, _PACKED, _MANY_PACKED = 0x00FD, 0x0203, 0x027E, 0x00BD
_LABEL, _RICH_LABEL, _FORMULA, _RESULT, _BOOLEAN = 0x0204, 0x00D6, 0x0006, 0x0207, 0x0205
_WIDE_VERSION = 0x0600


def read_old_sheets(raw: RawFile) -> Reading:
    """Read a workbook, a section for each sheet.

    Raises:
        DocumentUnreadable: It is damaged, encrypted, or older than Excel 5.
    """
    if not raw.data.startswith(OLE_MARK):
        raise DocumentUnreadable("not an Excel workbook, or one older than Excel 5")
    try:
        with open_container(raw.data) as container:
            names = [name for name in ("Workbook", "Book") if container.exists(name)]
            if not names:
                if container.exists("EncryptedPackage"):
                    raise DocumentUnreadable("encrypted: save it without a password")
                raise DocumentUnreadable("not an Excel workbook, whatever its name says")
            stream: bytes = container.openstream(names[0]).read()
            properties = summary_of(container)
        book = _Book(stream)
        composer = Composer()
        for name, start in book.sheets:
            write_sheet(composer, name, book.rows(start))
    except PARSE_ERRORS as error:
        raise DocumentUnreadable("damaged or cut off: its records make no sense") from error
    title = stated_title(properties.pop("title", ""))
    return composer.reading(raw, title=title, metadata=stated_metadata(properties))


class _Book:
    """The records about the whole workbook.

    Attributes:
        sheets: Name of each sheet, and where its records begin.
    """

    def __init__(self, stream: bytes) -> None:
        self.sheets: list[tuple[str, int]] = []
        self._stream = stream
        self._codec: str | None = None
        self._since_1904 = False
        self._strings: list[str] = []
        self._formats: dict[int, str] = {}
        self._styles: list[int] = []
        page = "cp1252"
        for record in records(stream, 0):
            data = record.data
            if record.kind == _BOF and struct.unpack_from("<H", data)[0] < _WIDE_VERSION:
                self._codec = page
            elif record.kind == _PASSWORD:
                raise DocumentUnreadable("encrypted: save it without a password")
            elif record.kind == _CODE_PAGE and self._codec is not None:
                self._codec = page = codec_of_page(struct.unpack_from("<H", data)[0])
            else:
                self._global(record)

    def _global(self, record: Record) -> None:
        data = record.data
        if record.kind == _SHEET:
            start, _, kind = struct.unpack_from("<IBB", data)
            # Charts and macros are of other kinds.
            if kind == 0:
                name = text_at(data, 6, self._codec, length_bytes=1)
                self.sheets.append((one_line(name), start))
        elif record.kind == _STRINGS:
            self._strings = shared_strings([record.data, *record.more])
        elif record.kind == _FORMAT:
            short = 2 if self._codec is None else 1
            code = text_at(data, 2, self._codec, length_bytes=short)
            self._formats[struct.unpack_from("<H", data)[0]] = code
        elif record.kind == _STYLE:
            self._styles.append(struct.unpack_from("<H", data, 2)[0])
        elif record.kind == _DATE_MODE:
            self._since_1904 = data[:1] == b"\1"

    def rows(self, start: int) -> list[dict[int, str]]:
        """The rows of a sheet, blank ones between others among them."""
        cells: dict[int, dict[int, str]] = {}
        waiting: tuple[int, int] | None = None
        for record in records(self._stream, start):
            data = record.data
            if record.kind == _RESULT and waiting is not None:
                words = one_line(text_at(data, 0, self._codec, length_bytes=2))
                cells.setdefault(waiting[0], {})[waiting[1]] = words
            elif record.kind == _FORMULA and data[12:14] == b"\xff\xff" and data[6] == 0:
                waiting = struct.unpack_from("<HH", data)
                continue
            else:
                self._cell(record, cells)
            waiting = None
        listed: list[dict[int, str]] = []
        last = -1
        for number in sorted(cells):
            row = {column: words for column, words in cells[number].items() if words}
            if row:
                listed += [{}] if last >= 0 and number > last + 1 else []
                listed.append(row)
                last = number
        return listed

    def _cell(self, record: Record, cells: dict[int, dict[int, str]]) -> None:
        """Read the cell or cells of a record, if it is about any."""
        data, kind = record.data, record.kind
        if kind == _MANY_PACKED:
            row, first = struct.unpack_from("<HH", data)
            for place, at in enumerate(range(4, len(data) - 6, 6)):
                style, packed = struct.unpack_from("<HI", data, at)
                words = self._shown(_unpacked(packed), style)
                cells.setdefault(row, {})[first + place] = words
            return
        if kind not in (_SHARED, _NUMBER, _PACKED, _LABEL, _RICH_LABEL, _FORMULA, _BOOLEAN):
            return
        row, column, style = struct.unpack_from("<HHH", data)
        cells.setdefault(row, {})[column] = self._words(kind, data, style)

    def _words(self, kind: int, data: bytes, style: int) -> str:
        if kind == _SHARED:
            index = struct.unpack_from("<I", data, 6)[0]
            words = self._strings[index] if index < len(self._strings) else ""
        elif kind in (_LABEL, _RICH_LABEL):
            words = text_at(data, 6, self._codec, length_bytes=2)
        elif kind == _PACKED:
            words = self._shown(_unpacked(struct.unpack_from("<I", data, 6)[0]), style)
        elif kind == _BOOLEAN or data[12:14] == b"\xff\xff":
            value, is_error = (data[6], data[7]) if kind == _BOOLEAN else (data[8], data[6] != 1)
            words = "" if is_error else ("TRUE" if value else "FALSE")
        else:
            words = self._shown(struct.unpack_from("<d", data, 6)[0], style)
        return one_line(words)

    def _shown(self, number: float, style: int) -> str:
        key = self._styles[style] if style < len(self._styles) else 0
        kind = format_kind(key, self._formats.get(key))
        if not kind and math.isfinite(number):
            return plain_number(number)
        return shown(repr(number), kind, since_1904=self._since_1904)


def _unpacked(packed: int) -> float:
    """A number in 30 bits: an integer, or the upper half of a float, perhaps of a hundredth."""
    if packed & 2:
        value = float((packed >> 2) - (1 << 30 if packed >> 31 else 0))
    else:
        value = struct.unpack("<d", struct.pack("<Q", (packed & ~3) << 32))[0]
    return value / 100 if packed & 1 else value
