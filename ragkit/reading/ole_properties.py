"""Title, author and the like in an OLE2 container."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from ragkit.reading.rtf_tokens import codec_of_page

if TYPE_CHECKING:
    import olefile

__all__ = ["summary_of"]

_PROPERTIES = MappingProxyType({2: "title", 3: "subject", 4: "author", 5: "keywords"})
_SUMMARY = "\x05SummaryInformation"
_MOST_PROPERTIES = 100
_BYTE_STRING = 0x1E


def summary_of(container: olefile.OleFileIO) -> dict[str, str]:
    """Title and the like; olefile's own reader of them loops as long as a damaged file says."""
    if not container.exists(_SUMMARY):
        return {}
    data: bytes = container.openstream(_SUMMARY).read()
    section = int.from_bytes(data[44:48], "little")
    count = min(int.from_bytes(data[section + 4 : section + 8], "little"), _MOST_PROPERTIES)
    places = {
        int.from_bytes(data[at : at + 4], "little"): section
        + int.from_bytes(data[at + 4 : at + 8], "little")
        for at in range(section + 8, section + 8 + 8 * count, 8)
    }
    page = places.get(1, len(data))
    codec = codec_of_page(int.from_bytes(data[page + 4 : page + 6], "little") or 1252)
    found: dict[str, str] = {}
    for number, key in _PROPERTIES.items():
        at = places.get(number, len(data))
        if int.from_bytes(data[at : at + 4], "little") == _BYTE_STRING:
            length = int.from_bytes(data[at + 4 : at + 8], "little")
            found[key] = data[at + 8 : at + 8 + length].decode(codec, "replace").strip("\0")
    return found
