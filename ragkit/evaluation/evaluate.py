"""A collection is asked a query set, and its answers are measured."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from ragkit.answers import Hit, Hits
from ragkit.errors import InvalidArgument
from ragkit.evaluation.metrics import mrr, ndcg_at_k, recall_at_k
from ragkit.evaluation.querysets import Question, read_questions
from ragkit.evaluation.results import Evaluation, Excerpt, Outcome, summarise
from ragkit.evaluation.targets import Place, Target, target_of
from ragkit.retrieval.context import hits_to_fill
from ragkit.retrieval.retriever import Mode, Retriever
from ragkit.retrieval.settings import SearchSettings
from ragkit.storage.snapshot import Snapshot

__all__ = ["BUDGETS", "evaluate"]

BUDGETS = (250, 500, 1000, 2000)
_NDCG_K = 10
# Questions are embedded together; their hits, with texts, are held together too.
_TOGETHER = 64

# What a report shows of a question's hits.
_SHOWN_HITS = 3
_SHOWN_CHARACTERS = 280


def evaluate(
    queries: str | os.PathLike[str] | Sequence[Question],
    *,
    retriever: Retriever,
    store: Snapshot,
    k: int | Sequence[int],
    mode: Mode,
    settings: SearchSettings | None = None,
    budgets: tuple[int, ...] = BUDGETS,
    targets: Sequence[Target] | None = None,
) -> Evaluation:
    """Ask every question and measure the answers.

    By source, rank and recall count hits of a right document: with several, recall is the share of
    them. By answer, a hit counts when it overlaps the answer by a character; ``budget@N`` is the
    share of the answer's characters that a context of N tokens quotes, markup included. Ranks are
    looked for among as many hits as the largest context is made of, or the largest k.

    Args:
        queries: A JSONL file, or questions.
        retriever: Answers them.
        store: The generation that the retriever is of.
        k: Numbers of hits to measure recall at.
        mode: As for ``search``.
        settings: Weights and reranking; None for ragkit's own way.
        budgets: Tokens of the contexts to measure.
        targets: Where the answers are, where that is known already: they are the same however the
            documents are cut.

    Raises:
        PathNotFound: There is no such file.
        InvalidArgument: There is no question, or what is given cannot be used.
        EmbeddingError: A question could not be embedded.
    """
    started_s = time.perf_counter()
    wanted = _depths(k)
    if isinstance(queries, (str, os.PathLike)):
        questions: Sequence[Question] = read_questions(queries)
    else:
        questions = list(queries)
    if not questions:
        raise InvalidArgument("there is no question to ask: give one or more")
    settings = settings or SearchSettings()
    asking = _Asking(
        retriever=retriever.weighed(settings.semantic_weight, settings.context_weight),
        mode=mode,
        rerank=settings.rerank,
        k=wanted,
    )
    depth = max(wanted[-1], _NDCG_K, *map(hits_to_fill, budgets))
    known = iter(targets or (target_of(question, store) for question in questions))
    measuring = _Measuring(store=store, k=wanted, budgets=budgets)
    found = tuple(
        measuring.outcome(question, target, hits)
        for (question, hits), target in zip(asking.answers(questions, depth), known, strict=True)
    )
    return Evaluation(
        collection="",
        model="",
        mode=mode,
        k=wanted,
        measures=summarise(found),
        outcomes=found,
        seconds=time.perf_counter() - started_s,
        settings=replace(settings, k=None),
        search_ms=1000 * asking.seconds / len(questions),
        tokens=tuple(tokens / len(questions) for tokens in asking.tokens),
        cost_usd=asking.cost_usd,
        not_reranked=asking.not_reranked,
        why_not_reranked=asking.why_not_reranked,
    )


@dataclass(slots=True, kw_only=True)
class _Asking:
    """Asks questions, and counts what that takes."""

    retriever: Retriever
    mode: Mode
    rerank: str | None
    k: tuple[int, ...]
    seconds: float = 0.0
    tokens: list[int] = field(default_factory=list)
    cost_usd: Decimal | None = Decimal(0)
    not_reranked: int = 0
    why_not_reranked: str = ""

    def answers(self, questions: Sequence[Question], depth: int) -> Iterator[tuple[Question, Hits]]:
        """Each question with its hits, some at a time."""
        for start in range(0, len(questions), _TOGETHER):
            some = questions[start : start + _TOGETHER]
            started_s = time.perf_counter()
            answers = self.retriever.search_many(
                [one.question for one in some], k=depth, mode=self.mode, rerank=self.rerank
            )
            self.seconds += time.perf_counter() - started_s
            for question, hits in zip(some, answers, strict=True):
                self._count(hits)
                yield question, hits

    def _count(self, hits: Hits) -> None:
        before = self.tokens or [0] * len(self.k)
        tokens = [hit.passage.tokens for hit in hits[: self.k[-1]]]
        self.tokens = [sum(tokens[:k], start) for k, start in zip(self.k, before, strict=True)]
        told = hits.rerank
        if told is None:
            return
        if not told.applied and hits:
            self.not_reranked += 1
            self.why_not_reranked = self.why_not_reranked or told.note
        unknown = told.cost_usd is None and told.requests
        if unknown or self.cost_usd is None:
            self.cost_usd = None
        else:
            self.cost_usd += told.cost_usd or Decimal(0)


def _depths(k: int | Sequence[int]) -> tuple[int, ...]:
    wanted = (k,) if isinstance(k, int) else tuple(k)
    if not wanted or any(isinstance(one, bool) or one < 1 for one in wanted):
        raise InvalidArgument(f"k={k!r}: give whole numbers of hits, 1 or more")
    return tuple(sorted(set(wanted)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measuring:
    """What is measured of each question."""

    store: Snapshot
    k: tuple[int, ...]
    budgets: tuple[int, ...]

    def outcome(self, question: Question, target: Target, found: Sequence[Hit]) -> Outcome:
        """What became of one question."""
        hits = [target.where_right(hit) for hit in found]
        ranked = [(hit.root, hit.source) for hit in hits]
        values = _values("source", _places_once(ranked), target.relevant, self.k)
        answer_rank = None
        if target.spans:
            answers = list(map(target.overlaps, hits))
            answer_rank = answers.index(True) + 1 if True in answers else None
            marks = ["answer" if rank == answer_rank else f"hit {rank}" for rank in _ranks(hits)]
            values |= _values("answer", marks, ["answer"], self.k)
            values |= {
                f"answer budget@{n}": target.packed_share(hits, self.store, n) for n in self.budgets
            }
        first = next((rank for rank, one in enumerate(ranked, 1) if one in target.relevant), None)
        return Outcome(
            question=question,
            source_rank=first,
            answer_rank=answer_rank,
            values=values,
            found=f"{hits[0].source}:{hits[0].passage.line}" if hits else "",
            note=target.note,
            hits=tuple(map(_excerpt, hits[:_SHOWN_HITS])),
        )


def _excerpt(hit: Hit) -> Excerpt:
    text = " ".join(hit.text[: 2 * _SHOWN_CHARACTERS].split())
    return Excerpt(
        source=hit.source,
        line=hit.passage.line,
        page=hit.page,
        headings=hit.headings,
        text=text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS].rstrip()}…",
    )


def _ranks(hits: Sequence[Hit]) -> range:
    return range(1, len(hits) + 1)


def _values(
    by: str, ranked: Sequence[object], relevant: Sequence[object], k: tuple[int, ...]
) -> dict[str, float]:
    values = {f"{by} recall@{n}": recall_at_k(ranked, relevant, n) for n in k}
    values[f"{by} mrr"] = mrr(ranked, relevant)
    values[f"{by} ndcg@{_NDCG_K}"] = ndcg_at_k(ranked, dict.fromkeys(relevant, 1.0), _NDCG_K)
    return values


def _places_once(ranked: Sequence[Place]) -> list[object]:
    """The documents of the hits; a second hit of one keeps its rank and counts for nothing."""
    seen: set[Place] = set()
    places: list[object] = []
    for rank, one in enumerate(ranked, 1):
        places.append((rank, one) if one in seen else one)
        seen.add(one)
    return places
