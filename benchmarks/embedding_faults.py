"""A server that fails in thirteen ways, each by chance: are all vectors right, and how late?

python benchmarks/embedding_faults.py [--passages 200000] [--chance 0.02]
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from embedding_server import ledger, pool_of, serving, vector_of

from ragkit.embedding.openrouter import OpenRouterEmbedder

DIMENSIONS = 256


def run(texts: list[str], chance: float) -> float:
    """Embed them all, compare them one by one, and print; the wall time in seconds."""
    options = ("--dimensions", str(DIMENSIONS), "--latency-s", "0.15", "--remember")
    with serving(*options, "--faults", str(chance)) as url:
        client = OpenRouterEmbedder(
            "m", api_key="key-of-the-test", base_url=url, timeout_s=10, concurrency=16
        )
        vectors = np.zeros((len(texts), DIMENSIONS), np.float32)
        begin_s = time.perf_counter()
        for batch in client.embed(iter(texts), role="document"):
            assert not batch.failed
            vectors[list(batch.indexes)] = batch.vectors
        wall_s = time.perf_counter() - begin_s
        seen = ledger(url)
    pool = pool_of(DIMENSIONS)
    truth = np.array([vector_of(text, pool) for text in texts])
    wrong = int((np.abs(vectors - truth).max(axis=1) > 1e-5).sum())
    sys.stdout.write(
        f"chance {chance:.0%} of each fault: {wall_s:.2f} s, {seen['requests']} requests, {wrong}"
        f" wrong vectors, {seen['twice']} texts answered twice, faults {seen['faults']}\n"
    )
    assert wrong == 0
    assert seen["twice"] == 0
    return wall_s


def main() -> None:
    """Clean, then with faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--passages", type=int, default=200_000)
    parser.add_argument("--chance", type=float, default=0.02)
    arguments = parser.parse_args()
    texts = [f"passage {number} of the handbook" for number in range(arguments.passages)]
    clean_s, faulty_s = run(texts, 0.0), run(texts, arguments.chance)
    sys.stdout.write(f"wall time with faults: {faulty_s / clean_s:.2f} times that without\n")


if __name__ == "__main__":
    main()
