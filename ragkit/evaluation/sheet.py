"""Paper that is drawn on from above to below, and becomes a PNG.

By Pillow, which is there for the pictures of documents: a plotting library would be 60 MB.
"""

from __future__ import annotations

import contextlib
import io
import unicodedata
from typing import TYPE_CHECKING, cast

from ragkit.evaluation.markup import printable

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

__all__ = ["INK", "SOFT", "Sheet"]

INK, SOFT = "#1d1d1b", "#65645f"
_PAPER = "#ffffff"
# Everything is measured in points and drawn twice as large, for screens of today.
_SCALE = 2
# Where the font that Pillow brings lacks a character: what many systems have.
_OTHER_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
)
_IN_NO_FONT = "\uffff"
_LOOKED_AT_SIZE = 20.0
# The DejaVu fonts are wider at the same size than the one of Pillow.
_OTHER_SIZE = 0.9


class Sheet:
    """White paper; places are in points, and y counts from the current line.

    Args:
        width: In points.
        height: In points; what stays empty below is cut off.
        margin: In points, on all sides.
    """

    def __init__(self, *, width: int, height: int, margin: int) -> None:
        from PIL import Image, ImageDraw  # noqa: PLC0415 - only who draws waits for it

        self.left, self.right = margin, width - margin
        self._margin, self._width, self._y = margin, width, float(margin)
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE), _PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._fonts = _Fonts()

    def down(self, points: float) -> None:
        """Go on further below."""
        self._y += points

    def bar(self, *, x: float, y: float, width: float, height: float, color: str) -> None:
        """A filled rectangle, at least a dot wide."""
        left, top = round(x * _SCALE), round((self._y + y) * _SCALE)
        right = max(left, round((x + width) * _SCALE) - 1)
        bottom = max(top, round((self._y + y + height) * _SCALE) - 1)
        self._draw.rectangle((left, top, right, bottom), fill=color)

    def write(
        self,
        text: str,
        *,
        x: float | None = None,
        y: float = 0,
        size: float = 13.5,
        color: str = INK,
        room: float | None = None,
        to_right: bool = False,
    ) -> float:
        """A line of text, cut where it is longer than its room; returns where it ends.

        Args:
            text: On one line, whatever is in it.
            x: Where it begins, or ends where *to_right* is set; the left margin without.
            y: Below the current line.
            size: Of the letters.
            color: Of the letters.
            room: How wide it may be; up to the right margin without.
            to_right: Whether x is its end.
        """
        start = self.left if x is None else x
        if room is None:
            room = start - self.left if to_right else self.right - start
        text, font = self._fonts.fitting(printable(text), size, room * _SCALE)
        width = font.getlength(text) / _SCALE
        begin = start - width if to_right else start
        place = (begin * _SCALE, (self._y + y + size) * _SCALE)
        self._draw.text(place, text, fill=color, font=font, anchor="ls")
        return begin + width

    def title(self, text: str, beside: str = "") -> None:
        """A heading on a line of its own, and something smaller beside it."""
        end = self.write(text, size=16)
        if beside:
            self.write(beside, x=end + 10, y=3, size=12.5, color=SOFT)
        self.down(30)

    def png(self) -> bytes:
        """What was drawn, as a file."""
        height = min(self._image.height, round((self._y + self._margin) * _SCALE))
        drawn = io.BytesIO()
        cut = self._image.crop((0, 0, self._width * _SCALE, height))
        cut.save(drawn, "PNG", optimize=True)
        return drawn.getvalue()


class _Fonts:
    """The font that Pillow brings, and others for what it cannot show."""

    def __init__(self) -> None:
        from PIL import ImageFont  # noqa: PLC0415

        # Only without FreeType, which every wheel has, would it be a font of fixed size.
        self._faces = [cast("FreeTypeFont", ImageFont.load_default(_LOOKED_AT_SIZE))]
        for name in _OTHER_FONTS:
            with contextlib.suppress(OSError):
                self._faces.append(ImageFont.truetype(name, _LOOKED_AT_SIZE))
        self._lacks: dict[tuple[int, str], bool] = {}

    def fitting(self, text: str, size: float, room: float) -> tuple[str, FreeTypeFont]:
        """The text as far as there is room for it, in a font that can show it.

        Args:
            text: On one line.
            size: Of the letters, in points.
            room: In dots.
        """
        face = min(range(len(self._faces)), key=lambda face: len(self._lacking(face, text)))
        for character in self._lacking(face, text):
            plain = unicodedata.normalize("NFKD", character)[:1]
            text = text.replace(character, "?" if self._lacking(face, plain) else plain)
        size *= 1.0 if face == 0 else _OTHER_SIZE
        font = self._faces[face].font_variant(size=size * _SCALE)
        if font.getlength(text) <= room:
            return text, font
        shown = len(text)
        while shown and font.getlength(text[:shown].rstrip() + "…") > room:
            shown -= max(1, shown // 20)
        return text[:shown].rstrip() + "…", font

    def _lacking(self, face: int, text: str) -> set[str]:
        """Characters that a font cannot show."""
        return {one for one in set(text) if self._lacks_one(face, one)}

    def _lacks_one(self, face: int, character: str) -> bool:
        key = (face, character)
        if key not in self._lacks:
            font = self._faces[face]
            shapes = [bytes(font.getmask(one)) for one in (character, _IN_NO_FONT)]
            self._lacks[key] = shapes[0] == shapes[1] and not character.isspace()
        return self._lacks[key]
