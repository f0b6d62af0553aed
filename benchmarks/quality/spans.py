"""How much of an answer is found within a budget of tokens, beside other libraries' splitters.

    python benchmarks/quality/spans.py FOLDER [--set chunking_eval|sections|bare-sections|articles]
        [--peers PYTHON] [--keep DIRECTORY] [--json]

FOLDER holds Chroma's chunking_evaluation (corpora/*.md and questions_df.csv), or Markdown whose
headings are the questions and whose sections are the answers, or a folder in BEIR's form with
spans.jsonl whose paragraphs are joined to articles. Its files become a collection of ragkit's with
every default. Printed are the recall of the answers' characters at 250, 500, 1,000 and 2,000 cl100k
tokens (the last passage is cut to fit, repeated characters are free), the mean of the four with a
95 % bootstrap interval over the questions, and recall, precision and IoU of the first five.

--peers names a Python that has langchain-text-splitters, llama-index-core, semchunk or chonkie.
Their chunks are embedded by the same model and ranked by cosine, as those libraries do it, and for
comparison by an even combination of min-max scaled cosine and BM25, which none of them ships. The
difference to ragkit is paired over the questions.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import numpy.typing as npt
from indexed import indexed
from question_sets import QuestionSet, articles, chunking_evaluation, sections
from span_measures import BUDGETS, Measured, Place, SpanMeasures, interval

import ragkit
from ragkit.embedding.local import LocalEmbedder
from ragkit.indexing.wordbuild import WordEntry, build_words
from ragkit.indexing.words import WordIndex
from ragkit.models.tokens import count_tokens, encoding
from ragkit.models.wordpiece import WordPieceCounter

SETS = {
    "chunking_eval": chunking_evaluation,
    "sections": lambda folder: sections(folder, with_headings=True),
    "bare-sections": lambda folder: sections(folder, with_headings=False),
    "articles": articles,
}
# As many passages as fill the largest budget, and then some.
PASSAGES_LOOKED_AT = 80
TOGETHER = 100
OURS = "ragkit"
# Where tiktoken looks for its file of ranks, so that it is not downloaded.
RANKS_ADDRESS = b"https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
RANKS = 100_256

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to find answers, and what it found."""

    name: str
    ranking: str
    chunks: int
    tokens: float
    measured: Sequence[Measured]

    @property
    def means(self) -> list[float]:
        """Mean recall of each question, in percent."""
        return [100 * one.mean_recall for one in self.measured]


def of_ragkit(questions: QuestionSet, measures: SpanMeasures, keep: Path | None) -> Iterator[Row]:
    """A collection's own hits by meaning, by words, and by both; then its contexts."""
    asked = questions.questions
    with indexed(questions, keep) as collection:
        passages = collection.passages()
        size = fmean(one.tokens for one in passages)
        for mode in ("semantic", "lexical", "hybrid"):
            found: list[Measured] = []
            for first in range(0, len(asked), TOGETHER):
                some = asked[first : first + TOGETHER]
                texts = [one.text for one in some]
                answers = collection.search_many(texts, k=PASSAGES_LOOKED_AT, mode=mode)
                for one, hits in zip(some, answers, strict=True):
                    found.append(measures.of(one, [(h.source, h.start, h.end) for h in hits]))
            yield Row(name=OURS, ranking=mode, chunks=len(passages), tokens=size, measured=found)
        contexts = [of_contexts(collection, one.text, measures) for one in asked]
        measured = [
            Measured(
                budgets=tuple(measures.of(one, places).budgets[-1] for places in places_of_budgets),
                recall=0.0,
                precision=0.0,
                overlap=0.0,
            )
            for one, places_of_budgets in zip(asked, contexts, strict=True)
        ]
        yield Row(
            name=f"{OURS}, context with its markup",
            ranking="hybrid",
            chunks=len(passages),
            tokens=size,
            measured=measured,
        )


def of_contexts(
    collection: ragkit.Collection, query: str, measures: SpanMeasures
) -> list[list[Place]]:
    """What the contexts of each size quote."""
    del measures
    return [
        [
            (citation.source, citation.start, citation.end)
            for citation in collection.context(query, max_tokens=budget).citations
        ]
        for budget in BUDGETS
    ]


def of_peers(
    questions: QuestionSet, measures: SpanMeasures, python: str, keep: Path | None
) -> Iterator[Row]:
    """The chunks of other splitters, by cosine alone and combined with BM25."""
    embedder = LocalEmbedder()
    asked = [one.text for one in questions.questions]
    queries = np.stack([embedder.embed_query(text) for text in asked])
    for name, places in cut(questions, python).items():
        texts = [questions.files[file][start:end] for file, start, end in places]
        vectors = embedded(texts, embedder, None if keep is None else keep / "peers")
        cosines = queries @ vectors.T
        words = bm25(texts, asked)
        both = (scaled(cosines) + words / np.maximum(words.max(axis=1, keepdims=True), 1e-9)) / 2
        size = fmean(map(count_tokens, texts))
        for ranking, scores in (("cosine", cosines), ("cosine + BM25", both)):
            best = np.argsort(-scores, axis=1, kind="stable")[:, :PASSAGES_LOOKED_AT]
            yield Row(
                name=name,
                ranking=ranking,
                chunks=len(texts),
                tokens=size,
                measured=[
                    measures.of(one, [places[index] for index in order])
                    for one, order in zip(questions.questions, best.tolist(), strict=True)
                ],
            )


def cut(questions: QuestionSet, python: str) -> dict[str, list[Place]]:
    """The chunks of every splitter that the other Python has."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "texts.json").write_text(json.dumps(questions.files), encoding="utf-8")
        ranks = (
            base64.b64encode(encoding().decode_single_token_bytes(rank)) + f" {rank}\n".encode()
            for rank in range(RANKS)
        )
        (place / hashlib.sha1(RANKS_ADDRESS).hexdigest()).write_bytes(b"".join(ranks))  # noqa: S324 - a name
        script = Path(__file__).with_name("cut_spans.py")
        subprocess.run(
            [python, str(script), str(place / "texts.json"), str(place / "spans.json")],
            check=True,
            env={**os.environ, "TIKTOKEN_CACHE_DIR": folder},
        )
        spans = json.loads((place / "spans.json").read_text(encoding="utf-8"))
    return {
        name: [
            (file, start, end)
            for file, each in of_files.items()
            for start, end in each
            if questions.files[file][start:end].strip()
        ]
        for name, of_files in spans.items()
    }


def embedded(texts: list[str], embedder: LocalEmbedder, keep: Path | None) -> Floats:
    """Vectors of the texts, of as much of each as the model reads; kept by their sum."""
    if keep is None:
        return embedder.embed_documents([fitting(text, embedder.max_tokens) for text in texts])
    keep.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
    path = keep / f"{digest}.npy"
    if not path.is_file():
        np.save(path, embedded(texts, embedder, None))
    return np.asarray(np.load(path), np.float32)


def fitting(text: str, max_tokens: int) -> str:
    """The beginning of a text, as many words as the model reads."""
    counter = WordPieceCounter()
    words = text.split(" ")
    low, high = 0, len(words)
    if counter.count([text])[0] <= max_tokens:
        return text
    while low < high:
        middle = (low + high + 1) // 2
        fits = counter.count([" ".join(words[:middle])])[0] <= max_tokens
        low, high = (middle, high) if fits else (low, middle - 1)
    return " ".join(words[:low]) or text[:max_tokens]


def bm25(texts: list[str], queries: list[str]) -> Floats:
    """BM25 of every text for every query, by ragkit's index of words."""
    key = secrets.token_bytes(32)
    scores = np.zeros((len(queries), len(texts)), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        entries = (WordEntry(id=number, text=text) for number, text in enumerate(texts))
        build_words(Path(folder) / "w", previous=None, removed_ids=(), added=entries, key=key)
        index = WordIndex.open(Path(folder) / "w", key=key)
        for row, query in enumerate(queries):
            ranking = index.rank(query, len(texts))
            scores[row, ranking.ids] = ranking.scores
    return scores


def scaled(scores: Floats) -> Floats:
    """Each row from 0 to 1."""
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    share: Floats = (scores - low) / np.maximum(high - low, 1e-9)
    return share


def table(rows: Sequence[Row], *, as_json: bool) -> None:
    """Print the rows, each with its difference to ragkit's hybrid ranking."""
    ours = next(row for row in rows if (row.name, row.ranking) == (OURS, "hybrid"))
    if not as_json:
        print(
            "| chunks of | ranked by | chunks | tokens | r250 | r500 | r1000 | r2000 | mean [95 %]"
            " | recall@5 | precision | IoU | minus ragkit |"
        )
        print("|---" * 13 + "|")
    for row in rows:
        low, high = interval(row.means)
        budgets = [100 * fmean(one.budgets[n] for one in row.measured) for n in range(len(BUDGETS))]
        first = [
            100 * fmean(values)
            for values in (
                [one.recall for one in row.measured],
                [one.precision for one in row.measured],
                [one.overlap for one in row.measured],
            )
        ]
        difference = np.subtract(row.means, ours.means)
        below, above = interval(difference.tolist())
        if as_json:
            values = {
                "chunks_of": row.name,
                "ranked_by": row.ranking,
                "chunks": row.chunks,
                "tokens": row.tokens,
                "recall_at_budgets": budgets,
                "mean": fmean(row.means),
                "interval": [low, high],
                "recall@5": first[0],
                "precision@5": first[1],
                "iou@5": first[2],
                "difference": [float(difference.mean()), below, above],
            }
            print(json.dumps(values))
            continue
        shown = " | ".join(f"{value:.1f}" for value in budgets)
        five = " | ".join(f"{value:.1f}" for value in first) if any(first) else " | | "
        apart = "" if row is ours else f"{difference.mean():+.1f} [{below:+.1f}, {above:+.1f}]"
        print(
            f"| {row.name} | {row.ranking} | {row.chunks:,} | {row.tokens:.0f} | {shown}"
            f" | {fmean(row.means):.1f} [{low:.1f}, {high:.1f}] | {five} | {apart} |",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--set", choices=sorted(SETS), default="chunking_eval", dest="kind")
    parser.add_argument("--peers", metavar="PYTHON", help="has the other libraries")
    parser.add_argument("--keep", type=Path, help="where vectors stay for the next run")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args()
    questions = SETS[arguments.kind](arguments.folder)
    measures = SpanMeasures(files=questions.files)
    print(f"{questions.name}: {len(questions.questions)} questions", file=sys.stderr)
    rows = list(of_ragkit(questions, measures, arguments.keep))
    if arguments.peers:
        rows += of_peers(questions, measures, arguments.peers, arguments.keep)
    else:
        print("without --peers other splitters are left out", file=sys.stderr)
    table(rows, as_json=arguments.json)


if __name__ == "__main__":
    main()
