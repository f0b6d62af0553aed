"""What the loopback server makes of inputs that are objects with parts, and so of pictures.

It sees colours: a picture is to it the names of those that cover a tenth of it, so that a text that
names one finds it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    import PIL.Image

__all__ = ["PALETTE", "PictureError", "Seen", "picture", "seen_in"]

PALETTE: Final[Mapping[str, tuple[int, int, int]]] = {
    "red": (220, 30, 30),
    "green": (30, 160, 60),
    "blue": (30, 60, 220),
    "yellow": (240, 220, 40),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "grey": (128, 128, 128),
}
_TYPES: Final = {"PNG": "png", "JPEG": "jpeg", "MPO": "jpeg", "WEBP": "webp", "GIF": "gif"}
_SMALLEST_PX, _LARGEST_PX = 8, 8192
_TILE_PX, _TOKENS_PER_TILE = 768, 258


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An input as the model sees it.

    Attributes:
        name: For the ledger: the text, and the digest of a picture.
        words: All that it says or shows.
        own: Tells it from another that shows the same.
        text_tokens: Its text, and a picture that is read as text.
        image_tokens: Its pictures.
        has_picture: Whether there is one.
    """

    name: str
    words: str
    own: str = ""
    text_tokens: int = 0
    image_tokens: int = 0
    has_picture: bool = False


class PictureError(Exception):
    """What the server says to a picture that it cannot take."""

    def __init__(self, kind: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def seen_in(
    parts: Sequence[Any],
    *,
    addresses: Mapping[str, bytes],
    as_text: bool,
    count: Callable[[str], int],
    violated: Callable[[str], NoReturn],
) -> Seen:
    """One input of the form ``{"content": parts}``.

    Args:
        parts: As they came.
        addresses: What the server can load, by its URL.
        as_text: Whether a picture is read as the text of its URL.
        count: Tokens of a text.
        violated: Called with what no schema allows.

    Raises:
        PictureError: A picture that cannot be taken.
    """
    if not isinstance(parts, list) or not parts:
        violated("content is no list with parts")
    texts, shown, names, image_tokens = [], [], [], 0
    for part in parts:
        if not isinstance(part, dict) or part.get("type") not in ("text", "image_url"):
            violated(f"an unknown part {part!r:.80}")
        if part["type"] == "text":
            if set(part) != {"type", "text"} or not str(part["text"]).strip():
                violated("a part of text that is blank or has unknown keys")
            texts.append(part["text"])
            continue
        inner = part.get("image_url")
        if set(part) != {"type", "image_url"} or not isinstance(inner, dict):
            violated("image_url is no object")
        if set(inner) != {"url"} or not isinstance(inner["url"], str):
            violated("image_url holds something else than a url")
        names.append(hashlib.sha256(inner["url"].encode()).hexdigest()[:16])
        if as_text:
            texts.append(inner["url"])
            continue
        loaded = _loaded(inner["url"], addresses, violated)
        shown += _colours(loaded)
        image_tokens += math.prod(-(-side // _TILE_PX) for side in loaded.size) * _TOKENS_PER_TILE
    marks = "".join(f"[picture {name}]" for name in names)
    return Seen(
        name=" ".join([marks, *texts] if not as_text else [marks]).strip(),
        words=" ".join([*texts, *shown]),
        own=marks,
        text_tokens=sum(count(text) for text in texts),
        image_tokens=image_tokens,
        has_picture=bool(names),
    )


def _loaded(
    url: str, addresses: Mapping[str, bytes], violated: Callable[[str], NoReturn]
) -> PIL.Image.Image:
    if url.startswith("https://"):
        if url not in addresses:
            raise PictureError("image_download_failed", f"cannot download {url}")
        if not addresses[url]:
            raise PictureError("image_not_found", f"no image at {url}", 404)
        return _opened(addresses[url], None)
    head, comma, payload = url.partition(";base64,")
    if not comma or not head.startswith("data:image/"):
        violated("a picture that is neither an https URL nor a data URL")
    try:
        data = base64.b64decode(payload, validate=True)
    except binascii.Error:
        violated("a data URL that is no base64")
    return _opened(data, head.removeprefix("data:image/"))


def _opened(data: bytes, stated: str | None) -> PIL.Image.Image:
    # Where no picture is sent, the server does without.
    import PIL.Image

    try:
        opened = PIL.Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF"))
        opened.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError("invalid_image", f"the image cannot be decoded: {error}") from error
    if stated is not None and _TYPES.get(opened.format or "") != stated:
        raise PictureError("unsupported_image_format", f"{opened.format} stated as {stated}")
    if min(opened.size) < _SMALLEST_PX:
        raise PictureError("image_too_small", f"{opened.size} is below {_SMALLEST_PX} pixels")
    if max(opened.size) > _LARGEST_PX:
        raise PictureError("image_too_large", f"{opened.size} is above {_LARGEST_PX} pixels")
    return opened.convert("RGB")


def _colours(shown: PIL.Image.Image) -> list[str]:
    import PIL.Image

    small = shown.resize((16, 16), PIL.Image.Resampling.BOX)
    counted = small.getcolors(256) or []
    found = [_nearest(pixel) for number, pixel in counted for _ in range(number)]
    return [name for name in PALETTE if found.count(name) * 10 >= len(found)]


def _nearest(pixel: Any) -> str:  # noqa: ANN401 - Pillow's pixels are anything
    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(PALETTE[name], pixel, strict=True))

    return min(PALETTE, key=distance)


def picture(
    colour: str, size: tuple[int, int] = (96, 64), *, kind: str = "PNG", number: int = 0
) -> bytes:
    """A file that shows a patch of one colour on white; *number* tells it from others."""
    import PIL.Image

    canvas = PIL.Image.new("RGB", size, PALETTE["white"])
    canvas.paste(PALETTE[colour], (4, 4, size[0] - 4, size[1] - 4))
    for bit in range(16):
        if number >> bit & 1:
            canvas.putpixel((bit % size[0], 0), PALETTE["black"])
    target = io.BytesIO()
    canvas.save(target, kind)
    return target.getvalue()
