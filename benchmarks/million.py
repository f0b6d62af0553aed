"""A collection of a million passages: what it costs to open, to keep in step, to verify and to ask.

    python benchmarks/million.py [--passages 1000000] [--place DIR]

The folder holds Markdown files of 20 passages in words that are made up. Their vectors come from
an embedder behind the same seam as the real ones, which adds up a random row of 384 numbers for
each word of a text, so that texts with words in common are near each other, and making the
collection takes minutes; with the model inside it would take hours. ``ask`` takes six words in a
row of a passage, and ``ask, nothing near`` words of six different ones, for which no list has a
top: the dearest that a question can be. Each step
is a process of its own. ``open`` is the call alone, its imports apart. Ten edited files are synced
with that embedder too: to the wall belongs what a real one takes for their texts. With ``--place``
the collection is kept, and used again by the next run.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ragkit.config import DEFAULT_MODEL, Settings
from ragkit.embedding.seam import (
    EmbeddedBatch,
    EmbedInput,
    FloatMatrix,
    FloatVector,
    Role,
    embed_all,
    embed_one,
)
from ragkit.models.catalogue import fingerprint, profile
from ragkit.models.fingerprint import Fingerprint
from ragkit.retrieval.late import LateEmbedder

PASSAGES_PER_FILE = 20
EDITED_FILES = 10
DIMENSIONS = 384
REPOSITORY = Path(__file__).parents[1]


class HashingEmbedder:
    """Unit rows by the words of a text: the sum of one row for each of a fixed random matrix."""

    def __init__(self) -> None:
        rows = np.random.default_rng(7).standard_normal((8192, DIMENSIONS))
        self._rows = rows.astype(np.float32)
        self._fingerprint = fingerprint(profile(DEFAULT_MODEL))

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the model inside, so that every command takes the collection."""
        return self._fingerprint

    @property
    def max_tokens(self) -> int:
        """As the model inside."""
        return 256

    @property
    def takes_images(self) -> bool:
        """It takes texts alone."""
        return False

    def embed(self, inputs: Iterable[EmbedInput], *, role: Role) -> Iterator[EmbeddedBatch]:  # noqa: ARG002
        """Batches of a thousand, in order."""
        batch: list[EmbedInput] = []
        first = 0
        for text in inputs:
            batch.append(text)
            if len(batch) == 1000:
                yield self._answer(first, batch)
                first, batch = first + len(batch), []
        if batch:
            yield self._answer(first, batch)

    def embed_documents(self, texts: Sequence[EmbedInput]) -> FloatMatrix:
        """As its seam."""
        return embed_all(self, texts, "document")

    def embed_query(self, text: EmbedInput) -> FloatVector:
        """As its seam."""
        return embed_one(self, text)

    def close(self) -> None:
        """Nothing is open."""

    def _answer(self, first: int, texts: Sequence[EmbedInput]) -> EmbeddedBatch:
        words = [str(text).split() or [""] for text in texts]
        places = [zlib.crc32(word.encode()) % 8192 for some in words for word in some]
        starts = np.cumsum([0, *map(len, words[:-1])])
        vectors = np.add.reduceat(self._rows[places], starts, axis=0)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        indexes = tuple(range(first, first + len(texts)))
        return EmbeddedBatch(indexes=indexes, vectors=vectors, tokens=100 * len(texts))


def write_files(folder: Path, passages: int) -> None:
    """Files of 20 paragraphs of about a passage each, a thousand in a folder."""
    dice = random.Random(1)  # noqa: S311 - no secret
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(dice.choices(letters, k=dice.randint(3, 9))) for _ in range(20_000)]
    for number in range(passages // PASSAGES_PER_FILE):
        path = folder / f"{number // 1000:03}" / f"{number:06}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        paragraphs = (" ".join(dice.choices(words, k=32)) + "." for _ in range(PASSAGES_PER_FILE))
        path.write_text(f"# File {number}\n\n" + "\n\n".join(paragraphs) + "\n")


def sync(place: Path) -> dict[str, object]:
    """Bring the folder into step, with the hashing embedder."""
    import ragkit
    from ragkit.sync.difference import Rules
    from ragkit.sync.synchronise import Options

    # Passages of the size of the paragraphs, whatever made-up words count.
    settings = Settings(passage_tokens=80)
    with ragkit.open(place / "kb", settings=settings) as collection:
        synchroniser = collection._synchroniser(LateEmbedder(HashingEmbedder))
        report = synchroniser.sync([place / "docs"], Options(rules=Rules()))
    assert not report.failed, report.failed[:3]
    return {"passages": report.passages, "embedded": report.embedded, "wall_s": report.seconds}


def edit(place: Path) -> dict[str, object]:
    """Change a sentence in ten files, sync, and say where the time went."""
    stamp = f" edited at {time.time_ns()}"
    for number in range(EDITED_FILES):
        path = place / "docs" / "000" / f"{number * 7:06}.md"
        text = path.read_text()
        middle = text.index(".", len(text) // 2)
        path.write_text(text[:middle] + stamp + text[middle:])
    return sync(place)


def opened(place: Path) -> dict[str, object]:
    """The call alone, in a process that has imported what it needs."""
    from ragkit.collection.opening import open_collection

    begin = time.perf_counter()
    collection = open_collection(place / "kb", settings=Settings())
    first_s = time.perf_counter() - begin
    collection.close()
    begin = time.perf_counter()
    open_collection(place / "kb", settings=Settings()).close()
    return {"open_ms": first_s * 1000, "again_ms": (time.perf_counter() - begin) * 1000}


def asked(place: Path, *, near: bool = True) -> dict[str, object]:
    """The first search of a process in each mode, and the median of twenty more."""
    import ragkit

    texts = [(place / "docs" / "000" / f"{n:06}.md").read_text().split() for n in range(26)]
    queries = [" ".join(text[40:46]) for text in texts[:21]]
    if not near:
        queries = [" ".join(text[40] for text in texts[n : n + 6]) for n in range(21)]
    walls: dict[str, object] = {}
    with ragkit.open(place / "kb", settings=Settings()) as collection:
        embedder = HashingEmbedder()
        collection._embedders.current._made.append(embedder)
        for mode in ("lexical", "semantic", "hybrid"):
            times = []
            for query in queries:
                begin = time.perf_counter()
                assert collection.search(query, mode=mode, k=10)
                times.append((time.perf_counter() - begin) * 1000)
            walls[f"{mode}_first_ms"] = times[0]
            walls[f"{mode}_median_ms"] = sorted(times[1:])[10]
    return walls


def verified(place: Path) -> dict[str, object]:
    """Every law over all of it."""
    import ragkit

    with ragkit.open(place / "kb", settings=Settings()) as collection:
        report = collection.verify()
    size = sum(path.stat().st_size for path in (place / "kb").rglob("*") if path.is_file())
    assert report.ok, report.problems[:3]
    return {
        "wall_s": report.seconds,
        "mb": size / 1e6,
        "mb_per_s": size / 1e6 / report.seconds,
    }


def counted(place: Path) -> dict[str, object]:
    """What status takes."""
    import ragkit

    with ragkit.open(place / "kb", settings=Settings()) as collection:
        begin = time.perf_counter()
        status = collection.status()
        wall_s = time.perf_counter() - begin
    return {"passages": status.passages, "documents": status.documents, "wall_s": wall_s}


STEPS: Mapping[str, Callable[[Path], dict[str, object]]] = {
    "make": sync,
    "open": opened,
    "again, unchanged": sync,
    "10 files edited": edit,
    "and 10 more": edit,
    "status": counted,
    "ask": asked,
    "ask, nothing near": partial(asked, near=False),
    "verify": verified,
}


def run_step(step: str, place: Path) -> dict[str, Any]:
    """One step in a process of its own, with its CPU and peak memory."""
    command = [sys.executable, __file__, "--step", step, "--place", str(place)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=REPOSITORY)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run all steps, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--place", type=Path)
    parser.add_argument("--step", choices=STEPS)
    parser.add_argument("--only", nargs="*", default=list(STEPS))
    given = parser.parse_args()
    if given.step is not None:
        import resource

        found = STEPS[given.step](given.place)
        own = resource.getrusage(resource.RUSAGE_SELF)
        workers = resource.getrusage(resource.RUSAGE_CHILDREN)
        found["cpu_s"] = own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime
        found["peak_mb"] = own.ru_maxrss / 1024
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as elsewhere:
        place = given.place or Path(elsewhere)
        if not (place / "docs").exists():
            write_files(place / "docs", given.passages)
        for step in given.only:
            numbers = run_step(step, place)
            said = "  ".join(f"{name} {value:,.1f}" for name, value in numbers.items())
            print(f"{step:<19}{said}", flush=True)


if __name__ == "__main__":
    main()
