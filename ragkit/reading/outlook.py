"""Outlook messages (``.msg``): the properties of an OLE2 container as a letter."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.html import read_html
from ragkit.reading.letters import Attachment, Letter, read_letter
from ragkit.reading.mail import decoded_header, iso_date
from ragkit.reading.ole import OLE_MARK, PARSE_ERRORS, open_container
from ragkit.reading.rtf import read_rtf
from ragkit.reading.rtf_packed import unpacked_rtf
from ragkit.reading.rtf_tokens import codec_of_page

if TYPE_CHECKING:
    import olefile

__all__ = ["read_outlook"]

# MS-OXPROPS: the properties' numbers.
_SUBJECT, _BODY, _HTML, _RTF, _HEADERS = 0x0037, 0x1000, 0x1013, 0x1009, 0x007D
_SENDER_NAME, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
_TO, _COPY = 0x0E04, 0x0E03
_SENT, _DELIVERED, _CODE_PAGE = 0x0039, 0x0E06, 0x3FFD
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _DATA = 0x3707, 0x3704, 0x3001, 0x3701
_TEXT, _BYTE_TEXT, _BINARY, _OBJECT = 0x001F, 0x001E, 0x0102, 0x000D
_ENTRY_BYTES = 16
_FIRST_DAY = datetime(1601, 1, 1, tzinfo=UTC)
_DEEPEST = 5
_MOST_ATTACHMENTS = 1000


def read_outlook(raw: RawFile) -> Reading:
    """Read a message: its plain text, else its HTML, else its RTF, and its attachments.

    Raises:
        DocumentUnreadable: It is damaged, or no message.
    """
    if not raw.data.startswith(OLE_MARK):
        raise DocumentUnreadable("not an Outlook message, whatever its name says")
    try:
        with open_container(raw.data) as container:
            if not container.exists("__properties_version1.0"):
                raise DocumentUnreadable("not an Outlook message, whatever its name says")
            letter = _Message(container, (), raw).letter()
    except PARSE_ERRORS as error:
        raise DocumentUnreadable("damaged or cut off: its OLE2 container cannot be read") from error
    return read_letter(raw, letter)


class _Message:
    """A storage of properties: the file itself, or a message attached to another."""

    def __init__(
        self, container: olefile.OleFileIO, path: tuple[str, ...], raw: RawFile, depth: int = 0
    ) -> None:
        self._container = container
        self._path = path
        self._raw = raw
        self._depth = depth
        self._fixed = _fixed_properties(self._stream("__properties_version1.0"), top=not path)
        page = self._fixed.get(_CODE_PAGE)
        self._codec = codec_of_page(struct.unpack("<i", page[:4])[0]) if page else "cp1252"

    def letter(self) -> Letter:
        """What the message says."""
        headers = HeaderParser(policy=policy.compat32).parsestr(self._text(_HEADERS))
        name = self._text(_SENDER_NAME)
        address = self._text(_SENDER_SMTP) or self._text(_SENDER_ADDRESS)
        if "@" in address and address not in name:
            name = f"{name} <{address}>" if name else address
        letter = Letter(
            subject=self._text(_SUBJECT) or decoded_header(headers.get("Subject")),
            people={
                "From": name or decoded_header(headers.get("From")),
                "To": self._text(_TO) or decoded_header(headers.get("To")),
                "Cc": self._text(_COPY) or decoded_header(headers.get("Cc")),
            },
            date=self._date() or iso_date(decoded_header(headers.get("Date"))),
        )
        self._add_body(letter)
        letter.attachments += self._attachments()
        return letter

    def _stream(self, *names: str) -> bytes:
        path = [*self._path, *names]
        if not self._container.exists(path):
            return b""
        data: bytes = self._container.openstream(path).read()
        self._raw.allowance.take_bytes(len(data))
        return data

    def _property(self, number: int, kind: int, folder: tuple[str, ...] = ()) -> bytes:
        return self._stream(*folder, f"__substg1.0_{number:04X}{kind:04X}")

    def _text(self, number: int, folder: tuple[str, ...] = ()) -> str:
        data = self._property(number, _TEXT, folder)
        if data:
            return data.decode("utf-16-le", "replace").rstrip("\0")
        data = self._property(number, _BYTE_TEXT, folder)
        return data.decode(self._codec, "replace").rstrip("\0")

    def _date(self) -> str:
        for number in (_SENT, _DELIVERED):
            value = self._fixed.get(number)
            ticks = struct.unpack("<Q", value)[0] if value else 0
            if 0 < ticks < 2**61:
                moment = _FIRST_DAY + timedelta(seconds=ticks // 10_000_000)
                return moment.isoformat()
        return ""

    def _add_body(self, letter: Letter) -> None:
        plain = self._text(_BODY)
        if plain.strip():
            letter.body.append(plain)
            return
        page = self._property(_HTML, _BINARY) or self._text(_HTML).encode()
        packed = self._property(_RTF, _BINARY)
        try:
            if page.strip():
                letter.body.append(read_html(self._part(page, "text/html")))
            elif packed:
                letter.body.append(read_rtf(self._part(unpacked_rtf(packed), "application/rtf")))
        except (DocumentSkipped, DocumentUnreadable) as error:
            letter.warnings.append(f"the text of the message could not be read: {error}")

    def _part(self, data: bytes, kind: str) -> RawFile:
        source, album = self._raw.source, self._raw.album
        return RawFile(source=source, root="", media_type=kind, data=data, album=album)

    def _attachments(self) -> Iterator[Attachment]:
        depth = len(self._path)
        folders = sorted(
            {
                entry[depth]
                for entry in self._container.listdir(streams=True, storages=True)
                if tuple(entry[:depth]) == self._path
                and len(entry) > depth
                and entry[depth].startswith("__attach_version1.0_#")
            }
        )
        for folder in folders[:_MOST_ATTACHMENTS]:
            inside = (folder,)
            name = self._text(_LONG_NAME, inside) or self._text(_SHORT_NAME, inside)
            name = name or self._text(_SHOWN_NAME, inside)
            inner = (*self._path, folder, f"__substg1.0_{_DATA:04X}{_OBJECT:04X}")
            if self._container.exists([*inner, "__properties_version1.0"]):
                letter = Letter()
                if self._depth < _DEEPEST:
                    letter = _Message(self._container, inner, self._raw, self._depth + 1).letter()
                yield Attachment(name=name or letter.subject, letter=letter)
            else:
                yield Attachment(name=name, data=self._property(_DATA, _BINARY, inside))


def _fixed_properties(data: bytes, *, top: bool) -> dict[int, bytes]:
    """The values that stand in the list of properties itself, by number."""
    found: dict[int, bytes] = {}
    for at in range(32 if top else 24, len(data) - _ENTRY_BYTES + 1, _ENTRY_BYTES):
        tag = int.from_bytes(data[at : at + 4], "little")
        found[tag >> 16] = data[at + 8 : at + 16]
    return found
