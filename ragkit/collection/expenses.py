"""What searches cost, until it stands in the collection's ledger."""

from __future__ import annotations

import threading
from dataclasses import replace
from decimal import Decimal

from ragkit.answers import Reranking
from ragkit.embedding.rerank_seam import RerankAnswer
from ragkit.embedding.seam import EmbeddedBatch
from ragkit.storage.expenses import Expense
from ragkit.storage.store import Store

__all__ = ["Expenses"]


class Expenses:
    """Collects what is charged, in any thread, and notes it when a search ends.

    What cannot be noted then is kept for the next time, so that a sync's long transaction loses
    nothing; only the end of the process does.

    Args:
        store: Of the collection.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: dict[tuple[str, str], Expense] = {}
        self._guard = threading.Lock()
        self._reason = ""

    @property
    def unnoted(self) -> str:
        """Why something is not in the ledger, in words; empty when all of it is."""
        return self._reason if self._pending else ""

    def of_query(self, model: str, batch: EmbeddedBatch) -> None:
        """Take note of a batch of questions; the embedded model costs nothing."""
        if batch.requests:
            self._add(
                Expense(
                    use="query",
                    model=model,
                    requests=batch.requests,
                    tokens=batch.tokens,
                    cost_usd=batch.cost_usd,
                )
            )

    def of_rerank(self, model: str, answer: RerankAnswer) -> None:
        """Take note of an answer, or of requests in vain."""
        if answer.requests:
            self._add(
                Expense(
                    use="rerank",
                    model=model,
                    requests=answer.requests,
                    tokens=answer.tokens,
                    cost_usd=answer.cost_usd or Decimal(0),
                )
            )

    def note(self) -> str:
        """Write what is pending, if anything is; why not, in words, or nothing."""
        with self._guard:
            if self._pending:
                self._reason = self._store.note(self._pending.values())
                if not self._reason:
                    self._pending.clear()
            return self.unnoted

    def noted(self, rerank: Reranking | None) -> Reranking | None:
        """Write what is pending; what is said of a reranking then says it too where that failed."""
        reason = self.note()
        if rerank is None or not reason:
            return rerank
        said = f"what it cost is not in the ledger: {reason}"
        return replace(rerank, note=f"{rerank.note}; {said}" if rerank.note else said)

    def _add(self, expense: Expense) -> None:
        with self._guard:
            key = (expense.use, expense.model)
            before = self._pending.get(key)
            if before is not None:
                expense = replace(
                    expense,
                    requests=before.requests + expense.requests,
                    tokens=before.tokens + expense.tokens,
                    cost_usd=before.cost_usd + expense.cost_usd,
                )
            self._pending[key] = expense
