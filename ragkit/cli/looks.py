"""What a stream can show, and text made fit for it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from ragkit.config import terminal_is_dumb, terminal_wants_color

__all__ = [
    "Looks",
    "Span",
    "columns",
    "inline",
    "looks_of",
    "marked",
    "named",
    "printable",
    "shortened",
    "wrap",
]

Span = tuple[int, int]

_DEFAULT_WIDTH = 80
_NARROWEST = 20
# Line ends of all kinds become one; what is left of the control characters would let a document
# move the cursor, retitle the window or write to the clipboard.
_VISIBLE = (
    {code: 0x2400 + code for code in range(0x20)}
    | dict.fromkeys(range(0x7F, 0xA0), "\ufffd")
    | dict.fromkeys((0x0B, 0x0C, 0x85, 0x2028, 0x2029), "\n")
    | {0x09: " ", 0x0A: "\n", 0x0D: " "}
)
_WORD_OR_BLANK = re.compile(r"\s+|\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What a stream can show.

    Attributes:
        width: Columns of the terminal; None where there is none, and nothing is wrapped.
        color: Whether it wants bold and colours.
        links: Whether it takes hyperlinks.
        unicode: Whether its encoding has our signs.
    """

    width: int | None = None
    color: bool = False
    links: bool = False
    unicode: bool = True

    @property
    def is_terminal(self) -> bool:
        """Whether somebody looks at it now."""
        return self.width is not None

    @property
    def ellipsis(self) -> str:
        """Stands for what is left out."""
        return "…" if self.unicode else "..."

    @property
    def arrow(self) -> str:
        """Stands between a heading and the one below it."""
        return " › " if self.unicode else " > "

    def bold(self, text: str) -> str:
        """In bold."""
        return f"\x1b[1m{text}\x1b[22m" if self.color and text else text

    def dim(self, text: str) -> str:
        """Less bright than the rest."""
        return f"\x1b[2m{text}\x1b[22m" if self.color and text else text

    def tinted(self, text: str) -> str:
        """In cyan, for places."""
        return f"\x1b[36m{text}\x1b[39m" if self.color and text else text

    def good(self, text: str) -> str:
        """In green."""
        return f"\x1b[32m{text}\x1b[39m" if self.color and text else text

    def bad(self, text: str) -> str:
        """In red."""
        return f"\x1b[31m{text}\x1b[39m" if self.color and text else text

    def link(self, text: str, url: str | None) -> str:
        """A hyperlink (OSC 8), where the terminal takes one."""
        if url is None or not self.links:
            return text
        return f"\x1b]8;;{url}\x1b\\{text}\x1b]8;;\x1b\\"


def looks_of(stream: TextIO) -> Looks:
    """Find out about a stream."""
    unicode = _has_signs(stream.encoding)
    if not stream.isatty():
        return Looks(unicode=unicode)
    return Looks(
        width=_width(stream),
        color=terminal_wants_color(),
        links=not terminal_is_dumb(),
        unicode=unicode,
    )


def _width(stream: TextIO) -> int:
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        width = 0
    # A terminal that does not know its size says 0.
    return max(_NARROWEST, width) if width else _DEFAULT_WIDTH


def _has_signs(encoding: str | None) -> bool:
    try:
        "…›━".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def printable(text: str) -> str:
    """The same number of characters, none of which steers a terminal; one kind of line end."""
    return text.translate(_VISIBLE)


def inline(text: str) -> str:
    """On one line, with single blanks."""
    return " ".join(printable(text).split())


def named(name: str) -> str:
    """A file's name on one line and in no way another's: as it is, or quoted as Python would.

    A name may hold line ends, control characters and blanks that a line of text would lose.
    """
    lost = "  " in name or "\n" in name or name != printable(name) or name != name.strip(" ")
    return repr(name) if lost or name.startswith(("'", '"')) else name


def columns(text: str) -> int:
    """How wide a terminal shows it."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, width: int | None, ellipsis: str) -> str:
    """At most that wide, cut at the end."""
    if width is None or columns(text) <= width:
        return text
    kept, used = "", len(ellipsis)
    for character in text:
        used += _columns_of(character)
        if used > width:
            break
        kept += character
    return kept.rstrip() + ellipsis


def wrap(text: str, span: Span, width: int) -> list[Span]:
    """Break one line into spans of at most that many columns, between words where there are any."""
    lines: list[Span] = []
    start = end = span[0]
    used = 0
    for match in _WORD_OR_BLANK.finditer(text, *span):
        if match[0].isspace():
            used += len(match[0])
            continue
        if used + columns(match[0]) <= width:
            used += columns(match[0])
            end = match.end()
            continue
        if end > start:
            lines.append((start, end))
        pieces = list(_pieces(text, match.span(), width))
        lines += pieces[:-1]
        start, end = pieces[-1]
        used = columns(text[start:end])
    if end > start:
        lines.append((start, end))
    return lines


def _pieces(text: str, span: Span, width: int) -> Iterator[Span]:
    """A word, in pieces where it alone is too wide: an address, a line of Chinese."""
    start, used = span[0], 0
    for position in range(*span):
        wide = _columns_of(text[position])
        if used + wide > width and position > start:
            yield start, position
            start, used = position, 0
        used += wide
    yield start, span[1]


def marked(text: str, span: Span, matches: Sequence[Span], looks: Looks) -> str:
    """A part of a text with what matched in it in bold; matches are in order and apart."""
    shown, position = "", span[0]
    for start, end in matches:
        first, last = max(start, span[0]), min(end, span[1])
        if first < last:
            shown += text[position:first] + looks.bold(text[first:last])
            position = last
    return shown + text[position : span[1]]
