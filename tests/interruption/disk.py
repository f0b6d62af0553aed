"""What a disk holds when a machine loses its power in the middle of a log of calls.

A stricter disk than any that is sold: of what was not flushed each page of 4 KiB may be there or
not, in any of the versions that it had since; a file's length likewise; and of the names made,
changed and removed in a folder since that folder was flushed any first part. Flushing a file makes
no name durable, and flushing a folder no content.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from write_points import Call

__all__ = ["Disk", "content_of"]

_PAGE = 4096


@dataclass(slots=True, kw_only=True)
class _File:
    """A file's content: as it is, as it was flushed, and the versions of its pages in between."""

    content: bytearray = field(default_factory=bytearray)
    flushed: bytes = b""
    pages: defaultdict[int, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    lengths: list[int] = field(default_factory=list)

    def write(self, at: int, data: bytes) -> None:
        if at > len(self.content):
            self.content.extend(bytes(at - len(self.content)))
        self.content[at : at + len(data)] = data
        for page in range(at // _PAGE, (at + max(len(data), 1) - 1) // _PAGE + 1):
            self.pages[page].append(bytes(self.content[page * _PAGE : (page + 1) * _PAGE]))
        self.lengths.append(len(self.content))

    def truncate(self, length: int) -> None:
        del self.content[length:]
        self.content.extend(bytes(length - len(self.content)))
        self.lengths.append(length)

    def flush(self) -> None:
        self.flushed = bytes(self.content)
        self.pages.clear()
        self.lengths.clear()

    def lost(self, dice: random.Random) -> bytes:
        """What may be left of it."""
        left = bytearray(self.flushed)
        for page, versions in self.pages.items():
            version = dice.choice([None, *versions, versions[-1]])
            if version is not None:
                end = page * _PAGE + len(version)
                left.extend(bytes(max(0, end - len(left))))
                left[page * _PAGE : end] = version
        length = dice.choice([len(self.flushed), *self.lengths])
        # A page that is there has its place in the file, unless that was cut off again.
        shortest = min([len(self.flushed), *self.lengths])
        return bytes(left[: max(length, shortest)].ljust(length, b"\0"))


@dataclass(slots=True, kw_only=True)
class _Folder:
    """Names: as they are, as they were flushed, and what was done to them in between."""

    names: dict[str, _File | _Folder] = field(default_factory=dict)
    flushed: dict[str, _File | _Folder] = field(default_factory=dict)
    changes: list[Callable[[dict[str, _File | _Folder]], object]] = field(default_factory=list)

    def change(self, change: Callable[[dict[str, _File | _Folder]], object]) -> None:
        change(self.names)
        self.changes.append(change)

    def flush(self) -> None:
        self.flushed = dict(self.names)
        self.changes.clear()

    def lost(self, dice: random.Random) -> dict[str, _File | _Folder]:
        left = dict(self.flushed)
        for change in self.changes[: dice.randint(0, len(self.changes))]:
            change(left)
        return left


class Disk:
    """A folder, and what calls make of it.

    Args:
        folder: What is there before, and durable.
    """

    def __init__(self, folder: Path) -> None:
        self._root = _Folder()
        self._files: dict[int, _File] = {}
        self._take(folder, self._root)

    def apply(self, call: Call) -> None:
        """Do what a call did."""
        if call.name in ("write", "writev", "pwrite", "sendfile", "copy_file_range"):
            self._files[call.inode].write(call.at, call.data)
        elif call.name == "truncate":
            self._files[call.inode].truncate(call.at)
        elif call.name == "fsync":
            if call.inode in self._files:
                self._files[call.inode].flush()
            else:
                self._folder(call.path).flush()
        elif call.name not in ("mark", "killed"):
            self._rename(call)

    def whole(self) -> dict[str, bytes]:
        """Path and content of each file, as all processes see them."""
        return dict(_walk(self._root, lambda folder: folder.names, lambda f: bytes(f.content)))

    def after_power_loss(self, dice: random.Random) -> dict[str, bytes]:
        """The same as it may be when the power comes back."""
        kept: dict[int, bytes] = {}

        def content(file: _File) -> bytes:
            # A file with two names has one content.
            return kept.setdefault(id(file), file.lost(dice))

        return dict(_walk(self._root, lambda folder: folder.lost(dice), content))

    def _take(self, path: Path, folder: _Folder) -> None:
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                inner = _Folder()
                folder.names[entry.name] = inner
                self._take(Path(entry.path), inner)
            else:
                file = self._files.setdefault(entry.inode(), _File())
                file.content[:] = Path(entry.path).read_bytes()
                file.flush()
                folder.names[entry.name] = file
        folder.flush()

    def _rename(self, call: Call) -> None:
        above, name = _split(call.path)
        folder = self._folder(above)
        if call.name == "create":
            file = self._files[call.inode] = _File()
            folder.change(lambda names: names.__setitem__(name, file))
        elif call.name == "mkdir":
            if call.path:
                inner = _Folder()
                folder.change(lambda names: names.__setitem__(name, inner))
        elif call.name == "link":
            linked = self._files[call.inode]
            folder.change(lambda names: names.__setitem__(name, linked))
        elif call.name == "rename":
            self._move(call, folder, name)
        elif call.name in ("unlink", "rmdir"):
            folder.change(lambda names: names.pop(name, None))
        else:
            raise AssertionError(f"an unknown call: {call}")

    def _move(self, call: Call, folder: _Folder, name: str) -> None:
        above, old = _split(call.other.lstrip("/"))
        source = self._folder(above)
        if source is not folder:
            # Each of the two folders is flushed on its own.
            moved = source.names[old]
            source.change(lambda names: names.pop(old, None))
            folder.change(lambda names: names.__setitem__(name, moved))
            return

        def renamed(names: dict[str, _File | _Folder]) -> None:
            if old in names:
                names[name] = names.pop(old)

        folder.change(renamed)

    def _folder(self, path: str) -> _Folder:
        folder = self._root
        for name in filter(None, path.split("/")):
            inner = folder.names[name]
            assert isinstance(inner, _Folder), path
            folder = inner
        return folder


def content_of(folder: Path) -> dict[str, bytes]:
    """Path and content of each file of a real folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _walk(
    folder: _Folder,
    names_of: Callable[[_Folder], Mapping[str, _File | _Folder]],
    content_of: Callable[[_File], bytes],
    above: str = "",
) -> Iterator[tuple[str, bytes]]:
    for name, inner in names_of(folder).items():
        if isinstance(inner, _File):
            yield above + name, content_of(inner)
        else:
            yield from _walk(inner, names_of, content_of, f"{above}{name}/")


def _split(path: str) -> tuple[str, str]:
    above, _, name = path.rpartition("/")
    return above, name
