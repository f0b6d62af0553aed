"""JSON and JSON Lines: the decoded file unchanged, after a look at whether it is what it says."""

from __future__ import annotations

import msgspec

from ragkit.errors import DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.structure import split_lines
from ragkit.records import Block, Document

__all__ = ["read_json", "read_json_lines"]

_TOO_DEEP = "JSON nested too deeply: more than a thousand levels"


def read_json(raw: RawFile) -> Reading:
    """Read JSON as text; what is no valid JSON is read as plain text, with a warning.

    Raises:
        DocumentUnreadable: It nests deeper than any parser goes.
    """
    decoded = decode(raw.data)
    problem = _problem(decoded.text)
    warnings = (*decoded.warnings, *(() if problem is None else (f"not valid JSON: {problem}",)))
    document = Document(
        source=raw.source, root=raw.root, media_type=raw.media_type, text=decoded.text
    )
    return Reading(document=document, warnings=warnings)


def read_json_lines(raw: RawFile) -> Reading:
    """Read JSON Lines: every line that is not blank is a ``row``.

    Raises:
        DocumentUnreadable: A line nests deeper than any parser goes.
    """
    decoded = decode(raw.data)
    blocks: list[Block] = []
    bad: list[int] = []
    at = 0
    for number, line in enumerate(split_lines(decoded.text), start=1):
        bare = line.rstrip("\r\n")
        if bare.strip():
            blocks.append(Block(start=at, end=at + len(bare), kind="row"))
            if _problem(bare) is not None:
                bad.append(number)
        at += len(line)
    warnings = decoded.warnings
    if bad:
        others = f" and {len(bad) - 1} more lines are" if len(bad) > 1 else " is"
        warnings = (*warnings, f"line {bad[0]}{others} not valid JSON")
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=decoded.text,
        blocks=tuple(blocks),
    )
    return Reading(document=document, warnings=warnings)


def _problem(text: str) -> str | None:
    """Why a text is no JSON; it is checked without building its values."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except RecursionError as error:
        raise DocumentUnreadable(_TOO_DEEP) from error
    except msgspec.DecodeError as error:
        return str(error).removeprefix("JSON is malformed: ")
    return None
