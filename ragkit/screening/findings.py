"""What a detector found in a text, and the text without it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Finding", "apart", "masked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A span of a text that is not to be sent.

    Attributes:
        start: First character.
        end: One past the last.
        kind: What it is, for people: ``AWS access key``. Never the thing itself.
    """

    start: int
    end: int
    kind: str


def apart(findings: Iterable[Finding]) -> list[Finding]:
    """In order, and those that overlap made one: of the first kind among them."""
    joined: list[Finding] = []
    for one in sorted(findings, key=lambda found: (found.start, -found.end)):
        last = joined[-1] if joined else None
        if last is None or one.start >= last.end:
            joined.append(one)
        elif one.end > last.end:
            joined[-1] = Finding(start=last.start, end=one.end, kind=last.kind)
    return joined


def masked(text: str, findings: Sequence[Finding], *, offset: int = 0) -> str:
    """A text with ``[kind]`` in the place of each finding, or of what of it lies inside the text.

    Args:
        text: A stretch of the text that was looked through.
        findings: In order and apart, by offsets of the whole.
        offset: Where the stretch begins in the whole.
    """
    pieces: list[str] = []
    place = 0
    for one in findings:
        start, end = one.start - offset, one.end - offset
        if end <= 0 or start >= len(text):
            continue
        pieces += (text[place : max(start, 0)], f"[{one.kind}]")
        place = end
    return "".join((*pieces, text[place:]))
