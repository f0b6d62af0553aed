"""The word index ranks by BM25, equals a fresh build after any history, and trusts nobody."""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tantivy
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import InvalidArgument
from ragkit.indexing.analysis import terms
from ragkit.indexing.manifest import DerivedUnusable, check
from ragkit.indexing.questions import query_phrases, query_terms
from ragkit.indexing.seam import Ranking
from ragkit.indexing.wordbuild import WordEntry, build_words
from ragkit.indexing.words import WordIndex, _damage_is_told, kind, open_searcher

KEY = b"0123456789abcdef0123456789abcdef"
VOCABULARY = ("alpha", "beta", "gamma", "delta", "omega", "Schlüssel", "東京都", "the")


def build(
    directory: Path,
    texts: dict[int, str],
    *,
    previous: Path | None = None,
    removed: Sequence[int] = (),
) -> WordIndex:
    added = [WordEntry(id=id_, text=text, language="en") for id_, text in texts.items()]
    build_words(directory, previous=previous, removed_ids=removed, added=added, key=KEY)
    return WordIndex.open(directory, key=KEY)


def pairs(ranking: Ranking) -> list[tuple[int, float]]:
    return list(zip(ranking.ids.tolist(), ranking.scores.tolist(), strict=True))


def occurrences(phrase: tuple[str, ...], text: str) -> int:
    found = terms(text)
    return sum(tuple(found[at : at + len(phrase)]) == phrase for at in range(len(found)))


def bm25(texts: dict[int, str], query: str) -> dict[int, float]:
    """Okapi BM25 by its formula, for texts short enough that their length is kept exactly.

    A phrase is a term as rare as its words are together.
    """
    lengths = {id_: len(terms(text)) for id_, text in texts.items()}
    average = sum(lengths.values()) / max(1, len(lengths))
    counts = {id_: Counter(terms(text)) for id_, text in texts.items()}

    def rarity(term: str) -> float:
        holders = sum(count[term] > 0 for count in counts.values())
        return math.log(1 + (len(counts) - holders + 0.5) / (holders + 0.5))

    found: dict[int, float] = {}
    sought = [(term,) for term in query_terms(query, ["en"])] + list(query_phrases(query, ["en"]))
    for phrase in sought:
        weight = sum(map(rarity, phrase))
        for id_, text in texts.items():
            if tf := occurrences(phrase, text):
                gain = tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * lengths[id_] / average))
                found[id_] = found.get(id_, 0.0) + weight * gain
    return found


texts_of_few_words = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=8).map(" ".join)
corpora = st.dictionaries(st.integers(0, 60), texts_of_few_words, max_size=25)


@settings(deadline=None, max_examples=25)
@given(texts=corpora, query=texts_of_few_words, k=st.integers(1, 30), data=st.data())
def test_ranks_as_the_formula_says(
    texts: dict[int, str], query: str, k: int, data: st.DataObject
) -> None:
    """Scores are BM25, ties come by id, and a filter gives the k best of those allowed."""
    expected = bm25(texts, query)
    allowed = sorted(data.draw(st.sets(st.integers(0, 70))))
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder) / "words-1", texts)
        ranking = index.rank(query, k)
        among = index.rank(query, k, among=np.array(allowed, np.int64))
        asked = np.array(sorted(texts, reverse=True), np.int64)
        scores = index.scores(query, asked)
    order = sorted(expected, key=lambda id_: (-round(expected[id_], 5), id_))
    assert ranking.ids.tolist() == order[:k]
    assert np.allclose(ranking.scores, [expected[id_] for id_ in order[:k]], rtol=1e-5)
    assert among.ids.tolist() == [id_ for id_ in order if id_ in allowed][:k]
    assert np.allclose(scores, [expected.get(int(id_), 0.0) for id_ in asked], rtol=1e-5)
    highest = max(expected.values(), default=0.0)
    for found in (ranking, among):
        assert found.highest == pytest.approx(highest, rel=1e-5)
        assert found.lowest == 0.0


def test_full_marks_are_each_word_once(tmp_path: Path) -> None:
    """A word that no passage has counts as the rarest would: then no passage has full marks."""
    index = build(tmp_path / "words-1", {1: "key rotation", 2: "disk backup", 3: "disk alarm"})

    def rarity(holders: int) -> float:
        return math.log(1 + (3 - holders + 0.5) / (holders + 0.5))

    assert index.rank("key", 5).full == pytest.approx(rarity(1))
    assert index.rank("the disk", 5).full == pytest.approx(rarity(2))
    both = index.rank("disk zebra", 5)
    assert both.full == pytest.approx(rarity(2) + rarity(0))
    assert both.highest < both.full
    assert index.rank("zebra", 5).full == pytest.approx(rarity(0))
    assert index.rank("!", 5).full == 0.0


changes = st.lists(st.tuples(st.sets(st.integers(0, 30)), corpora), min_size=1, max_size=4)


@settings(deadline=None, max_examples=12)
@given(first=corpora, changes=changes, query=texts_of_few_words)
def test_any_history_equals_a_fresh_build(
    first: dict[int, str], changes: list[tuple[set[int], dict[int, str]]], query: str
) -> None:
    """After any removals and additions the scores are those of an index built at once."""
    with tempfile.TemporaryDirectory() as folder:
        texts, generation = dict(first), Path(folder) / "words-0"
        build(generation, texts).close()
        for number, (removed, added) in enumerate(changes, 1):
            gone = removed | (added.keys() & texts.keys())
            texts = {i: text for i, text in texts.items() if i not in gone} | added
            following = Path(folder) / f"words-{number}"
            build(following, added, previous=generation, removed=sorted(gone)).close()
            shutil.rmtree(generation)
            generation = following
        changed = WordIndex.open(generation, key=KEY, verify=True)
        fresh = build(Path(folder) / "fresh", texts)
        assert changed.documents == fresh.documents == len(texts)
        assert changed.removed_share == 0.0
        ours, theirs = changed.rank(query, 100), fresh.rank(query, 100)
        assert ours.ids.tolist() == theirs.ids.tolist()
        assert np.allclose(ours.scores, theirs.scores, rtol=1e-6)


QUOTED = "it can do a lot more than this, as we will see in what follows"


def test_a_quotation_finds_its_passage(tmp_path: Path) -> None:
    """Words in their order outweigh the same words elsewhere, whole or up to a passage's end."""
    noise = {i: f"we will follow, lots of it: see what more this can do {i}" for i in range(1, 40)}
    index = build(tmp_path / "words-1", noise | {50: f"Cargo. {QUOTED}", 51: "in what follows"})
    assert index.rank(QUOTED, 3).ids[0] == 50
    crossing = "more than this, as we will see. Elsewhere begins another passage altogether"
    assert index.rank(crossing, 3).ids[0] == 50
    assert index.rank(QUOTED, 3, among=np.array([7, 50], np.int64)).ids.tolist() == [50, 7]
    best = index.rank(QUOTED, 1)
    assert index.scores(QUOTED, best.ids).tolist() == best.scores.tolist()
    assert index.rank(QUOTED, 1, among=np.array([7], np.int64)).highest == best.highest


def test_a_quotation_is_told(tmp_path: Path) -> None:
    """From six words on, whole, where not hundreds of passages have it, whatever the filter."""
    index = build(tmp_path / "words-1", {1: "more of this", 2: f"Cargo. {QUOTED}"})
    assert index.rank("can do a lot more than", 1).is_quoted
    assert index.rank(QUOTED, 1, among=np.array([1], np.int64)).is_quoted
    assert not index.rank("do a lot more than", 1).is_quoted
    assert not index.rank(f"{QUOTED} here", 1).is_quoted
    assert not index.rank("?", 1).is_quoted
    speech = "as everybody here knows by now"
    often = build(tmp_path / "words-2", {i: f"{speech} {i}" for i in range(300)})
    assert not often.rank(speech, 1).is_quoted


def test_a_way_of_speaking_is_no_quotation(tmp_path: Path) -> None:
    """Words in order that stand in hundreds of passages change nothing."""
    speech = "as everybody knows by now"
    index = build(tmp_path / "words-1", {i: f"{speech} {i}" for i in range(300)})
    (score,) = set(index.rank(speech, 300).scores.tolist())
    alone = index.rank("everybody knows now", 1).scores[0]
    assert score == pytest.approx(float(alone), rel=1e-5)


def test_a_reader_is_not_disturbed(tmp_path: Path) -> None:
    """The previous generation answers the same while the next is written and when it is gone."""
    old = build(tmp_path / "words-1", {i: f"alpha number{i}" for i in range(50)})
    before = pairs(old.rank("alpha number7", 50))

    def additions() -> Iterator[WordEntry]:
        for i in range(50, 90):
            assert pairs(old.rank("alpha number7", 50)) == before
            yield WordEntry(id=i, text="alpha beta")

    build_words(
        tmp_path / "words-2",
        previous=tmp_path / "words-1",
        removed_ids=[],
        added=additions(),
        key=KEY,
    )
    assert pairs(WordIndex.open(tmp_path / "words-1", key=KEY).rank("alpha number7", 50)) == before
    shutil.rmtree(tmp_path / "words-1")
    assert pairs(old.rank("alpha number7", 50)) == before
    new = WordIndex.open(tmp_path / "words-2", key=KEY, verify=True)
    assert new.rank("beta", 100).ids.tolist() == list(range(50, 90))
    assert new.documents == 90


def test_additions_share_the_files_of_the_previous_generation(tmp_path: Path) -> None:
    """Adding copies nothing: the old segments are hard links, and no lock is among them."""
    build(tmp_path / "words-1", {1: "alpha"}).close()
    build(tmp_path / "words-2", {2: "beta"}, previous=tmp_path / "words-1").close()
    shared = [
        path.name
        for path in (tmp_path / "words-1").iterdir()
        if (tmp_path / "words-2" / path.name).exists()
        and path.samefile(tmp_path / "words-2" / path.name)
    ]
    assert len(shared) >= 4
    assert all(name.split(".")[-1] not in {"json", "lock"} for name in shared)


def test_a_large_index_removes_lazily_then_rewrites(tmp_path: Path) -> None:
    """Over 50,000 passages a few removals only mark, and say so; over 5% all is written anew."""
    texts = {i: f"alpha w{i % 97}" for i in range(53_000)}
    build(tmp_path / "words-1", texts).close()
    marked = build(tmp_path / "words-2", {}, previous=tmp_path / "words-1", removed=range(100))
    assert marked.documents == 52_900
    assert marked.removed_share == pytest.approx(100 / 53_000)
    assert marked.rank("alpha", 5).ids.tolist() == list(range(100, 105))
    more = build(tmp_path / "words-3", {}, previous=tmp_path / "words-2", removed=range(100, 2900))
    assert (more.documents, more.removed_share) == (50_100, 0.0)
    fresh = build(tmp_path / "fresh", {i: t for i, t in texts.items() if i >= 2900})
    # All passages tie but for the second word: the boundary lies within thousands of equals.
    for among in (None, np.arange(30_000, 50_000, 2, dtype=np.int64)):
        assert pairs(more.rank("alpha", 3, among=among)) == pairs(
            fresh.rank("alpha", 3, among=among)
        )
    few = np.arange(30_000, 50_000, 2, dtype=np.int64)
    assert (
        more.rank("alpha w3", 400, among=few).ids.tolist()[:2]
        == [i for i in few.tolist() if i % 97 == 3][:2]
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"alpha" AND (beta: OR -x) ~ [a TO b]*', [1, 2, 6]),
        ("the", [3]),
        ("was it the", [3]),
        ("🙂", []),
        ("  \t\n", []),
        ("((((", []),
        ("nowhere", []),
        ("\ud800 alpha \x00", [1]),
        ("東京", [4]),
        ("京都", [4]),
        ("都", [4]),
        ("v1.0.21", [5]),
        ("request timeout", [5]),
        ("requestTimeout", [5]),
        ("guides", [6]),
        ("rotation", [6]),
    ],
)
def test_any_query_works(tmp_path: Path, query: str, expected: list[int]) -> None:
    """Signs are no syntax, common words alone are looked for, and nothing raises."""
    texts = {1: "alpha", 2: "beta", 3: "the", 4: "東京都", 5: "request_timeout 1.0.21", 6: "x"}
    entries = [
        WordEntry(id=i, text=t, path_words="guides/key-rotation.md" if i == 6 else "")
        for i, t in texts.items()
    ]
    build_words(tmp_path / "w", previous=None, removed_ids=[], added=entries, key=KEY)
    index = WordIndex.open(tmp_path / "w", key=KEY)
    assert sorted(index.rank(query, 10).ids.tolist()) == expected


def test_a_pasted_text_is_bounded(tmp_path: Path) -> None:
    """Of a long question the rarest terms count, and the passage it was taken from is found."""
    texts = {i: " ".join(f"word{(i * 31 + j) % 5000}" for j in range(60)) for i in range(500)}
    index = build(tmp_path / "w", texts)
    pasted = " ".join(texts[i] for i in range(100, 330)) + " rareword"
    assert len(pasted) > 100_000
    assert len(index.rank(pasted, 10).ids) == 10
    assert index.rank(texts[123], 1).ids.tolist() == [123]


def test_path_words_lift_and_never_lead(tmp_path: Path) -> None:
    """A file named for the question goes before one that is not, and after one that says it."""
    entries = [
        WordEntry(id=1, text="operators do this yearly", path_words="ops/other.md"),
        WordEntry(id=2, text="operators do this yearly", path_words="ops/rotation.md"),
        WordEntry(id=3, text="rotation operators do yearly", path_words="ops/other.md"),
    ]
    build_words(tmp_path / "w", previous=None, removed_ids=[], added=entries, key=KEY)
    index = WordIndex.open(tmp_path / "w", key=KEY)
    assert index.rank("operators rotation", 3).ids.tolist() == [3, 2, 1]


def test_languages_are_found_by_their_own_stems(tmp_path: Path) -> None:
    """A collection of two languages answers questions in each."""
    entries = [
        WordEntry(id=1, text="Die Bestellungen werden von der Zentrale geprüft."),
        WordEntry(id=2, text="The orders are checked by the head office."),
    ]
    build_words(tmp_path / "w", previous=None, removed_ids=[], added=entries, key=KEY)
    index = WordIndex.open(tmp_path / "w", key=KEY)
    assert index.rank("wer prüft eine Bestellung?", 2).ids.tolist() == [1]
    assert index.rank("who checks an order?", 2).ids.tolist() == [2]


def test_threads_get_the_same_answer(tmp_path: Path) -> None:
    """Many threads asking one index get what one thread gets."""
    index = build(tmp_path / "w", {i: f"alpha w{i % 13} w{i % 7}" for i in range(2000)})
    queries = [f"alpha w{i % 13}" for i in range(60)]
    alone = [pairs(index.rank(query, 20)) for query in queries]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda query: pairs(index.rank(query, 20)), queries)) == alone


# --- trust


def damage_size(directory: Path) -> None:
    path = next(directory.glob("*.idx"))
    # Another file in its place: one that is cut short under a map of it ends the process.
    path.unlink()
    path.write_bytes(b"x")


def damage_small_file(directory: Path) -> None:
    path = directory / "meta.json"
    path.write_text(path.read_text().replace("lz4", "lz5"))


def damage_manifest(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text().replace('"documents":2', '"documents":3'))


def lose_manifest(directory: Path) -> None:
    (directory / "manifest.json").unlink()


def lose_file(directory: Path) -> None:
    next(directory.glob("*.term")).unlink()


def garble_manifest(directory: Path) -> None:
    (directory / "manifest.json").write_bytes(b"[[[[" * 1000)


@pytest.mark.parametrize(
    "damage",
    [
        damage_size,
        damage_small_file,
        damage_manifest,
        lose_manifest,
        lose_file,
        garble_manifest,
        shutil.rmtree,
    ],
)
def test_what_this_installation_did_not_write_is_not_opened(
    tmp_path: Path, damage: Iterable[object]
) -> None:
    """Any change to a signed directory is refused, for reading and as a start."""
    assert callable(damage)
    build(tmp_path / "w", {1: "alpha", 2: "beta"}).close()
    damage(tmp_path / "w")
    with pytest.raises(DerivedUnusable, match="rebuild"):
        WordIndex.open(tmp_path / "w", key=KEY)
    with pytest.raises(DerivedUnusable, match="rebuild"):
        build(tmp_path / "next", {3: "gamma"}, previous=tmp_path / "w")


def test_another_installation_or_version_is_not_opened(tmp_path: Path) -> None:
    """Another key is another installation; another kind is another version."""
    build(tmp_path / "w", {1: "alpha"}).close()
    with pytest.raises(DerivedUnusable, match="not signed"):
        WordIndex.open(tmp_path / "w", key=b"another key of another machine..")
    with pytest.raises(DerivedUnusable, match="version"):
        check(tmp_path / "w", KEY, kind=kind() + "x")


def test_large_files_are_summed_when_they_were_touched(tmp_path: Path) -> None:
    """A byte that was written into a large file is seen; one that rotted when all is verified."""
    texts = {i: " ".join(f"w{i * 40 + j}" for j in range(40)) for i in range(2500)}
    build(tmp_path / "w", texts).close()
    path = max((tmp_path / "w").glob("*.store"), key=lambda file: file.stat().st_size)
    assert path.stat().st_size > 256 * 1024
    data, written = bytearray(path.read_bytes()), path.stat()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DerivedUnusable, match="not the file"):
        WordIndex.open(tmp_path / "w", key=KEY)
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    WordIndex.open(tmp_path / "w", key=KEY).close()
    with pytest.raises(DerivedUnusable, match="not the file"):
        WordIndex.open(tmp_path / "w", key=KEY, verify=True)


def test_what_tantivy_panics_over_is_an_error(tmp_path: Path) -> None:
    """A panic in Rust, as over a file that rotted, ends a search and not the program."""
    build(tmp_path / "w", {1: "one"}).close()
    searcher, _ = open_searcher(tmp_path / "w")
    with pytest.raises(DerivedUnusable, match="--repair"), _damage_is_told():
        searcher.doc(tantivy.DocAddress(99, 0))
    with pytest.raises(DerivedUnusable, match="--repair"), _damage_is_told():
        raise ValueError("no such segment")
    with pytest.raises(KeyError), _damage_is_told():
        raise KeyError


# --- directories


def test_what_an_interrupted_build_left_is_replaced(tmp_path: Path) -> None:
    """Leftovers are cleared, but never a folder."""
    left = tmp_path / "w"
    left.mkdir()
    (left / "meta.json").write_text("{")
    (left / "old.idx").write_bytes(b"old")
    assert build(left, {1: "alpha"}).rank("alpha", 1).ids.tolist() == [1]
    assert not (left / "old.idx").exists()
    (tmp_path / "home" / "letters").mkdir(parents=True)
    with pytest.raises(InvalidArgument, match="holds folders"):
        build(tmp_path / "home", {1: "alpha"})


@pytest.mark.parametrize(
    "name",
    [
        "größe 東京 🙂",
        "with space",
        "line\nbreak",
        pytest.param(
            "caf\udce9",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="names must be text there"),
        ),
    ],
)
def test_any_directory_name_works(tmp_path: Path, name: str) -> None:
    """Names of any script, with blanks, and of bytes that are no text can be built in and read."""
    build(tmp_path / name, {1: "alpha"}).close()
    index = build(tmp_path / (name + "2"), {2: "alpha"}, previous=tmp_path / name)
    assert index.rank("alpha", 5).ids.tolist() == [1, 2]


def test_a_directory_that_cannot_be_locked_can_be_read(tmp_path: Path) -> None:
    """Reading needs no right to write: nothing but the index's own files is asked for."""
    build(tmp_path / "w", {1: "alpha"}).close()
    lock = tmp_path / "w" / ".tantivy-meta.lock"
    lock.unlink(missing_ok=True)
    # Even root cannot open a folder as a file.
    lock.mkdir()
    index = WordIndex.open(tmp_path / "w", key=KEY)
    lock.rmdir()
    assert index.rank("alpha", 1).ids.tolist() == [1]


def test_reading_changes_nothing(tmp_path: Path) -> None:
    """Opening and asking leaves every file and the directory as they were."""
    build(tmp_path / "w", {1: "alpha"}).close()

    def state() -> list[tuple[str, int, int]]:
        return sorted(
            (path.name, path.stat().st_mtime_ns, path.stat().st_size)
            for path in [tmp_path / "w", *(tmp_path / "w").iterdir()]
        )

    before = state()
    index = WordIndex.open(tmp_path / "w", key=KEY)
    index.rank("alpha", 1)
    index.close()
    index.close()
    assert state() == before
    with pytest.raises(InvalidArgument, match="closed"):
        index.rank("alpha", 1)


def test_an_id_stands_once(tmp_path: Path) -> None:
    """An id added twice, or added while it is there, is refused."""
    build(tmp_path / "w", {1: "alpha"}).close()
    twice = [WordEntry(id=5, text="x"), WordEntry(id=5, text="y")]
    for previous, added, message in (
        (None, twice, "twice"),
        (tmp_path / "w", [WordEntry(id=1, text="x")], "already"),
        (None, [WordEntry(id=-1, text="x")], "0 or more"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            build_words(tmp_path / "n", previous=previous, removed_ids=[], added=added, key=KEY)
        with pytest.raises(DerivedUnusable):
            WordIndex.open(tmp_path / "n", key=KEY)


def test_an_empty_index_answers(tmp_path: Path) -> None:
    """Without passages there are no hits and no errors; from nothing it can grow."""
    index = build(tmp_path / "w", {})
    ranking = index.rank("alpha", 5)
    assert (index.documents, len(ranking.ids), ranking.highest) == (0, 0, 0.0)
    assert index.scores("alpha", np.array([1])).tolist() == [0.0]
    with pytest.raises(InvalidArgument, match="k=0"):
        index.rank("alpha", 0)
    grown = build(tmp_path / "w2", {1: "alpha"}, previous=tmp_path / "w")
    assert grown.rank("alpha", 5).ids.tolist() == [1]
