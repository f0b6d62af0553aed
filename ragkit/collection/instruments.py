"""What a collection says of its own answers: how good they are, whether they hold, and why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ragkit.collection.arguments import StrPath
from ragkit.errors import GenerationGone
from ragkit.storage.store import Store

if TYPE_CHECKING:
    from ragkit.answers import Context
    from ragkit.embedding.seam import Embedder
    from ragkit.evaluation.querysets import Question
    from ragkit.evaluation.results import Evaluation
    from ragkit.retrieval.absence import WhyNot
    from ragkit.retrieval.quotes import QuoteCheck
    from ragkit.retrieval.retriever import Mode, Retriever
    from ragkit.retrieval.settings import SearchSettings
    from ragkit.storage.snapshot import Snapshot

__all__ = ["Instruments"]

T = TypeVar("T")


class Instruments(ABC):
    """The part of ``Collection`` that only asks what the rest of it can answer."""

    _store: Store

    @property
    @abstractmethod
    def path(self) -> Path:
        """The collection's directory."""

    @property
    @abstractmethod
    def model(self) -> str:
        """Name of its model."""

    @abstractmethod
    def _retrieving(
        self, embedder: Embedder | None = None
    ) -> AbstractContextManager[tuple[Retriever, Snapshot]]:
        """A retriever with the generation that it is of."""

    @abstractmethod
    def _own_settings(self, snapshot: Snapshot) -> SearchSettings:
        """How it is searched where a search does not say otherwise."""

    @abstractmethod
    def _note_expenses(self) -> None:
        """Put what questions and reranking cost into the ledger."""

    def _answer(self, question: Callable[[Retriever, Snapshot], T]) -> T:
        """What a question to the newest generation gives.

        It is asked once more where that generation was compacted or purged away meanwhile.
        """
        try:
            with self._retrieving() as (retriever, snapshot):
                return question(retriever, snapshot)
        except GenerationGone:
            with self._retrieving() as (retriever, snapshot):
                return question(retriever, snapshot)

    def evaluate(
        self,
        queries: StrPath | Sequence[Question],
        *,
        k: int | Sequence[int] = (1, 3, 5, 10),
        mode: Mode = "hybrid",
        rerank: str | None = None,
        settings: SearchSettings | None = None,
    ) -> Evaluation:
        """How well the collection answers a JSONL file of questions, or questions.

        Args:
            queries: The file, or the questions.
            k: Numbers of hits to measure recall at.
            mode: As for ``search``.
            rerank: As for ``search``; what it costs is noted in the ledger.
            settings: To search with instead of the collection's own.

        Raises:
            PathNotFound: There is no such file.
            InvalidArgument: A line of it is no question, or there is none.
            ConfigurationError: The reranking model cannot be asked, as for want of a key.
        """
        from ragkit.evaluation.evaluate import evaluate  # noqa: PLC0415 - loads tiktoken

        def evaluated(retriever: Retriever, snapshot: Snapshot) -> Evaluation:
            chosen = self._own_settings(snapshot) if settings is None else settings
            chosen = replace(chosen, rerank=chosen.rerank_of(rerank))
            return evaluate(
                queries, retriever=retriever, store=snapshot, k=k, mode=mode, settings=chosen
            )

        found = self._answer(evaluated)
        self._note_expenses()
        return replace(found, collection=str(self.path), model=self.model)

    def verify_quotes(self, answer: str, *, context: Context | None = None) -> list[QuoteCheck]:
        """Check what an answer quotes, and what it cites of a context, against the documents."""
        from ragkit.retrieval.quotes import verify_quotes  # noqa: PLC0415 - loads the stemmer

        return self._answer(
            lambda retriever, snapshot: verify_quotes(
                answer, words=retriever.words, store=snapshot, context=context
            )
        )

    def why_not(
        self,
        source: str,
        query: str,
        where: Mapping[str, str] | None = None,
        *,
        k: int | None = None,
        mode: Mode = "hybrid",
        rerank: str | None = None,
    ) -> WhyNot:
        """Why a search did not return a document: ``[ROOT:]SOURCE``, or a path from here."""
        from ragkit.retrieval.absence import why_not  # noqa: PLC0415

        def told(retriever: Retriever, snapshot: Snapshot) -> WhyNot:
            own = self._own_settings(snapshot)
            return why_not(
                source,
                query,
                retriever=retriever,
                store=snapshot,
                place_of=self._store.place_of,
                where=where,
                k=own.k_of(k),
                mode=mode,
                rerank=own.rerank_of(rerank),
            )

        return self._answer(told)

    def draft_questions(self, number: int) -> list[Question]:
        """At most that many questions from its documents, made without a model; to be edited."""
        from ragkit.evaluation.drafts import draft_questions  # noqa: PLC0415

        with self._store.snapshot() as snapshot:
            return draft_questions(snapshot.documents(), number)
