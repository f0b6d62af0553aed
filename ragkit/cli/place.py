"""Which collection a command is about, and what it is asked."""

from __future__ import annotations

import sys
from pathlib import Path

from ragkit.cli.looks import named
from ragkit.config import load_settings
from ragkit.errors import CollectionNotFound, InvalidArgument

__all__ = [
    "DEFAULT_NAME",
    "collection_directory",
    "read_image",
    "read_query",
    "seen_from_here",
]

DEFAULT_NAME = ".ragkit"


def collection_directory(given: str | None, *, create: bool = False) -> Path:
    """The collection's directory: as given, as set, or the nearest ``.ragkit`` from here upward.

    Args:
        given: Value of ``-c``.
        create: Whether one may be made here when none is found.

    Raises:
        CollectionNotFound: None is found, and none may be made.
    """
    if given:
        return Path(given)
    here = Path.cwd()
    named = load_settings(here).collection
    if named:
        return here / named
    for directory in (here, *here.parents):
        if (directory / DEFAULT_NAME).is_dir():
            return directory / DEFAULT_NAME
    if create:
        return here / DEFAULT_NAME
    raise CollectionNotFound(
        f"there is no {DEFAULT_NAME} in {here} or above it: make one with `ragkit index FOLDER`, or"
        " name a collection with -c"
    )


def seen_from_here(path: Path) -> str:
    """A path as short as it can be said from the working directory, fit for a line."""
    here = Path.cwd()
    return named(str(path.relative_to(here) if path.is_relative_to(here) else path))


def read_image(argument: str) -> str | bytes:
    """A picture to look for: its path or address, or what is in it; ``-`` reads it from stdin."""
    return sys.stdin.buffer.read() if argument == "-" else argument


def read_query(argument: str) -> str:
    """What is asked; ``-`` reads it from stdin.

    Raises:
        InvalidArgument: It is not UTF-8.
    """
    try:
        if argument == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig").strip()
        argument.encode()
    except UnicodeError as error:
        raise InvalidArgument("the query is not valid UTF-8: give it in UTF-8") from error
    return argument
