"""The ways to search a collection that tuning tries, and what they may cost."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragkit.chunking import Chunker
from ragkit.collection.arguments import StrPath
from ragkit.collection.tuned import passage_tokens_of
from ragkit.embedding.remembering import RememberingEmbedder
from ragkit.evaluation.querysets import Question, read_questions
from ragkit.evaluation.tuning import Tuner, Tuning
from ragkit.maintenance.unfinished import unfinished_migration
from ragkit.retrieval.retriever import Retriever
from ragkit.retrieval.settings import SearchSettings
from ragkit.storage.snapshot import Snapshot

if TYPE_CHECKING:
    from ragkit.collection.tuning import Tunable
    from ragkit.reports import SyncPlan

__all__ = ["Trials"]

_SIZES = (100, 200, 400)
# With the embedded model as many are embedded unasked, which takes two minutes on two cores.
_MOST_UNASKED = 10_000
# So many questions tell what the reranking of all of them costs.
_PRICED_BY = 3

_Parts = tuple[Retriever, Snapshot]


@dataclass(slots=True, kw_only=True)
class Trials:
    """One tuning of a collection.

    Attributes:
        collection: To be tuned.
        left_usd: What may be spent still; None for nothing on passages, and no limit on reranking,
            whose model was named.
        is_free: Whether its vectors cost nothing.
        wait_s: How long to wait for another writer.
        told: Is told what is being tried.
        untried: What was not tried, and why.
        spent_usd: So far; None where a server does not say.
    """

    collection: Tunable
    left_usd: Decimal | None
    is_free: bool
    wait_s: float
    told: Callable[[str], None]
    untried: list[str] = field(default_factory=list)
    spent_usd: Decimal | None = Decimal(0)

    def tuning(
        self,
        queries: StrPath | Sequence[Question],
        sizes: Sequence[int] | None,
        rerank: str | None,
        seed: int,
    ) -> Tuning:
        """Try everything."""
        if isinstance(queries, (str, os.PathLike)):
            queries = read_questions(queries)
        embedder = RememberingEmbedder(self.collection._embedders.current)
        now = self.collection.search_settings
        ways = Tuner.ways(now)
        with self.collection._retrieving(embedder) as here:
            size = self._real(passage_tokens_of(here[1]))
            tuner = Tuner(queries, here[1], seed=seed)
            self._attempt(tuner, size, ways, here)
            for other in self._sizes(sizes, size):
                with self._recut(other, embedder) as there:
                    if there is None:
                        self.untried.append(f"passages of {other} tokens: the limit was reached")
                    else:
                        self._attempt(tuner, other, ways, there)
            model = now.rerank_of(rerank)
            if model is not None:
                self._attempt_reranking(tuner, model, here, embedder)
        self.collection._note_expenses()
        return tuner.result(untried=self.untried, cost_usd=self.spent_usd)

    def _attempt(
        self, tuner: Tuner, size: int, ways: Sequence[SearchSettings], parts: _Parts
    ) -> None:
        self.told(f"passages of {size} tokens: {len(ways)} ways to search")
        for settings in ways:
            tuner.attempt(settings, passage_tokens=size, retriever=parts[0], store=parts[1])

    # --- other sizes of passages

    def _real(self, size: int) -> int:
        """The size that passages aim at when this one is asked for: the model may take less."""
        model = self.collection._settings.profile
        return Chunker(model=model, passage_tokens=size).passage_tokens

    def _sizes(self, asked: Sequence[int] | None, own: int) -> Iterator[int]:
        """The sizes that may be tried, the others noted with their reason or price."""
        wanted = {size: self._real(size) for size in (_SIZES if asked is None else asked)}
        for size, real in wanted.items():
            if real < size:
                said = f"passages of {size} tokens: the model's longest text makes that {real}"
                self.untried.append(said)
        for size in dict.fromkeys(wanted.values()):
            if size == own:
                continue
            reason = self._hindrance(size, is_asked=asked is not None)
            if reason:
                self.untried.append(f"passages of {size} tokens: {reason}")
            else:
                yield size

    def _hindrance(self, size: int, *, is_asked: bool) -> str:
        """Why a size cannot be tried, or is not without being asked for; empty if it can."""
        if self.collection._read_only:
            return "the collection was opened read-only"
        with self.collection._store.snapshot() as snapshot:
            unfinished = unfinished_migration(snapshot)
        if unfinished is not None:
            return (
                f"they would displace a migration to {unfinished.model}: go on with"
                f" `{unfinished.goes_on}`, or give it up with `{unfinished.gives_up}`"
            )
        plan = self.collection.plan_migration(passage_tokens=size)
        if self.is_free:
            is_long = plan.to_embed > _MOST_UNASKED and not is_asked
            return f"{plan.to_embed:,} texts take minutes to embed: name it" if is_long else ""
        return self._price(plan) if plan.to_embed else ""

    def _price(self, plan: SyncPlan) -> str:
        """What a size would cost, where that is not within the limit."""
        dollars = "a price that is not known"
        if plan.cost_usd is not None:
            dollars = f"${plan.cost_usd:.6f}"
        said = f"to embed {plan.to_embed:,} texts would cost {dollars}"
        if self.left_usd is None:
            return f"{said}: set a limit to allow it"
        is_within = plan.cost_usd is not None and plan.cost_usd <= self.left_usd
        return "" if is_within else f"{said}, and ${self.left_usd:.6f} are left"

    @contextlib.contextmanager
    def _recut(self, size: int, embedder: RememberingEmbedder) -> Iterator[_Parts | None]:
        """The collection in passages of another size, as long as it is looked at.

        What is bought for it stays with the collection. Nothing is there where money ran out.
        """
        self.told(f"passages of {size} tokens: cutting and embedding")
        limit = None if self.is_free else self.left_usd
        with self.collection._store.snapshot() as snapshot:
            own = passage_tokens_of(snapshot)
        try:
            report = self.collection.migrate(
                passage_tokens=size, stage_only=True, max_cost_usd=limit, wait_s=self.wait_s
            )
            self._spend(report.cost_usd)
            if report.stopped is not None:
                yield None
                return
            with self.collection.staged() as staged, staged._retrieving(embedder) as parts:
                yield parts
        finally:
            # A migration to what there is gives up the one that is under way.
            self.collection.migrate(passage_tokens=own, wait_s=self.wait_s)

    # --- reranking

    def _attempt_reranking(
        self, tuner: Tuner, model: str, here: _Parts, embedder: RememberingEmbedder
    ) -> None:
        """On top of the way that everything else speaks for."""
        size = tuner.recommended().passage_tokens
        if size == tuner.trials[0].passage_tokens:
            reason = self._rerank(tuner, model, here)
        else:
            with self._recut(size, embedder) as there:
                reason = "the limit was reached"
                if there is not None:
                    reason = self._rerank(tuner, model, there)
        if reason:
            self.untried.append(f"reranking by {model}: {reason}")

    def _rerank(self, tuner: Tuner, model: str, parts: _Parts) -> str:
        """Why it is not to be judged by; empty where it is."""
        best = tuner.recommended()
        reason = self._too_dear(tuner, model, parts[0])
        if reason:
            return reason
        self.told(f"reranking by {model}")
        trial = tuner.attempt(
            replace(best.settings, rerank=model),
            passage_tokens=best.passage_tokens,
            retriever=parts[0],
            store=parts[1],
        )
        dollars = trial.search_usd
        self._spend(None if dollars is None else dollars * len(tuner.questions))
        return trial.trouble

    def _too_dear(self, tuner: Tuner, model: str, retriever: Retriever) -> str:
        """Why a limit does not allow it; a few questions are asked to know."""
        if self.left_usd is None:
            return ""
        some = [one.question for one in tuner.questions[:_PRICED_BY]]
        told = [hits.rerank for hits in retriever.search_many(some, rerank=model)]
        costs = [one.cost_usd for one in told if one is not None and one.cost_usd is not None]
        self._spend(sum(costs, Decimal(0)))
        if len(costs) < len(some):
            return "the server does not say what it costs, so that no limit can hold"
        price = sum(costs, Decimal(0)) / len(some) * len(tuner.questions)
        if price > self.left_usd:
            return f"{len(tuner.questions):,} questions would cost ${price:.4f}: more than is left"
        return ""

    def _spend(self, dollars: Decimal | None) -> None:
        if dollars is None or self.spent_usd is None:
            self.spent_usd = None
            return
        self.spent_usd += dollars
        if self.left_usd is not None:
            self.left_usd = max(Decimal(0), self.left_usd - dollars)
