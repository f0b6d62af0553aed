"""The hard limit: what a model takes, counted in its own tokens on what is really embedded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragkit.chunking.cutting import cut_at
from ragkit.chunking.recipe import LARGEST_PREFIX_BYTES, embedded_text, prefix_bound
from ragkit.errors import InvalidArgument
from ragkit.models.catalogue import ModelProfile, profile
from ragkit.models.tokens import BoundCounter, BytePairCounter, TokenCounter
from ragkit.records import Passage

__all__ = ["CHARACTERS_PER_TOKEN", "HardLimit", "limit_of"]

# A megabyte without a blank is three unknown words to WordPiece: no passage is that long.
CHARACTERS_PER_TOKEN = 8
# Marks around a text that a counter may add: begin, end, and SentencePiece's blank.
_MARKS = 3
# No character takes more tokens: it is in no vocabulary, and has four bytes.
_LARGEST_CHARACTER = "\U0010fffd"
# Gaps from the gladliest to the least; a match ends where the second part begins.
_CUTS = (
    re.compile(r"\n\s*\n\s*"),
    re.compile(r"[\n\r]\s*"),
    re.compile(r"[.!?…][\"')\]*_”’»]*\s+|[。！？]"),
    re.compile(r"[,;:]\s+|[，、；：]"),
    re.compile(r"\s+"),
    re.compile(r"(?s:.)(?![\u0300-\u036f\u200d\ufe0f])"),
    re.compile(r"(?s:.)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HardLimit:
    """What no embedded text may pass.

    Attributes:
        max_tokens: In the model's own tokens, its prompt and marks included.
        counter: Counts them.
        prompt: What the model wants in front of a passage.
        exact_cl100k: Whether the model's tokens are cl100k's, which the passages carry anyway.
    """

    max_tokens: int
    counter: TokenCounter
    prompt: str = ""
    exact_cl100k: bool = False

    def enforce(
        self,
        title: str | None,
        passages: Sequence[Passage],
        header_at: Callable[[int], str] = lambda _: "",
    ) -> list[Passage]:
        """The passages, with those over the limit cut further until none is.

        Args:
            title: The document's.
            passages: In order.
            header_at: The header of the table that goes on at a position of the document.
        """
        if self._all_fit(passages):
            return list(passages)
        kept: list[Passage] = []
        waiting = list(passages)
        while waiting:
            over = set(self._over(title, waiting))
            if not over:
                return _in_order(kept, waiting)
            kept += [passage for index, passage in enumerate(waiting) if index not in over]
            waiting = [
                half for index in sorted(over) for half in _halves(waiting[index], header_at)
            ]
        return _in_order(kept, waiting)

    def _all_fit(self, passages: Sequence[Passage]) -> bool:
        """Whether the longest passage with the longest prefix would still fit."""
        if not self.exact_cl100k or not passages:
            return not passages
        before = LARGEST_PREFIX_BYTES + 4 * len(self.prompt) + _MARKS
        tokens = max([passage.tokens for passage in passages])
        characters = max([len(passage.text) for passage in passages])
        return before + max(tokens, characters / CHARACTERS_PER_TOKEN) <= self.max_tokens

    def _over(self, title: str | None, passages: Sequence[Passage]) -> list[int]:
        """Indexes of the passages that pass the limit and can be cut."""
        unsure = [
            index
            for index, passage in enumerate(passages)
            if passage.end - passage.start > 1 and not self._surely_fits(title, passage)
        ]
        too_long = [index for index in unsure if self._is_long(passages[index])]
        doubtful = sorted(set(unsure) - set(too_long))
        texts = [self.prompt + embedded_text(title, passages[index]) for index in doubtful]
        counts = self.counter.count(texts)
        over = [
            index
            for index, text, count in zip(doubtful, texts, counts, strict=True)
            if count > self.max_tokens or len(text) > CHARACTERS_PER_TOKEN * self.max_tokens
        ]
        return too_long + over

    def _is_long(self, passage: Passage) -> bool:
        return passage.end - passage.start > CHARACTERS_PER_TOKEN * self.max_tokens

    def _surely_fits(self, title: str | None, passage: Passage) -> bool:
        """Whether a bound proves it: bytes, or the passage's own cl100k tokens and then bytes."""
        before = prefix_bound(title, passage) + 4 * len(self.prompt) + _MARKS
        length = passage.end - passage.start
        if self.exact_cl100k:
            room = CHARACTERS_PER_TOKEN * self.max_tokens
            return before + passage.tokens <= self.max_tokens and before + length <= room
        return passage.text.isascii() and before + length <= self.max_tokens


def limit_of(model: str | ModelProfile, max_tokens: int | None) -> HardLimit:
    """The limit of a model, or a lower one.

    Args:
        model: Its name, or what is known of it.
        max_tokens: Lower than the model's; None for the model's own.

    Raises:
        InvalidArgument: The limit leaves no room for a text.
    """
    known = profile(model) if isinstance(model, str) else model
    limit = known.max_tokens if max_tokens is None else min(max_tokens, known.max_tokens)
    hard = HardLimit(
        max_tokens=limit,
        counter=_counter(known.tokenizer),
        prompt=known.document_prompt,
        exact_cl100k=known.tokenizer == "cl100k",
    )
    smallest = hard.counter.count([known.document_prompt + _LARGEST_CHARACTER])[0]
    if limit < smallest:
        raise InvalidArgument(
            f"max_tokens={max_tokens} leaves no room for a text of {known.name}: give {smallest} or"
            " more"
        )
    return hard


def _counter(tokenizer: str) -> TokenCounter:
    if tokenizer == "minilm":
        from ragkit.models.wordpiece import WordPieceCounter  # noqa: PLC0415  - loads tokenizers

        return WordPieceCounter()
    return BytePairCounter() if tokenizer == "cl100k" else BoundCounter()


def _in_order(kept: list[Passage], rest: list[Passage]) -> list[Passage]:
    return sorted(kept + rest, key=lambda passage: passage.start) if kept else rest


def _halves(passage: Passage, header_at: Callable[[int], str]) -> tuple[Passage, Passage]:
    """Cut a passage at the best gap of its middle half."""
    return cut_at(passage, _middle_gap(passage.text), header_at)


def _middle_gap(text: str) -> int:
    """The gap nearest to the middle of the best kind that the middle half has."""
    size = len(text)
    low, high = max(size // 4, 1), size - size // 4
    for kind in _CUTS:
        places = [match.end() for match in kind.finditer(text, low - 1, high)]
        inside = [place for place in places if 0 < place < size]
        if inside:
            return min(inside, key=lambda place: abs(2 * place - size))
    return size // 2
