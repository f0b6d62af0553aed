"""What a call was given, checked and made one kind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from ragkit.embedding.images import EmbedInput, ImageInput
from ragkit.errors import InvalidArgument

if TYPE_CHECKING:
    from ragkit.sync.synchronise import Options

__all__ = ["StrPath", "dollars_of", "options_of", "paths_of", "query_of", "seconds_of"]

StrPath = str | os.PathLike[str]


def paths_of(paths: StrPath | Sequence[StrPath]) -> list[Path]:
    """At least one path.

    Raises:
        InvalidArgument: There is none.
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not listed:
        raise InvalidArgument("there is nothing to index: name a folder or a file")
    return [Path(path) for path in listed]


def dollars_of(amount: float | Decimal | None) -> Decimal | None:
    """An amount to the last digit; None is no limit.

    Raises:
        InvalidArgument: It is no amount.
    """
    if amount is None:
        return None
    try:
        dollars = Decimal(str(amount))
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not dollars.is_finite() or dollars < 0:
        raise InvalidArgument(f"max_cost_usd={amount!r}: give an amount in dollars, 0 or more")
    return dollars


def seconds_of(name: str, seconds: float, *, most: float) -> float:
    """A time that a clock can count; 0 is none.

    Raises:
        InvalidArgument: It is below 0, above *most*, or nan.
    """
    if not 0 <= seconds <= most:
        raise InvalidArgument(f"{name}={seconds!r}: give a time in seconds, from 0 to {most:g}")
    return seconds


def query_of(query: str | None, image: StrPath | bytes | None) -> EmbedInput:
    """What is asked, in words, as a picture, or as both.

    Raises:
        InvalidArgument: There is neither.
    """
    if image is not None:
        return ImageInput(image=image, text=query or "")
    if query is None:
        raise InvalidArgument("there is no query: ask something, or give an image")
    return query


def options_of(
    include: Sequence[str],
    exclude: Sequence[str],
    *,
    checksum: bool,
    allow_empty: bool,
    wait_s: float = 0.0,
) -> Options:
    """The options of a sync."""
    from ragkit.sync.difference import Rules  # noqa: PLC0415 - loads the readers
    from ragkit.sync.synchronise import Options  # noqa: PLC0415

    return Options(
        include=tuple(include),
        exclude=tuple(exclude),
        rules=Rules(checksum=checksum, allow_empty=allow_empty),
        wait_s=wait_s,
    )
