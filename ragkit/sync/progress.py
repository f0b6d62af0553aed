"""How far a sync is, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from ragkit.embedding.seam import Embedder, RemoteEmbedder

__all__ = ["Progress", "ProgressListener", "foretold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A moment of a sync.

    Attributes:
        total_bytes: Size of all files that are read in this sync; fixed from the first moment on.
        done_bytes: How much of it is embedded and stored; never falls.
        documents: Documents that are complete.
        texts: Texts that were embedded.
        tokens: Tokens that were embedded.
        cost_usd: What the server charged.
        seconds_left: How long what is left takes at least, at the limits of rate that the server is
            known to have; None where none is known, or nothing is done yet.
    """

    total_bytes: int
    done_bytes: int = 0
    documents: int = 0
    texts: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    seconds_left: float | None = None


ProgressListener = Callable[[Progress], None]


def foretold(listener: ProgressListener | None, embedder: Embedder) -> ProgressListener | None:
    """The listener, told of each moment how long what is left takes at least.

    Args:
        listener: None when nobody looks.
        embedder: Knows its server's limits of rate.
    """
    if listener is None or not isinstance(embedder, RemoteEmbedder):
        return listener

    def told(progress: Progress) -> None:
        seconds_left = None
        if progress.done_bytes and progress.texts:
            left = progress.total_bytes / progress.done_bytes - 1
            texts, tokens = round(progress.texts * left), round(progress.tokens * left)
            seconds_left = embedder.forecast(texts, tokens, asks=False).seconds
        listener(replace(progress, seconds_left=seconds_left))

    return told
