"""How many hits a reranking model should be given: what a perfect order of the first n could reach.

    python benchmarks/quality/candidates.py FOLDER… [--json]

Each FOLDER holds corpus.jsonl (_id, title, text), queries.jsonl (_id, text) and qrels.tsv
(query-id, corpus-id, score). It is indexed with the embedded model in a directory that is removed
afterwards, and asked in the default mode. Recall of the right documents among the passages of the
first n hits is the ceiling of every model that orders them. SciFact takes about five minutes on two
cores, Cranfield one.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import defaultdict
from pathlib import Path

import ragkit
from ragkit.config import Settings
from ragkit.retrieval.reranking import FEWEST_CANDIDATES

DEPTHS = (10, 20, 50, 100, 200)


def lines(path: Path) -> list[dict[str, str]]:
    """The objects of a JSONL file."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def written(folder: Path, place: Path) -> list[ragkit.Question]:
    """One file for each document, and the questions with the names of those that answer."""
    place.mkdir()
    for document in lines(folder / "corpus.jsonl"):
        title = document.get("title") or ""
        text = f"{title}\n\n{document['text']}" if title else document["text"]
        (place / f"{document['_id']}.txt").write_text(text, encoding="utf-8")
    right: defaultdict[str, list[str]] = defaultdict(list)
    with (folder / "qrels.tsv").open(encoding="utf-8") as file:
        for row in csv.reader(file, delimiter="\t"):
            if row[2].isdigit() and int(row[2]) > 0:
                right[row[0]].append(f"{row[1]}.txt")
    return [
        ragkit.Question(question=query["text"], sources=tuple(right[query["_id"]]))
        for query in lines(folder / "queries.jsonl")
        if right[query["_id"]]
    ]


def ceilings(folder: Path) -> dict[int, float]:
    """Recall by depth."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        questions = written(folder, place / "docs")
        with ragkit.open(place / "kb", settings=Settings()) as collection:
            collection.sync(place / "docs")
            found = collection.evaluate(questions, k=DEPTHS)
    return {depth: found.measure(f"recall@{depth}").mean for depth in DEPTHS}


def main() -> None:
    """Print a line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results = {str(folder): ceilings(folder) for folder in arguments.folders}
    if arguments.json:
        print(json.dumps({"given": FEWEST_CANDIDATES, "recall": results}))
        return
    print(f"{'':<24}" + "".join(f"{f'n = {depth}':>9}" for depth in DEPTHS))
    for name, recalls in results.items():
        print(f"{Path(name).name:<24}" + "".join(f"{recalls[depth]:>9.3f}" for depth in DEPTHS))
    print(f"given to a model at k = 10: the first {FEWEST_CANDIDATES}")


if __name__ == "__main__":
    main()
