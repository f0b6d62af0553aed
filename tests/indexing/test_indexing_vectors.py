"""Vectors are ranked exactly, and the same whatever the batch, the threads and the history."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import CollectionDamaged, InvalidArgument
from ragkit.indexing.access import SharedAccess
from ragkit.indexing.vectors import MatrixIndex, VectorIndex, unit_rows

Matrix = npt.NDArray[np.float32]


def unit(seed: int, rows: int, dimensions: int) -> Matrix:
    drawn = np.random.default_rng(seed).standard_normal((rows, dimensions))
    scaled: Matrix = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def brute_force(vectors: dict[int, Matrix], query: Matrix, k: int) -> list[tuple[int, np.float32]]:
    """(id, cosine) of the k best, by one float64 sum for each vector."""
    scored = [
        (id_, np.float32((row.astype(np.float64) * query.astype(np.float64)).sum()))
        for id_, row in vectors.items()
    ]
    return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]


# A few directions only, so that many vectors are equal or nearly so.
DIRECTIONS = unit(7, 12, 5)
steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 15), st.integers(0, len(DIRECTIONS) - 1)), max_size=60
)


@settings(deadline=None, max_examples=60)
@given(steps=steps, k=st.integers(1, 20))
def test_any_history_ranks_as_brute_force(steps: list[tuple[bool, int, int]], k: int) -> None:
    """After any adding, removing and adding again, search equals brute force, ties by id."""
    index, truth = VectorIndex(5), dict[int, Matrix]()
    for adds, id_, direction in steps:
        if adds and id_ not in truth:
            index.add([id_], DIRECTIONS[[direction]])
            truth[id_] = DIRECTIONS[direction]
        elif not adds and id_ in truth:
            index.remove([id_])
            del truth[id_]
    query = unit(3, 1, 5)
    scores, ids = index.search(query, k)
    expected = brute_force(truth, query[0], k)
    assert len(index) == len(truth)
    assert ids[0, : len(expected)].tolist() == [id_ for id_, _ in expected]
    assert np.allclose(scores[0, : len(expected)], [s for _, s in expected], atol=2e-7)
    assert (ids[0, len(expected) :] == -1).all()
    assert (scores[0, len(expected) :] == -np.inf).all()


def test_growth_and_reuse_keep_every_vector() -> None:
    """Thousands of rows added, half removed and others added find themselves first."""
    index, rows = VectorIndex(16), unit(1, 4000, 16)
    index.add(range(2000), rows[:2000])
    index.remove(list(range(0, 2000, 2)))
    index.add(range(2000, 4000), rows[2000:])
    left = [*range(1, 2000, 2), *range(2000, 4000)]
    scores, ids = index.search(rows[left], 1)
    assert ids[:, 0].tolist() == left
    assert np.allclose(scores[:, 0], 1.0, atol=1e-6)


def test_lengths_do_not_matter() -> None:
    """Vectors and queries of any length but zero are compared by angle alone."""
    index = VectorIndex(3)
    index.add([1, 2], [[3e30, 0, 0], [0, 1e-30, 0]])
    scores, ids = index.search([0, 5.0, 0], 2)
    assert (ids.tolist(), scores.tolist()) == ([[2, 1]], [[1.0, 0.0]])
    assert index.search(np.empty((0, 3)), 2)[1].shape == (0, 2)


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        ([1], [[0.0, 0.0]], "zero"),
        ([1], [[np.nan, 1.0]], "not finite"),
        ([1], [[1e300, 1.0]], "not finite"),
        ([1], [[1.0, 2.0, 3.0]], r"\(n, 2\)"),
        ([1], [1.0, 2.0], r"\(n, 2\)"),
        ([1], [["a", "b"]], "not numbers"),
        ([1, 2], [[1.0, 0.0]], "2 ids for 1 vectors"),
        ([1, 1], [[1.0, 0.0], [0.0, 1.0]], "twice"),
        ([9], [[1.0, 0.0]], "already"),
        ([-1], [[1.0, 0.0]], "negative"),
        ([1.5], [[1.0, 0.0]], "whole numbers"),
    ],
)
def test_what_cannot_be_added(ids: list[int], vectors: list[list[float]], message: str) -> None:
    """What no search could use is refused by name, and nothing of the call is kept."""
    index = VectorIndex(2)
    index.add([9], [[1.0, 1.0]])
    with pytest.raises(InvalidArgument, match=message):
        index.add(ids, vectors)
    assert index.search([1.0, 0.0], 3)[1].tolist() == [[9, -1, -1]]


def test_bad_calls_are_refused() -> None:
    """A width below 1, k below 1 and an unknown id are refused."""
    for width in (0, -3, True):
        with pytest.raises(InvalidArgument, match="dimensions"):
            VectorIndex(width)
    index = VectorIndex(2)
    with pytest.raises(InvalidArgument, match="k=0"):
        index.search([1.0, 0.0], 0)
    with pytest.raises(InvalidArgument, match="id 5 is not"):
        index.remove([5])


def test_threads_see_whole_states() -> None:
    """Searches beside a writer find only whole batches, each with its own score."""
    index, rows = VectorIndex(8), unit(2, 64, 8)
    index.add(range(64), rows)
    extra = np.repeat(unit(5, 1, 8), 3000, axis=0)

    def search(_: int) -> bool:
        scores, ids = index.search(rows[:8], 1)
        return ids[:, 0].tolist() == list(range(8)) and bool(np.allclose(scores, 1, atol=1e-6))

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(search, i) for i in range(100)]
        for _ in range(10):
            index.add(range(100, 3100), extra)
            index.remove(range(100, 3100))
    assert all(answer.result() for answer in answers)


def test_the_cut_falls_among_equals() -> None:
    """Where hundreds of equal vectors stand at the k-th place, those of the lowest ids are hits."""
    rows = unit(21, 3000, 24)
    rows[200:900] = rows[1]
    ids = np.random.default_rng(22).permutation(9000)[:3000]
    index = VectorIndex(24)
    index.add(ids, rows)
    index.remove(ids[::3])
    truth = {int(ids[i]): rows[i] for i in range(3000) if i % 3}
    query = (rows[1] + 0.01 * unit(23, 1, 24))[0]
    query /= np.linalg.norm(query)
    for k in (1, 7, 300, 700):
        scores, found = index.search(query, k)
        expected = brute_force(truth, query, k)
        assert found[0].tolist() == [id_ for id_, _ in expected]
        assert np.allclose(scores[0], [score for _, score in expected], atol=2e-7)


def test_both_indexes_agree_whatever_the_batch() -> None:
    """One query, a few and hundreds, over own vectors and over a matrix: the same to the bit."""
    rows, queries = unit(24, 600, 384), unit(25, 350, 384)
    rows[300:] = rows[:300]
    order = np.random.default_rng(26).permutation(600)
    index = VectorIndex(384)
    index.add(order[:450], rows[order[:450]])
    index.add(order[450:], rows[order[450:]])
    places = np.arange(600, dtype=np.int64)
    normal = unit_rows(rows, 384)
    matrix = MatrixIndex(ids=places, slots=places, matrix=normal)
    together = index.search(queries, 9)
    ranked = matrix.rank_many(unit_rows(queries, 384), 9)
    assert together[1].tobytes() == np.stack([ranking.ids for ranking in ranked]).tobytes()
    assert together[0].tobytes() == np.stack([ranking.scores for ranking in ranked]).tobytes()
    for size in (1, 30):
        parts = [index.search(queries[i : i + size], 9) for i in range(0, 60, size)]
        assert np.concatenate([part[0] for part in parts]).tobytes() == together[0][:60].tobytes()
        assert np.concatenate([part[1] for part in parts]).tobytes() == together[1][:60].tobytes()


def test_searches_beside_moving_rows() -> None:
    """Removing the first rows, into whose places others move, disturbs no search under way."""
    rows = unit(27, 4000, 8)
    index = VectorIndex(8)
    index.add(range(4000), rows)

    def search(_: int) -> bool:
        scores, ids = index.search(rows[3000:3030], 1)
        return ids[:, 0].tolist() == list(range(3000, 3030)) and bool((scores > 0.999).all())

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(search, i) for i in range(60)]
        for first in range(0, 3000, 100):
            index.remove(range(first, first + 100))
    assert all(answer.result() for answer in answers)
    assert len(index) == 1000
    assert index.search(rows[3500], 1)[1].tolist() == [[3500]]


def test_a_writer_waits_for_readers_and_goes_before_later_ones() -> None:
    """Two readers hold the lock together; then comes the writer who waited, then a third reader."""
    access, order = SharedAccess(), list[str]()
    both = threading.Barrier(3, timeout=10)

    def read(name: str) -> None:
        with access.shared():
            if name == "early":
                both.wait()
                both.wait()
            order.append(name)

    def write() -> None:
        with access.alone():
            order.append("writer")

    def started(call: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=call)
        thread.start()
        return thread

    threads = [started(lambda: read("early")) for _ in range(2)]
    both.wait()
    threads.append(started(write))
    while not access._waiting_writers:
        time.sleep(0.001)
    threads.append(started(lambda: read("late")))
    both.wait()
    for thread in threads:
        thread.join(10)
    assert order == ["early", "early", "writer", "late"]


FORKING = """
import os, signal, sys
from ragkit.indexing.vectors import MatrixIndex, VectorIndex
assert "faiss" not in sys.modules
index = VectorIndex(64)
import faiss, numpy
threads = faiss.omp_get_max_threads()
rows = numpy.random.default_rng(1).standard_normal((12_000, 64), dtype=numpy.float32)
index.add(range(len(rows)), rows)
index.search(rows[0], 5), index.search(rows[:2100], 5)
assert faiss.omp_get_max_threads() == threads
child = os.fork()
if not child:
    signal.alarm(60)
    index.search(rows[0], 5), index.search(rows[:2100], 5)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_searches_too() -> None:
    """FAISS is loaded by the first index only, keeps its threads setting, and survives a fork."""
    # From Python 3.12 on forking warns wherever numpy has started its threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


# --- the collection's matrix


def stored(tmp_path: Path, rows: Matrix) -> Matrix:
    """The rows as a collection maps them, with a row of NaN that nobody uses after each."""
    path = tmp_path / "vectors.f32"
    spread = np.full((2 * len(rows), rows.shape[1]), np.nan, "<f4")
    spread[::2] = rows
    path.write_bytes(spread.tobytes())
    return np.memmap(path, dtype="<f4", mode="r", shape=spread.shape)


@pytest.mark.parametrize("share", [1, 8])
def test_matrix_ranks_as_brute_force(tmp_path: Path, share: int) -> None:
    """Over a mapped matrix with gaps and shared rows, rank equals brute force, also when few."""
    rows = unit(11, 400, 24)
    matrix = stored(tmp_path, rows)
    ids = np.arange(5, 5 + 2 * 400, 2, dtype=np.int64)[::share]
    # Every third passage has the same text as the one before it.
    slots = (2 * np.arange(400, dtype=np.int64))[::share].copy()
    slots[2::3] = slots[1::3][: len(slots[2::3])]
    index = MatrixIndex(ids=ids, slots=slots, matrix=matrix)
    truth = {int(i): np.asarray(matrix[s]) for i, s in zip(ids, slots, strict=True)}
    for query in unit(12, 10, 24):
        expected = brute_force(truth, query, len(ids))
        for k in (1, 7, 10_000):
            ranking = index.rank(query, k)
            assert list(zip(ranking.ids, ranking.scores, strict=True)) == expected[:k]
            assert ranking.highest == expected[0][1]
            assert ranking.lowest == expected[-1][1]


def test_a_filter_restricts_and_moves_no_score(tmp_path: Path) -> None:
    """With a filter come the k best of those allowed, with the scores and bounds of all."""
    rows = unit(13, 300, 16)
    matrix = stored(tmp_path, rows)
    ids = np.arange(300, dtype=np.int64)
    index = MatrixIndex(ids=ids, slots=2 * ids, matrix=matrix)
    query = unit(14, 1, 16)[0]
    whole = index.rank(query, 300)
    allowed = np.array([-4, 3, 50, 51, 299, 1000], np.int64)
    ranking = index.rank(query, 3, among=allowed)
    kept = [i for i in whole.ids.tolist() if i in set(allowed.tolist())]
    assert ranking.ids.tolist() == kept[:3]
    assert (ranking.lowest, ranking.highest) == (whole.lowest, whole.highest)
    assert index.rank(query, 10, among=allowed).ids.tolist() == kept
    assert not len(index.rank(query, 10, among=np.empty(0, np.int64)).ids)


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 40))
def test_a_batch_gives_the_bits_of_each_alone(seed: int, count: int) -> None:
    """Batches, single queries and single scores agree to the bit."""
    rows = np.concatenate([unit(seed, 90, 33), unit(seed, 90, 33)])
    ids = np.arange(180, dtype=np.int64)
    index = MatrixIndex(ids=ids, slots=ids, matrix=rows)
    queries = unit(seed + 1, count, 33)
    for query, ranking in zip(queries, index.rank_many(queries, 50), strict=True):
        alone = index.rank(query, 50)
        assert ranking.ids.tolist() == alone.ids.tolist()
        assert ranking.scores.tobytes() == alone.scores.tobytes()
        assert index.scores(query, ranking.ids).tobytes() == ranking.scores.tobytes()
        # Equal rows: the lower id stands first.
        assert ranking.ids[0] + 90 == ranking.ids[1]


def test_a_question_that_comes_again_ranks_as_brute_force() -> None:
    """Deeper, filtered, in turns and from threads: what is kept of a query changes no answer."""
    rows, queries = unit(31, 500, 24), unit(32, 3, 24)
    ids = np.arange(500, dtype=np.int64) * 2
    index = MatrixIndex(ids=ids, slots=np.arange(500), matrix=rows)
    expected = {}
    for number, query in enumerate(queries):
        order = np.lexsort((ids, -(rows.astype(np.float64) @ query).astype(np.float32)))
        expected[number] = ids[order].tolist()

    def ask(seed: int) -> None:
        dice = random.Random(seed)  # noqa: S311 - no secret
        for _ in range(40):
            number, k = dice.randrange(3), dice.choice((1, 10, 100, 400))
            assert index.rank(queries[number], k).ids.tolist() == expected[number][:k]
            some = np.sort(np.array(dice.sample(ids.tolist(), 50)))
            best = [id_ for id_ in expected[number] if id_ in some][:k]
            assert index.rank(queries[number], k, among=some).ids.tolist() == best

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(4))) == [None] * 4


def test_scores_of_unknown_ids_are_nan() -> None:
    """An id that is not in the index has no score, wherever it would stand."""
    rows = unit(15, 3, 4)
    index = MatrixIndex(ids=np.array([2, 4, 6]), slots=np.array([0, 1, 2]), matrix=rows)
    scores = index.scores(rows[1], np.array([1, 4, 5, 9]))
    assert np.isnan(scores).tolist() == [True, False, True, True]
    assert scores[1] == pytest.approx(1.0, abs=1e-6)


def test_an_empty_matrix_index_answers() -> None:
    """Without passages every ranking is empty and its bounds are 0."""
    none = np.empty(0, np.int64)
    index = MatrixIndex(ids=none, slots=none, matrix=np.empty((0, 4), np.float32))
    ranking = index.rank(unit(1, 1, 4)[0], 5)
    assert (len(index), len(ranking.ids), ranking.lowest, ranking.highest) == (0, 0, 0.0, 0.0)
    assert np.isnan(index.scores(unit(1, 1, 4)[0], np.array([3]))).all()


def test_what_does_not_fit_is_refused() -> None:
    """Unsorted ids, slots outside, and queries of another model are refused by name."""
    rows = unit(16, 2, 4)
    with pytest.raises(InvalidArgument, match="sorted"):
        MatrixIndex(ids=np.array([2, 1]), slots=np.array([0, 1]), matrix=rows)
    with pytest.raises(InvalidArgument, match="outside"):
        MatrixIndex(ids=np.array([1, 2]), slots=np.array([0, 2]), matrix=rows)
    with pytest.raises(InvalidArgument, match="do not fit"):
        MatrixIndex(ids=np.array([1, 2]), slots=np.array([0]), matrix=rows)
    index = MatrixIndex(ids=np.array([1, 2]), slots=np.array([0, 1]), matrix=rows)
    with pytest.raises(InvalidArgument, match="same model"):
        index.rank(unit(1, 1, 5)[0], 1)
    with pytest.raises(InvalidArgument, match="not finite"):
        index.rank(np.full(4, np.nan, np.float32), 1)
    with pytest.raises(InvalidArgument, match="k=0"):
        index.rank(rows[0], 0)


def test_a_damaged_vector_is_named() -> None:
    """A row that is not finite stops the search instead of being ranked somewhere."""
    rows = unit(17, 3, 4)
    rows[1, 2] = np.nan
    index = MatrixIndex(ids=np.array([5, 6, 7]), slots=np.array([0, 1, 2]), matrix=rows)
    with pytest.raises(CollectionDamaged, match="passage 6"):
        index.rank(rows[0], 1)


@pytest.mark.parametrize("asked_before", [False, True])
def test_estimates_are_no_farther_off_than_they_say(asked_before: bool) -> None:
    """Each is within the error of the score, with a ranking before it or not; NaN for no vector."""
    rng = np.random.default_rng(11)
    matrix = rng.standard_normal((900, 384)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    ids, slots = np.arange(0, 1800, 2), rng.permutation(900)
    index = MatrixIndex(ids=ids, slots=slots, matrix=matrix)
    if asked_before:
        index.rank(matrix[3], 5)
    asked = np.array([4, 6, 7, 0, 1798])
    estimates, error = index.estimates(matrix[5], asked)
    scores = index.scores(matrix[5], asked)
    assert np.isnan(estimates).tolist() == [False, False, True, False, False]
    assert np.nanmax(np.abs(estimates - scores)) <= error < 1e-4
