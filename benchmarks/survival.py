"""What a kill, a second process and a fork do to a store: ragkit, Chroma and LangChain's FAISS.

    python benchmarks/survival.py --peers-python VENV/bin/python [--rounds 20] [--documents 600]

The same for each: a folder of short texts of edition 1 is in the store, all files are rewritten as
a new edition, and a process brings the store into step, embedding by a server that takes a while
for a request (``survival_stores.py`` says how each store is used).

Killed: SIGKILL at a random moment of that work. A new process reads all: does it open, has it each
document once, are all of one edition, is each vector its text's? Then the same work again: is it
complete, and how many texts were asked for again that the server had answered?

Read meanwhile: a process that was open before asks all along. Of how many answers does one mix two
editions, and which edition does it answer from when the writer has ended?

Two writers: two processes add files of their own at the same time; what is there afterwards.
Forked: a question in a child of a process that has asked one.

Without ``--peers-python`` (an environment with chromadb, langchain-community and faiss-cpu) only
ragkit is measured.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from embedding_server import ledger, pool_of, serving, vector_of

DIMENSIONS = 64
STORES = ("ragkit", "Chroma", "FAISS, saved at the end", "FAISS, saved with each batch")
ACTS = Path(__file__).with_name("survival_stores.py")
POOL = pool_of(DIMENSIONS)


@dataclass(slots=True, kw_only=True)
class Bench:
    """One store under test."""

    store: str
    python: str
    url: str
    folder: Path
    documents: int
    edition: int = 1
    uninterrupted_s: float = 0.0
    found: Counter[str] = field(default_factory=Counter)

    @property
    def base(self) -> Path:
        """Where edition 1 is."""
        return self.folder / "base"

    def write_files(self, docs: Path, edition: int, first: int = 0) -> None:
        """One edition of all texts."""
        docs.mkdir(parents=True, exist_ok=True)
        for number in range(first, first + self.documents):
            dice = random.Random(f"{edition} {number}")  # noqa: S311 - no secret
            words = " ".join(f"word{dice.randrange(5000)}" for _ in range(30))
            text = f"Harbour report {number} of edition {edition}: {words}."
            (docs / f"{number:05}.txt").write_text(text)

    @contextmanager
    def acting(self, act: str, place: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
        """A process that does something to the store, from its first word on."""
        command = [self.python, str(ACTS), act, self.store, str(place), self.url, *more]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield process

    def told(self, act: str, place: Path, *more: str) -> Any:  # noqa: ANN401 - JSON
        """The last word of such a process; None when it failed."""
        with self.acting(act, place, *more) as process:
            out, _ = process.communicate()
        return json.loads(out.splitlines()[-1]) if process.returncode == 0 and out else None

    def copied(self, name: str) -> Path:
        """A copy of the store with edition 1, beside the files of a new edition."""
        place = self.folder / name
        shutil.copytree(self.base, place)
        self.edition += 1
        self.write_files(place / "docs", self.edition)
        return place

    def prepare(self) -> None:
        """Edition 1, and how long an undisturbed change of all of it takes."""
        self.write_files(self.base / "docs", self.edition)
        assert self.told("write", self.base) == "done"
        place = self.copied("undisturbed")
        with self.acting("write", place) as process:
            assert process.stdout is not None
            process.stdout.readline()
            begin = time.monotonic()
            assert process.wait() == 0
            self.uninterrupted_s = time.monotonic() - begin
        assert self.state(place) == "whole, new", self.state(place)

    def state(self, place: Path) -> str:
        """What a new process finds."""
        rows = self.told("read", place)
        if rows is None:
            return "does not open"
        if any(not np.allclose(vector_of(text, POOL), row, atol=1e-5) for text, row in rows):
            return "wrong vectors"
        texts = [text for text, _ in rows]
        numbers = {text.split()[2] for text in texts}
        if len(numbers) != self.documents or len(texts) != self.documents:
            return "lost or doubled"
        editions = {int(text.split()[5].rstrip(":")) for text in texts}
        if len(editions) > 1:
            return "two editions mixed"
        return "whole, new" if editions == {self.edition} else "whole, old"

    def kill(self, number: int, dice: random.Random) -> None:
        """One kill, what it left, and what it costs to complete the work."""
        place, before = self.copied(f"kill-{number}"), ledger(self.url)["twice"]
        with self.acting("write", place) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(dice.uniform(0, self.uninterrupted_s))
            process.kill()
        self.found[self.state(place)] += 1
        completed = self.told("write", place) == "done"
        after = self.state(place) if completed else "does not complete"
        self.found["completed" if after == "whole, new" else f"again: {after}"] += 1
        self.found["bought again"] += ledger(self.url)["twice"] - before
        shutil.rmtree(place)

    def follow(self) -> tuple[int, int, int, str]:
        """(answers, of which mixed, of which errors, what the last one is of)."""
        place = self.copied("followed")
        with self.acting("follow", place) as reader:
            assert reader.stdout is not None
            reader.stdout.readline()
            assert self.told("write", place) == "done"
            time.sleep(1)
            out, _ = reader.communicate("enough")
        answers: list[list[str]] = json.loads(out.splitlines()[-1])
        errors = sum(not all(one.isdigit() for one in answer) for answer in answers)
        mixed = sum(len(answer) > 1 for answer in answers)
        last = "new" if answers[-1] == [str(self.edition)] else "old"
        return len(answers), mixed, errors, last

    def write_both(self) -> str:
        """How many of the documents that two writers added are there."""
        place = self.copied("shared")
        shutil.rmtree(place / "docs")
        self.write_files(place / "docs", 1)
        for name, first in (("left", 10_000), ("right", 20_000)):
            self.write_files(place / name, self.edition, first)
        with (
            self.acting("write", place, "left") as one,
            self.acting("write", place, "right") as two,
        ):
            one.communicate()
            two.communicate()
        rows = self.told("read", place)
        if rows is None:
            return "cannot be read"
        there = {text.split()[2] for text, _ in rows if int(text.split()[2]) >= 10_000}
        return f"{len(there)}/{2 * self.documents}"


def line(cells: Sequence[object]) -> None:
    """A row of a Markdown table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def measure(bench: Bench, rounds: int) -> None:
    """All of it for one store, as one row of the table."""
    dice = random.Random(3)  # noqa: S311 - no secret
    bench.prepare()
    for number in range(rounds):
        bench.kill(number, dice)
    found = bench.found
    whole = found["whole, new"] + found["whole, old"]
    other = ("two editions mixed", "lost or doubled", "wrong vectors", "does not open")
    answers, mixed, errors, last = bench.follow()
    of_two = bench.write_both()
    line(
        [
            bench.store,
            f"{bench.uninterrupted_s:.1f}",
            f"{whole}/{rounds}",
            *(found[name] for name in other),
            f"{found['completed']}/{rounds}",
            f"{found['bought again'] / rounds / bench.documents:.0%}",
            f"{mixed}/{answers}" + (f", {errors} errors" if errors else ""),
            last,
            of_two,
            bench.told("fork", bench.base) or "fails",
        ]
    )
    for what, times in sorted(found.items()):
        if what.startswith("again: "):
            print(f"  {bench.store}, after the same work again: {what[7:]} {times} times")


def main() -> None:
    """One row for each store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers-python")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--documents", type=int, default=600)
    parser.add_argument("--latency-s", type=float, default=0.1)
    parser.add_argument("--only", nargs="*", default=STORES, choices=STORES)
    given = parser.parse_args()
    columns = (
        "store", "work s", "whole after a kill", "mixed", "lost", "wrong vectors", "does not open",
        "complete when run again", "texts bought again", "mixed answers", "answers after it",
        "of two writers", "in a fork",
    )  # fmt: skip
    line(columns)
    line(["---"] * len(columns))
    for store in given.only:
        python = sys.executable if store == "ragkit" else given.peers_python
        if python is None:
            continue
        options = ("--dimensions", str(DIMENSIONS), "--latency-s", str(given.latency_s))
        with serving(*options, "--remember") as url, tempfile.TemporaryDirectory() as folder:
            bench = Bench(
                store=store,
                python=python,
                url=url,
                folder=Path(folder),
                documents=given.documents,
            )
            measure(bench, given.rounds)


if __name__ == "__main__":
    main()
