"""Conditions that the document of a passage must fit, as ``where`` gives them."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Callable, Sequence

from ragkit.errors import InvalidArgument
from ragkit.storage.rows import metadata_of

__all__ = ["fitting"]

_PLACES = {"root": 0, "source": 1, "title": 2, "media_type": 3}


def fitting(key: str, glob: str) -> Callable[[Sequence[object]], bool]:
    """Tells whether a row (root, source, title, media_type, metadata) fits.

    Raises:
        InvalidArgument: Key or glob is empty.
    """
    if not key or not glob:
        raise InvalidArgument(f"where needs a key and a glob, as source=guides/*, not {key}={glob}")
    flags = 0 if key == "source" else re.IGNORECASE
    matches = re.compile(fnmatch.translate(glob), flags).match

    def fits(row: Sequence[object]) -> bool:
        value = row[_PLACES[key]] if key in _PLACES else _inner(metadata_of(row[4]), key)
        values = value if isinstance(value, list) else [value]
        return any(item is not None and matches(_spelled(item)) is not None for item in values)

    return fits


def _inner(metadata: object, key: str) -> object:
    if isinstance(metadata, dict) and key in metadata:
        return metadata[key]
    for part in key.split("."):
        metadata = metadata.get(part) if isinstance(metadata, dict) else None
    return metadata


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
