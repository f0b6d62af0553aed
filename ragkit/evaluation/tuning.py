"""Settings of a collection, found with questions whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

import numpy as np

from ragkit.errors import InvalidArgument
from ragkit.evaluation.evaluate import evaluate
from ragkit.evaluation.intervals import Interval, mean_interval
from ragkit.evaluation.querysets import Question
from ragkit.evaluation.results import Evaluation, Outcome
from ragkit.evaluation.selection import choose, folds_of, held_out_gains
from ragkit.evaluation.targets import Target, target_of
from ragkit.retrieval.retriever import Retriever
from ragkit.retrieval.settings import DEFAULT_K, SearchSettings
from ragkit.storage.snapshot import Snapshot

__all__ = ["FEWEST_QUESTIONS", "Depth", "Trial", "Tuner", "Tuning"]

# Of fewer not even a large gain can be told from luck.
FEWEST_QUESTIONS = 10
FOLDS = 5
# Of 18 ways that are alike one is called better 2.5 times in a hundred at this level, as at 0.95 it
# would be if the folds' choices did not depend on each other; at 0.95 it is 8 times.
_GAIN_LEVEL = 0.99
# One thing is changed at a time: each way more is one more that luck can favour. In between nothing
# measured differently on the sets that the defaults were chosen with.
_WAYS = (
    SearchSettings(),
    SearchSettings(semantic_weight=0.25),
    SearchSettings(semantic_weight=0.5),
    SearchSettings(semantic_weight=0.75),
    SearchSettings(context_weight=0.0),
    SearchSettings(context_weight=0.5),
)
_BUDGETS = (500, 1500)
_DEPTHS = (3, 5, DEFAULT_K, 15, 20)
_BY_ANSWER = "share of the answer in contexts of 500 and 1,500 tokens"
_BY_SOURCE = "nDCG@10 of the document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One way to search, and how well it answers.

    Attributes:
        passage_tokens: Size that passages aim at.
        passages: How many there are of that size: what is embedded, kept, and held in memory.
        settings: Weights, and the reranking model.
        quality: Mean over the questions, with its 95 % interval.
        change: The same of the paired difference to what the collection does now.
        search_ms: Wall time of a search, the question's embedding aside.
        search_usd: What reranking costs a search; None where the server does not say.
        values: How well each question was answered, 0 to 1.
        recall: Share of the questions that the first k hits answer, for 3, 5, 10, 15 and 20.
        tokens: How many tokens these hits have together.
        trouble: Why it is not to be judged by: the reranking model failed; empty otherwise.
    """

    passage_tokens: int
    passages: int
    settings: SearchSettings
    quality: Interval
    change: Interval
    search_ms: float
    search_usd: Decimal | None = Decimal(0)
    values: tuple[float, ...] = field(default=(), repr=False)
    recall: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    tokens: tuple[float, ...] = ()
    trouble: str = ""

    def costs_no_more_than(self, other: Trial) -> bool:
        """Whether it has no more passages, and asks no reranking model unless the other does.

        Weights cost nothing, so that the times of two searches that differ by them are noise.
        """
        is_reranked, its = (one.settings.rerank is not None for one in (self, other))
        return self.passages <= other.passages and is_reranked <= its


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """What asking for k hits gives and costs.

    Attributes:
        k: How many.
        recall: Share of the questions that they answer, with its interval.
        tokens: How many cl100k tokens they have together, in the mean.
    """

    k: int
    recall: Interval
    tokens: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What tuning found.

    Attributes:
        measure: What quality is, in words.
        questions: How many it was measured on.
        left_out: Questions that it could not be measured on, as where no answer is quoted.
        seed: Of the folds.
        folds: Into how many the questions were divided.
        trials: All ways that were tried; the first is what the collection does now.
        chosen: The simplest of those that are as good as the best.
        gain: Of the choice, told by questions that had no part in it, with its 99 % interval.
        reranked: The recommended way with a reranking model, where one was named.
        rerank_gain: What that adds, with its interval.
        depths: What each number of hits gives at the recommended way.
        untried: What was not tried, and why or at what price.
        cost_usd: What tuning cost; None where a server does not say.
    """

    measure: str
    questions: int
    left_out: int
    seed: int
    folds: int
    trials: tuple[Trial, ...]
    chosen: Trial
    gain: Interval
    depths: tuple[Depth, ...]
    reranked: Trial | None = None
    rerank_gain: Interval | None = None
    untried: tuple[str, ...] = ()
    cost_usd: Decimal | None = Decimal(0)

    @property
    def now(self) -> Trial:
        """What the collection does now."""
        return self.trials[0]

    @property
    def verdict(self) -> Literal["better", "within noise"]:
        """Whether anything is better than what there is, beyond luck."""
        is_better = self.recommended is not self.now or self.settings.rerank is not None
        return "better" if is_better else "within noise"

    @property
    def recommended(self) -> Trial:
        """The way to take, reranking aside: what there is, unless the gain is surely one."""
        return self.chosen if self.gain.low > 0 else self.now

    @property
    def passage_tokens(self) -> int:
        """The size of passages to take."""
        return self.recommended.passage_tokens

    @property
    def settings(self) -> SearchSettings:
        """How to search."""
        settings = self.recommended.settings
        if self.rerank_gain is not None and self.reranked is not None and self.rerank_gain.low > 0:
            settings = self.reranked.settings
        return replace(settings, k=None if self.k == DEFAULT_K else self.k)

    @property
    def k(self) -> int:
        """The fewest hits that answer about as many questions as most do."""
        most = self.depths[-1].recall
        error = (most.high - most.low) / 4
        return next(one.k for one in self.depths if one.recall.mean >= most.mean - error)

    @property
    def basis(self) -> str:
        """What the settings were found with, in words, for whoever meets them later."""
        return (
            f"{self.questions:,} questions, {self.measure}: {self.now.quality.mean:.3f} to"
            f" {self.recommended.quality.mean:.3f}"
        )

    @property
    def front(self) -> tuple[Trial, ...]:
        """The trials that no other beats without being dearer, the best first."""
        ways = [*self.trials, *([self.reranked] if self.reranked is not None else [])]
        best = sorted(ways, key=lambda one: -one.quality.mean)
        front: list[Trial] = []
        for one in best:
            if not any(other.costs_no_more_than(one) for other in front):
                front.append(one)
        return tuple(front)


class Tuner:
    """Asks one set of questions in many ways.

    Args:
        questions: With the places of their answers.
        store: The generation that has the documents.
        seed: Decides which questions are held out together.

    Raises:
        InvalidArgument: There are too few questions.
    """

    def __init__(self, questions: Sequence[Question], store: Snapshot, *, seed: int = 0) -> None:
        if len(questions) < FEWEST_QUESTIONS:
            raise InvalidArgument(
                f"{len(questions)} questions are too few to tell a gain from luck: tune with 100,"
                f" and {FEWEST_QUESTIONS} at least; `ragkit eval FILE --make 100` drafts some"
            )
        self._questions = list(questions)
        self._seed = seed
        targets = [target_of(question, store) for question in self._questions]
        has_answer = [bool(target.spans) for target in targets]
        self._by_answer = sum(has_answer) >= max(FEWEST_QUESTIONS, len(targets) // 2)
        if self._by_answer:
            kept = [place for place, has in enumerate(has_answer) if has]
            self._questions = [self._questions[place] for place in kept]
            targets = [targets[place] for place in kept]
        self._left_out = len(questions) - len(self._questions)
        self._targets: list[Target] = targets
        self._trials: list[Trial] = []
        self._reranked: Trial | None = None

    @property
    def questions(self) -> list[Question]:
        """Those that quality is measured on."""
        return self._questions

    @property
    def trials(self) -> list[Trial]:
        """All so far, without that of a reranking model."""
        return self._trials

    @staticmethod
    def ways(now: SearchSettings) -> list[SearchSettings]:
        """The weights that are tried, what there is first."""
        own = replace(now, rerank=None, k=None)
        return [own, *(one for one in _WAYS if one != own)]

    def attempt(
        self,
        settings: SearchSettings,
        *,
        passage_tokens: int,
        retriever: Retriever,
        store: Snapshot,
    ) -> Trial:
        """Measure one way; the first is what the collection does now.

        Args:
            settings: Weights, and perhaps a reranking model.
            passage_tokens: Size of the passages in *store*.
            retriever: Searches them.
            store: A generation with the same documents.
        """
        found = evaluate(
            self._questions,
            retriever=retriever,
            store=store,
            k=_DEPTHS,
            mode="hybrid",
            settings=settings,
            budgets=_BUDGETS if self._by_answer else (),
            targets=self._targets,
        )
        values = [self._quality(outcome) for outcome in found.outcomes]
        now = self._trials[0].values if self._trials else values
        trial = Trial(
            passage_tokens=passage_tokens,
            passages=store.count("passages"),
            settings=settings,
            quality=mean_interval(values),
            change=mean_interval(np.subtract(values, now)),
            search_ms=found.search_ms,
            search_usd=None if found.cost_usd is None else found.cost_usd / len(values),
            values=tuple(values),
            recall=tuple(self._recall(found, k) for k in _DEPTHS),
            tokens=found.tokens,
            trouble=_trouble(found),
        )
        if settings.rerank is None:
            self._trials.append(trial)
        elif not trial.trouble:
            self._reranked = trial
        return trial

    def result(self, *, untried: Sequence[str] = (), cost_usd: Decimal | None) -> Tuning:
        """What is to be made of all that was tried."""
        values = np.array([trial.values for trial in self._trials])
        changes = [_changes(trial, self._trials[0]) for trial in self._trials]
        number = min(FOLDS, len(self._questions))
        folds = folds_of([one.sources[0] for one in self._questions], number, self._seed)
        chosen = self._trials[choose(values, changes)]
        gain = mean_interval(held_out_gains(values, changes, folds), level=_GAIN_LEVEL)
        way = chosen if gain.low > 0 else self._trials[0]
        reranked, rerank_gain = self._reranked, None
        if reranked is not None:
            rerank_gain = mean_interval(np.subtract(reranked.values, way.values))
            way = reranked if rerank_gain.low > 0 else way
        return Tuning(
            measure=_BY_ANSWER if self._by_answer else _BY_SOURCE,
            questions=len(self._questions),
            left_out=self._left_out,
            seed=self._seed,
            folds=number,
            trials=tuple(self._trials),
            chosen=chosen,
            gain=gain,
            depths=tuple(
                Depth(k=k, recall=mean_interval(recall), tokens=tokens)
                for k, recall, tokens in zip(_DEPTHS, way.recall, way.tokens, strict=True)
            ),
            reranked=reranked,
            rerank_gain=rerank_gain,
            untried=tuple(untried),
            cost_usd=cost_usd,
        )

    def recommended(self) -> Trial:
        """The way that all of what was tried so far speaks for."""
        return self.result(cost_usd=None).recommended

    def _quality(self, outcome: Outcome) -> float:
        if not self._by_answer:
            return outcome.values["source ndcg@10"]
        shares = [outcome.values[f"answer budget@{budget}"] for budget in _BUDGETS]
        return sum(shares) / len(shares)

    def _recall(self, found: Evaluation, k: int) -> tuple[float, ...]:
        by = "answer" if self._by_answer else "source"
        return tuple(one.values[f"{by} recall@{k}"] for one in found.outcomes)


def _trouble(found: Evaluation) -> str:
    if not found.not_reranked:
        return ""
    number = f"{found.not_reranked:,} of {len(found.outcomes):,} questions"
    return f"{number} were not reranked: {found.why_not_reranked}"


def _changes(trial: Trial, now: Trial) -> int:
    """How many things are otherwise; another size counts twice, since all is cut and embedded."""
    return (
        2 * (trial.passage_tokens != now.passage_tokens)
        + (trial.settings.semantic_weight != now.settings.semantic_weight)
        + (trial.settings.context_weight != now.settings.context_weight)
    )
