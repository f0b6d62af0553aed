"""The remote embedder for programs that await: the same core, with its waiting in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from types import TracebackType
from typing import Self

from ragkit.embedding.images import EmbedInput
from ragkit.embedding.openrouter import OpenRouterEmbedder
from ragkit.embedding.seam import EmbeddedBatch, FloatMatrix, FloatVector, Role

__all__ = ["AsyncOpenRouterEmbedder"]


class AsyncOpenRouterEmbedder:
    """An ``OpenRouterEmbedder`` whose calls never hold up the event loop.

    ``async with AsyncOpenRouterEmbedder(OpenRouterEmbedder("baai/bge-m3")) as embedder: …``
    """

    def __init__(self, embedder: OpenRouterEmbedder) -> None:
        self.embedder = embedder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def embed(
        self, inputs: Iterable[EmbedInput], *, role: Role
    ) -> AsyncGenerator[EmbeddedBatch, None]:
        """As ``OpenRouterEmbedder.embed``; *inputs* is read in a thread, one text after another.

        Leave it early with ``contextlib.aclosing``, which ends the work at once.
        """
        batches = iter(self.embedder.embed(inputs, role=role))
        step: asyncio.Future[EmbeddedBatch | None] | None = None
        try:
            while True:
                step = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
                # A cancelled task leaves the thread at its batch, which closing waits for.
                batch = await asyncio.shield(step)
                if batch is None:
                    return
                yield batch
        finally:
            if step is not None and not step.done():
                await asyncio.wait([step])
            await asyncio.to_thread(_closed, batches)

    async def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """float32 (n, d), unit rows in the order of *texts*; raises InputRejected."""
        return await asyncio.to_thread(self.embedder.embed_documents, texts)

    async def embed_query(self, text: EmbedInput) -> FloatVector:
        """float32 (d,), unit length; raises InputRejected."""
        return await asyncio.to_thread(self.embedder.embed_query, text)

    async def close(self) -> None:
        """Close the connections; twice is as good as once."""
        await asyncio.to_thread(self.embedder.close)


def _closed(batches: object) -> None:
    close = getattr(batches, "close", None)
    if close is not None:
        close()
