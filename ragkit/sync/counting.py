"""Our own count of what is sent, which the server's bill is held against."""

from __future__ import annotations

from functools import lru_cache

from ragkit.models.tokens import count_tokens
from ragkit.records import Passage

__all__ = ["PrefixedCounts"]

# The passages of a section share their prefix, and a folder has few open sections at a time.
_REMEMBERED_PREFIXES = 1024


class PrefixedCounts:
    """cl100k tokens of passages with what is put in front of them, for a hundredth of the work.

    The passage was counted when it was cut, and its prefix is counted once for all the passages of
    a section. Counted apart, a prefix and a text differ from the whole by a token at most.

    Args:
        document_prompt: What the model wants before each passage.
    """

    def __init__(self, document_prompt: str) -> None:
        self._document_prompt = document_prompt
        self._prefix_tokens = lru_cache(_REMEMBERED_PREFIXES)(count_tokens)

    def count(self, text: str, passage: Passage) -> int:
        """Tokens of an embedded text that was made from this passage."""
        if not text.endswith(passage.text) or not passage.tokens:
            return count_tokens(self._document_prompt + text)
        prefix = text[: len(text) - len(passage.text)]
        return passage.tokens + self._prefix_tokens(self._document_prompt + prefix)
