"""The word index beside SQLite's FTS5: building, asking, changing, on synthetic passages.

    python benchmarks/word_search.py [--passages 100000]

Both get the same passages of 80 words drawn by Zipf's law and the same questions. FTS5 gets the
text as it is and ranks by its own bm25(); its tokenizer stems English only.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ragkit.indexing.wordbuild import WordEntry, build_words
from ragkit.indexing.words import WordIndex

KEY = b"a key for this run alone, really"
SYLLABLES = ("ka", "ro", "mi", "ten", "sul", "bar", "vo", "lin", "gra", "pe", "dor", "shi")
SCHEMA = "CREATE VIRTUAL TABLE passages USING fts5(text, content='', tokenize='porter unicode61')"
ASK = "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY bm25(passages) LIMIT 10"


def passages(count: int, rng: np.random.Generator) -> list[str]:
    """Texts of 80 words from a vocabulary of 50,000, common words common."""
    syllables = rng.integers(0, len(SYLLABLES), (50_000, 4))
    words = np.array(
        ["".join(SYLLABLES[s] for s in row) + str(i) for i, row in enumerate(syllables)]
    )
    ranks = np.minimum((rng.pareto(0.9, (count, 80)) * 15).astype(np.int64), len(words) - 1)
    return [" ".join(row) for row in words[ranks]]


def ask(call: Callable[[str], object], questions: Sequence[str]) -> tuple[float, float]:
    """p50 and p95 in ms."""
    taken = []
    for question in questions:
        start = time.perf_counter()
        call(question)
        taken.append((time.perf_counter() - start) * 1e3)
    return statistics.median(taken), float(np.quantile(taken, 0.95))


def measure_ragkit(folder: Path, texts: Sequence[str], questions: Sequence[str]) -> list[float]:
    """Rows a second, MB, p50 and p95; prints what only ragkit does."""
    start = time.perf_counter()
    entries = (WordEntry(id=i, text=text, language="en") for i, text in enumerate(texts))
    build_words(folder / "1", previous=None, removed_ids=(), added=entries, key=KEY)
    rate = len(texts) / (time.perf_counter() - start)
    start = time.perf_counter()
    index = WordIndex.open(folder / "1", key=KEY)
    opened_ms = (time.perf_counter() - start) * 1e3
    times = ask(lambda question: index.rank(question, 10), questions)
    deep = ask(lambda question: index.rank(question, 2000), questions)
    some = np.arange(0, len(texts), 7, dtype=np.int64)
    filtered = ask(lambda question: index.rank(question, 10, among=some), questions)
    few = np.arange(0, len(texts), max(1, len(texts) // 300), dtype=np.int64)
    scored = ask(lambda question: index.scores(question, few), questions)
    start = time.perf_counter()
    added = (WordEntry(id=len(texts) + i, text=texts[i], language="en") for i in range(100))
    build_words(folder / "2", previous=folder / "1", removed_ids=(), added=added, key=KEY)
    grown_ms = (time.perf_counter() - start) * 1e3
    start = time.perf_counter()
    removed = range(0, len(texts), 10)
    build_words(folder / "3", previous=folder / "2", removed_ids=removed, added=(), key=KEY)
    rewritten_ms = (time.perf_counter() - start) * 1e3
    print(f"open {opened_ms:.1f} ms; add 100 {grown_ms:.0f} ms; remove 10% {rewritten_ms:.0f} ms")
    for name, (p50, p95) in (
        ("k=2000", deep),
        ("among a seventh", filtered),
        ("scores of 300", scored),
    ):
        print(f"{name:16} p50 {p50:6.2f}  p95 {p95:6.2f} ms")
    return [rate, sum(f.stat().st_size for f in (folder / "1").iterdir()) / 1e6, *times]


def measure_fts5(folder: Path, texts: Sequence[str], questions: Sequence[str]) -> list[float]:
    """Rows a second, MB, p50 and p95."""
    path = folder / "fts.db"
    connection = sqlite3.connect(path)
    start = time.perf_counter()
    connection.execute(SCHEMA)
    rows = enumerate(texts)
    connection.executemany("INSERT INTO passages (rowid, text) VALUES (?, ?)", rows)
    connection.commit()
    rate = len(texts) / (time.perf_counter() - start)
    times = ask(
        lambda question: connection.execute(ASK, (" OR ".join(question.split()),)).fetchall(),
        questions,
    )
    connection.close()
    return [rate, path.stat().st_size / 1e6, *times]


def main() -> None:
    """Build both and print them side by side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=60)
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    texts = passages(arguments.passages, rng)
    chosen = rng.integers(0, len(texts), arguments.questions)
    questions = [" ".join(texts[i].split()[:4]) for i in chosen]
    size = sum(map(len, texts)) / 1e6
    print(f"{len(texts):,} passages, {size:.0f} MB; {len(questions)} questions of 4 words")
    with tempfile.TemporaryDirectory() as folder:
        ours = measure_ragkit(Path(folder), texts, questions)
        theirs = measure_fts5(Path(folder), texts, questions)
    print(f"{'':12} {'rows/s':>9} {'MB':>7} {'p50 ms':>8} {'p95 ms':>8}")
    for name, (rate, megabytes, p50, p95) in (("ragkit", ours), ("FTS5", theirs)):
        print(f"{name:12} {rate:9,.0f} {megabytes:7.0f} {p50:8.2f} {p95:8.2f}")
    print(f"{'ratio':12} {ours[0] / theirs[0]:9.2f} {ours[1] / theirs[1]:7.2f}", end=" ")
    print(f"{ours[2] / theirs[2]:8.3f} {ours[3] / theirs[3]:8.3f}")


if __name__ == "__main__":
    main()
