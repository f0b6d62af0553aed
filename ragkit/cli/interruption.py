"""Ctrl-C during an index: the first stops gently, the second aborts, the third kills."""

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
    """An event that the first Ctrl-C sets; the second raises KeyboardInterrupt.

    The third ends the process as the system does, for whoever does not want to wait until the
    requests in flight are over.

    Where the signal is ignored, as for a background job of a script, it stays so.
    """
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.default_int_handler(number, frame)
        stop.set()
        if sys.stderr.isatty():
            # Straight to the terminal: the buffer may be in the middle of a write of its own.
            os.write(sys.stderr.fileno(), b"\r\x1b[K" + _NOTE)

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        if signal.getsignal(signal.SIGINT) is handle:
            signal.signal(signal.SIGINT, before)
