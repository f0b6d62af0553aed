"""Pictures made fit to be sent: upright, flat, small, without what their camera wrote into them.

A picture is decoded, turned as its EXIF orientation says, laid on white where it is transparent,
cut to its first frame where it moves, and made at most 1024 pixels wide and high and 512 KiB large.
It is always encoded anew, from its pixels alone: place and time of a photograph stay here, and what
is hidden behind the end of a file goes nowhere.
"""

from __future__ import annotations

import io
import struct
import threading
import warnings
from dataclasses import replace
from typing import Final

import PIL.Image
import PIL.ImageOps

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.album import Album
from ragkit.reading.content import (
    NO_PICTURES,
    SMALLEST_SIDE_PX,
    PreparedPicture,
    RawFile,
    Reading,
)
from ragkit.records import Document

__all__ = [
    "LONGEST_SIDE_PX",
    "MOST_BYTES",
    "prepare_image",
    "prepare_picture",
    "read_picture",
]

LONGEST_SIDE_PX: Final = 1024
MOST_BYTES: Final = 512 * 1024

_THUMBNAIL_SIDE_PX: Final = 256
# A little more than what is sent: scaled down once more, it is as sharp as if all had been decoded.
_DECODED_SIDE_PX: Final = 1280
# Decoded, a picture of this size takes 360 MB. Pillow itself warns from here on.
_MOST_MEGAPIXELS: Final = 89
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
# Up to so many colours it is a drawing, which PNG keeps sharp in less than a JPEG takes.
_COLOURS_OF_A_DRAWING: Final = 4096
_QUALITIES: Final = (88, 75, 60, 40)
_ORIENTATION: Final = 0x0112
# What Pillow lets out on damaged files beside its own errors.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    EOFError,
    struct.error,
)
# The filters of warnings belong to the whole process.
_GUARD: Final = threading.Lock()


def read_picture(raw: RawFile) -> Reading:
    """Read a picture file: a document without words, or with those that the file states itself.

    Raises:
        DocumentSkipped: Nobody asked for pictures, or it is too small to show anything.
        DocumentUnreadable: It is damaged, or has more than 89 megapixels.
    """
    if raw.album is None:
        raise DocumentSkipped(NO_PICTURES)
    if raw.depth:
        return _member(raw, raw.album)
    prepared = prepare_picture(raw.data)
    if prepared.is_small:
        raise DocumentSkipped(f"a picture of less than {SMALLEST_SIDE_PX} pixels on a side")
    warnings = ("it moves: its first frame stands for it",) if prepared.is_moving else ()
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=prepared.caption,
        image=raw.album.keep(prepared, raw.source),
    )
    return Reading(document=document, warnings=warnings)


def _member(raw: RawFile, album: Album) -> Reading:
    """A picture in a letter or an archive: one of many, of which some only decorate."""
    image = album.add(raw.data, raw.source)
    if image is None:
        raise DocumentSkipped("a picture that decorates, is damaged, or stood there before")
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=album.pictures[image.digest].caption,
        image=image,
    )
    return Reading(document=document)


def prepare_picture(data: bytes) -> PreparedPicture:
    """Decode a PNG, JPEG, WebP or GIF and encode it as it is to be sent.

    Equal pixels give equal bytes with the same Pillow, whatever else stands in the file.

    Raises:
        DocumentUnreadable: It is none of these, is damaged, or has more than 89 megapixels.
    """
    with _GUARD, warnings.catch_warnings():
        # Oddities of metadata, which nobody needs to hear of.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", PIL.Image.DecompressionBombWarning)
        try:
            with PIL.Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
                return _prepared(picture)
        except (PIL.Image.DecompressionBombWarning, PIL.Image.DecompressionBombError) as error:
            raise _bomb() from error
        except PIL.UnidentifiedImageError as error:
            raise DocumentUnreadable(
                "damaged picture, or none of PNG, JPEG, WebP and GIF"
            ) from error
        except _DAMAGE as error:
            raise DocumentUnreadable(f"damaged picture: {_brief(error)}") from error


def prepare_image(picture: PIL.Image.Image, size_px: tuple[int, int]) -> PreparedPicture:
    """The same for a picture that is decoded already.

    Args:
        picture: As it was drawn.
        size_px: Of the original.
    """
    return replace(_prepared(picture), width_px=size_px[0], height_px=size_px[1])


def _prepared(picture: PIL.Image.Image) -> PreparedPicture:
    if picture.width * picture.height > _MOST_MEGAPIXELS * 1_000_000:
        raise _bomb()
    is_moving = picture.format in ("PNG", "WEBP", "GIF") and getattr(picture, "is_animated", False)
    is_drawing = picture.format in ("PNG", "GIF", None)
    caption = _caption(picture)
    width_px, height_px = picture.size
    if picture.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
        width_px, height_px = height_px, width_px
    # A large JPEG is decoded at a half, a quarter or an eighth of its size, in as much of the time.
    factor = _DECODED_SIDE_PX / max(picture.size)
    wanted = (max(1, int(picture.width * factor)), max(1, int(picture.height * factor)))
    picture.draft("RGB", wanted)
    PIL.ImageOps.exif_transpose(picture, in_place=True)
    flat = _flat(picture)
    # Comments and profiles would be written into what is sent.
    flat.info.clear()
    media_type, content = _encoded(flat, is_drawing=is_drawing)
    return PreparedPicture(
        content=content,
        media_type=media_type,
        width_px=width_px,
        height_px=height_px,
        thumbnail=_jpeg(_within(flat, _THUMBNAIL_SIDE_PX), 80),
        is_plain=all(low == high for low, high in flat.getextrema()),  # type: ignore[misc]
        is_moving=is_moving,
        caption=caption,
    )


def _flat(picture: PIL.Image.Image) -> PIL.Image.Image:
    """RGB of the size that is sent, on white."""
    if picture.mode.startswith("I") or picture.mode == "F":
        # Sixteen bits for each pixel, of which the upper eight are kept.
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("L", "RGB", "CMYK", "YCbCr"):
        return _within(picture, LONGEST_SIDE_PX).convert("RGB")
    if picture.mode == "1":
        return _within(picture.convert("L").convert("RGB"), LONGEST_SIDE_PX)
    layer = _within(picture.convert("RGBA"), LONGEST_SIDE_PX)
    white = PIL.Image.new("RGBA", layer.size, "white")
    return PIL.Image.alpha_composite(white, layer).convert("RGB")


def _within(picture: PIL.Image.Image, side_px: int) -> PIL.Image.Image:
    """The same picture, or a copy that is small enough."""
    if max(picture.size) <= side_px:
        return picture
    factor = side_px / max(picture.size)
    width, height = (max(1, round(size * factor)) for size in picture.size)
    return picture.resize((width, height), PIL.Image.Resampling.LANCZOS, reducing_gap=3.0)


def _encoded(picture: PIL.Image.Image, *, is_drawing: bool) -> tuple[str, bytes]:
    if is_drawing and picture.getcolors(_COLOURS_OF_A_DRAWING) is not None:
        target = io.BytesIO()
        picture.save(target, "PNG", compress_level=6)
        if len(target.getbuffer()) <= MOST_BYTES:
            return "image/png", target.getvalue()
    content = b""
    for quality in _QUALITIES:
        content = _jpeg(picture, quality)
        if len(content) <= MOST_BYTES:
            break
    return "image/jpeg", content


def _jpeg(picture: PIL.Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=quality)
    return target.getvalue()


_LONGEST_CAPTION: Final = 300
_IMAGE_DESCRIPTION: Final = 0x010E
_DESCRIPTION: Final = "Description"


def _caption(picture: PIL.Image.Image) -> str:
    """A description that somebody wrote into the file; the names of cameras are none."""
    stated = picture.info.get(_DESCRIPTION) or picture.getexif().get(_IMAGE_DESCRIPTION) or ""
    if not isinstance(stated, str):
        return ""
    words = "".join(sign if sign.isprintable() else " " for sign in stated).split()
    caption = " ".join(words)
    # "OLYMPUS DIGITAL CAMERA", "SONY DSC"
    if len(words) < 2 or caption.upper() == caption or "\ufffd" in caption:
        return ""
    return (
        caption[:_LONGEST_CAPTION].rsplit(" ", 1)[0] if len(caption) > _LONGEST_CAPTION else caption
    )


def _bomb() -> DocumentUnreadable:
    return DocumentUnreadable(
        f"a picture of more than {_MOST_MEGAPIXELS} megapixels: make it smaller"
    )


def _brief(error: BaseException) -> str:
    first = str(error).strip().splitlines()
    return first[0][:120] if first else type(error).__name__
