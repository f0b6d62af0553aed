"""Files that stand in a text as data URLs: found, so that they are not taken for words.

A page that was saved with its pictures, a Markdown file with one pasted in, an export as JSON: one
photograph is a million characters of base64, and so twenty thousand passages that mean nothing,
cost money, and stand under the heading of what is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ragkit.records import Passage

__all__ = ["Spans", "encoded_spans", "spans_within", "with_encoded"]

Spans = tuple[tuple[int, int], ...]

_ANCHOR = ";base64,"
# Shorter ones are examples in a text about data URLs. Base64 may be that of URLs, escaped as in
# JSON, or broken into lines of equal length; a short last line counts where its padding shows it,
# or a bracket. Of few parameters, so that no text makes the search slow.
_DATA_URL = re.compile(
    r"data:(?:[\w.+-]{1,80}\\?/[\w.+-]{1,80})?(?:;[\w.+-]{1,80}=[^;,\s]{1,200}){0,8};base64,"
    r"(?:[A-Za-z0-9+/_%-]|\\/){32,}+={0,2}"
    r"(?:\r?\n[A-Za-z0-9+/]{40,}+={0,2}(?![^\r\n)\]}>\"']))*+"
    r"(?:\r?\n[A-Za-z0-9+/]{2,}+(?:={1,2}|(?=[)\]}>\"'])))?",
    re.ASCII,
)


def encoded_spans(text: str) -> Spans:
    """(start, end) of the data URLs in a text that hold a file, in order."""
    if _ANCHOR not in text:
        return ()
    return tuple(match.span() for match in _DATA_URL.finditer(text))


def spans_within(spans: Sequence[tuple[int, int]], start: int, end: int) -> Spans:
    """What of the spans lies between two places, counted from the first of them."""
    return tuple(
        (max(first, start) - start, min(last, end) - start)
        for first, last in spans
        if first < end and last > start
    )


def with_encoded(passages: list[Passage], text: str) -> list[Passage]:
    """Passages of a document that know what of them is a file.

    Args:
        passages: In order.
        text: The document's.
    """
    spans = encoded_spans(text)
    if not spans:
        return passages
    first, marked = 0, []
    for passage in passages:
        while first < len(spans) and spans[first][1] <= passage.start:
            first += 1
        last = first
        while last < len(spans) and spans[last][0] < passage.end:
            last += 1
        inside = spans_within(spans[first:last], passage.start, passage.end)
        marked.append(replace(passage, encoded=inside) if inside else passage)
    return marked
