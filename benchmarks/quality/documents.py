"""How well documents are found: nDCG@10 and recall@10 on folders in BEIR's form.

    python benchmarks/quality/documents.py FOLDER… [--keep DIRECTORY] [--json]

Each FOLDER holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv
(query-id, corpus-id, score). Its documents become files of a collection with every default, and a
document ranks as its best passage does. Three lines each: words and meaning together, meaning
alone, words alone, with 95 % bootstrap intervals over the questions. SciFact (5,183 abstracts)
takes about three minutes on two cores; --keep keeps the collections, so that the next run embeds
only what is new.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import get_args

from indexed import indexed
from question_sets import QuestionSet, beir
from span_measures import interval

import ragkit
from ragkit.evaluation.metrics import ndcg_at_k, recall_at_k
from ragkit.retrieval.arguments import Mode

# So many passages hold ten different documents, and then some.
PASSAGES_LOOKED_AT = 100
TOGETHER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Means over the questions of a set."""

    name: str
    mode: str
    questions: int
    ndcg_at_10: float
    low: float
    high: float
    recall_at_10: float
    milliseconds_per_query: float


def measure(questions: QuestionSet, collection: ragkit.Collection, mode: Mode) -> Score:
    """Ask every question in one mode."""
    start = time.perf_counter()
    found: list[list[str]] = []
    asked = questions.questions
    for first in range(0, len(asked), TOGETHER):
        some = [one.text for one in asked[first : first + TOGETHER]]
        answers = collection.search_many(some, k=PASSAGES_LOOKED_AT, mode=mode)
        found += [sources_of(hits) for hits in answers]
    seconds = time.perf_counter() - start
    ndcg = [ndcg_at_k(names, one.gains, 10) for names, one in zip(found, asked, strict=True)]
    low, high = interval(ndcg)
    return Score(
        name=questions.name,
        mode=mode,
        questions=len(asked),
        ndcg_at_10=fmean(ndcg),
        low=low,
        high=high,
        recall_at_10=fmean(
            recall_at_k(names, one.gains, 10) for names, one in zip(found, asked, strict=True)
        ),
        milliseconds_per_query=1000 * seconds / len(asked),
    )


def sources_of(hits: Sequence[ragkit.Hit]) -> list[str]:
    """The documents in the order of their best passages, those of the same text among them."""
    places = [one.source for hit in hits for one in (hit.passage, *hit.also_in)]
    return list(dict.fromkeys(places))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--keep", type=Path, help="where collections stay for the next run")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        questions = beir(folder)
        with indexed(questions, arguments.keep) as collection:
            for mode in get_args(Mode):
                score = measure(questions, collection, mode)
                print(json.dumps(asdict(score)) if arguments.json else line(score), flush=True)


def line(score: Score) -> str:
    """For people."""
    return (
        f"{score.name:<12} {score.mode:<9} nDCG@10 {score.ndcg_at_10:.3f}"
        f" [{score.low:.3f}, {score.high:.3f}]  recall@10 {score.recall_at_10:.3f}"
        f"  {score.milliseconds_per_query:.1f} ms a query with its embedding"
    )


if __name__ == "__main__":
    main()
