"""Calibrating a generation on its way: a derived thing, made of what is stored at no cost."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from ragkit.indexing.words import WordIndex
from ragkit.retrieval.calibration import (
    CALIBRATION_SETTING,
    MOST_ASKED,
    calibrate,
    calibration_from,
    calibration_value,
)
from ragkit.storage.writer import Sealed, Writer

__all__ = ["derive_calibration"]

# Larger collections keep theirs until a twentieth of their passages has changed: looking through
# their vectors would take longer than a small change itself.
_ALWAYS_ANEW = 50_000
_CHANGED_SHARE = 0.05
# What is noted beside a calibration: of how many passages it is, and how many changed since.
_PASSAGES, _CHANGED = "passages", "changed"


def derive_calibration(
    writer: Writer, sealed: Sealed, words: Path, key: bytes, fingerprint: str
) -> Mapping[str, object]:
    """The calibration of the coming generation, as a setting to be committed with it.

    Args:
        writer: Has it staged and sealed, and knows its vectors.
        sealed: What changed.
        words: Its lexical index.
        key: Signs that.
        fingerprint: Of its vectors.
    """
    before: dict[str, object] = writer.snapshot().setting(CALIBRATION_SETTING, {})
    # Counted from one calibration to the next: to ask how many passages there are now would read
    # something of each of them.
    passages, changed = _number(before, _PASSAGES), _number(before, _CHANGED)
    changed += len(sealed.gone) + len(sealed.come)
    if (
        passages > _ALWAYS_ANEW
        and changed < _CHANGED_SHARE * passages
        and calibration_from(before, fingerprint) is not None
    ):
        return {**before, _CHANGED: changed}
    coming = writer.snapshot(coming=True)
    _, slots = coming.ids_and_slots()
    with contextlib.closing(WordIndex.open(words, key=key)) as index:
        some = coming.some_slots(MOST_ASKED)
        found = calibrate(some=some, slots=slots, matrix=writer.vectors.rows(), words=index)
    return {**calibration_value(found, fingerprint), _PASSAGES: len(slots), _CHANGED: 0}


def _number(value: Mapping[str, object], name: str) -> int:
    found = value.get(name)
    return found if isinstance(found, int) else 0
