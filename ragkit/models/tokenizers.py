"""Which tokens an LLM counts in."""

from __future__ import annotations

from functools import cache

from ragkit.errors import InvalidArgument
from ragkit.models.tokens import BoundCounter, BytePairCounter, TokenCounter

__all__ = ["DEFAULT_TOKENIZER", "counter_of", "tokenizer_of"]

DEFAULT_TOKENIZER = "cl100k"
_SHIPPED = {"cl100k_base": "cl100k", "o200k_base": "o200k", "o200k_harmony": "o200k"}


@cache
def tokenizer_of(name: str) -> str:
    """``cl100k``, ``o200k``, or ``bound`` for LLMs whose vocabulary is not shipped.

    Args:
        name: One of these, or an LLM: ``gpt-4o``, ``openai/gpt-4.1-mini``, ``claude-sonnet-4``.

    Raises:
        InvalidArgument: The name is blank.
    """
    plain = name.strip().casefold().rpartition("/")[2].removesuffix(":free")
    if not plain:
        raise InvalidArgument(f"tokenizer={name!r}: give an LLM's name, or cl100k, o200k or bound")
    if plain in (*_SHIPPED.values(), "bound"):
        return plain
    from tiktoken.model import encoding_name_for_model  # noqa: PLC0415 - loads tiktoken

    try:
        encoding = plain if plain in _SHIPPED else encoding_name_for_model(plain)
    except KeyError:
        return "bound"
    return _SHIPPED.get(encoding, "bound")


def counter_of(name: str) -> TokenCounter:
    """Counts in an LLM's tokens: exactly, or by a number that no common tokenizer passes.

    That number is one for a byte, about four times what English text has in fact: for an LLM that
    is not OpenAI's, ``o200k`` fills a budget better, and may pass it by a fifth.

    Raises:
        InvalidArgument: The name is blank.
    """
    tokenizer = tokenizer_of(name)
    return BoundCounter() if tokenizer == "bound" else BytePairCounter(f"{tokenizer}_base")
