"""The collection for programs that await: the same names, the same work, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from ragkit.answers import Context, Hits
from ragkit.collection.asynchronous_upkeep import AsyncUpkeep
from ragkit.collection.collection import Collection, StrPath
from ragkit.collection.opening import open_collection
from ragkit.config import Settings
from ragkit.errors import InvalidArgument
from ragkit.models.tokenizers import DEFAULT_TOKENIZER
from ragkit.records import Document, Passage
from ragkit.reports import (
    CollectionStatus,
    DocumentSpending,
    SyncPlan,
    SyncReport,
    WatchEvent,
)

if TYPE_CHECKING:
    from ragkit.evaluation.querysets import Question
    from ragkit.evaluation.results import Evaluation
    from ragkit.evaluation.tuning import Tuning
    from ragkit.models.fingerprint import Fingerprint
    from ragkit.retrieval.absence import WhyNot
    from ragkit.retrieval.excerpts import Format
    from ragkit.retrieval.quotes import QuoteCheck
    from ragkit.retrieval.retriever import Mode
    from ragkit.retrieval.settings import SearchSettings
    from ragkit.sync.progress import ProgressListener

__all__ = ["AsyncCollection"]

T = TypeVar("T")


class AsyncCollection(AsyncUpkeep):
    """A ``Collection`` whose calls are awaited and never hold up the event loop.

    ``async with await AsyncCollection.open("kb") as collection: ...``

    Args:
        collection: An open one; a path is opened with ``open``.

    Raises:
        InvalidArgument: It is no collection.
    """

    def __init__(self, collection: Collection) -> None:
        given: object = collection
        if not isinstance(given, Collection):
            raise InvalidArgument(
                f"AsyncCollection takes an open collection, and not {given!r}: open it with"
                " `await ragkit.AsyncCollection.open(path)`"
            )
        self.collection = collection

    @property
    def path(self) -> Path:
        """As ``Collection.path``."""
        return self.collection.path

    @property
    def model(self) -> str:
        """As ``Collection.model``."""
        return self.collection.model

    @property
    def fingerprint(self) -> Fingerprint:
        """As ``Collection.fingerprint``."""
        return self.collection.fingerprint

    @property
    def unnoted(self) -> str:
        """As ``Collection.unnoted``."""
        return self.collection.unnoted

    async def roots(self) -> dict[str, str]:
        """As ``Collection.roots``, which asks the database."""
        return await asyncio.to_thread(lambda: self.collection.roots)

    @classmethod
    async def open(
        cls,
        path: StrPath,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
        create: bool = True,
        read_only: bool = False,
        settings: Settings | None = None,
    ) -> AsyncCollection:
        """As ``ragkit.open``."""
        opened = await asyncio.to_thread(
            partial(
                open_collection,
                path,
                model=model,
                base_url=base_url,
                api_key=api_key,
                dimensions=dimensions,
                provider=provider,
                input_type=input_type,
                create=create,
                read_only=read_only,
                settings=settings,
            )
        )
        return cls(opened)

    async def __aenter__(self) -> AsyncCollection:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """As ``Collection.close``."""
        await asyncio.to_thread(self.collection.close)

    async def plan(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        checksum: bool = False,
        allow_empty: bool = False,
    ) -> SyncPlan:
        """As ``Collection.plan``."""
        return await asyncio.to_thread(
            partial(
                self.collection.plan,
                paths,
                include=include,
                exclude=exclude,
                checksum=checksum,
                allow_empty=allow_empty,
            )
        )

    async def sync(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        max_cost_usd: float | Decimal | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        checksum: bool = False,
        allow_empty: bool = False,
        wait_s: float = 0.0,
        progress: ProgressListener | None = None,
    ) -> SyncReport:
        """As ``Collection.sync``; a cancelled task stops it, and what is complete is committed."""
        stop = threading.Event()
        return await _stoppable(
            partial(
                self.collection.sync,
                paths,
                max_cost_usd=max_cost_usd,
                include=include,
                exclude=exclude,
                checksum=checksum,
                allow_empty=allow_empty,
                wait_s=wait_s,
                progress=progress,
                stop=stop,
            ),
            stop,
        )

    async def watch(
        self,
        paths: StrPath | Sequence[StrPath],
        *,
        max_cost_usd: float | Decimal | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        wait_s: float = 10.0,
        quiet_s: float = 0.5,
        rescan_s: float = 300.0,
        progress: ProgressListener | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """As ``Collection.watch``, for ``async for``; a cancelled task ends it in order."""
        stop = threading.Event()
        events = self.collection.watch(
            paths,
            max_cost_usd=max_cost_usd,
            include=include,
            exclude=exclude,
            wait_s=wait_s,
            quiet_s=quiet_s,
            rescan_s=rescan_s,
            progress=progress,
            stop=stop,
        )
        try:
            while (event := await _stoppable(partial(next, events, None), stop)) is not None:
                yield event
        finally:
            stop.set()
            events.close()

    async def plan_migration(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
        passage_tokens: int | None = None,
        back: bool = False,
    ) -> SyncPlan:
        """As ``Collection.plan_migration``."""
        return await asyncio.to_thread(
            partial(
                self.collection.plan_migration,
                model=model,
                base_url=base_url,
                dimensions=dimensions,
                provider=provider,
                input_type=input_type,
                passage_tokens=passage_tokens,
                back=back,
            )
        )

    async def migrate(
        self,
        *,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        dimensions: int | None = None,
        provider: Mapping[str, object] | None = None,
        input_type: tuple[str, str] | None = None,
        passage_tokens: int | None = None,
        back: bool = False,
        stage_only: bool = False,
        max_cost_usd: float | Decimal | None = None,
        wait_s: float = 0.0,
        progress: ProgressListener | None = None,
    ) -> SyncReport:
        """As ``Collection.migrate``; a cancelled task stops it, and what arrived is kept."""
        stop = threading.Event()
        return await _stoppable(
            partial(
                self.collection.migrate,
                model=model,
                base_url=base_url,
                api_key=api_key,
                dimensions=dimensions,
                provider=provider,
                input_type=input_type,
                passage_tokens=passage_tokens,
                back=back,
                stage_only=stage_only,
                max_cost_usd=max_cost_usd,
                wait_s=wait_s,
                progress=progress,
                stop=stop,
            ),
            stop,
        )

    async def staged(self) -> AsyncCollection:
        """As ``Collection.staged``."""
        return AsyncCollection(await asyncio.to_thread(self.collection.staged))

    async def search(
        self,
        query: str | None = None,
        *,
        image: StrPath | bytes | None = None,
        k: int | None = None,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
        rerank: str | None = None,
        min_relevance: float | None = None,
        exact: bool = False,
        explain: bool = False,
    ) -> Hits:
        """As ``Collection.search``."""
        return await asyncio.to_thread(
            partial(
                self.collection.search,
                query,
                image=image,
                k=k,
                mode=mode,
                where=where,
                rerank=rerank,
                min_relevance=min_relevance,
                exact=exact,
                explain=explain,
            )
        )

    async def search_many(
        self,
        queries: Sequence[str],
        *,
        k: int | None = None,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
    ) -> list[Hits]:
        """As ``Collection.search_many``."""
        search = partial(self.collection.search_many, queries, k=k, mode=mode, where=where)
        return await asyncio.to_thread(search)

    async def context(
        self,
        query: str,
        *,
        max_tokens: int = 3000,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
        rerank: str | None = None,
        min_relevance: float | None = None,
        format: Format = "markdown",  # noqa: A002 - the name is part of the public contract
        tokenizer: str = DEFAULT_TOKENIZER,
    ) -> Context:
        """As ``Collection.context``."""
        return await asyncio.to_thread(
            partial(
                self.collection.context,
                query,
                max_tokens=max_tokens,
                mode=mode,
                where=where,
                rerank=rerank,
                min_relevance=min_relevance,
                format=format,
                tokenizer=tokenizer,
            )
        )

    async def evaluate(
        self,
        queries: StrPath | Sequence[Question],
        *,
        k: int | Sequence[int] = (1, 3, 5, 10),
        mode: Mode = "hybrid",
        rerank: str | None = None,
        settings: SearchSettings | None = None,
    ) -> Evaluation:
        """As ``Collection.evaluate``."""
        evaluate = partial(
            self.collection.evaluate, queries, k=k, mode=mode, rerank=rerank, settings=settings
        )
        return await asyncio.to_thread(evaluate)

    async def tune(
        self,
        queries: StrPath | Sequence[Question],
        *,
        passage_tokens: Sequence[int] | None = None,
        rerank: str | None = None,
        max_cost_usd: float | Decimal | None = None,
        seed: int = 0,
        wait_s: float = 0.0,
        told: Callable[[str], None] | None = None,
    ) -> Tuning:
        """As ``Collection.tune``; *told* is called in another thread."""
        tune = partial(
            self.collection.tune,
            queries,
            passage_tokens=passage_tokens,
            rerank=rerank,
            max_cost_usd=max_cost_usd,
            seed=seed,
            wait_s=wait_s,
            told=told,
        )
        return await asyncio.to_thread(tune)

    async def apply_tuning(self, tuning: Tuning, *, wait_s: float = 0.0) -> None:
        """As ``Collection.apply_tuning``."""
        await asyncio.to_thread(partial(self.collection.apply_tuning, tuning, wait_s=wait_s))

    async def reset_tuning(self, *, wait_s: float = 0.0) -> None:
        """As ``Collection.reset_tuning``."""
        await asyncio.to_thread(partial(self.collection.reset_tuning, wait_s=wait_s))

    async def verify_quotes(
        self, answer: str, *, context: Context | None = None
    ) -> list[QuoteCheck]:
        """As ``Collection.verify_quotes``."""
        verify = partial(self.collection.verify_quotes, answer, context=context)
        return await asyncio.to_thread(verify)

    async def why_not(
        self,
        source: str,
        query: str,
        where: Mapping[str, str] | None = None,
        *,
        k: int | None = None,
        mode: Mode = "hybrid",
        rerank: str | None = None,
    ) -> WhyNot:
        """As ``Collection.why_not``."""
        ask = partial(self.collection.why_not, source, query, where, k=k, mode=mode, rerank=rerank)
        return await asyncio.to_thread(ask)

    async def draft_questions(self, number: int) -> list[Question]:
        """As ``Collection.draft_questions``."""
        return await asyncio.to_thread(self.collection.draft_questions, number)

    async def documents(self) -> list[Document]:
        """As ``Collection.documents``."""
        return await asyncio.to_thread(self.collection.documents)

    async def passages(self, source: str | None = None) -> list[Passage]:
        """As ``Collection.passages``."""
        return await asyncio.to_thread(self.collection.passages, source)

    async def status(self) -> CollectionStatus:
        """As ``Collection.status``."""
        return await asyncio.to_thread(self.collection.status)

    async def spending(self) -> list[DocumentSpending]:
        """As ``Collection.spending``."""
        return await asyncio.to_thread(self.collection.spending)


async def _stoppable(work: Callable[[], T], stop: threading.Event) -> T:
    """Run in a thread; a cancellation asks the work to stop and waits until it has."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError as cancelled:
        stop.set()
        while not running.done():
            # Cancelled again: the work still holds the lock, and ends soon.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        raise cancelled from running.exception()
