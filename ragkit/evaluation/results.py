"""What an evaluation found, and what became of it under a change."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np

from ragkit.errors import InvalidArgument
from ragkit.evaluation.intervals import mean_interval
from ragkit.evaluation.querysets import Question
from ragkit.retrieval.settings import SearchSettings

__all__ = [
    "By",
    "Comparison",
    "Difference",
    "Evaluation",
    "Excerpt",
    "Measure",
    "Outcome",
    "compare",
    "summarise",
]

By = Literal["source", "answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A mean over questions, with its 95 % bootstrap interval.

    Attributes:
        name: ``recall@5``, ``mrr``, ``ndcg@10``, ``budget@500`` …
        by: ``source``: a hit counts when it is of a right document; ``answer``: when it overlaps
            the answer.
        mean: 0 to 1.
        low: Lower end of the interval.
        high: Upper end.
        questions: How many it is the mean of.
    """

    name: str
    by: By
    mean: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """One of the best hits of a question, as a report shows it.

    Attributes:
        source: Its document.
        line: Where it begins.
        page: Where the document has pages.
        headings: Outermost first.
        text: Its beginning, on one line.
    """

    source: str
    line: int
    page: int | None
    headings: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """``SOURCE:LINE``, or ``SOURCE, page N``."""
        return (
            f"{self.source}:{self.line}"
            if self.page is None
            else f"{self.source}, page {self.page}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one question.

    Attributes:
        question: The question.
        source_rank: Of the first hit of a right document; None when none was found.
        answer_rank: Of the first hit that overlaps the answer; None when none does, or when the
            place of the answer is not known.
        values: Its part of each measure, by ``by`` and name as ``answer recall@5``.
        found: The best hit as ``SOURCE:LINE``; empty when nothing was found.
        note: What is wrong with the question itself, in words; empty when nothing is.
        hits: The best of them, as far as a report shows them.
    """

    question: Question
    source_rank: int | None
    answer_rank: int | None
    values: Mapping[str, float]
    found: str = ""
    note: str = ""
    hits: tuple[Excerpt, ...] = ()

    @property
    def has_answer(self) -> bool:
        """Whether the place of the answer is known."""
        return "answer mrr" in self.values

    @property
    def rank(self) -> int | None:
        """Of the first hit that answers, as exactly as the question lets one tell."""
        return self.answer_rank if self.has_answer else self.source_rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How well a collection answers a query set.

    Attributes:
        collection: Its directory.
        model: Name of its model.
        mode: As for ``search``.
        k: The numbers of hits that recall was measured at, in order.
        measures: Those by source, then those by answer.
        outcomes: One for each question, in the order of the set.
        seconds: Wall time.
        settings: How it was searched, where that was not ragkit's own way.
        search_ms: Wall time of a search, in the mean; without the question's embedding where all
            were embedded together.
        tokens: For each k, how many cl100k tokens the first k hits have together, in the mean.
        cost_usd: What the reranking model charged; None where it does not say.
        not_reranked: Questions that the reranking model failed at; they count in the order that
            they had.
        why_not_reranked: What it said of the first of them.
    """

    collection: str
    model: str
    mode: str
    k: tuple[int, ...]
    measures: tuple[Measure, ...]
    outcomes: tuple[Outcome, ...]
    seconds: float = 0.0
    settings: SearchSettings = field(default_factory=SearchSettings)
    search_ms: float = 0.0
    tokens: tuple[float, ...] = ()
    cost_usd: Decimal | None = Decimal(0)
    not_reranked: int = 0
    why_not_reranked: str = ""

    @property
    def way(self) -> str:
        """How it was searched, in words: the mode and what was set."""
        said = str(self.settings) if self.settings != SearchSettings() else ""
        return f"{self.mode}, {said}" if said else self.mode

    @property
    def misses(self) -> tuple[Outcome, ...]:
        """Questions that none of the first k hits answers, for the largest k."""
        most = self.k[-1]
        return tuple(one for one in self.outcomes if one.rank is None or one.rank > most)

    def write_report(
        self, path: str | os.PathLike[str], compared_with: Evaluation | None = None
    ) -> None:
        """Write an ``.html`` page, or a ``.png``; an older one is replaced.

        The page needs no network. It lists each miss with what was found instead.

        Raises:
            InvalidArgument: Another kind of file, no such folder, or two query sets.
        """
        from ragkit.evaluation.report import write_report  # noqa: PLC0415 - only who draws waits

        write_report(path, self, compared_with)

    def measure(self, name: str, by: By = "source") -> Measure:
        """The measure of that name.

        Raises:
            InvalidArgument: It was not measured.
        """
        for one in self.measures:
            if (one.name, one.by) == (name, by):
                return one
        known = ", ".join(f"{one.by} {one.name}" for one in self.measures)
        raise InvalidArgument(f"{by} {name} was not measured: choose one of {known}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One measure of two evaluations of the same questions.

    Attributes:
        name: As in ``Measure``.
        by: As in ``Measure``.
        first: Mean of the first evaluation, over the questions that both have.
        second: Mean of the second.
        difference: First minus second.
        low: Lower end of the 95 % bootstrap interval of the paired difference.
        high: Upper end.
        questions: How many pairs.
    """

    name: str
    by: By
    first: float
    second: float
    difference: float
    low: float
    high: float
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two evaluations of the same questions.

    Attributes:
        differences: In the order of the measures.
        decisive: The one that the verdict goes by: nDCG@10 of the answer where every question has
            one, else of the source. One measure decides, since among many some would differ by
            luck.
        worse: Questions whose first right hit stands lower in the first evaluation.
        better: Questions whose first right hit stands higher in the first evaluation.
    """

    differences: tuple[Difference, ...]
    decisive: Difference
    worse: tuple[tuple[Outcome, Outcome], ...]
    better: tuple[tuple[Outcome, Outcome], ...]

    @property
    def verdict(self) -> Literal["better", "worse", "no difference"]:
        """Of the first evaluation; a difference counts when its interval leaves out 0."""
        if self.decisive.high < 0:
            return "worse"
        return "better" if self.decisive.low > 0 else "no difference"


def summarise(outcomes: tuple[Outcome, ...]) -> tuple[Measure, ...]:
    """The measures of the outcomes, in the order in which the outcomes name them."""
    names = sorted(
        dict.fromkeys(name for one in outcomes for name in one.values),
        key=lambda name: name.startswith("answer"),
    )
    measures = []
    for name in names:
        values = [one.values[name] for one in outcomes if name in one.values]
        interval = mean_interval(values)
        by, _, short = name.partition(" ")
        measures.append(
            Measure(
                name=short,
                by="answer" if by == "answer" else "source",
                mean=interval.mean,
                low=interval.low,
                high=interval.high,
                questions=len(values),
            )
        )
    return tuple(measures)


def compare(first: Evaluation, second: Evaluation) -> Comparison:
    """Compare two evaluations, question by question.

    Raises:
        InvalidArgument: They are not of the same questions.
    """
    asked = [[one.question for one in side.outcomes] for side in (first, second)]
    if asked[0] != asked[1]:
        raise InvalidArgument("the evaluations are of different questions: use one query set")
    pairs = list(zip(first.outcomes, second.outcomes, strict=True))
    differences = tuple(
        difference
        for measure in first.measures
        if (difference := _difference(measure, pairs)) is not None
    )
    by_key = {(one.by, one.name): one for one in differences}
    decisive = by_key["source", "ndcg@10"]
    answers = by_key.get(("answer", "ndcg@10"))
    if answers is not None and answers.questions == len(pairs):
        decisive = answers
    return Comparison(
        differences=differences,
        decisive=decisive,
        worse=tuple(pair for pair in pairs if _place(pair[0]) > _place(pair[1])),
        better=tuple(pair for pair in pairs if _place(pair[0]) < _place(pair[1])),
    )


def _difference(measure: Measure, pairs: list[tuple[Outcome, Outcome]]) -> Difference | None:
    """None where no question has the measure in both."""
    key = f"{measure.by} {measure.name}"
    both = [
        (one.values[key], other.values[key])
        for one, other in pairs
        if key in one.values and key in other.values
    ]
    if not both:
        return None
    first, second = np.array(both, np.float64).T
    interval = mean_interval(first - second)
    return Difference(
        name=measure.name,
        by=measure.by,
        first=float(first.mean()),
        second=float(second.mean()),
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        questions=len(both),
    )


def _place(outcome: Outcome) -> float:
    return float("inf") if outcome.rank is None else outcome.rank
