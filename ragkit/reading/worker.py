"""A parser process: requests on stdin, replies on stdout, one at a time.

It ends when its parent does (stdin closes), when a request takes longer than its limit (an alarm
that no parser can hold up), or when a parser crashes it.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import resource
import signal
import stat
import sys
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from ragkit.reading.messages import (
    FRAME_HEADER,
    FRAME_LIMIT_BYTES,
    NO_REPLY,
    OUT_OF_MEMORY,
    READY,
    REPLY,
    Limits,
    ReadRequest,
)

__all__ = ["main", "serve"]

# After the parent's own limit, so that the parent's word is the one in the report.
_GRACE_S = 5
_STDIN, _STDOUT, _STDERR = 0, 1, 2


def serve(handle: Callable[[ReadRequest], object]) -> None:
    """Answer requests until stdin closes.

    Args:
        handle: Makes the reply, anything that msgspec encodes; None where a careful request finds
            no careful way. An error that it does not catch ends the process, which costs that one
            file.
    """
    requests, replies = _take_streams()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries that log each oddity of a hostile file have no reader here.
    logging.disable(logging.CRITICAL)
    # A long table is many records without a cycle: looking for cycles took half of its time.
    gc.set_threshold(100_000, 20, 20)
    frame = _receive(requests)
    if frame is None:
        return
    limits = msgspec.msgpack.decode(frame, type=Limits)
    _apply(limits)
    decoder = msgspec.msgpack.Decoder(ReadRequest)
    encoder = msgspec.msgpack.Encoder()
    _send(replies, READY, b"")
    while (frame := _receive(requests)) is not None:
        signal.alarm(math.ceil(limits.timeout_s) + _GRACE_S)
        try:
            reply = handle(decoder.decode(frame))
            body = encoder.encode(reply)
        except MemoryError:
            # What is left of the heap is not to be trusted with the next file.
            _send(replies, OUT_OF_MEMORY, b"")
            return
        signal.alarm(0)
        _send(replies, NO_REPLY if reply is None else REPLY, body)
        _forget_chatter()


def main() -> None:
    """Serve plain reading: each reply is a ``ReadReply``."""
    from ragkit.reading.files import read_file  # noqa: PLC0415

    serve(read_file)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes for frames alone: a parser that prints or reads gets stderr and nothing."""
    requests = os.fdopen(os.dup(_STDIN), "rb")
    replies = os.fdopen(os.dup(_STDOUT), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)
    os.close(nothing)
    os.dup2(_STDERR, _STDOUT)
    return requests, replies


def _apply(limits: Limits) -> None:
    """Bound memory and files.

    RLIMIT_DATA counts private writable pages. RLIMIT_AS would also count what is only reserved: the
    arenas and stacks of numeric libraries' threads pass 2 GiB on a machine with many cores.
    """
    for kind, value in (
        (resource.RLIMIT_DATA, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 1024 * 1024),
    ):
        _, hard = resource.getrlimit(kind)
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (soft, soft))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _forget_chatter() -> None:
    """Empty the stderr file, so that it holds the words of the current request alone."""
    if stat.S_ISREG(os.fstat(_STDERR).st_mode):
        os.ftruncate(_STDERR, 0)
        os.lseek(_STDERR, 0, os.SEEK_SET)


def _receive(stream: BinaryIO) -> bytes | None:
    header = stream.read(FRAME_HEADER.size)
    if len(header) < FRAME_HEADER.size:
        return None
    _, length = FRAME_HEADER.unpack(header)
    body = stream.read(length)
    return body if len(body) == length else None


def _send(stream: BinaryIO, kind: int, body: bytes) -> None:
    if len(body) > FRAME_LIMIT_BYTES:
        kind, body = OUT_OF_MEMORY, b""
    try:
        stream.write(FRAME_HEADER.pack(kind, len(body)))
        stream.write(body)
        stream.flush()
    except BrokenPipeError:
        # The parent is gone; nobody is left to tell.
        os._exit(0)


if __name__ == "__main__":
    main()
    sys.exit(0)
