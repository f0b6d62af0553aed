"""How well relevance tells questions that a collection answers from those that it does not.

    python benchmarks/quality/relevance.py FOLDER [--only NAME …] [--keep DIRECTORY]

FOLDER holds ``chunking_eval`` (corpora/*.md and questions_df.csv), folders in BEIR's form below
``retrieval`` and plain folders below ``folders``; what of these is there is used, and the sample
corpus of this repository. Each corpus becomes a collection of its own and is asked its own
questions and those of all others, which it does not answer. Where titles are shared by several
documents, as those of articles in paragraphs, only every second article is indexed: questions about
the others are of the same kind and language, and just as unanswered.

Printed are for each corpus the area under the ROC curve of the best hit's relevance with a 95 %
interval, the shares of answered and of foreign questions at 0.5 and above, and the area against
questions of the same kind; then how many of the hits at 0.x do answer, all corpora weighing alike.
Indexing everything takes about 15 minutes on two cores; --keep keeps it for the next run.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

import ragkit

SAMPLE = Path(__file__).parents[2] / "sample_corpus"
OWN_QUESTIONS, FOREIGN_OF_EACH = 120, 30
RESAMPLES = 1000

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Documents and questions.

    Attributes:
        name: Corpora of one family, before the slash, are not asked each other's questions.
        files: Text of each file by name; None for a folder that lies there.
        folder: Where that lies.
        own: Questions that it answers.
        kindred: Questions of the same kind that it does not answer.
    """

    name: str
    files: dict[str, str] | None = None
    folder: Path | None = None
    own: list[str] = field(default_factory=list)
    kindred: list[str] = field(default_factory=list)

    @property
    def family(self) -> str:
        """The name before the slash."""
        return self.name.partition("/")[0]


def corpora(folder: Path) -> Iterator[Corpus]:
    """Everything that is there."""
    lines = (SAMPLE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    own = [json.loads(line)["question"] for line in lines]
    yield Corpus(name="sample_corpus", folder=SAMPLE, own=own)
    if (folder / "chunking_eval").is_dir():
        yield from chunking_eval(folder / "chunking_eval")
    for path in sorted((folder / "retrieval").rglob("qrels.tsv")):
        yield beir(path.parent, path.parent.relative_to(folder / "retrieval").as_posix())
    plain = folder / "folders" / "rust-book"
    if plain.is_dir():
        yield Corpus(name="rust-book", folder=plain)


def chunking_eval(folder: Path) -> Iterator[Corpus]:
    """One corpus for each of its files."""
    asked: dict[str, list[str]] = {}
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            asked.setdefault(row["corpus_id"], []).append(row["question"])
    for path in sorted((folder / "corpora").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        yield Corpus(name=path.stem, files={path.name: text}, own=asked[path.stem])


def beir(folder: Path, name: str) -> Corpus:
    """A set in BEIR's form; of articles in several documents every second one is left out."""
    with (folder / "corpus.jsonl").open(encoding="utf-8") as lines:
        documents = {row["_id"]: row for row in map(json.loads, lines)}
    with (folder / "queries.jsonl").open(encoding="utf-8") as lines:
        queries = {row["_id"]: row["text"] for row in map(json.loads, lines)}
    answers: dict[str, set[str]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if int(row["score"]) > 0:
                answers.setdefault(row["query-id"], set()).add(row["corpus-id"])
    titles = sorted({row.get("title") or one for one, row in documents.items()})
    left_out = set(titles[1::2]) if len(titles) < len(documents) / 2 else set()
    kept = {one for one, row in documents.items() if (row.get("title") or one) not in left_out}
    return Corpus(
        name=name,
        files={
            f"{one.replace('/', '_')}.md": f"# {documents[one].get('title') or one}\n\n"
            + documents[one]["text"]
            for one in sorted(kept)
        },
        own=[queries[one] for one, found in answers.items() if found <= kept],
        kindred=[queries[one] for one, found in answers.items() if not found & kept],
    )


def opened(corpus: Corpus, place: Path) -> ragkit.Collection:
    """The corpus as a collection, indexed unless it was before."""
    collection = ragkit.open(place / f"{corpus.name.replace('/', '-')}.kb")
    folder = corpus.folder
    if folder is None:
        folder = place / f"{corpus.name.replace('/', '-')}.docs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, text in (corpus.files or {}).items():
            (folder / name).write_text(text, encoding="utf-8")
    start = time.perf_counter()
    collection.sync(folder)
    seconds = time.perf_counter() - start
    passages = collection.status().passages
    print(f"{corpus.name}: {passages:,} passages in {seconds:.0f} s", file=sys.stderr)
    return collection


def best_relevance(collection: ragkit.Collection, questions: Sequence[str]) -> Scores:
    """Of each question the relevance of its most relevant hit."""
    found = collection.search_many(list(questions)) if questions else []
    return np.array([max((hit.relevance or 0.0 for hit in hits), default=0.0) for hits in found])


def area(high: Scores, low: Scores) -> float:
    """Share of pairs in the right order, ties counting half: the area under the ROC curve."""
    ranked = np.sort(low)
    below = np.searchsorted(ranked, high, "left") + np.searchsorted(ranked, high, "right")
    return float(below.mean() / 2 / len(low))


def area_interval(high: Scores, low: Scores) -> tuple[float, float]:
    """95 % of the areas of resampled questions."""
    rng = np.random.default_rng(0)
    drawn = [area(rng.choice(high, len(high)), rng.choice(low, len(low))) for _ in range(RESAMPLES)]
    return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def row_of(corpus: Corpus, own: Scores, foreign: Scores, kindred: Scores) -> str:
    """One line of the table."""
    parts = [f"{corpus.name:<20}"]
    if len(own):
        low, high = area_interval(own, foreign)
        parts.append(f"{area(own, foreign):.3f} [{low:.3f}, {high:.3f}]")
        parts.append(f"{np.mean(own >= 0.5):9.2f}")
    else:
        parts.append(f"{'':20} {'':9}")
    parts.append(f"{np.mean(foreign >= 0.5):8.2f}")
    if len(kindred) and len(own):
        parts.append(f"{area(own, kindred):9.3f} {np.mean(kindred >= 0.5):8.2f}")
    return " ".join(parts)


def print_reliability(told: Sequence[tuple[Scores, Scores]]) -> None:
    """Of the best hits at 0.x, how many were of answered questions; each side weighs 1."""
    relevance = np.concatenate([side for pair in told for side in pair])
    answered = np.concatenate(
        [np.full(len(side), place == 0) for pair in told for place, side in enumerate(pair)]
    )
    weights = np.concatenate([np.full(len(side), 1 / len(side)) for pair in told for side in pair])
    print("\nrelevance    questions   mean   answered")
    for tenth in range(10):
        chosen = np.minimum((relevance * 10).astype(int), 9) == tenth
        if chosen.any():
            mean = np.average(relevance[chosen], weights=weights[chosen])
            share = np.average(answered[chosen], weights=weights[chosen])
            tenths = f"{tenth / 10:.1f} to {tenth / 10 + 0.1:.1f}"
            print(f"{tenths} {chosen.sum():12,} {mean:6.2f} {share:10.2f}")
    brier = np.average((relevance - answered) ** 2, weights=weights)
    print(f"mean squared error {brier:.3f}; always saying 0.5 gives 0.250")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY")
    arguments = parser.parse_args()
    everything = list(corpora(arguments.folder))
    rng = random.Random(1)  # noqa: S311 - a draw of questions
    for corpus in everything:
        rng.shuffle(corpus.own)
        rng.shuffle(corpus.kindred)
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.keep or Path(scratch)
        told = []
        print(f"{'corpus':<20} area under ROC       own >= .5  foreign   kindred: area >= .5")
        for corpus in everything:
            if arguments.only and corpus.name not in arguments.only:
                continue
            foreign = [
                question
                for other in everything
                if other.family != corpus.family
                for question in other.own[:FOREIGN_OF_EACH]
            ]
            with opened(corpus, place) as collection:
                own, others, kindred = (
                    best_relevance(collection, questions)
                    for questions in (
                        corpus.own[:OWN_QUESTIONS],
                        foreign,
                        corpus.kindred[:OWN_QUESTIONS],
                    )
                )
            print(row_of(corpus, own, others, kindred), flush=True)
            if len(own):
                told.append((own, others))
    if told:
        print_reliability(told)


if __name__ == "__main__":
    main()
