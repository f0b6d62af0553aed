"""Records of the older Excel format (BIFF), and the strings in them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Record", "records", "shared_strings", "text_at"]

_CONTINUED, _END = 0x003C, 0x000A
_WIDE, _EXTENDED, _RICH = 1, 4, 8


@dataclass(slots=True)
class Record:
    """A record; ``more`` are those that continue it."""

    kind: int
    data: bytes
    more: list[bytes] = field(default_factory=list)


def records(stream: bytes, start: int) -> Iterator[Record]:
    """The records from a place up to the end of their part of the stream."""
    at = start
    record: Record | None = None
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        data = stream[at + 4 : at + 4 + length]
        at += 4 + length
        if kind == _CONTINUED:
            if record is not None:
                record.more.append(data)
            continue
        if record is not None:
            yield record
        record = Record(kind, data)
        if kind == _END:
            return
    if record is not None:
        yield record


def text_at(data: bytes, at: int, codec: str | None, *, length_bytes: int) -> str:
    """A string in a record.

    Args:
        data: The record.
        at: Where the string's length stands.
        codec: Of byte strings; None where strings say themselves how they are encoded.
        length_bytes: Of the length: 1 or 2.
    """
    count = int.from_bytes(data[at : at + length_bytes], "little")
    at += length_bytes
    if codec is not None:
        return data[at : at + count].decode(codec, "replace")
    if at >= len(data):
        return ""
    flags = data[at]
    at += 1 + (2 if flags & _RICH else 0) + (4 if flags & _EXTENDED else 0)
    if flags & _WIDE:
        return data[at : at + 2 * count].decode("utf-16-le", "replace")
    return data[at : at + count].decode("latin-1")


def shared_strings(parts: list[bytes]) -> list[str]:
    """The table of strings, which goes on over records wherever it must."""
    reader = _Parts(parts)
    _, unique = struct.unpack("<II", reader.take(8))
    strings: list[str] = []
    while len(strings) < unique and not reader.at_end:
        count, flags = struct.unpack("<HB", reader.take(3))
        runs = struct.unpack("<H", reader.take(2))[0] if flags & _RICH else 0
        extended = struct.unpack("<I", reader.take(4))[0] if flags & _EXTENDED else 0
        strings.append(reader.characters(count, wide=bool(flags & _WIDE)))
        reader.skip(4 * runs + extended)
    return strings


class _Parts:
    """Reads over the ends of records."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts
        self._index = 0
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether nothing is left."""
        while self._index < len(self._parts) and self._at >= len(self._parts[self._index]):
            self._index += 1
            self._at = 0
        return self._index >= len(self._parts)

    def take(self, count: int) -> bytes:
        """Bytes that may stand in several records; fewer only at the end."""
        pieces: list[bytes] = []
        while count > 0 and not self.at_end:
            piece = self._parts[self._index][self._at : self._at + count]
            self._at += len(piece)
            count -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def skip(self, count: int) -> None:
        """Pass over bytes."""
        while count > 0 and not self.at_end:
            step = min(count, len(self._parts[self._index]) - self._at)
            self._at += step
            count -= step

    def characters(self, count: int, *, wide: bool) -> str:
        """Characters; a record that goes on with them begins with their width."""
        pieces: list[str] = []
        while True:
            part = self._parts[self._index] if self._index < len(self._parts) else b""
            size = min(count * (2 if wide else 1), len(part) - self._at)
            piece = part[self._at : self._at + size]
            self._at += size
            pieces.append(piece.decode("utf-16-le" if wide else "latin-1", "replace"))
            count -= size // 2 if wide else size
            if count <= 0 or self.at_end:
                return "".join(pieces)
            wide = bool(self.take(1)[0] & _WIDE)
