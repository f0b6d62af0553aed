"""The ways to search a collection that tuning tries, and what they may cost."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from ragkit.collection.arguments import StrPath
from ragkit.collection.tuned import passage_tokens_of
from ragkit.embedding.remembering import RememberingEmbedder
from ragkit.evaluation.querysets import Question, read_questions
from ragkit.evaluation.tuning import Trial, Tuner, Tuning
from ragkit.maintenance.migrate import discard_staged
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
        with self.collection._retrieving(embedder) as (retriever, snapshot):
            size = passage_tokens_of(snapshot)
            tuner = Tuner(queries, snapshot, seed=seed)
            ways = Tuner.ways(self.collection.search_settings)
            self.told(f"passages of {size} tokens: {len(ways)} ways to search")
            for settings in ways:
                tuner.attempt(settings, passage_tokens=size, retriever=retriever, store=snapshot)
            for other in self._sizes(sizes, size):
                self._attempt_size(tuner, other, ways, embedder)
            if rerank is not None:
                self._attempt_reranking(tuner, rerank, (retriever, snapshot), embedder)
        self.collection._note_expenses()
        return tuner.result(untried=self.untried, cost_usd=self.spent_usd)

    # --- other sizes of passages

    def _sizes(self, asked: Sequence[int] | None, own: int) -> Iterator[int]:
        """The sizes that may be tried, the others noted with their reason or price."""
        wanted = [size for size in dict.fromkeys(asked or ()) if size != own]
        if asked is None:
            wanted = [size for size in _SIZES if size != own]
        for size in wanted:
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
            held = snapshot.staged
            if held is not None and held.settings.get("fingerprint") != snapshot.fingerprint:
                model = held.settings.get("model")
                return f"a migration to {model} is held ready, which they would displace"
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

    def _attempt_size(
        self, tuner: Tuner, size: int, ways: Sequence[SearchSettings], embedder: RememberingEmbedder
    ) -> None:
        self.told(f"passages of {size} tokens: cutting and embedding")
        with self._recut(size, embedder) as (parts, embed_usd):
            if parts is None:
                self.untried.append(f"passages of {size} tokens: the limit was reached")
                return
            self.told(f"passages of {size} tokens: {len(ways)} ways to search")
            for settings in ways:
                tuner.attempt(
                    settings,
                    passage_tokens=size,
                    retriever=parts[0],
                    store=parts[1],
                    embed_usd=embed_usd,
                )

    @contextlib.contextmanager
    def _recut(
        self, size: int, embedder: RememberingEmbedder
    ) -> Iterator[tuple[tuple[Retriever, Snapshot] | None, Decimal]]:
        """The collection in passages of another size, as long as it is looked at; and its price.

        What is bought for it stays with the collection. Nothing is there where money ran out.
        """
        limit = None if self.is_free else self.left_usd
        report = self.collection.migrate(
            passage_tokens=size, stage_only=True, max_cost_usd=limit, wait_s=self.wait_s
        )
        self._spend(report.cost_usd)
        try:
            if report.stopped is not None:
                yield None, report.cost_usd
                return
            with (
                self.collection.staged() as staged,
                staged._retrieving(embedder) as parts,
            ):
                yield parts, report.cost_usd
        finally:
            discard_staged(self.collection._store, wait_s=self.wait_s)

    # --- reranking

    def _attempt_reranking(
        self,
        tuner: Tuner,
        model: str,
        here: tuple[Retriever, Snapshot],
        embedder: RememberingEmbedder,
    ) -> None:
        """On top of the way that everything else speaks for."""
        best, own = tuner.recommended(), tuner.trials[0].passage_tokens
        if best.passage_tokens == own:
            self._rerank(tuner, model, best, here)
            return
        with self._recut(best.passage_tokens, embedder) as (parts, _):
            if parts is not None:
                self._rerank(tuner, model, best, parts)

    def _rerank(
        self, tuner: Tuner, model: str, best: Trial, parts: tuple[Retriever, Snapshot]
    ) -> None:
        reason = self._too_dear(tuner, model, parts[0])
        if not reason:
            self.told(f"reranking by {model}")
            trial = tuner.attempt(
                replace(best.settings, rerank=model),
                passage_tokens=best.passage_tokens,
                retriever=parts[0],
                store=parts[1],
                embed_usd=best.embed_usd,
            )
            dollars = trial.search_usd
            self._spend(None if dollars is None else dollars * len(tuner.questions))
            reason = trial.trouble
        if reason:
            self.untried.append(f"reranking by {model}: {reason}")

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
