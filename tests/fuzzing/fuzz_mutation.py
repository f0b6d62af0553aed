"""Changes bytes as damage and malice do: at random, but inside of what is packed.

A change to a compressed file is mostly found by its checksum, long before the parser behind it sees
anything. So a ZIP archive or a compressed stream is unpacked, changed, and packed again.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import zipfile
import zlib
from collections.abc import Callable

__all__ = ["at_random", "inside"]

Mutate = Callable[[bytes], bytes]

_MOST_UNPACKED_BYTES = 1024 * 1024
_MOST_MEMBERS = 40
# What parsers count, compare, nest and end with.
_WORDS = (
    *(b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"\xef\xbb\xbf"),
    *(b"<", b">", b"</", b"/>", b"&amp;", b"&#x110000;", b"]]>", b"<![CDATA[", b"<!--", b"-->"),
    *(b"{", b"}", b"[", b"]", b"(", b")", b'"', b"'", b"`", b"```", b"~~~", b"\\", b"$$", b"%"),
    *(b"\n", b"\r\n", b"\r", b"\n\n", b"\t", b" ", b"    ", b"|", b"---", b"===", b"# ", b"> "),
    *(
        b"- ",
        b"* ",
        b"1. ",
        b":",
        b"::",
        b",",
        b";",
        b"-1",
        b"0",
        b"99999999999999999999",
        b"1e999",
    ),
    *(
        "\u2028".encode(),
        "\u0130".encode(),
        "\u00df".encode(),
        "\U0001f600".encode(),
        b"\xed\xa0\x80",
    ),
)


def at_random(data: bytes, generator: random.Random) -> bytes:
    """One to eight changes: bytes flipped, cut, said again, exchanged, or a telling word put in."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 4, 8))):
        place = generator.randrange(len(changed) + 1)
        length = generator.choice((1, 2, 4, 16, 64, 256))
        piece = changed[place : place + length]
        match generator.randrange(6):
            case 0 if place < len(changed):
                changed[place] ^= 1 << generator.randrange(8)
            case 1:
                del changed[place : place + length]
            case 2:
                changed[place:place] = piece * generator.choice((1, 1, 3, 50))
            case 3:
                changed[place:place] = generator.choice(_WORDS) * generator.choice((1, 1, 1, 100))
            case 4:
                word = generator.choice(_WORDS)
                changed[place : place + len(word)] = word
            case _:
                other = generator.randrange(len(changed) + 1)
                changed[other : other + length] = piece
    return bytes(changed)


def inside(data: bytes, mutate: Mutate, generator: random.Random) -> bytes:
    """Change what is packed in the data; the data themselves where nothing is."""
    if data.startswith(b"PK\x03\x04") and generator.randrange(8):
        return _in_zip(data, mutate, generator)
    for magic, unpack, pack in (
        (b"\x1f\x8b", _gunzip, lambda plain: gzip.compress(plain, 1)),
        (
            b"BZh",
            lambda it: bz2.BZ2Decompressor().decompress(it, _MOST_UNPACKED_BYTES),
            bz2.compress,
        ),
        (
            b"\xfd7zXZ",
            lambda it: lzma.LZMADecompressor().decompress(it, _MOST_UNPACKED_BYTES),
            lzma.compress,
        ),
    ):
        if data.startswith(magic) and generator.randrange(8):
            try:
                return pack(mutate(unpack(data)))
            except (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error):
                return mutate(data)
    return mutate(data)


def _gunzip(data: bytes) -> bytes:
    return zlib.decompressobj(31).decompress(data, _MOST_UNPACKED_BYTES)


def _in_zip(data: bytes, mutate: Mutate, generator: random.Random) -> bytes:
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()[:_MOST_MEMBERS]
            if not members or sum(each.file_size for each in members) > _MOST_UNPACKED_BYTES:
                return mutate(data)
            chosen = generator.choice(members)
            with zipfile.ZipFile(out, "w") as packed:
                for member in members:
                    content = archive.read(member)
                    content = mutate(content) if member is chosen else content
                    packed.writestr(zipfile.ZipInfo(member.filename), content)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        OverflowError,
    ):
        return mutate(data)
    return out.getvalue()
