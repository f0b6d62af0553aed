"""What of a passage is embedded: the stated title and headings in front, no front matter, no file.

The rule depends on stored fields alone, so that a vector can be checked against its passage, and
never on a path, so that moving a file buys nothing again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ragkit.records import Passage

__all__ = [
    "RECIPE_VERSION",
    "embedded_pieces",
    "embedded_text",
    "embedded_words",
    "front_matter_end",
]

RECIPE_VERSION = 1

# 15 % of a passage of 100 tokens, by the count of _cost.
PREFIX_TOKENS = 15
# Of these for the names of a table's columns, where there are headings too.
_HEADER_TOKENS = 10
# A prefix more than three times as long as the text would drown it.
_PREFIX_TO_TEXT = 3
# A token of a rough count: up to eight letters of ASCII, three digits, or any other character.
_ROUGH_TOKEN = re.compile(r"[a-zA-Z]{1,8}|[0-9]{1,3}|\S")
_MOST_BYTES_PER_TOKEN = 12
# Bytes of the largest prefix and its line ends.
LARGEST_PREFIX_BYTES = PREFIX_TOKENS * _MOST_BYTES_PER_TOKEN + 2
_BETWEEN = " > "
_LONGEST_FRONT_MATTER = 1 << 16
_LONGEST_HEADING = 300
_REMEMBERED = 4096

_OPENING = re.compile(r"---[ \t]*(?:\r\n?|\n)")
_FRONT_MATTER_LINE = re.compile(
    r"(?:"
    r"(?P<closing>(?:---|\.\.\.)[ \t]*)"
    r"|[ \t]*(?:#[^\r\n]*)?"  # blank, or a comment
    r"|(?P<key>[^\s:#\-][^\r\n:]*):(?:[ \t][^\r\n]*)?"
    r"|[ \t]+\S[^\r\n]*"  # belongs to the key above
    r"|-(?:[ \t][^\r\n]*)?"  # item of the key above
    r"|[\]}][ \t]*,?[ \t]*"  # end of a list or mapping over several lines
    r")(?:\r\n?|\n|$)"
)
_WORD = re.compile(r"\w+")


def embedded_text(document_title: str | None, passage: Passage) -> str:
    """The text whose vector stands for a passage, without the model's own prompt.

    In front of the passage stand the document's stated title and the headings it stands under, and
    the header of the table that it goes on with: at most 15 tokens by a rough count, of the header
    the first 10, of the others the outermost given up first. What the passage shows as a line of
    its own is not repeated. Front matter at the head of a document is left out, unless
    nothing else is there. Of a picture it is the caption alone, so that it costs nothing under
    another heading. Files that stand in the text as data URLs are left out; a passage that holds
    nothing else has an empty embedded text, and no vector.
    """
    if passage.image is not None:
        return passage.text
    text = embedded_words(passage)
    if not text:
        return ""
    outer = [document_title or "", *passage.headings]
    header = _header(
        passage.table_header, text, most=_HEADER_TOKENS if any(outer) else PREFIX_TOKENS
    )
    path = _path(outer, text, PREFIX_TOKENS - (_cost(header) + 1 if header else 0))
    return "\n".join(part for part in (path, header, text) if part)


def embedded_words(passage: Passage) -> str:
    """What of the passage's own text is embedded; ``embedded_text`` ends with it."""
    return "".join(passage.text[start:end] for start, end in embedded_pieces(passage))


def embedded_pieces(passage: Passage) -> tuple[tuple[int, int], ...]:
    """Spans of the passage's text that are embedded, in order; none where it holds no words."""
    start, end = _embedded_span(passage)
    if not passage.encoded:
        return ((start, end),)
    pieces, place = [], start
    for first, last in (*passage.encoded, (end, end)):
        if passage.text[place:first].strip():
            pieces.append((place, first))
        place = max(last, place)
    # Brackets and quotation marks that stood around the file are no words.
    if not any(_WORD.search(passage.text, first, last) for first, last in pieces):
        return ()
    return tuple(pieces)


def _embedded_span(passage: Passage) -> tuple[int, int]:
    """Start and end, in the passage's text, of what of it is embedded, files not counted."""
    text = passage.text
    if passage.image is not None:
        return 0, len(text)
    if passage.start == 0 and (end := front_matter_end(text)) and (body := text[end:].strip()):
        start = text.index(body, end)
        return start, start + len(body)
    return 0, len(text)


def front_matter_end(text: str) -> int:
    """Where a block of YAML front matter at the head of a text ends; 0 when there is none.

    A line ``---``, lines that look like a mapping, and a line ``---`` or ``...``: the look alone
    decides, nothing is parsed. Blocks of more than 65,536 characters are text.
    """
    opening = _OPENING.match(text)
    if not opening:
        return 0
    place = opening.end()
    seen = False
    while place < min(len(text), _LONGEST_FRONT_MATTER):
        line = _FRONT_MATTER_LINE.match(text, place)
        if not line:
            return 0
        if line["closing"] is not None:
            return line.end() if seen else 0
        seen = seen or line["key"] is not None
        place = line.end()
    return 0


def prefix_bound(document_title: str | None, passage: Passage) -> int:
    """Bytes that the prefix and its line ends cannot pass, whatever the passage shows."""
    parts = [document_title or "", *passage.headings, passage.table_header]
    joined = "".join(parts)
    if not joined.isascii():
        return LARGEST_PREFIX_BYTES
    most = len(joined) + len(_BETWEEN) * len(parts) if joined else 0
    return min(LARGEST_PREFIX_BYTES, most)


def _header(header: str, text: str, *, most: int) -> str:
    """The first names of a table's columns."""
    words = " ".join(header[:_LONGEST_HEADING].split())
    if not words or _shows(text, words):
        return ""
    return _first_words(words, most, _PREFIX_TO_TEXT * len(text)).rstrip(" |,;")


def _path(outer: Sequence[str], text: str, room: int) -> str:
    """Title and headings, as many of the inner ones as there is room for."""
    room_characters = _PREFIX_TO_TEXT * len(text)
    parts: list[str] = []
    for part in reversed(outer):
        words = " ".join(part[:_LONGEST_HEADING].split())
        if not words or words in parts or _shows(text, words):
            continue
        fitting = _first_words(words, room, room_characters)
        if fitting and (fitting == words or not parts):
            parts.append(fitting)
        if fitting != words:
            break
        room -= _cost(fitting) + 1
        room_characters -= len(fitting) + len(_BETWEEN)
    return _BETWEEN.join(reversed(parts))


# Titles and headings stand in front of all passages below them.
@lru_cache(_REMEMBERED)
def _cost(words: str) -> int:
    return len(_ROUGH_TOKEN.findall(words))


@lru_cache(_REMEMBERED)
def _words_of(words: str) -> list[str]:
    return _WORD.findall(words)


def _first_words(words: str, room: int, room_characters: int) -> str:
    """As many of the words as fit, from the first."""
    if len(words) < room_characters and _cost(words) <= room:
        # No token of a rough count holds a blank: the words cost together what each of them does.
        return words
    fitting: list[str] = []
    for word in words.split(" "):
        room -= _cost(word)
        room_characters -= len(word) + 1
        if room < 0 or room_characters < 0:
            break
        fitting.append(word)
    return " ".join(fitting)


def _shows(text: str, words: str) -> bool:
    """Whether a line of the text holds these words and no others, whatever the markup."""
    wanted = _words_of(words)
    if not wanted or wanted[0] not in text:
        return False
    return any(
        _WORD.findall(line) == wanted
        for line in text.splitlines()
        if wanted[0] in line and len(line) <= 2 * len(words) + 20
    )
