"""One worker process as its parent sees it: start, exchange, give up, end."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

import ragkit
from ragkit.config import worker_environment
from ragkit.errors import ReadingError
from ragkit.reading.messages import FRAME_HEADER, NO_REPLY, OUT_OF_MEMORY, READY, Limits

__all__ = ["Ended", "OutOfMemory", "TookTooLong", "WorkerProcess"]

_START_TIMEOUT_S = 60.0
_PIPE_BYTES = 1024 * 1024
# Isolated mode ignores PYTHONPATH and keeps the working directory off sys.path: a folder that is
# indexed may hold a msgspec.py. The parent's own path goes over by argument instead.
_BOOTSTRAP = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1));"
    " runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


class TookTooLong(Exception):
    """No reply within the limit; the process has been killed."""


class OutOfMemory(Exception):
    """The process ran into its memory limit; it has ended."""


class Ended(Exception):
    """The process ended without a reply; ``how`` says with which signal or status."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class WorkerProcess:
    """A running worker; to be used by one thread."""

    def __init__(self, module: str, arguments: Sequence[str], limits: Limits) -> None:
        """Start the process and wait until it is ready.

        Raises:
            ReadingError: It did not start.
        """
        if not sys.executable:
            raise ReadingError("sys.executable is empty: this Python cannot start a parser process")
        self._limits = limits
        self._chatter = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        command = [sys.executable, "-I", "-c", _BOOTSTRAP, json.dumps(_module_path()), module]
        try:
            # Its own session: Ctrl-C in the terminal reaches the parent alone, which decides.
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._chatter,
                env=worker_environment(),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            self._chatter.close()
            raise ReadingError(f"no parser process can be started: {error}") from error
        self._greet(module)

    def ask(self, body: bytes) -> bytes | None:
        """Send a request and wait for its reply; None if there is no careful way to read the file.

        Raises:
            TookTooLong: Past the time limit.
            OutOfMemory: Past the memory limit.
            Ended: The process crashed.
        """
        deadline = time.monotonic() + self._limits.timeout_s
        self._send(body)
        kind, reply = self._receive(deadline)
        if kind == OUT_OF_MEMORY:
            self.close()
            raise OutOfMemory
        return None if kind == NO_REPLY else reply

    def close(self) -> None:
        """End the process now, even while another thread is in ``ask``; calling twice is fine."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def release(self) -> None:
        """Close the pipes too; only for the thread that asks."""
        self.close()
        for stream in (self._process.stdin, self._process.stdout, self._chatter):
            if stream is not None:
                stream.close()

    def _greet(self, module: str) -> None:
        try:
            self._send(msgspec.msgpack.encode(self._limits))
            kind, _ = self._receive(time.monotonic() + _START_TIMEOUT_S)
        except (Ended, TookTooLong) as error:
            said = self._last_words() or "it said nothing"
            self.release()
            raise ReadingError(f"the parser process {module} did not start: {said}") from error
        if kind != READY:
            self.release()
            raise ReadingError(f"the parser process {module} speaks another protocol: reinstall")

    def _send(self, body: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - made with PIPE
        view = memoryview(FRAME_HEADER.pack(0, len(body)) + body)
        try:
            while view:
                view = view[self._process.stdin.write(view) or 0 :]
        except BrokenPipeError as error:
            raise Ended(self._how_it_ended()) from error

    def _receive(self, deadline: float) -> tuple[int, bytes]:
        kind, length = FRAME_HEADER.unpack(self._read(FRAME_HEADER.size, deadline))
        if length > self._limits.memory_bytes:
            self.close()
            raise OutOfMemory
        return kind, self._read(length, deadline)

    def _read(self, length: int, deadline: float) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - made with PIPE
        descriptor = self._process.stdout.fileno()
        poller = select.poll()
        poller.register(descriptor, select.POLLIN | select.POLLHUP)
        received = bytearray()
        while len(received) < length:
            left_s = deadline - time.monotonic()
            if not poller.poll(max(0.0, left_s) * 1000):
                if left_s <= 0:
                    self.close()
                    raise TookTooLong
                continue
            piece = os.read(descriptor, min(length - len(received), _PIPE_BYTES))
            if not piece:
                raise Ended(self._how_it_ended())
            received += piece
        return bytes(received)

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.close()
            return "closed its pipe"
        if status < 0:
            return f"signal {-status}"
        said = self._last_words()
        return f"exit status {status}" + (f": {said}" if said else "")

    def _last_words(self) -> str:
        size = self._chatter.seek(0, os.SEEK_END)
        self._chatter.seek(max(0, size - 4096))
        lines = self._chatter.read().decode("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def _module_path() -> list[str]:
    """Where the child looks for modules: this very ragkit first, then where the parent looks.

    The working directory is left out, however it came in, unless ragkit itself lives there.
    """
    home = str(Path(ragkit.__file__ or "").resolve().parent.parent)
    here = Path.cwd() if _has_working_directory() else None
    others = [entry for entry in sys.path if entry and Path(entry).is_absolute()]
    return [home, *(entry for entry in others if here is None or Path(entry) != here)]


def _has_working_directory() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return False
    return True
