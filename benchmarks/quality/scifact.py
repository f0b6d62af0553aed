"""How well the default model finds documents: nDCG@10 and recall@10 on a folder in BEIR's form.

    python benchmarks/quality/scifact.py FOLDER [--only passages|documents] [--json]

FOLDER holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv (query-id,
corpus-id, score). Everything goes through ragkit's own parts: by passages as a collection would cut
them, where a document scores as its best passage does, and by whole documents, one passage each,
of which the model reads as much as it can. SciFact takes about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import secrets
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import get_args

import numpy as np

from ragkit.chunking import Chunker
from ragkit.chunking.recipe import embedded_text
from ragkit.embedding.local import LocalEmbedder
from ragkit.evaluation.metrics import ndcg_at_k, recall_at_k
from ragkit.indexing.vectors import MatrixIndex
from ragkit.indexing.wordbuild import WordEntry, build_words
from ragkit.indexing.words import WordIndex
from ragkit.models.wordpiece import WordPieceCounter
from ragkit.records import Document, Hit, Passage
from ragkit.retrieval.retriever import Mode, Retriever
from ragkit.storage.seam import IdArray, StoredPassage

# So many passages hold ten different documents, and then some.
PASSAGES_LOOKED_AT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Documents, questions, and which documents answer which question."""

    documents: list[Document]
    queries: dict[str, str]
    gains: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is searched: passages numbered from 1, and the text that is embedded for each."""

    passages: list[Passage]
    texts: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Means over the questions."""

    unit: str
    mode: str
    ndcg_at_10: float
    recall_at_10: float
    milliseconds_per_query: float


class PassagesInMemory:
    """A ``PassageStore`` over a list, as far as a search without a filter asks it."""

    def __init__(self, stored: Iterable[StoredPassage]) -> None:
        self._stored = {one.passage.id: one for one in stored}

    def passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """As ``PassageStore.passages``."""
        return {one: self._stored[one] for one in ids if one in self._stored}

    def matching(self, where: Mapping[str, str]) -> IdArray | None:
        """Not asked here: nothing is filtered."""
        raise NotImplementedError

    def siblings(self, document_id: int, first: int, last: int) -> list[StoredPassage]:
        """Not asked here: nothing is packed."""
        raise NotImplementedError

    def neighbours(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """None: every document is asked for by its best passage."""
        none = np.full(len(ids), -1, np.int64)
        return none, none

    def span(self, document_id: int, start: int, end: int) -> str:
        """Not asked here: nothing is packed."""
        raise NotImplementedError


def read_task(folder: Path) -> Task:
    """Read a folder in BEIR's form; questions without a judgement are left out."""
    with (folder / "corpus.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    documents = [
        Document(source=row["_id"], title=row.get("title") or None, text=row["text"])
        for row in rows
    ]
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        queries = {row["_id"]: row["text"] for row in map(json.loads, lines)}
    gains: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if int(row["score"]) > 0:
                gains.setdefault(row["query-id"], {})[row["corpus-id"]] = int(row["score"])
    return Task(documents=documents, queries={one: queries[one] for one in gains}, gains=gains)


def by_passages(task: Task) -> Unit:
    """The passages of all documents as a collection cuts and embeds them."""
    chunker = Chunker()
    pairs = [(document, one) for document in task.documents for one in chunker.split(document)]
    return Unit(
        passages=[replace(one, id=number) for number, (_, one) in enumerate(pairs, 1)],
        texts=[embedded_text(document.title, one) for document, one in pairs],
    )


def by_documents(task: Task) -> Unit:
    """One passage for each document, and its title before its text, as BEIR does it."""
    return Unit(
        passages=[
            Passage(id=number, source=one.source, start=0, end=len(one.text), text=one.text)
            for number, one in enumerate(task.documents, 1)
        ],
        texts=[f"{one.title} {one.text}" if one.title else one.text for one in task.documents],
    )


def retriever_over(unit: Unit, folder: Path) -> Retriever:
    """Everything a search needs, built as a collection builds it."""
    key = secrets.token_bytes(32)
    pairs = list(zip(unit.passages, unit.texts, strict=True))
    entries = (WordEntry(id=one.id, text=text, language="en") for one, text in pairs)
    build_words(folder, previous=None, removed_ids=(), added=entries, key=key)
    embedder = LocalEmbedder()
    return Retriever(
        store=PassagesInMemory(
            StoredPassage(passage=one, title=None, document_id=0, ordinal=0, text_key=text.encode())
            for one, text in pairs
        ),
        embedder=embedder,
        vectors=MatrixIndex(
            ids=np.array([one.id for one in unit.passages], np.int64),
            slots=np.arange(len(pairs)),
            matrix=embedder.embed_documents(
                [cut(text, embedder.max_tokens) for text in unit.texts]
            ),
        ),
        words=WordIndex.open(folder, key=key),
    )


def cut(text: str, max_tokens: int) -> str:
    """As many words of a text as the model takes; what a chunker has cut stays as it is."""
    counter = WordPieceCounter()
    if counter.count([text])[0] <= max_tokens:
        return text
    words = text.split(" ")
    fitting = bisect_right(
        range(len(words)), max_tokens, key=lambda n: counter.count([" ".join(words[:n])])[0]
    )
    return " ".join(words[: fitting - 1])


def measure(task: Task, retriever: Retriever, unit: str) -> Iterator[Score]:
    """One score for each mode."""
    for mode in get_args(Mode):
        start = time.perf_counter()
        found = retriever.search_many(list(task.queries.values()), k=PASSAGES_LOOKED_AT, mode=mode)
        seconds = time.perf_counter() - start
        ranked = dict(zip(task.queries, map(sources_of, found), strict=True))
        yield Score(
            unit=unit,
            mode=mode,
            ndcg_at_10=fmean(ndcg_at_k(ranked[one], task.gains[one], 10) for one in ranked),
            recall_at_10=fmean(recall_at_k(ranked[one], task.gains[one], 10) for one in ranked),
            milliseconds_per_query=1000 * seconds / len(found),
        )


def sources_of(hits: Sequence[Hit]) -> list[str]:
    """The documents in the order of their best passages."""
    return list(dict.fromkeys(hit.source for hit in hits))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=sorted(UNITS))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    task = read_task(arguments.folder)
    for name, made_of in UNITS.items():
        if arguments.only in (None, name):
            run(task, name, made_of(task), as_json=arguments.json)


def run(task: Task, name: str, unit: Unit, *, as_json: bool) -> None:
    """Index one unit, ask it every question, and print a line for each mode."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        retriever = retriever_over(unit, Path(folder) / "words")
        seconds = time.perf_counter() - start
        print(f"{len(unit.passages):,} {name} indexed in {seconds:.0f} s", file=sys.stderr)
        for score in measure(task, retriever, name):
            if as_json:
                print(json.dumps(asdict(score)))
            else:
                print(
                    f"{score.unit:<10} {score.mode:<9} nDCG@10 {score.ndcg_at_10:.3f}"
                    f"  recall@10 {score.recall_at_10:.3f}"
                    f"  {score.milliseconds_per_query:.1f} ms a query"
                )


UNITS = {"passages": by_passages, "documents": by_documents}

if __name__ == "__main__":
    main()
