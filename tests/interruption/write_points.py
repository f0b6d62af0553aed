"""What ``writes.c`` counts and records, for the process into which it is preloaded."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import ragkit
from ragkit.storage.vectors import VectorWriter
from ragkit.storage.writer import Writer

__all__ = ["MOMENTS", "Call", "Kill", "calls_in", "compiled_writes", "watched"]

# What a kill may do with the call at which it comes; a call without bytes has no half.
MOMENTS = ("before", "half", "after")
_PACKAGE = os.fspath(Path(ragkit.__file__).parent)
# What only passes calls on.
_BETWEEN = ("storage/connecting.py", "storage/files.py")

# Where to write, and how much may be.
_SITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """Where a process ends.

    Attributes:
        point: ``call kind @ site``, as ``Call.point`` has it.
        nth: At which of its occurrences, from 0.
        moment: One of ``MOMENTS``.
    """

    point: str
    nth: int
    moment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that changed something, in the order in which they did.

    Attributes:
        name: ``create``, ``write``, ``pwrite``, ``truncate``, ``fsync``, ``rename``, ``link`` …;
            ``mark`` for what the code had promised by then, which is its path.
        path: Below the folder; empty for the folder itself.
        other: The other path of a rename or a link; an absolute one lies outside.
        inode: Of the file, where a call has one.
        at: Offset of the data; new length of what is truncated.
        size: Number of bytes.
        data: The bytes, if they were recorded.
        point: What it is, whichever run it is of.
    """

    name: str
    path: str
    other: str = ""
    inode: int = 0
    at: int = 0
    size: int = 0
    data: bytes = b""
    point: str = ""


def compiled_writes(place: Path) -> Path:
    """The library; whoever has no compiler is let off."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no compiler for the library that counts writes")
    library = place / "writes.so"
    source = Path(__file__).with_name("writes.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@contextlib.contextmanager
def watched(
    folder: Path, log: Path, *, kill: Kill | None = None, data: bool = False
) -> Iterator[None]:
    """Count what this process does below a folder, and record it, or end at one call.

    Args:
        folder: Absolute, without links in it.
        log: Where each call is told of.
        kill: Where to end; None for nowhere.
        data: Whether the bytes are recorded too.
    """
    library = ctypes.PyDLL(None)
    arguments = (
        ctypes.c_char_p(os.fsencode(folder)),
        ctypes.c_int(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)),
        ctypes.c_char_p(b"" if kill is None else kill.point.encode()),
        ctypes.c_long(0 if kill is None else kill.nth),
        ctypes.c_int(0 if kill is None else MOMENTS.index(kill.moment)),
        ctypes.c_int(data),
    )
    tell = _SITE(_tell_site)
    with _promises(library.writes_mark):
        library.writes_arm(*arguments, tell)
        try:
            yield
        finally:
            library.writes_disarm()
            os.close(arguments[1].value)


@contextlib.contextmanager
def _promises(mark: Callable[[bytes], object]) -> Iterator[None]:
    """Tell the library what is durable once the code has said so."""
    add, commit, vectors = VectorWriter.add, Writer.commit, 0

    def marked_add(self: VectorWriter, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        nonlocal vectors
        added = add(self, *given, **named)
        vectors += len(added)
        mark(b"vectors %d" % vectors)
        return added

    def marked_commit(self: Writer, **named: Any) -> None:  # noqa: ANN401
        commit(self, **named)
        mark(b"generation %d" % self.generation)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VectorWriter, "add", marked_add)
        patch.setattr(Writer, "commit", marked_commit)
        yield


def _tell_site(place: int, size: int) -> None:
    """Write ``room/module.py:function`` of the innermost of ragkit's functions at an address."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and not (label := _label(frame.f_code)):
        frame = frame.f_back
    if frame is not None:
        ctypes.memmove(place, label[: size - 1] + b"\0", min(len(label), size - 1) + 1)


@lru_cache(maxsize=10_000)
def _label(code: CodeType) -> bytes:
    """``room/module.py:function`` of a function of ragkit; empty for all others."""
    if not code.co_filename.startswith(_PACKAGE):
        return b""
    name = code.co_filename[len(_PACKAGE) + 1 :]
    return b"" if name in _BETWEEN else f"{name}:{code.co_name}".encode()


def calls_in(log: Path) -> list[Call]:
    """What ``watched`` recorded; a kill is the last of them, called ``killed``."""
    calls, content, place = [], log.read_bytes(), 0
    while place < len(content):
        end = content.index(b"\n", place)
        fields = content[place:end].decode("utf-8", "surrogateescape").split("\t")
        place = end + 1
        if fields[0] in ("mark", "killed"):
            calls.append(Call(name=fields[0], path=fields[1], point=fields[-1]))
            continue
        name, path, other, inode, at, size, recorded, point = fields
        data = content[place : place + int(recorded)]
        place += int(recorded)
        calls.append(
            Call(
                name=name,
                path=path.lstrip("/"),
                other=other,
                inode=int(inode),
                at=int(at),
                size=int(size),
                data=data,
                point=point,
            )
        )
    return calls
