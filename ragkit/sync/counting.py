"""Our own count of what is sent, which the server's bill is held against."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from ragkit.models.catalogue import LOCAL_MODELS, TokenizerName
from ragkit.models.fingerprint import Fingerprint
from ragkit.models.tokens import BytePairCounter, TokenCounter, count_tokens
from ragkit.models.wordpiece import WordPieceCounter
from ragkit.records import Image, Passage

__all__ = ["PrefixedCounts", "TokenEstimate", "picture_tokens", "token_estimate"]

# The passages of a section share their prefix, and a folder has few open sections at a time.
_REMEMBERED_PREFIXES = 1024


# Models bill 250 to 1,900 tokens for a megapixel; 560 pixels for each is what the dearest take.
_PIXELS_PER_TOKEN = 700
_LONGEST_SIDE_PX = 1024


def picture_tokens(image: Image) -> int:
    """About so many tokens are billed for a picture, as large as it is sent."""
    factor = min(1.0, _LONGEST_SIDE_PX / max(image.width_px, image.height_px, 1))
    return max(1, round(image.width_px * image.height_px * factor**2 / _PIXELS_PER_TOKEN))


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
        """Tokens of an embedded text that was made from this passage; of a picture about those."""
        if passage.image is not None:
            return picture_tokens(passage.image) + passage.tokens
        if not text.endswith(passage.text) or not passage.tokens:
            return count_tokens(self._document_prompt + text)
        prefix = text[: len(text) - len(passage.text)]
        return passage.tokens + self._prefix_tokens(self._document_prompt + prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenEstimate:
    """How a model's tokens are told before it was asked.

    Attributes:
        of: The model and its prompts.
        counter: Counts texts.
        factor: What a counted token is billed as.
        document_prompt: Sent before each text, and billed with it.
        said: For people: how sure it is.
    """

    of: Fingerprint
    counter: TokenCounter
    factor: Decimal = Decimal(1)
    document_prompt: str = ""
    said: str = ""

    def count(self, text: str) -> int:
        """Tokens of a text by our own count, its prompt included."""
        return self.counter.count([self.document_prompt + text])[0]

    def billed(self, counted: int) -> int:
        """What so many counted tokens are billed as."""
        return round(counted * self.factor)


def token_estimate(
    of: Fingerprint, tokenizer: TokenizerName, billed_per_counted: Decimal | None
) -> TokenEstimate:
    """The best way to tell what a model will bill.

    Args:
        of: Names the model and its prompt.
        tokenizer: What counts its tokens.
        billed_per_counted: What its earlier runs billed for a cl100k token; None without any.
    """
    prompt = of.document_prompt
    if of.model in LOCAL_MODELS:
        return TokenEstimate(of=of, counter=WordPieceCounter(), document_prompt=prompt)
    if tokenizer == "cl100k":
        said = "tokens counted with the model's own vocabulary"
        return TokenEstimate(of=of, counter=BytePairCounter(), document_prompt=prompt, said=said)
    if billed_per_counted is not None:
        return TokenEstimate(
            of=of,
            counter=BytePairCounter(),
            factor=billed_per_counted,
            document_prompt=prompt,
            said="tokens by what earlier runs were billed for",
        )
    if tokenizer == "minilm":
        said = "tokens counted with the model's own vocabulary, its markers left out"
        return TokenEstimate(of=of, counter=WordPieceCounter(), document_prompt=prompt, said=said)
    return TokenEstimate(
        of=of,
        counter=BytePairCounter(),
        document_prompt=prompt,
        said="tokens estimated with another model's vocabulary: the first run will tell",
    )
