from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping

import pytest

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.content import Reading
from ragkit.reading.files import read_bytes

MEMBERS = {
    "guides/lamp.md": b"# Lamps\n\nTrim the wick.\n",
    "parts.csv": b"Name,Price\nwick,3\n",
    ".git/config": b"hidden",
    "photo.bin": bytes(range(256)) * 8,
}


def tar(members: Mapping[str, bytes], *, links: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return out.getvalue()


def read(name: str, data: bytes) -> Reading:
    return read_bytes(data, source=name)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.tar", bytes),
        ("a.tar.gz", gzip.compress),
        ("a.tgz", gzip.compress),
        ("a.tar.bz2", bz2.compress),
        ("a.tar.xz", lzma.compress),
    ],
)
def test_an_archive_is_a_folder(name: str, pack: object) -> None:
    """Each member is a section with its own inside; hidden ones and links are left out."""
    assert callable(pack)
    found = read(name, pack(tar(MEMBERS, links=("out.txt",)))).document
    assert [(section.level, section.title) for section in found.sections] == [
        (1, "guides/lamp.md"),
        (2, "Lamps"),
        (1, "parts.csv"),
        (1, "Other members"),
    ]
    assert "Trim the wick." in found.text
    assert "hidden" not in found.text
    assert "photo.bin" in found.text
    assert [block.kind for block in found.blocks if block.kind in ("table", "row")] == [
        "table",
        "row",
    ]


@pytest.mark.parametrize(
    ("ending", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)]
)
def test_a_packed_file_is_read_as_what_was_packed(ending: str, pack: object) -> None:
    """The name without its ending says what is in it; the document keeps its own name."""
    assert callable(pack)
    found = read(f"logs/lamp.md.{ending}", pack(b"# Lamps\n\nTrim the wick.\n")).document
    assert found.source == f"logs/lamp.md.{ending}"
    assert [section.title for section in found.sections] == ["Lamps"]
    assert found.text == "# Lamps\n\nTrim the wick.\n"


def test_bombs_are_refused() -> None:
    """What grows two-hundredfold, or claims more than it has, costs little and is reported."""
    with pytest.raises(DocumentUnreadable, match="unpacks to more than 200 times its size"):
        read("a.txt.gz", gzip.compress(bytes(50_000_000)))
    data = bytearray(tar({"a.txt": b"lamp"}))
    data[124:136] = b"77777777777\0"
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    with pytest.raises(DocumentUnreadable, match="256 MiB"):
        read("a.tar", bytes(data))


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.txt.xz", "a.bz2"])
def test_damage_is_reported(name: str) -> None:
    """Noise, and a file that is cut off, are damage to every reader."""
    with pytest.raises((DocumentUnreadable, DocumentSkipped)):
        read(name, b"lamp" * 500)
    packed: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "bz2": bz2.compress,
        "tar": bytes,
    }
    whole = packed[name.rpartition(".")[2]](tar({"a.txt": b"lamp " * 5000}))
    with pytest.raises(DocumentUnreadable, match="damaged or cut off"):
        read(name, whole[: len(whole) // 2])


def test_what_was_read_before_the_damage_is_kept() -> None:
    """Of an archive that is cut off the whole members are read, and the rest is told."""
    data = tar({"a.txt": b"a lamp", "b.txt": b"oil " * 5000})
    reading = read("a.tar", data[:4000])
    assert "a lamp" in reading.document.text
    assert any("damaged or cut off" in warning for warning in reading.warnings)


def test_archives_within_each_other_are_counted() -> None:
    """Three deep is read, four is too deep."""
    data = tar({"a.txt": b"lamp"})
    for _ in range(2):
        data = tar({"inner.tar.gz": gzip.compress(data)})
    assert "lamp" in read("a.tar", data).document.text
    with pytest.raises(DocumentSkipped, match="no text"):
        read("a.tar", tar({"inner.tar": data}))
