"""Counting tokens: shipped BPE vocabularies, and an upper bound for tokenizers we do not have."""

from __future__ import annotations

import lzma
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from ragkit.errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import tiktoken

__all__ = [
    "BoundCounter",
    "BytePairCounter",
    "EncodedSlab",
    "TokenCounter",
    "TrimmedTokens",
    "count_tokens",
    "encode_slabs",
    "encoding",
    "token_bound",
    "token_lengths",
    "trimmed_tokens",
]

# Facts that tiktoken publishes for its encodings: the pattern that splits text into words, and the
# control tokens. o200k's pattern takes marks into words, cl100k's is written without backtracking.
_CL100K_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
    r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)
_O200K_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_O200K_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_O200K_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_O200K_PATTERN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_O200K_UPPER}*{_O200K_LOWER}+{_O200K_SUFFIX}"
    rf"|[^\r\n\p{{L}}\p{{N}}]?{_O200K_UPPER}+{_O200K_LOWER}*{_O200K_SUFFIX}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {"cl100k_base": _CL100K_PATTERN, "o200k_base": _O200K_PATTERN}
_SPECIAL_TOKENS = {
    "cl100k_base": {
        "<|endoftext|>": 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
    },
    "o200k_base": {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
}

# One call of tiktoken takes at most this many characters: its pattern gives up on white space of a
# million characters, and the arrays made from a slab stay in the processor's cache.
SLAB_CHARACTERS = 1 << 17
# How far from a slab's end a place to part it is looked for.
_PARTING_CHARACTERS = 1 << 13
_SURROGATE = re.compile("[\ud800-\udfff]")
# Begin and end markers, and the blank that SentencePiece puts before a text.
_MARKER_TOKENS = 3


class TokenCounter(Protocol):
    """Counts in the tokens of one model."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens, in the order of the texts."""
        ...


@dataclass(frozen=True, slots=True)
class BytePairCounter:
    """Counts with a shipped vocabulary; satisfies ``TokenCounter``.

    Attributes:
        name: ``cl100k_base`` or ``o200k_base``.
    """

    name: str = "cl100k_base"

    def count(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens, in the order of the texts."""
        return [count_tokens(text, self.name) for text in texts]


@dataclass(frozen=True, slots=True)
class BoundCounter:
    """Gives ``token_bound`` for models whose tokenizer is not known; satisfies ``TokenCounter``."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """A number that each text's length in tokens does not pass, in the order of the texts."""
        return [token_bound(text) for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedSlab:
    """A stretch of a text and its tokens.

    Attributes:
        start: First character of the stretch.
        end: One past the last.
        ids: uint32, shape (tokens,), in order.
    """

    start: int
    end: int
    ids: npt.NDArray[np.uint32]


@cache
def encoding(name: str = "cl100k_base") -> tiktoken.Encoding:
    """The encoding made from the shipped file: no download, about 0.1 s (o200k 0.2 s), then cached.

    Text such as ``<|endoftext|>`` in a document is ordinary text: encode with
    ``disallowed_special=()``, as every function of this module does.

    Raises:
        InvalidArgument: There is no shipped vocabulary of that name.
    """
    import tiktoken  # noqa: PLC0415  - importing ragkit must not load it

    ranks = {token: rank for rank, token in enumerate(_tokens(name))}
    return tiktoken.Encoding(
        name,
        pat_str=_PATTERNS[name],
        mergeable_ranks=ranks,
        special_tokens=_SPECIAL_TOKENS[name],
    )


@cache
def token_lengths(name: str = "cl100k_base") -> npt.NDArray[np.uint8]:
    """Length of each token in bytes: uint8, shape (ordinary tokens,), by token id, read-only.

    Raises:
        InvalidArgument: There is no shipped vocabulary of that name.
    """
    import numpy as np  # noqa: PLC0415  - counting alone does without it

    return np.frombuffer(_vocabulary(name)[0], np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedTokens:
    """What tokens are without the white space at their ends; arrays by token id.

    Attributes:
        without_blank: bool: a blank, and something that is a token as well.
        solid_bytes: uint8: length without the line ends at its end, where that is a token as well;
            else 0.
    """

    without_blank: npt.NDArray[np.bool_]
    solid_bytes: npt.NDArray[np.uint8]


@cache
def trimmed_tokens(name: str = "cl100k_base") -> TrimmedTokens:
    """Which tokens stay one token when a text begins or ends inside of them.

    Raises:
        InvalidArgument: There is no shipped vocabulary of that name.
    """
    import numpy as np  # noqa: PLC0415  - counting alone does without it

    tokens = list(_tokens(name))
    known = set(tokens)
    without_blank = [token[:1] == b" " and token[1:] in known for token in tokens]
    solid_bytes = np.zeros(len(tokens), np.uint8)
    for rank, token in enumerate(tokens):
        if token.endswith((b"\n", b"\r")) and (solid := token.rstrip()) in known:
            solid_bytes[rank] = len(solid)
    return TrimmedTokens(without_blank=np.array(without_blank), solid_bytes=solid_bytes)


def count_tokens(text: str, name: str = "cl100k_base") -> int:
    """Length of a text in tokens of a shipped vocabulary; exact, as tiktoken counts.

    Lone surrogates count as U+FFFD. Where 8,192 characters in a row hold neither a blank nor a
    line end, a text of more than 131,072 may be parted inside what is one word to the tokenizer,
    which can change the count by a token or two for each parting.

    Raises:
        InvalidArgument: There is no shipped vocabulary of that name.
    """
    if len(text) <= SLAB_CHARACTERS:
        clean = text if text.isascii() else _SURROGATE.sub("\ufffd", text)
        return len(encoding(name).encode_ordinary(clean))
    return sum(slab.ids.size for slab in encode_slabs(text, name))


def encode_slabs(text: str, name: str = "cl100k_base") -> Iterator[EncodedSlab]:
    """Encode a text of any length in stretches that bound time and memory.

    The stretches are parted where a word ends anyway, so that the tokens are those of the whole
    text. Where there is no such place the parting is chosen by the characters around it, so that
    an edit moves the partings near it and no others.

    Raises:
        InvalidArgument: There is no shipped vocabulary of that name.
    """
    bpe = encoding(name)
    start = 0
    while start < len(text):
        end = _parting(text, start)
        part = text[start:end]
        try:
            ids = bpe.encode_to_numpy(part, disallowed_special=())
        except UnicodeEncodeError:
            ids = bpe.encode_to_numpy(_SURROGATE.sub("\ufffd", part), disallowed_special=())
        yield EncodedSlab(start=start, end=end, ids=ids)
        start = end


def token_bound(text: str) -> int:
    """A number of tokens that no common tokenizer passes on this text, markers included.

    Byte-level BPE spends at most a token on a byte. SentencePiece normalises (NFKC) and then
    spends a token on a character, or on each of its bytes where it falls back to them. WordPiece
    decomposes (NFD or NFKD) and then spends at most a token on a character. So the bound is the
    largest of the three; for ASCII they are all the number of characters.
    """
    if text.isascii():
        return len(text) + _MARKER_TOKENS
    composed = unicodedata.normalize("NFKC", text)
    decomposed = unicodedata.normalize("NFKD", text)
    longest = max(
        len(text.encode("utf-8", "surrogatepass")),
        len(composed.encode("utf-8", "surrogatepass")),
        len(decomposed),
    )
    return longest + _MARKER_TOKENS


@cache
def _vocabulary(name: str) -> tuple[bytes, bytes]:
    """Lengths of the tokens, one byte each, and their bytes end to end, both in rank order."""
    if name not in _PATTERNS:
        raise InvalidArgument(
            f"no vocabulary {name!r} is shipped; there are {' and '.join(sorted(_PATTERNS))}"
        )
    packed = resources.files("ragkit.models").joinpath("vocab", f"{name}.xz").read_bytes()
    content = lzma.decompress(packed)
    count = int.from_bytes(content[:4], "little")
    return content[4 : 4 + count], content[4 + count :]


def _tokens(name: str) -> Iterator[bytes]:
    """The tokens in rank order."""
    lengths, content = _vocabulary(name)
    offset = 0
    for length in lengths:
        yield content[offset : offset + length]
        offset += length


def _parting(text: str, start: int) -> int:
    """Where the slab that begins at ``start`` ends."""
    end = start + SLAB_CHARACTERS
    if end >= len(text):
        return len(text)
    lowest = end - _PARTING_CHARACTERS
    # After a line end and before a blank, words end whatever stands beside them.
    place = end
    while (place := text.rfind("\n", lowest, place)) > 0:
        if not text[place + 1].isspace():
            return place + 1
    place = end
    while (place := text.rfind(" ", lowest, place)) > 0:
        if not text[place - 1].isspace():
            return place
    return _parting_by_content(text, lowest, end)


def _parting_by_content(text: str, lowest: int, highest: int) -> int:
    """The place whose next four characters mix to the largest number: moves with the text."""
    import numpy as np  # noqa: PLC0415  - counting short texts does without it

    window = text[lowest:highest].encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(window, "<u4").astype(np.uint64)
    mixed = codes[:-3] * 0x9E3779B97F4A7C15
    for shift, factor in (
        (1, 0xC2B2AE3D27D4EB4F),
        (2, 0x165667B19E3779F9),
        (3, 0x27D4EB2F165667C5),
    ):
        mixed = (mixed ^ (mixed >> np.uint64(29))) + codes[shift : codes.size - 3 + shift] * factor
    return lowest + 1 + int(np.argmax(mixed[1:] * 0x9E3779B97F4A7C15))
