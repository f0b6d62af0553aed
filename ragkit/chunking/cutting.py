"""One passage becomes two, each a span of the document with what belongs to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from ragkit.chunking.surroundings import boxes_between
from ragkit.models.tokens import count_tokens
from ragkit.records import Passage

__all__ = ["cut_at", "spans_within"]


def cut_at(
    passage: Passage, place: int, header_at: Callable[[int], str]
) -> tuple[Passage, Passage]:
    """The passage up to a place in its text, and from there on; headings stay the first's.

    Args:
        passage: With something that is not white on either side of the place.
        place: In its text.
        header_at: The header of the table that goes on at a position of the document.
    """
    text = passage.text
    left, right = text[:place].rstrip(), text[place:].lstrip()
    start = passage.end - len(right)
    line = passage.line + len(re.findall(r"\r\n?|\n", text[: start - passage.start]))
    return (
        replace(
            passage,
            end=passage.start + len(left),
            text=left,
            tokens=count_tokens(left),
            boxes=boxes_between(passage.boxes, passage.start, passage.start + len(left)),
            encoded=spans_within(passage.encoded, 0, len(left)),
        ),
        replace(
            passage,
            start=start,
            text=right,
            tokens=count_tokens(right),
            line=line,
            table_header=header_at(start),
            boxes=boxes_between(passage.boxes, start, passage.end),
            encoded=spans_within(passage.encoded, start - passage.start, len(text)),
        ),
    )


def spans_within(
    spans: Sequence[tuple[int, int]], start: int, end: int
) -> tuple[tuple[int, int], ...]:
    """What of the spans lies between two places, counted from the first of them."""
    return tuple(
        (max(first, start) - start, min(last, end) - start)
        for first, last in spans
        if first < end and last > start
    )
