"""Faults of the machine for real processes: ``faults.c``, compiled once and preloaded."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

__all__ = ["MachineFault", "compiled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFault:
    """Which calls fail.

    Attributes:
        path: Part of the path of the files meant.
        calls: ``write``, ``read``, ``fsync``, ``truncate``, ``rename``, ``link``, ``mkdir`` and
            ``open``, with commas between.
        error: Name of the errno.
        after: So many of the calls succeed first.
        times: So many fail then; 0 for all from then on.
        clock_s: How far the wall clock is off.
    """

    path: str = "/none"
    calls: str = ""
    error: str = "EIO"
    after: int = 0
    times: int = 0
    clock_s: int = 0

    def environment(self, library: Path, count: Path | None = None) -> Mapping[str, str]:
        """What a process is started with, to meet it."""
        return {
            "LD_PRELOAD": str(library),
            "FAULT_PATH": self.path,
            "FAULT_CALLS": self.calls,
            "FAULT_ERRNO": str(getattr(errno, self.error)),
            "FAULT_AFTER": str(self.after),
            "FAULT_TIMES": str(self.times),
            "CLOCK_SHIFT": str(self.clock_s),
            **({} if count is None else {"FAULT_COUNT": str(count)}),
        }


def compiled(place: Path) -> Path:
    """The library; whoever has no compiler is let off."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None or os.name != "posix":
        pytest.skip("no compiler for the library of faults")
    library = place / "faults.so"
    source = Path(__file__).with_name("faults.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library
