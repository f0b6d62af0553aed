"""A query and its documents, cut to what a reranking model reads of them together.

Some servers cut silently, some refuse the whole request for one long document. The beginning is
what stays: headings, and the passage as far as it goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

__all__ = ["fitted"]

# Begin and end markers, and the separators in between.
_MARKER_TOKENS: Final = 8
# What other vocabularies need more than cl100k, of digits and rare words above all.
_OTHER_VOCABULARIES: Final = 1.25
_QUERY_SHARE: Final = 2
_CHEAP_QUERY_SHARE: Final = 8


def fitted(query: str, documents: Sequence[str], max_tokens: int) -> tuple[str, list[str]]:
    """The query, at most half of the tokens, and the documents, each in what it leaves.

    Lone surrogates, which no request can carry, become question marks.
    """
    query = _cut(query, max_tokens // _QUERY_SHARE)
    room = max_tokens - _MARKER_TOKENS - _tokens(query, max_tokens // _CHEAP_QUERY_SHARE)
    return query, [_cut(document, room) for document in documents]


def _cut(text: str, room: int) -> str:
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    while (tokens := _tokens(text, room)) > room:
        text = text[: len(text) * room // tokens]
    return text


def _tokens(text: str, enough: int) -> int:
    """An upper bound for nearly any text: the cheap one where that is no more than *enough*."""
    bound = len(text.encode()) // 2 + 1
    if bound <= enough:
        return bound
    from ragkit.models.tokens import count_tokens  # noqa: PLC0415 - loads a vocabulary, 0.1 s

    return math.ceil(count_tokens(text) * _OTHER_VOCABULARIES)
