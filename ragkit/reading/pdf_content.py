"""What the two PDF parsers have to fill in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ragkit.errors import DocumentUnreadable

__all__ = [
    "BROKEN_WORD",
    "ENCRYPTED",
    "Fragment",
    "OutlineEntry",
    "PdfContent",
    "PdfPage",
    "cleaned",
]

ENCRYPTED = "encrypted: a password is needed"
_MOST_CHARACTERS = 50_000_000
# PDFium puts one of these in place of the hyphen and the line end of a broken word.
BROKEN_WORD = "\ufffe\x02"
_BROKEN_LINE = re.compile(f"[{BROKEN_WORD}]\r?\n?")
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A line of a PDF's outline: its rank from 1, its words, and the index of its page."""

    level: int
    title: str
    page: int


@dataclass(slots=True)
class Fragment:
    """Words that stand beside each other on a page, with no wide gap between them.

    Attributes:
        text: The words, one blank between them.
        left: In points from the left edge of the page as it is shown.
        top: In points from its upper edge.
        right: The same as ``left``.
        bottom: The same as ``top``.
        size: Of its type, in points.
        bold: Whether it is set in bold.
        broken: Whether a hyphen, which is not in the text, breaks its last word at the line's end.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool = False
    broken: bool = False


@dataclass(slots=True)
class PdfPage:
    """A page.

    Attributes:
        text: Its text in the parser's order, line by line.
        width: In points, as it is shown.
        height: The same.
        fragments: Its text with places, in the parser's order; empty where places are not known.
        turned: Lines that run up or down the page, in the parser's order.
    """

    text: str
    width: float = 0.0
    height: float = 0.0
    fragments: list[Fragment] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)


@dataclass(slots=True)
class PdfContent:
    """What a parser found: the pages, the outline in its order, the information."""

    pages: list[PdfPage] = field(default_factory=list)
    outline: list[OutlineEntry] = field(default_factory=list)
    information: dict[str, str] = field(default_factory=dict)
    unreadable_pages: int = 0
    characters: int = 0

    def add_page(self, page: PdfPage) -> None:
        """Add the next page.

        Raises:
            DocumentUnreadable: The file holds more text than any document does.
        """
        self.characters += len(page.text)
        if self.characters > _MOST_CHARACTERS:
            raise DocumentUnreadable(
                f"more than {_MOST_CHARACTERS // 1_000_000} million characters: likely a bomb"
            )
        page.text = _lines(page.text)
        self.pages.append(page)

    @property
    def has_text(self) -> bool:
        """Whether any page has a word."""
        return any(page.text for page in self.pages)


def cleaned(text: str) -> str:
    """Without what no text holds: controls, halves of pairs, what is no character."""
    return _UNWANTED.sub("", text)


def _lines(text: str) -> str:
    """Lines without trailing blanks; a broken word keeps its hyphen and its line end."""
    text = _BROKEN_LINE.sub("-\n", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _TRAILING.sub("", cleaned(text)).strip("\n")
