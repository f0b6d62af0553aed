"""Exact search by both indexes, beside the speed of memory and bare FAISS in the same run.

    python benchmarks/vector_search.py [--rows 10000 100000] [--dimensions 384]

The floor is the time in which the same bytes can be read, by a plain reduction or by numpy's
product, whichever is quicker here: no exact search over float32 can be faster.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping

import faiss
import numpy as np
import numpy.typing as npt

from ragkit.indexing.vectors import MatrixIndex, VectorIndex

Matrix = npt.NDArray[np.float32]


def in_turn(calls: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, list[float]]:
    """Sorted times in ms; the calls take turns, so that no load on the machine favours one."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats):
        for name, call in calls.items():
            start = time.perf_counter()
            call(number)
            taken[name].append((time.perf_counter() - start) * 1e3)
    return {name: sorted(times) for name, times in taken.items()}


def unit(rng: np.random.Generator, rows: int, dimensions: int) -> Matrix:
    """Random directions."""
    drawn = rng.standard_normal((rows, dimensions), dtype=np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def compare(rows: int, dimensions: int, repeats: int) -> None:
    """Print one table."""
    rng = np.random.default_rng(rows)
    matrix, queries = unit(rng, rows, dimensions), unit(rng, max(64, repeats), dimensions)
    flat = faiss.IndexFlatIP(dimensions)
    flat.add(matrix)
    places = np.arange(rows, dtype=np.int64)
    ours = MatrixIndex(ids=places, slots=places, matrix=matrix)
    own = VectorIndex(dimensions)
    own.add(places, matrix)
    for k in (10, 1000):
        nearest = ours.rank(queries[0], k).ids[0]
        assert nearest == own.search(queries[0], k)[1][0, 0]
        assert nearest == flat.search(queries[:1], k)[1][0, 0]
    single: dict[str, Callable[[int], object]] = {
        # Reads every byte once and writes none.
        "read all": lambda _: matrix.view(np.int64).max(),
        "numpy product": lambda i: matrix @ queries[i],
        "MatrixIndex.rank, k=10": lambda i: ours.rank(queries[i], 10),
        "MatrixIndex.rank, k=1000": lambda i: ours.rank(queries[i], 1000),
        "VectorIndex.search, k=10": lambda i: own.search(queries[i], 10),
        "VectorIndex.search, k=1000": lambda i: own.search(queries[i], 1000),
        "faiss IndexFlatIP, k=10": lambda i: flat.search(queries[i : i + 1], 10),
        "faiss IndexFlatIP, k=1000": lambda i: flat.search(queries[i : i + 1], 1000),
    }
    batch: dict[str, Callable[[int], object]] = {
        "MatrixIndex.rank_many": lambda _: ours.rank_many(queries[:64], 10),
        "VectorIndex.search": lambda _: own.search(queries[:64], 10),
        "faiss IndexFlatIP": lambda _: flat.search(queries[:64], 10),
    }
    print(f"\n{rows:,} x {dimensions} float32, {matrix.nbytes / 1e6:,.0f} MB")
    print(f"{'one query':28} {'p50 ms':>8} {'p95 ms':>8} {'GB/s':>6} {'to floor':>9}")
    times = in_turn(single, repeats)
    floor = min(statistics.median(times["read all"]), statistics.median(times["numpy product"]))
    for name, taken in times.items():
        p50 = statistics.median(taken)
        p95 = taken[int(0.95 * (len(taken) - 1))]
        speed = matrix.nbytes / p50 / 1e6
        print(f"{name:28} {p50:8.2f} {p95:8.2f} {speed:6.1f} {p50 / floor:9.2f}")
    print("batch of 64, k=10")
    for name, taken in in_turn(batch, 5).items():
        print(f"{name:28} {statistics.median(taken):8.2f}")


def main() -> None:
    """Run for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=41)
    parser.add_argument("--faiss-threads", type=int, default=1, help="more is slower for one query")
    arguments = parser.parse_args()
    faiss.omp_set_num_threads(arguments.faiss_threads)
    for rows in arguments.rows:
        compare(rows, arguments.dimensions, arguments.repeats)


if __name__ == "__main__":
    main()
