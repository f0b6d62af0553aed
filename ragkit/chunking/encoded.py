"""Files that stand in a text as data URLs: found, so that they are not taken for words.

A page that was saved with its pictures, a Markdown file with one pasted in, an export as JSON: one
photograph is a million characters of base64, and so twenty thousand passages that mean nothing,
cost money, and stand under the heading of what is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from ragkit.chunking.cutting import cut_at, spans_within
from ragkit.records import Passage

__all__ = ["Spans", "encoded_spans", "with_encoded"]

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
_WORD = re.compile(r"\w")


def encoded_spans(text: str) -> Spans:
    """(start, end) of the data URLs in a text that hold a file, in order."""
    if _ANCHOR not in text:
        return ()
    return tuple(match.span() for match in _DATA_URL.finditer(text))


def with_encoded(
    passages: list[Passage], text: str, header_at: Callable[[int], str]
) -> list[Passage]:
    """Passages of a document that know what of them is a file.

    Where a file goes over the edge of a passage, it is cut off from the words: they are found and
    shown without it.

    Args:
        passages: In order.
        text: The document's.
        header_at: The header of the table that goes on at a position of the document.
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
        inside = spans[first:last]
        if not inside:
            marked.append(passage)
            continue
        known = replace(passage, encoded=spans_within(inside, passage.start, passage.end))
        marked += _apart(known, inside, header_at)
    return marked


def _apart(passage: Passage, inside: Spans, header_at: Callable[[int], str]) -> list[Passage]:
    """The passage without the file that it begins in or ends in, and that file's part."""
    parts = [passage]
    (before, until), (since, after) = inside[0], inside[-1]
    if (
        since > passage.start
        and after > passage.end
        and _WORD.search(passage.text[: since - passage.start])
    ):
        parts = [*cut_at(passage, since - passage.start, header_at)]
    begins, end = parts[0], until - passage.start
    if before < passage.start and _WORD.search(begins.text[end:]):
        parts = [*cut_at(begins, end, header_at), *parts[1:]]
    return parts
