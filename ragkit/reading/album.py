"""The pictures in one file that are worth a passage: each of them once, and none that decorates.

Left out are pictures of less than 64 pixels on a side (icons, bullets, lines) and those of one
colour all over (spacers). What is damaged, and what comes after the first 300 pictures or 400
megapixels of a file, is counted and told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Final

from ragkit.errors import DocumentUnreadable
from ragkit.reading.content import PreparedPicture, picture_type
from ragkit.records import Image

__all__ = ["Album"]

_SMALLEST_SIDE_PX: Final = 64
_MOST_PICTURES: Final = 300
# Twenty seconds' work, of the minute that a file may take.
_MOST_PIXELS: Final = 400_000_000
_MOST_BYTES: Final = 96 * 1024 * 1024


class Album:
    """Takes the pictures of a file, and of the files in it.

    Attributes:
        pictures: By digest.
    """

    def __init__(self) -> None:
        self.pictures: dict[str, PreparedPicture] = {}
        self._seen: set[bytes] = set()
        self._damaged = 0
        self._beyond = 0
        self._pixels_left = _MOST_PIXELS
        self._bytes_left = _MOST_BYTES

    def add(self, data: bytes, path: str) -> Image | None:
        """Take the content of a picture file; None where it is none of those that count.

        Args:
            data: PNG, JPEG, WebP or GIF; anything else is left out without a word.
            path: ``Image.path``.
        """
        if picture_type(data) is None or not self.is_new(data):
            return None
        # Loaded with the first picture.
        from ragkit.reading.pictures import prepare_picture  # noqa: PLC0415

        return self.take(lambda: prepare_picture(data), path)

    def take(self, prepare: Callable[[], PreparedPicture], path: str) -> Image | None:
        """Take a picture that is yet to be made; None where it is none of those that count."""
        if not self._has_room():
            self._beyond += 1
            return None
        try:
            prepared = prepare()
        except DocumentUnreadable:
            self._damaged += 1
            return None
        self._pixels_left -= prepared.width_px * prepared.height_px
        small = min(prepared.width_px, prepared.height_px) < _SMALLEST_SIDE_PX
        if small or prepared.is_plain or prepared.digest in self.pictures:
            return None
        return self.keep(prepared, path)

    def keep(self, prepared: PreparedPicture, path: str) -> Image:
        """Take a picture as it is."""
        digest = prepared.digest
        self.pictures[digest] = prepared
        self._bytes_left -= len(prepared.content) + len(prepared.thumbnail)
        return Image(
            path=path, width_px=prepared.width_px, height_px=prepared.height_px, digest=digest
        )

    def remarks(self) -> Iterator[str]:
        """What is to be told of those that are not in it."""
        for number, what in (
            (self._damaged, "damaged or too large"),
            (self._beyond, "beyond the number that is looked at"),
        ):
            if number:
                plural = "" if number == 1 else "s"
                yield f"{number} picture{plural} in it left out: {what}"

    def _has_room(self) -> bool:
        few = len(self.pictures) < _MOST_PICTURES
        return few and self._pixels_left > 0 and self._bytes_left > 0

    def is_new(self, data: bytes) -> bool:
        """Whether it is the first of its kind: a logo on each page is decoded once."""
        digest = hashlib.sha256(data).digest()
        known = digest in self._seen
        self._seen.add(digest)
        return not known
