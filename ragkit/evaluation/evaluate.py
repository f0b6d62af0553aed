"""A collection is asked a query set, and its answers are measured."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice

from ragkit.errors import AmbiguousSource, InvalidArgument, SourceNotFound
from ragkit.evaluation.metrics import mrr, ndcg_at_k, recall_at_k
from ragkit.evaluation.querysets import Question, read_questions
from ragkit.evaluation.results import Evaluation, Excerpt, Outcome, summarise
from ragkit.records import Document, Hit, Hits
from ragkit.retrieval.context import hits_to_fill, pack
from ragkit.retrieval.matching import QuotableText
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

# A short answer may stand in a document over and over.
_MOST_PLACES = 100

# Root and source of a document, and where in it the answer stands.
Place = tuple[str, str]
Spans = dict[Place, list[tuple[int, int]]]


def evaluate(
    queries: str | os.PathLike[str] | Sequence[Question],
    *,
    retriever: Retriever,
    store: Snapshot,
    k: int | Sequence[int],
    mode: Mode,
    settings: SearchSettings | None = None,
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
    )
    depth = max(wanted[-1], _NDCG_K, hits_to_fill(BUDGETS[-1]))
    found = tuple(
        _outcome(question, hits, store, wanted)
        for question, hits in asking.answers(questions, depth)
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
    seconds: float = 0.0
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


def _outcome(
    question: Question, hits: Sequence[Hit], store: Snapshot, k: tuple[int, ...]
) -> Outcome:
    documents, notes = _documents(question, store)
    spans, note = _answer_spans(question, documents)
    notes += [note] if note else []
    # A name that the collection does not have stays relevant: the question cannot be answered.
    relevant = [_place(document) for document in documents]
    relevant += [("", f"missing {n}") for n in range(len(question.sources) - len(documents))]
    hits = [_where_right(hit, spans, relevant) for hit in hits]
    ranked = [(hit.root, hit.source) for hit in hits]
    values = _values("source", _places_once(ranked), relevant, k)
    answer_rank = None
    if spans:
        answers = [_overlaps(hit, spans) for hit in hits]
        answer_rank = answers.index(True) + 1 if True in answers else None
        marks = ["answer" if rank == answer_rank else f"hit {rank}" for rank in _ranks(hits)]
        values |= _values("answer", marks, ["answer"], k)
        values |= {f"answer budget@{n}": _packed_share(hits, spans, store, n) for n in BUDGETS}
    first = next((rank for rank, one in enumerate(ranked, 1) if one in relevant), None)
    return Outcome(
        question=question,
        source_rank=first,
        answer_rank=answer_rank,
        values=values,
        found=f"{hits[0].source}:{hits[0].passage.line}" if hits else "",
        note="; ".join(notes),
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


def _documents(question: Question, store: Snapshot) -> tuple[list[Document], list[str]]:
    """Those of the question's documents that the collection has, and what is wrong with others."""
    found: list[Document] = []
    notes: list[str] = []
    for name in question.sources:
        try:
            document = store.document(*store.locate(name))
        except (SourceNotFound, AmbiguousSource) as error:
            notes.append(str(error))
            continue
        if document is not None:
            found.append(document)
    return found, notes


def _answer_spans(question: Question, documents: Sequence[Document]) -> tuple[Spans, str]:
    """Where the answer stands in each document, and what is wrong where it stands in none."""
    spans = {_place(one): there for one in documents if (there := _spans_in(one, question))}
    if spans or not documents:
        return spans, ""
    if question.start is not None:
        return {}, "start and end lie outside of the document"
    if question.answer is not None:
        return {}, "the answer is not in the document as it is quoted"
    if question.page is not None:
        return {}, f"the document has no page {question.page}"
    return {}, ""


def _spans_in(document: Document, question: Question) -> list[tuple[int, int]]:
    if question.start is not None and question.end is not None:
        return [(question.start, question.end)] if question.end <= len(document.text) else []
    if question.answer is not None:
        found = islice(QuotableText(document.text).places(question.answer), _MOST_PLACES)
        return [(match.start, match.end) for match in found]
    if question.page is not None and question.page <= len(document.pages):
        starts = (*document.pages, len(document.text))
        start, end = starts[question.page - 1], starts[question.page]
        return [(start, end)] if start < end else []
    return []


def _place(document: Document) -> Place:
    return document.root, document.source


def _where_right(hit: Hit, spans: Spans, relevant: Sequence[Place]) -> Hit:
    """The hit in that of its places which answers, if one does: it names them all."""
    if not hit.also_in:
        return hit
    places = [replace(hit, passage=passage) for passage in (hit.passage, *hit.also_in)]
    right = [one for one in places if (one.root, one.source) in relevant]
    return next((one for one in right if _overlaps(one, spans)), (right or places)[0])


def _overlaps(hit: Hit, spans: Spans) -> bool:
    there = spans.get((hit.root, hit.source), ())
    return any(start < hit.end and hit.start < end for start, end in there)


def _packed_share(hits: Sequence[Hit], spans: Spans, store: Snapshot, budget: int) -> float:
    """Share of the answer's characters that a context quotes, at the place where most are."""
    context = pack(hits[: hits_to_fill(budget)], store=store, max_tokens=budget)
    return max(
        sum(
            max(0, min(end, citation.end) - max(start, citation.start))
            for citation in context.citations
            if (citation.root, citation.source) == place
        )
        / (end - start)
        for place, there in spans.items()
        for start, end in there
    )
