"""How a file's name, which is bytes, becomes a ``source``, which is text."""

from __future__ import annotations

__all__ = ["source_from_raw"]


def source_from_raw(raw: bytes) -> str:
    """A path as valid Unicode, never normalised.

    A path that is UTF-8 stays as it is, percent signs included. In any other, each byte that is not
    part of UTF-8 becomes ``%XX``, and so does each literal percent sign (``%25``). Two files of one
    folder can then share a source only if one is really named like the escaped form of the other;
    the walk reports the second.
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        loose = raw.replace(b"%", b"%25").decode("utf-8", errors="surrogateescape")
    return "".join(
        f"%{ord(character) - 0xDC00:02X}" if "\udc80" <= character <= "\udcff" else character
        for character in loose
    )
