"""Pictures as inputs: what may be given, what of it is sent, and what is refused before it is."""

from __future__ import annotations

import base64
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ragkit.errors import DocumentUnreadable, ReadingError

__all__ = ["EmbedInput", "ImageInput", "data_url", "sendable_url"]

_LARGEST_FILE_MIB: Final = 64
# Servers refuse bodies of 2,000,000 bytes.
_LONGEST_DATA_URL: Final = 1_400_000
_LONGEST_URL: Final = 2048
_DATA_URL: Final = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """A picture to embed, alone or together with words: one input, one vector.

    Attributes:
        image: The path or the bytes of a PNG, JPEG, WebP or GIF, which is sent upright, at most
            1024 pixels wide and high, and without metadata; an ``https://`` URL, which the server
            loads; or a ``data:image/…;base64,`` URL, which is sent as it is.
        text: What belongs to it, such as a caption; empty for the picture alone.
    """

    image: str | os.PathLike[str] | bytes = field(repr=False)
    text: str = ""


EmbedInput = str | ImageInput


def data_url(content: bytes, media_type: str) -> str:
    """The content as a URL."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def sendable_url(image: str | os.PathLike[str] | bytes) -> str:
    """The URL that stands for a picture in a request.

    Raises:
        ReadingError: It cannot be sent; the message is the reason.
    """
    if isinstance(image, str):
        scheme = image[:8].lower()
        if scheme.startswith(("http:", "https:")):
            return _checked_address(image)
        if scheme.startswith("data:"):
            return _checked_data_url(image)
    # Loaded with the first picture: texts do without it.
    from ragkit.reading.pictures import prepare_picture  # noqa: PLC0415

    if isinstance(image, bytes):
        prepared = prepare_picture(image)
    else:
        content = _content(image)
        try:
            prepared = prepare_picture(content)
        except ReadingError as error:
            raise DocumentUnreadable(f"{os.fspath(image)!r}: {error}") from error
    return data_url(prepared.content, prepared.media_type)


def _content(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read((_LARGEST_FILE_MIB << 20) + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise DocumentUnreadable(f"{os.fspath(path)!r} cannot be opened: {said}") from error
    if len(data) > _LARGEST_FILE_MIB << 20:
        raise DocumentUnreadable(f"{os.fspath(path)!r} is larger than {_LARGEST_FILE_MIB} MiB")
    return data


def _checked_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme.lower() == "https" and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise ReadingError(f"{url[:80]!r} is no address of a picture: give an https URL, or a file")
    if len(url) > _LONGEST_URL:
        raise ReadingError(f"the address of a picture has over {_LONGEST_URL} characters")
    return url


def _checked_data_url(url: str) -> str:
    if len(url) > _LONGEST_DATA_URL:
        raise ReadingError(
            f"a data URL of over {_LONGEST_DATA_URL:,} characters: give the picture's bytes or"
            " file, which are made smaller"
        )
    if _DATA_URL.fullmatch(url) is None:
        raise ReadingError(
            "a data URL that is no picture: it should begin with data:image/png;base64, or the same"
            " for jpeg, webp or gif"
        )
    return url
