"""Where a command's answer goes: text for people, or one JSON object for programs."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import TextIO

from ragkit.cli.looks import Looks, inline, looks_of

__all__ = [
    "flush",
    "jsonable",
    "out_looks",
    "write_error",
    "write_json",
    "write_note",
    "write_text",
]


def out_looks() -> Looks:
    """What stdout can show."""
    return looks_of(sys.stdout)


def write_text(text: str) -> None:
    """Write to stdout; a character that its encoding lacks becomes a question mark."""
    _reconfigure(sys.stdout, "replace")
    _write(text if text.endswith("\n") else f"{text}\n")


def write_json(value: Mapping[str, object]) -> None:
    """Write one JSON object to stdout."""
    # A lone surrogate, which no encoding takes, is written as JSON itself would escape it.
    _reconfigure(sys.stdout, "backslashreplace")
    ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
    # On one line for programs, so that answers can be collected line by line.
    indent = 2 if sys.stdout.isatty() else None
    _write(
        json.dumps(jsonable(value), ensure_ascii=ascii_only, allow_nan=False, indent=indent) + "\n"
    )


def write_error(sentence: str) -> None:
    """Write one line to stderr."""
    _reconfigure(sys.stderr, "backslashreplace")
    with contextlib.suppress(OSError):
        sys.stderr.write(f"ragkit: {inline(sentence)}\n")
        sys.stderr.flush()


def write_note(sentence: str) -> None:
    """Write one line to stderr if somebody looks at it."""
    if sys.stderr.isatty():
        _reconfigure(sys.stderr, "replace")
        sys.stderr.write(f"{inline(sentence)}\n")


def flush() -> None:
    """Hand over what is buffered; raises OSError where the disk is full."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _silence()
    except OSError:
        _silence()
        raise


def jsonable(value: object) -> object:
    """Records as objects, decimals as numbers, what is no number as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, (float, Decimal)):
        number = float(value)
        return number if math.isfinite(number) else None
    if is_dataclass(value):
        return {item.name: jsonable(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [jsonable(item) for item in value]
    return str(value)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        _silence()


def _silence() -> None:
    """Send the rest nowhere: whoever read has enough, and the work goes on to its exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _reconfigure(stream: TextIO, errors: str) -> None:
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=errors)
