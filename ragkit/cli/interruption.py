"""Ctrl-C during an index: the first one stops gently, the second one at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["stop_on_ctrl_c"]

_NOTE = b"stopping: finishing what is in flight; Ctrl-C again to abort\n"


@contextlib.contextmanager
def stop_on_ctrl_c() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one raises KeyboardInterrupt.

    Where the signal is ignored, as for a background job of a script, it stays so.
    """
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.default_int_handler(number, frame)
        stop.set()
        if sys.stderr.isatty():
            # Straight to the terminal: the buffer may be in the middle of a write of its own.
            os.write(sys.stderr.fileno(), b"\r\x1b[K" + _NOTE)

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
