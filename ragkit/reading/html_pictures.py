"""The pictures of a page: in it as data URLs, or beside it as files."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from ragkit.reading.album import Album
from ragkit.reading.content import RawFile
from ragkit.records import Image

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

__all__ = ["PagePictures"]

_LONGEST_DATA_URL: Final = 90 * 1024 * 1024
_WHITE: Final = dict.fromkeys(map(ord, " \t\r\n\f"))


class PagePictures:
    """Finds what ``img`` elements show; what lies on another server stays there.

    Args:
        raw: The page; without one, or without an album in it, there are no pictures.
    """

    def __init__(self, raw: RawFile | None = None) -> None:
        self._album = None if raw is None else raw.album
        self._beside = None if raw is None else raw.beside
        self._known: dict[str, Image | None] = {}
        self._given: set[str] = set()

    def begin(self) -> None:
        """The page is read from its beginning, for the first time or once more."""
        self._given.clear()

    def of(self, node: LexborNode) -> Image | None:
        """The picture of an element; None where it is none that counts, or stood there before."""
        if self._album is None:
            return None
        attributes = node.attributes
        # Pages that load a picture when it comes into sight name it elsewhere.
        reference = attributes.get("data-src") or attributes.get("src") or ""
        if not reference or reference in self._given:
            return None
        self._given.add(reference)
        if reference not in self._known:
            self._known[reference] = self._taken(reference, self._album)
        return self._known[reference]

    def _taken(self, reference: str, album: Album) -> Image | None:
        if reference[:5].lower() == "data:":
            return album.add(_decoded(reference), f"picture {len(self._given)}")
        found = None if self._beside is None else self._beside(reference)
        return None if found is None else album.add(found.data, found.name)


def _decoded(url: str) -> bytes:
    """The content of a data URL; nothing for one that is damaged or endless."""
    head, _, payload = url.partition(",")
    if not head.lower().endswith(";base64") or len(payload) > _LONGEST_DATA_URL:
        return b""
    try:
        return base64.b64decode(unquote_to_bytes(payload.translate(_WHITE)))
    except (binascii.Error, ValueError):
        return b""
