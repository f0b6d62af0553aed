"""Highlighting: the words that a query matched."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.retrieval.snippets import matched_spans


@pytest.mark.parametrize(
    ("text", "query", "matched"),
    [
        ("Rotate the keys; rotation is monthly.", "how are keys rotated?", "Rotate keys rotation"),
        ("Nothing of it here.", "keys", ""),
        ("Set max_tokens, or maxTokens.", "tokens", "tokens Tokens"),
        ("Set max_tokens, or maxTokens.", "max-tokens", "max_tokens maxTokens"),
        ("The disk and the key", "the key of the disk", "disk key"),
        ("To be or not to be", "to be", "To be to be"),
        ("The Café closes when the other cafés open.", "cafe", "Café cafés"),
        ("東京都に住んでいます", "東京", "東京"),
        ("Read v2.1.0 now", "2.1.0", "v2.1.0"),
        ("Python入門です", "python", "Python"),
    ],
)
def test_words_are_matched_by_their_stems(text: str, query: str, matched: str) -> None:
    """What the lexical search would find is marked, in its place, and nothing else."""
    found = [text[start:end] for start, end in matched_spans(text, query)]
    assert list(dict.fromkeys(found)) == list(dict.fromkeys(matched.split()))


@given(text=st.text(max_size=80), query=st.text(max_size=20))
@settings(deadline=None, max_examples=100)
def test_spans_are_in_order_and_disjoint(text: str, query: str) -> None:
    """Any text and any query give spans inside the text, in order, with something between."""
    spans = matched_spans(text, query)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(left[1] < right[0] for left, right in pairwise(spans))
