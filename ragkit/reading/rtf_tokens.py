"""RTF in tokens: groups, control words, and bytes of text; and what its fonts' charsets are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["Token", "codec_of_charset", "codec_of_page", "tokens"]

_TOKEN = re.compile(
    rb"(?P<brace>[{}])"
    rb"|\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?[0-9]{1,10})? ?"
    rb"|\\'(?P<hex>[0-9a-fA-F]{2})"
    rb"|\\(?P<sign>[^a-zA-Z])"
    rb"|(?P<text>[^\\{}\r\n]+)"
    rb"|[\r\n]+|\\"
)
_CHARSETS = MappingProxyType(
    {
        0: 1252,
        77: 10000,
        128: 932,
        129: 949,
        130: 1361,
        134: 936,
        136: 950,
        161: 1253,
        162: 1254,
        163: 1258,
        177: 1255,
        178: 1256,
        186: 1257,
        204: 1251,
        222: 874,
        238: 1250,
        255: 437,
    }
)
_PAGES = MappingProxyType({10000: "mac_roman", 1361: "johab", 65001: "utf-8"})
_KNOWN_PAGES = frozenset(
    {437, 850, 852, 855, 857, 860, 861, 862, 863, 864, 865, 866, 874, 932, 936, 949, 950,
     *range(1250, 1259), 10000, 1361, 65001}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of RTF: ``kind`` is ``{``, ``}``, ``word``, ``sign`` or ``text``."""

    kind: str
    word: str = ""
    number: int | None = None
    data: bytes = b""


def tokens(data: bytes) -> Iterator[Token]:
    """Cut RTF into tokens; binary data that it announces is passed over."""
    at = 0
    while match := _TOKEN.match(data, at):
        at = match.end()
        kind = match.lastgroup
        if kind == "brace":
            yield Token(match.group().decode("ascii"))
        elif kind in ("word", "number"):
            stated = match["number"]
            number = int(stated) if stated is not None else None
            word = match["word"].decode("ascii")
            if word == "bin":
                at += max(0, number or 0)
            else:
                yield Token("word", word, number)
        elif kind == "hex":
            yield Token("text", data=bytes([int(match["hex"], 16)]), word="hex")
        elif kind == "sign":
            yield Token("sign", data=match["sign"])
        elif kind == "text":
            yield Token("text", data=match["text"])


def codec_of_page(page: int) -> str:
    """The Python codec of a Windows code page."""
    return _PAGES.get(page, f"cp{page}") if page in _KNOWN_PAGES else "cp1252"


def codec_of_charset(charset: int) -> str | None:
    """The codec of a font's charset; None where the font does not say."""
    page = _CHARSETS.get(charset)
    return None if page is None else codec_of_page(page)
