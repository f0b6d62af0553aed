"""What a document's properties say of it: the author's words, not those of the program."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["stated_metadata", "stated_title"]

_LONGEST_TITLE = 300
_LONGEST_VALUE = 1000
_FILE_NAME = re.compile(
    r"\.(?:docx?|pptx?|xlsx?|od[tsp]|pdf|tex|dvi|indd|rtf|qxd|html?)$", re.IGNORECASE
)
_PROGRAM_PREFIX = re.compile(r"^(?:Microsoft (?:Word|PowerPoint|Excel) - )")
_NO_TITLE = frozenset(
    {
        "",
        "untitled",
        "untitled document",
        "(anonymous)",
        "anonymous",
        "title",
        "none",
        "word document",
        "powerpoint presentation",
        "presentation",
        "slide 1",
    }
)
_NO_VALUE = frozenset({"", "anonymous", "unspecified", "unknown"})


def stated_title(stated: str) -> str | None:
    """The title in a document's properties; None if a program wrote it."""
    title = _PROGRAM_PREFIX.sub("", " ".join(stated.split()))[:_LONGEST_TITLE]
    if title.lower() in _NO_TITLE or _FILE_NAME.search(title):
        return None
    return title


def stated_metadata(properties: Mapping[str, str]) -> dict[str, str]:
    """The properties that say something, shortened to what metadata may hold."""
    return {
        key: " ".join(value.split())[:_LONGEST_VALUE]
        for key, value in properties.items()
        if value.strip().strip("()").lower() not in _NO_VALUE
    }
