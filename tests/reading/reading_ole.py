"""A writer of OLE2 containers, as small as the format allows."""

from __future__ import annotations

import struct

__all__ = ["ole_bytes"]

_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
_SECTOR, _MINI = 512, 64

Tree = dict[str, "bytes | Tree"]


def _entry(name: str, kind: int, links: tuple[int, int, int], start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le") + b"\0\0"
    return (
        encoded.ljust(64, b"\0")
        + struct.pack("<HBB", len(encoded), kind, 1)
        + struct.pack("<III", *links)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def ole_bytes(tree: Tree) -> bytes:
    """A container of these streams (bytes) and storages (dicts).

    Every stream goes to the mini stream, so none may have 4096 bytes or more.
    """
    entries: list[list[object]] = [["Root Entry", 5, _FREE, b""]]
    siblings = {0: _FREE}

    def add(parent: int, inside: Tree) -> None:
        previous = -1
        for name in sorted(inside, key=lambda item: (len(item), item.upper())):
            content, index = inside[name], len(entries)
            is_stream = isinstance(content, bytes)
            entries.append([name, 2 if is_stream else 1, _FREE, content if is_stream else b""])
            siblings[index] = _FREE
            if previous < 0:
                entries[parent][2] = index
            else:
                siblings[previous] = index
            previous = index
            if isinstance(content, dict):
                add(index, content)

    add(0, tree)
    mini = b""
    minifat: list[int] = []
    starts: list[int] = []
    for _, _, _, content in entries:
        assert isinstance(content, bytes)
        assert len(content) < 4096
        count = -(-len(content) // _MINI)
        starts.append(len(minifat) if count else _END)
        minifat += [len(minifat) + n + 1 for n in range(count - 1)] + ([_END] if count else [])
        mini += content.ljust(count * _MINI, b"\0")
    listed = b""
    for index, (name, kind, first, content) in enumerate(entries):
        assert isinstance(name, str)
        assert isinstance(kind, int)
        assert isinstance(first, int)
        assert isinstance(content, bytes)
        links = (_FREE, siblings[index], first)
        size = len(mini) if index == 0 else len(content)
        listed += _entry(name, kind, links, -1 & 0xFFFFFFFF if index == 0 else starts[index], size)
    parts = [listed, struct.pack(f"<{len(minifat)}I", *minifat), mini]
    counts = [-(-len(part) // _SECTOR) for part in parts]
    fat, firsts, at = [_FAT], [], 1
    for count in counts:
        firsts.append(at if count else _END)
        fat += [at + n + 1 for n in range(count - 1)] + ([_END] if count else [])
        at += count
    assert len(fat) <= _SECTOR // 4
    # The root entry's start is the mini stream's.
    listed = listed[:116] + struct.pack("<I", firsts[2]) + listed[120:]
    header = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
        + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
        + struct.pack("<IIIIIIIII", 0, 1, firsts[0], 0, 4096, firsts[1], counts[1], _END, 0)
        + struct.pack("<I", 0) + struct.pack("<I", _FREE) * 108
    )  # fmt: skip
    body = struct.pack(f"<{len(fat)}I", *fat).ljust(_SECTOR, b"\xff")
    for part, count in zip([listed, *parts[1:]], counts, strict=True):
        body += part.ljust(count * _SECTOR, b"\0")
    return header + body
