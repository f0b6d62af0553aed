"""What a collection is asked: hits for a question, and text for an LLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ragkit.answers import Context, Hits
from ragkit.collection.arguments import StrPath, query_of
from ragkit.collection.expenses import Expenses
from ragkit.collection.instruments import Instruments
from ragkit.models.tokenizers import DEFAULT_TOKENIZER, tokenizer_of

if TYPE_CHECKING:
    from ragkit.retrieval.excerpts import Format
    from ragkit.retrieval.retriever import Mode, Retriever
    from ragkit.storage.snapshot import Snapshot

__all__ = ["Searching"]


class Searching(Instruments):
    """The part of ``Collection`` that answers questions."""

    _expenses: Expenses

    def search(
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
        """The k best passages, best first; as ``Retriever.search``.

        Args:
            query: What is asked; may be left out where there is a picture.
            image: A PNG, JPEG, WebP or GIF to look for by what it shows, as a path, its bytes, or
                an https URL. With a query too the words count as well. The model must take images.
            k: How many; None for 10, or as many as tuning chose.
            mode: ``hybrid``, ``semantic`` or ``lexical``; a picture alone is looked for by meaning.
            where: Conditions that a passage's document must fit.
            rerank: Name of a model that puts the hits in its own order; ``none`` for none where
                tuning chose one.
            min_relevance: Hits whose relevance is less are left out, from 0 to 1.
            exact: Exact search, whatever it costs.
            explain: Give each hit an ``Explanation``.

        What a server charges for the query and for *rerank* is noted in the ledger; ``unnoted``
        says where it could not be.
        """
        asked = query_of(query, image)

        def found(retriever: Retriever, snapshot: Snapshot) -> Hits:
            own = self._own_settings(snapshot)
            return retriever.search(
                asked,
                k=own.k_of(k),
                mode=mode,
                where=where,
                # A picture has no words for a model to read that nobody named.
                rerank=own.rerank_of(rerank) if query else rerank,
                min_relevance=min_relevance,
                exact=exact,
                explain=explain,
            )

        hits = self._answer(found)
        return Hits(hits, rerank=self._expenses.noted(hits.rerank), relevant=hits.relevant)

    def search_many(
        self,
        queries: Sequence[str],
        *,
        k: int | None = None,
        mode: Mode = "hybrid",
        where: Mapping[str, str] | None = None,
    ) -> list[Hits]:
        """``search`` for each query, embedded in one call and answered from one generation."""

        def answers(retriever: Retriever, snapshot: Snapshot) -> list[Hits]:
            own = self._own_settings(snapshot)
            return retriever.search_many(
                queries, k=own.k_of(k), mode=mode, where=where, rerank=own.rerank
            )

        found = self._answer(answers)
        self._expenses.note()
        return found

    def context(
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
        """Text for an LLM's prompt: the best passages within a budget, numbered and cited.

        Args:
            query: What is asked.
            max_tokens: Most tokens of the text, markup included.
            mode: As for ``search``.
            where: As for ``search``.
            rerank: As for ``search``.
            min_relevance: As for ``search``. Without one, a context that does not seem to answer
                says so at its beginning.
            format: ``markdown``, ``xml`` or ``json``.
            tokenizer: Whose tokens: ``cl100k``, ``o200k``, or an LLM's name, such as ``gpt-4o``.
                For LLMs that are not OpenAI's a number counts that no tokenizer passes, about four
                times what English text has.
        """
        from ragkit.retrieval.context import hits_to_fill, pack  # noqa: PLC0415 - loads tiktoken

        tokenizer = tokenizer_of(tokenizer)

        def packed(retriever: Retriever, snapshot: Snapshot) -> Context:
            hits = retriever.search(
                query,
                k=hits_to_fill(max_tokens),
                mode=mode,
                where=where,
                rerank=self._own_settings(snapshot).rerank_of(rerank),
                min_relevance=min_relevance,
            )
            context = pack(
                hits,
                store=snapshot,
                max_tokens=max_tokens,
                format=format,
                tokenizer=tokenizer,
                relevant=hits.relevant,
            )
            return replace(context, rerank=hits.rerank)

        context = self._answer(packed)
        return replace(context, rerank=self._expenses.noted(context.rerank))

    @property
    def unnoted(self) -> str:
        """Why something that searches cost is not in the ledger; empty when all of it is.

        It is tried again at the next search and when the collection is closed.
        """
        return self._expenses.unnoted
