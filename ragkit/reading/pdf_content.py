"""What the two PDF parsers have to fill in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ragkit.errors import DocumentUnreadable

__all__ = ["ENCRYPTED", "OutlineEntry", "PdfContent"]

ENCRYPTED = "encrypted: a password is needed"
_MOST_CHARACTERS = 50_000_000
# PDFium marks the hyphen of a broken word by U+FFFE or U+0002.
_BROKEN_WORD = re.compile("[\ufffe\x02]\r?\n?")
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A line of a PDF's outline: its rank from 1, its words, and the index of its page."""

    level: int
    title: str
    page: int


@dataclass(slots=True)
class PdfContent:
    """What a parser found: the text of each page, the outline in its order, the information."""

    pages: list[str] = field(default_factory=list)
    outline: list[OutlineEntry] = field(default_factory=list)
    information: dict[str, str] = field(default_factory=dict)
    unreadable_pages: int = 0
    characters: int = 0

    def add_page(self, text: str) -> None:
        """Add the next page's text.

        Raises:
            DocumentUnreadable: The file holds more text than any document does.
        """
        self.characters += len(text)
        if self.characters > _MOST_CHARACTERS:
            raise DocumentUnreadable(
                f"more than {_MOST_CHARACTERS // 1_000_000} million characters: likely a bomb"
            )
        self.pages.append(_cleaned(text))

    @property
    def has_text(self) -> bool:
        """Whether any page has a word."""
        return any(page for page in self.pages)


def _cleaned(text: str) -> str:
    text = _BROKEN_WORD.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _TRAILING.sub("", _UNWANTED.sub("", text)).strip("\n")
