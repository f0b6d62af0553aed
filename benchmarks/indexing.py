"""What indexing costs over the least that it could do: read, cut, embed, keep the vectors.

    python benchmarks/indexing.py FOLDER [--rounds 3]

The plain pipeline embeds the same passages, without titles and headings, and writes one matrix. A
sync also writes every text and vector durably, builds the index of words, tells languages, and
keeps what each answer is explained and proven by.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import ragkit


def plain(folder: Path, place: Path) -> int:
    """Read, cut, embed and keep, in one process and one file; how many passages."""
    texts: list[str] = []
    chunker = ragkit.Chunker()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                document = ragkit.read(path)
            except ragkit.RagkitError:
                continue
            texts += [passage.text for passage in chunker.split(document)]
    np.save(place / "vectors.npy", ragkit.LocalEmbedder().embed_documents(texts))
    return len(texts)


def whole(folder: Path, place: Path) -> int:
    """The same by ``sync``; how many passages."""
    with ragkit.open(place / "kb") as collection:
        return collection.sync(folder).passages


def timed(run: Callable[[Path, Path], int], folder: Path) -> tuple[int, float]:
    """What it gives, and its seconds."""
    with tempfile.TemporaryDirectory() as place:
        begin_s = time.perf_counter()
        passages = run(folder, Path(place))
        return passages, time.perf_counter() - begin_s


def main() -> None:
    """Print both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seconds: dict[str, list[float]] = {"plain": [], "sync": []}
    for _ in range(options.rounds):
        for name, run in (("plain", plain), ("sync", whole)):
            passages, took_s = timed(run, options.folder)
            seconds[name].append(took_s)
            print(f"{name}: {passages} passages in {took_s:.1f} s", flush=True)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    print(f"sync takes {medians['sync'] / medians['plain']:.2f} of the plain pipeline's time")


if __name__ == "__main__":
    main()
