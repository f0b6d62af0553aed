"""What is known of reranking models: how much a query and a passage may have together."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["reranker_max_tokens"]

# What the oldest of them take, which is what is taken for granted of a name nobody knows.
_UNKNOWN_MAX_TOKENS: Final = 512

# By their makers' words; the first pattern that fits the name without its author counts.
_FAMILIES: Final[dict[str, int]] = {
    r"^rerank-v3\.5": 4096,
    r"^rerank-(english|multilingual)-v3": 4096,
    r"^rerank-(v?4|2\.5)": 32_000,
    r"^rerank-2-lite": 8000,
    r"^rerank-2": 16_000,
    r"^rerank-lite-1": 4000,
    r"^rerank-1": 8000,
    r"^jina-reranker-v2": 1024,
    r"^jina-reranker-(v3|m0)": 8192,
    r"^bge-reranker-v2": 8192,
    r"^gte-(multilingual-)?reranker": 8192,
    r"^qwen3-reranker": 32_000,
    r"^mxbai-rerank-(base|large)-v2": 8192,
    r"rerank-vl-1b|rerankqa-1b|rerank-1b": 8192,
}


def reranker_max_tokens(model: str) -> int:
    """Most tokens of query and passage together that a reranking model reads.

    Args:
        model: ``author/slug``, or a server's own name; 512 where it is not known.
    """
    plain = model.rsplit("/", 1)[-1].casefold().replace("_", "-")
    for pattern, max_tokens in _FAMILIES.items():
        if re.search(pattern, plain):
            return max_tokens
    return _UNKNOWN_MAX_TOKENS
