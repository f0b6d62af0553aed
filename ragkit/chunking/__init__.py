"""Stage 2, a Document becomes Passages: by its structure, then packed to a size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ragkit.chunking.chunker import Chunker

__all__ = ["CHUNKER_VERSION", "Chunker"]

# Kept with each document; raised when the same document would be cut otherwise.
CHUNKER_VERSION = 3


def __getattr__(name: str) -> object:
    """Load the chunker, and numpy with it, on first use: the recipe does without."""
    if name == "Chunker":
        from ragkit.chunking.chunker import Chunker  # noqa: PLC0415

        return Chunker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
