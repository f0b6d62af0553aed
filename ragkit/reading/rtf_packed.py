"""The compressed RTF in Outlook messages (MS-OXRTFCP)."""

from __future__ import annotations

import struct

from ragkit.errors import DocumentUnreadable

__all__ = ["unpacked_rtf"]

_PREFIX = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_WINDOW = 4096
_HEADER_BYTES = 16
_COMPRESSED, _STORED = b"LZFu", b"MELA"


def unpacked_rtf(data: bytes) -> bytes:
    """Unpack RTF; one byte makes at most nine.

    Raises:
        DocumentUnreadable: It is no compressed RTF.
    """
    if len(data) < _HEADER_BYTES:
        raise DocumentUnreadable("damaged: its compressed RTF is cut off")
    raw_size, kind = struct.unpack_from("<I4s", data, 4)
    if kind == _STORED:
        return data[_HEADER_BYTES : _HEADER_BYTES + raw_size]
    if kind != _COMPRESSED:
        raise DocumentUnreadable("damaged: its compressed RTF is of no known kind")
    window = bytearray(_PREFIX.ljust(_WINDOW, b"\0"))
    place, at = len(_PREFIX), _HEADER_BYTES
    out = bytearray()
    while at < len(data) and len(out) < raw_size:
        flags = data[at]
        at += 1
        for bit in range(8):
            if flags >> bit & 1:
                token = int.from_bytes(data[at : at + 2], "big")
                if at + 2 > len(data) or token >> 4 == place:
                    return bytes(out)
                at += 2
                source = token >> 4
                for _ in range((token & 15) + 2):
                    byte = window[source]
                    source = (source + 1) % _WINDOW
                    window[place] = byte
                    place = (place + 1) % _WINDOW
                    out.append(byte)
            elif at < len(data):
                window[place] = data[at]
                place = (place + 1) % _WINDOW
                out.append(data[at])
                at += 1
    return bytes(out)
