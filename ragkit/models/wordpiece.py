"""The embedded model's tokenizer: texts to word pieces, and their number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

__all__ = ["BYTES_PER_UNKNOWN", "UNKNOWN_ID", "WordPieceCounter", "encode", "minilm_file"]

# An unbroken megabyte is one unknown piece to the model; this is what it counts as instead.
BYTES_PER_UNKNOWN = 4
UNKNOWN_ID = 100
_SURROGATE = re.compile("[\ud800-\udfff]")
# What the tokenizer parts ASCII text into, once it is in small letters: each sign by itself.
_ASCII_PARTS = re.compile(r"[a-z0-9]+|[^a-z0-9 \t\n\r]")
_SOLID = re.compile(r"[^ \t\n\r]+")
# Longer words are unknown pieces.
_LONGEST_WORD = 100
# Counted for what has to be shown to the tokenizer; more than any text that fits into memory has.
_UNCLEAR = 1 << 48
_MEMO_WORDS = 1 << 15


def minilm_file(name: str) -> bytes:
    """A shipped file of the embedded model: ``model.onnx`` or ``tokenizer.json``."""
    return resources.files("ragkit.models").joinpath("minilm", name).read_bytes()


def encode(texts: Sequence[str]) -> list[list[int]]:
    """Ids of the pieces of each text, without the markers that the model wants around them.

    A lone surrogate, which no model can be asked about, is read as U+FFFD and so leaves no piece.
    """
    tokenizer = _tokenizer()
    return [tokenizer.encode(_readable(text)).ids for text in texts]


class WordPieceCounter:
    """Counts in pieces of BERT's uncased vocabulary; satisfies ``TokenCounter``.

    Markers are not counted. A run of unknown pieces counts as its UTF-8 bytes / 4 where that is
    more, so that a limit in pieces limits the text too.
    """

    def count(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in pieces, in the order of the texts."""
        return [_count(text) for text in texts]


def _count(text: str) -> int:
    """Length of a text in pieces, at a quarter of what the tokenizer alone costs.

    Words are pieced each by themselves, so those of ASCII are counted by a memo of words, and only
    the others are shown to the tokenizer. What it would not part as ``_ASCII_PARTS`` does, control
    characters and words that are unknown to it, has it count the whole text.
    """
    plain, rest = text, ""
    if not text.isascii():
        words = _SOLID.findall(text)
        plain = " ".join([word for word in words if word.isascii()])
        rest = " ".join([word for word in words if not word.isascii()])
    pieces = sum(map(_pieces_of, _ASCII_PARTS.findall(plain.lower())))
    if pieces < _UNCLEAR and rest:
        ids = _tokenizer().encode(_readable(rest)).ids
        pieces += len(ids) if UNKNOWN_ID not in ids else _UNCLEAR
    if pieces < _UNCLEAR:
        return pieces
    readable = _readable(text)
    return _length(_tokenizer().encode(readable), readable)


@lru_cache(maxsize=_MEMO_WORDS)
def _pieces_of(part: str) -> int:
    """Number of pieces of a word of ASCII letters and digits, or of a single sign."""
    if len(part) > _LONGEST_WORD or not part.isprintable():
        return _UNCLEAR
    return len(_tokenizer().model.tokenize(part)) if len(part) > 1 else 1


def _readable(text: str) -> str:
    # The search costs more than the check, which alone nearly every text needs.
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _length(encoding: Encoding, text: str) -> int:
    ids = encoding.ids
    if UNKNOWN_ID not in ids:
        return len(ids)
    total, start, end, run = 0, 0, 0, 0
    for piece, (first, last) in zip([*ids, -1], [*encoding.offsets, (0, 0)], strict=True):
        if piece == UNKNOWN_ID:
            start, end, run = (start if run else first), last, run + 1
            continue
        if run:
            size = len(text[start:end].encode("utf-8"))
            total, run = total + max(run, -(-size // BYTES_PER_UNKNOWN)), 0
        total += 1
    return total - 1


@cache
def _tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer  # noqa: PLC0415  - not for those who only search words

    return Tokenizer.from_buffer(minilm_file("tokenizer.json"))
