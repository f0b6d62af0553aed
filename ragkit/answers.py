"""What a question is answered with: hits, why they stand there, and contexts.

Frozen, slotted and keyword-only, as the records that they are made of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from ragkit.errors import InvalidArgument
from ragkit.records import Box, Passage

__all__ = [
    "Citation",
    "Context",
    "Expander",
    "Explanation",
    "Hit",
    "Hits",
    "Reranking",
    "ScorePart",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """What one list said of a hit, and what that came to.

    Attributes:
        name: ``semantic``, ``lexical``, ``context`` or ``rerank``.
        score: Cosine, BM25, what the neighbours of the passage score, or the model's score; None
            where the list does not have the passage.
        rank: In that list; None below the depth to which it was read.
        lowest: What scales to 0: the lowest score of any passage; 0 for words.
        highest: What scales to 1: the highest score of any passage, whatever the filter; for words
            at least what each word of the query would score once.
        scaled: 0 to 1, or the score itself where one list alone decides.
        weight: Of this list.
    """

    name: str
    score: float | None
    rank: int | None
    lowest: float
    highest: float
    scaled: float
    weight: float

    @property
    def share(self) -> float:
        """What it adds to the hit's score."""
        return self.weight * self.scaled


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a hit stands where it stands.

    Attributes:
        parts: One for each list that counted; their shares add up to the hit's score, and where
            it was reranked to ``scores["fused"]``.
        matched: Words of the query that the passage, its headings or its path have, as typed.
        missing: Words of the query that none of them has.
        common: Words of the query that are too common to count.
        where: The conditions that it fulfils.
        rerank: What the reranking model said of it, which then is the score; None without one.
    """

    parts: tuple[ScorePart, ...]
    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    common: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    rerank: ScorePart | None = None


class Expander(Protocol):
    """Knows what stands around a passage."""

    def expanded(self, passage: Passage, tokens: int) -> Passage:
        """The passage with as many of its neighbours as fit in so many cl100k tokens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that answers a query.

    Attributes:
        passage: What was found.
        rank: 1 for the best.
        score: What the ranking goes by; higher is better.
        relevance: How sure it is that it answers, 0 to 1, calibrated on the collection; None where
            that was not done, as before its first index.
        scores: What each list said: ``semantic`` (cosine), ``lexical`` (BM25), ``rerank``, and the
            rank in each as ``semantic_rank`` and so on. A list that did not see it is absent. In
            hybrid search ``context`` is what the passages before and after it score, 0 to 1. After
            reranking, ``fused`` and ``fused_rank`` say where it stood before.
        title: The document's stated title.
        also_in: Other passages of the same text, or nearly, which are no hits of their own; at most
            50 of each.
        explanation: Why it stands there, if that was asked for.
        expander: Of the collection that it was found in; no part of what the hit says.
    """

    passage: Passage
    rank: int
    score: float
    relevance: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    title: str | None = None
    also_in: tuple[Passage, ...] = ()
    explanation: Explanation | None = None
    expander: Expander | None = field(default=None, repr=False, compare=False)

    def expand(self, *, tokens: int = 400) -> Passage:
        """The passage with what stands around it, as one span of its document.

        Whole neighbours are taken, after and before in turn, those under the same headings first.

        Args:
            tokens: Most cl100k tokens of the whole; a passage that has more comes back as it is.

        Raises:
            InvalidArgument: tokens is below 1, or the hit was made by hand and knows no collection.
            SourceNotFound: The collection does not have the passage any more.
        """
        if self.expander is None:
            raise InvalidArgument("this hit was not found by a search: it knows no collection")
        return self.expander.expanded(self.passage, tokens)

    @property
    def text(self) -> str:
        """The passage's text."""
        return self.passage.text

    @property
    def root(self) -> str:
        """Name of the root that the passage's document belongs to."""
        return self.passage.root

    @property
    def source(self) -> str:
        """Path of the passage's document inside its root."""
        return self.passage.source

    @property
    def page(self) -> int | None:
        """Page on which the passage starts."""
        return self.passage.page

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings that the passage stands under, outermost first."""
        return self.passage.headings

    @property
    def start(self) -> int:
        """First character of the passage in its document."""
        return self.passage.start

    @property
    def end(self) -> int:
        """One past the last character of the passage in its document."""
        return self.passage.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Reranking:
    """How a reranking model was asked about the hits of a search.

    Attributes:
        model: Its name.
        applied: Whether the hits are in its order. Where it failed they are in that of the search.
        note: For people: why it failed, or what else there is to know; empty when all is well.
        candidates: How many passages it was given.
        tokens: That the server billed; 0 where it does not say.
        requests: Sent to the server, retries included.
        cost_usd: What the server charged; None where it does not say.
        provider: Who answered, where the server says so.
    """

    model: str
    applied: bool
    note: str = ""
    candidates: int = 0
    tokens: int = 0
    requests: int = 0
    cost_usd: Decimal | None = None
    provider: str | None = None


class Hits(list[Hit]):
    """The hits of one search, best first, and what is to be said of all of them.

    Attributes:
        rerank: How they were reranked; None when that was not asked for.
        relevant: Whether any of them is more likely to answer than not, or as likely as was asked
            for; False says that nothing relevant is there. None where relevance is not known.
    """

    __slots__ = ("relevant", "rerank")

    def __init__(
        self,
        hits: Iterable[Hit] = (),
        *,
        rerank: Reranking | None = None,
        relevant: bool | None = None,
    ) -> None:
        super().__init__(hits)
        self.rerank = rerank
        self.relevant = relevant


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Where a numbered excerpt of a context comes from.

    ``warning`` says what in it seems to be written for a model rather than for people, such as
    orders to ignore its instructions; it is empty for nearly all. ``boxes`` say where it is shown,
    as those of its passages do.
    """

    number: int
    root: str
    source: str
    page: int | None
    line: int
    start: int
    end: int
    headings: tuple[str, ...] = ()
    warning: str = ""
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Text for an LLM: numbered excerpts, each fenced as quoted material.

    Attributes:
        text: Goes into the prompt as it is; ``str(context)`` is the same.
        tokens: Its length, markup included, in the tokens of *tokenizer*.
        citations: One for each excerpt, by number.
        tokenizer: ``cl100k``, ``o200k``, or ``bound`` where *tokens* is a number that no tokenizer
            passes on this text.
        relevant: Whether it is more likely to answer than not; None where that is not known.
        rerank: How the hits were reranked that it is made of; None when that was not asked for.
    """

    text: str
    tokens: int
    citations: tuple[Citation, ...] = ()
    tokenizer: str = "cl100k"
    relevant: bool | None = None
    rerank: Reranking | None = None

    def __str__(self) -> str:
        return self.text
