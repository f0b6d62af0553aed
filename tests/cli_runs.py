"""Runs of the command line as a shell starts it: real processes, real terminals."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loopback import KEY

import ragkit

__all__ = ["DOCUMENTS", "Run", "Shell", "TerminalRun", "remote", "write_documents"]

_HOME = str(Path(ragkit.__file__).parents[1])
_TIMEOUT_S = 60.0
# Gives the process the terminal as its own, so that Ctrl-C there is a signal here.
_ADOPT = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    " os.execv(sys.argv[1], sys.argv[1:])"
)

DOCUMENTS = {
    "guides/keys.md": (
        "# Keys\n\n" + "Whoever holds one answers for it, by day and by night. " * 8 + "\n\n"
        "## Rotation\n\nSigning keys are rotated every ninety days by the duty officer.\n"
        + "Nobody else does it, not even when the officer is away for long. " * 6
        + "\n"
    ),
    "guides/backups.md": "# Backups\n\nBackups are kept for 35 days and then overwritten.\n",
    "notes/lunch.txt": "Lunch is at noon. The soup is always hot.\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON may be anything
        """Its stdout, which is one JSON value and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalRun:
    """A process that had a terminal; what it wrote to stdout and stderr, as it came."""

    code: int
    screen: str

    @property
    def plain(self) -> str:
        """Without what steers the terminal."""
        return re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\x1b\]8;;.*?\x1b\\", "", self.screen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """A user at a directory, with an environment that knows of no other ragkit."""

    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAGKIT_", "OPENROUTER_", "NO_COLOR", "COLUMNS", "PYTHON"))
        }
        own = {
            "PYTHONPATH": _HOME,
            "PYTHONPYCACHEPREFIX": os.environ.get("PYTHONPYCACHEPREFIX", ""),
            "XDG_STATE_HOME": str(self.directory.parent / "state"),
            "HOME": str(self.directory.parent),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "RAGKIT_API_KEY": KEY,
        }
        return {**kept, **own, **self.variables}

    def run(self, *arguments: str | bytes, stdin: bytes = b"") -> Run:
        """``ragkit …`` with pipes."""
        done = subprocess.run(
            [sys.executable, "-m", "ragkit", *arguments],
            cwd=self.directory,
            env=self.environment,
            input=stdin,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return Run(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def run_at_terminal(
        self, *arguments: str, columns: int = 80, interrupt_after: Sequence[str] = ()
    ) -> TerminalRun:
        """``ragkit …`` at a terminal; Ctrl-C is typed whenever the next of the words has shown."""
        with self._terminal(arguments, columns) as (process, master):
            screen = _watch(master, list(interrupt_after))
            return TerminalRun(code=process.wait(timeout=_TIMEOUT_S), screen=screen)

    @contextlib.contextmanager
    def _terminal(
        self, arguments: Sequence[str], columns: int
    ) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-c", _ADOPT, sys.executable, "-m", "ragkit", *arguments],
            cwd=self.directory,
            env=self.environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        try:
            yield process, master
        finally:
            process.kill()
            process.wait()
            os.close(master)


def _watch(master: int, interrupt_after: list[str]) -> str:
    """Read until the process has closed the terminal."""
    screen, seen_to, deadline = b"", 0, time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 1.0)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:
            # Linux says so when the last process has let go of a terminal.
            break
        screen += piece
        if interrupt_after:
            at = screen.find(interrupt_after[0].encode(), seen_to)
            if at >= 0:
                seen_to = at + len(interrupt_after.pop(0))
                os.write(master, b"\x03")
    return screen.decode().replace("\r\n", "\n")


def remote(base_url: str) -> tuple[str, ...]:
    """Options for a model at the loopback server."""
    return ("--model", "test/small", "--base-url", base_url)


def write_documents(folder: Path, documents: Mapping[str, str] = DOCUMENTS) -> None:
    """Make the files."""
    for name, text in documents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
