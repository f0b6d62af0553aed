"""What refusals say in words: limits, what they are about, and whom they mean.

Servers agree on no form for any of it. Each pattern stands for messages that servers were seen to
send, some of which are quoted beside it.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from ragkit.embedding.decisions import Shrink
from ragkit.embedding.failures import ServerError

__all__ = ["has_no_vector", "is_about_length", "is_about_text", "is_not_served", "limited"]
__all__ += ["names_dimensions", "names_parameter", "never_fits", "stated_bytes", "stated_length"]
__all__ += ["stated_limit"]


def is_not_served(error: ServerError) -> bool:
    """Whether nobody serves the model, or not on these terms."""
    return error.availability in _NOT_SERVED or error.code in _NOT_SERVED


def is_about_text(error: ServerError) -> bool:
    """Whether a text of the request is the cause."""
    return is_about_length(error) or error.kind in _ABOUT_TEXT


def is_about_length(error: ServerError) -> bool:
    """Whether a text of the request is too long."""
    return error.kind in _ABOUT_LENGTH or bool(_LENGTH_WORDS.search(error.message))


def never_fits(error: ServerError) -> bool:
    """Whether a failure is in truth the refusal of a text that is too long: llama.cpp says 500."""
    return bool(_NEVER_FITS.search(error.message))


def has_no_vector(error: ServerError) -> bool:
    """Whether the server could not write down the vector of a text, each time anew."""
    return bool(_NO_VECTOR.search(error.message))


def names_dimensions(error: ServerError) -> bool:
    """Whether the width is the cause."""
    return bool(_DIMENSION_WORDS.search(error.message))


def names_parameter(error: ServerError) -> bool:
    """Whether another parameter of the request is the cause."""
    return bool(_PARAMETER_WORDS.search(error.message))


def limited(error: ServerError) -> Literal["requests", "tokens"] | None:
    """What a limit of rate counts; None where nothing says so."""

    def is_named(counts: str, words: re.Pattern[str]) -> bool:
        remaining = error.headers.get(f"x-ratelimit-remaining-{counts}", "").strip()
        return remaining == "0" or bool(words.search(error.message))

    if is_named("tokens", _TOKENS_PER_TIME):
        return "tokens"
    return "requests" if is_named("requests", _REQUESTS_PER_TIME) else None


def stated_length(error: ServerError) -> int | None:
    """Most tokens of one text, in a refusal of a longer one."""
    found = _TOKENS_OF_TEXT.search(error.message)
    return int(next(filter(None, found.groups()))) if found else None


def stated_bytes(error: ServerError, size_bytes: int) -> int:
    """What the body of a request may have; half of what it had, where no number is named."""
    stated = [int(number) for number in _NUMBER.findall(error.message)]
    fitting = [number for number in stated if 1_000 <= number < size_bytes]
    return max(fitting, default=max(1, size_bytes // 2))


def stated_limit(message: str, size: int) -> Shrink | None:
    """What the server takes; half as many texts as it refused where it names no number."""
    tokens = _TOKENS_PER_REQUEST.search(message)
    if tokens is not None and size > 1:
        return Shrink(limit=int(tokens.group(1) or tokens.group(2)), counts="tokens")
    if not _COUNTS_TEXTS.search(message) or re.search("token", message, re.IGNORECASE):
        return None
    found = _LIMIT.search(message)
    limit = max(1, size // 2) if _TOO_MANY.search(message) else 0
    limit = int(found.group(1)) if found else limit
    return Shrink(limit=limit) if 1 <= limit < size else None


_NOT_SERVED: Final = frozenset(
    {
        "model_not_found",
        "wrong_endpoint",
        "no_endpoints",
        "model_deprecated",
        "model_unavailable_upstream",
        "constraint_filtered",
        "free_variant_ended",
        "privacy_restricted",
        "region_restricted",
    }
)
_ABOUT_LENGTH: Final = frozenset(
    {"context_length_exceeded", "max_tokens_exceeded", "token_limit_exceeded", "string_too_long"}
)
_ABOUT_TEXT: Final = frozenset({"invalid_prompt"})
_LENGTH_WORDS: Final = re.compile(
    r"too (long|large|many tokens)|context length|max\w* (allowed )?(token|context|sequence)"
    r"|token limit|tokens? per|fewer than \d+ tokens|less than \d+ tokens|physical batch size",
    re.IGNORECASE,
)
# "input is too large to process. increase the physical batch size"
_NEVER_FITS: Final = re.compile(r"too large to process|physical batch size", re.IGNORECASE)
# Ollama cannot write the vector of some texts, which has no numbers.
_NO_VECTOR: Final = re.compile(r"unsupported value: nan", re.IGNORECASE)
_TOKENS_PER_TIME: Final = re.compile(r"tokens? per|\bTPM\b", re.IGNORECASE)
_REQUESTS_PER_TIME: Final = re.compile(r"requests? per|\bRPM\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\d+")
# "max 300000 tokens per request", "max allowed tokens per submitted batch is 120000"
_TOKENS_PER_REQUEST: Final = re.compile(
    r"(?:max\w*|limit of) (\d+) tokens per (?:request|batch)"
    r"|tokens per (?:submitted )?(?:request|batch) is (\d+)",
    re.IGNORECASE,
)
# "maximum context length is 8192 tokens", "must have less than 512 tokens", "maximum allowed token
# size 512", "increase the physical batch size (current batch size: 512)"
_TOKENS_OF_TEXT: Final = re.compile(
    r"context (?:length|window)(?: is| of|:)? (\d+)|(?:less|fewer) than (\d+) tokens"
    r"|max\w* (?:allowed )?(?:token size|tokens?)(?: is| of|:)? (\d+)|current batch size: (\d+)",
    re.IGNORECASE,
)
_DIMENSION_WORDS: Final = re.compile(r"dimension|matryoshka", re.IGNORECASE)
_PARAMETER_WORDS: Final = re.compile(
    r"input_type|encoding_format|unrecognized|unknown (field|parameter|key)", re.IGNORECASE
)
# "at most 100 requests can be in one batch", "should not be larger than 10", "maximum allowed batch
# size 32": a number is taken for a count of texts only where texts, inputs or batches are named.
_LIMIT: Final = re.compile(
    r"(?:at most|no more than|not (?:be )?(?:larger|greater|more) than|not exceed|max(?:imum)?"
    r"(?: allowed)?(?: client)?(?: batch)?(?: size)?(?: of| is|:)?|up to)\s+(\d+)",
    re.IGNORECASE,
)
_COUNTS_TEXTS: Final = re.compile(
    r"batch|inputs|texts|requests|items|instance|array", re.IGNORECASE
)
_TOO_MANY: Final = re.compile(
    r"too many (inputs|texts|items)|batch (is |size )?(too|exceed)", re.IGNORECASE
)
