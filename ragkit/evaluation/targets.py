"""Where the answer of a question stands, and which hits reach it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ragkit.answers import Hit
from ragkit.errors import AmbiguousSource, SourceNotFound
from ragkit.evaluation.querysets import Question
from ragkit.records import Document
from ragkit.retrieval.context import hits_to_fill, pack
from ragkit.retrieval.matching import QuotableText
from ragkit.storage.snapshot import Snapshot

__all__ = ["Place", "Target", "target_of"]

# A short answer may stand in a document over and over.
_MOST_PLACES = 100

# Root and source of a document, and where in it the answer stands.
Place = tuple[str, str]
Spans = dict[Place, list[tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What answers a question in one collection, however it is cut into passages.

    Attributes:
        relevant: Its documents; one that the collection does not have is in it under a name that
            no document has, since the question cannot be answered by less.
        spans: Where the answer stands in each; empty where that is not known.
        note: What is wrong with the question itself, in words; empty when nothing is.
    """

    relevant: tuple[Place, ...]
    spans: Spans
    note: str = ""

    def where_right(self, hit: Hit) -> Hit:
        """The hit in that of its places which answers, if one does: it names them all."""
        if not hit.also_in:
            return hit
        places = [replace(hit, passage=passage) for passage in (hit.passage, *hit.also_in)]
        right = [one for one in places if (one.root, one.source) in self.relevant]
        return next((one for one in right if self.overlaps(one)), (right or places)[0])

    def overlaps(self, hit: Hit) -> bool:
        """Whether the hit has a character of the answer."""
        there = self.spans.get((hit.root, hit.source), ())
        return any(start < hit.end and hit.start < end for start, end in there)

    def packed_share(self, hits: Sequence[Hit], store: Snapshot, budget: int) -> float:
        """Share of the answer's characters that a context quotes, at the place where most are."""
        packed = hits[: hits_to_fill(budget)]
        if not any((hit.root, hit.source) in self.spans for hit in packed):
            return 0.0
        context = pack(packed, store=store, max_tokens=budget)
        return max(
            sum(
                max(0, min(end, citation.end) - max(start, citation.start))
                for citation in context.citations
                if (citation.root, citation.source) == place
            )
            / (end - start)
            for place, there in self.spans.items()
            for start, end in there
        )


def target_of(question: Question, store: Snapshot) -> Target:
    """What answers a question in a generation of a collection."""
    documents, notes = _documents(question, store)
    spans, note = _answer_spans(question, documents)
    missing = [("", f"missing {n}") for n in range(len(question.sources) - len(documents))]
    return Target(
        relevant=(*map(_place, documents), *missing),
        spans=spans,
        note="; ".join([*notes, note] if note else notes),
    )


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
