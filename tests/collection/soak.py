"""One writer of random edits and four readers, for as long as one likes.

    PYTHONPATH=tests python tests/collection/soak.py [--seconds 600]

The writer notes the documents of each generation before it begins it. A reader opens the collection
once, and holds every answer against brute force over the documents of one whole generation, never
an earlier one than it has seen: cosines over all of them by the server's own vectors, and by words
the documents that have the word. Prints what was done, and how memory, open files and the
collection's own files grew after the first third.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from loopback import KEY, LoopbackServer, vector_of

import ragkit
from ragkit.config import Secret, Settings

__all__ = ["READERS", "Endurance", "soak"]

READERS = 4
_MODEL = "test/small"
_DOCUMENTS = 60
_TOPICS = ("harbour", "valve", "lantern", "meadow", "glacier", "violin", "orchard", "compass")
_QUERIES = tuple(
    f"what is said of the {topic} and of number {n}" for n, topic in enumerate(_TOPICS)
)
_COMPACTS_EVERY, _PURGES_EVERY = 15, 40
_K = 10


@dataclass(slots=True, kw_only=True)
class Endurance:
    """What one process did, and how it grew.

    Attributes:
        role: ``writer`` or ``reader``.
        rounds: Syncs of the writer; answers of a reader.
        generations: Seen by a reader.
        memory_mib: Resident memory after a third of the time, and at the end.
        handles: Open files, likewise.
        files: Files and bytes of the collection, likewise, each just compacted; for the writer.
    """

    role: str
    rounds: int = 0
    generations: int = 0
    memory_mib: list[float] = field(default_factory=list)
    handles: list[int] = field(default_factory=list)
    files: list[tuple[int, int]] = field(default_factory=list)

    def measure(self) -> None:
        """Note how large this process is now."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.memory_mib.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        self.handles.append(sum(1 for _ in Path("/proc/self/fd").iterdir()))


def soak(place: Path, base_url: str, *, seconds: float, seed: int = 0) -> list[Endurance]:
    """Let all of them run; the writer's account is the first.

    Raises:
        AssertionError: One of them found something wrong; its words are in the message.
    """
    (place / "expected").mkdir()
    begin = [sys.executable, __file__, "--place", os.fspath(place), "--base-url", base_url]
    begin += ["--seconds", str(seconds), "--seed", str(seed)]
    _write(place, base_url, seconds=0, seed=seed)
    roles = [["--role", "writer"], *(["--role", f"reader {n}"] for n in range(READERS))]
    home = f"{Path(__file__).parents[1]}{os.pathsep}{Path(ragkit.__file__).parents[1]}"
    processes = [
        subprocess.Popen(
            [*begin, *role],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": home},
        )
        for role in roles
    ]
    told = [process.communicate() for process in processes]
    codes = [process.returncode for process in processes]
    assert set(codes) == {0}, (codes, "".join(error for _, error in told))
    return [Endurance(**json.loads(said)) for said, _ in told]


# --- the writer


def _write(place: Path, base_url: str, *, seconds: float, seed: int) -> Endurance:
    """Edit and sync, and now and then compact or purge; no seconds for the first edition alone."""
    dice, ends = random.Random(seed), time.monotonic() + seconds  # noqa: S311 - no secret
    own, docs = Endurance(role="writer"), place / "docs"
    with _opened(place, base_url) as collection:
        if not seconds:
            docs.mkdir()
            for number in range(_DOCUMENTS):
                _write_document(docs, number, dice)
            _expect(place, 1)
            assert collection.sync(docs).added == _DOCUMENTS
            return own
        while time.monotonic() < ends or own.rounds % _COMPACTS_EVERY:
            own.rounds += 1
            if own.rounds % _PURGES_EVERY == 0:
                _purge_one(place, collection, dice)
            for _ in range(dice.randint(1, 6)):
                _edit(docs, dice)
            _expect(place, collection.status().generation + 1)
            report = collection.sync(docs)
            assert report.failed == (), report
            if own.rounds % _COMPACTS_EVERY == 0:
                _expect(place, collection.status().generation + 1)
                collection.compact()
                if not own.memory_mib and time.monotonic() > ends - seconds * 2 / 3:
                    _measure_all(own, place)
        _measure_all(own, place)
        assert collection.verify().problems == ()
    return own


def _measure_all(own: Endurance, place: Path) -> None:
    own.measure()
    sizes = [path.stat().st_size for path in (place / "kb").rglob("*") if path.is_file()]
    own.files.append((len(sizes), sum(sizes)))


def _purge_one(place: Path, collection: ragkit.Collection, dice: random.Random) -> None:
    path = dice.choice(sorted((place / "docs").iterdir()))
    path.unlink()
    _expect(place, collection.status().generation + 1)
    collection.purge(path.name)


def _write_document(docs: Path, number: int, dice: random.Random) -> None:
    topic = dice.choice(_TOPICS)
    text = f"Note {number} of {dice.randrange(10**9)} says of the {topic} what it is."
    (docs / f"{number:04}.txt").write_text(text)


def _edit(docs: Path, dice: random.Random) -> None:
    """Change, add, delete or move one file."""
    paths = sorted(docs.iterdir())
    kind = dice.choice(("change", "change", "add", "delete", "move"))
    if kind == "add" and len(paths) < 2 * _DOCUMENTS:
        _write_document(docs, dice.randrange(10_000), dice)
    elif kind == "delete" and len(paths) > _DOCUMENTS // 2:
        dice.choice(paths).unlink()
    elif kind == "move":
        dice.choice(paths).rename(docs / f"{dice.randrange(10_000):04}.txt")
    else:
        _write_document(docs, int(dice.choice(paths).stem), dice)


def _expect(place: Path, generation: int) -> None:
    """Note what a generation will hold, before it can be seen."""
    found = {path.name: path.read_text() for path in (place / "docs").iterdir()}
    draft = place / "draft.json"
    draft.write_text(json.dumps(found))
    draft.rename(place / "expected" / f"{generation}.json")


# --- a reader


@dataclass(frozen=True, slots=True, kw_only=True)
class _Generation:
    """The documents of one generation, each of which is one passage, and their vectors."""

    texts: Mapping[str, str]
    sources: Sequence[str]
    rows: npt.NDArray[np.float64]


class _Oracle:
    """Answers by brute force over what the writer noted."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._known: dict[int, _Generation] = {}
        self._vectors: dict[str, npt.NDArray[np.float64]] = {}
        self.seen = 1
        self.met: set[int] = set()

    def must_have_been(self, matches: Any) -> None:  # noqa: ANN401 - a predicate
        """One generation, this or a later one than the last, must answer so."""
        number = self.seen
        while (generation := self._generation(number)) is not None:
            if matches(generation):
                if number != self.seen:
                    self._known = {key: one for key, one in self._known.items() if key >= number}
                self.seen = number
                self.met.add(number)
                return
            number += 1
        raise AssertionError(f"no generation from {self.seen} to {number - 1} answers so")

    def semantic(self, generation: _Generation, query: str, found: Mapping[str, float]) -> bool:
        """Whether these are its nearest, with their cosines; ties may stand either way."""
        cosines = generation.rows @ self._vector(query)
        of_source = dict(zip(generation.sources, cosines.tolist(), strict=True))
        nearest = np.sort(cosines)[::-1][:_K]
        return (
            found.keys() <= of_source.keys()
            and all(abs(of_source[source] - score) < 1e-4 for source, score in found.items())
            and len(found) == len(nearest)
            and bool(np.all(np.abs(np.sort([*found.values()])[::-1] - nearest) < 1e-4))
        )

    def _generation(self, number: int) -> _Generation | None:
        if number not in self._known:
            path = self._place / "expected" / f"{number}.json"
            if not path.exists():
                return None
            texts = json.loads(path.read_text())
            rows = np.array([self._vector(text) for text in texts.values()])
            self._known[number] = _Generation(texts=texts, sources=tuple(texts), rows=rows)
        return self._known[number]

    def _vector(self, text: str) -> npt.NDArray[np.float64]:
        if text not in self._vectors:
            if len(self._vectors) > 2000:
                self._vectors.clear()
            vector = np.array(vector_of(text, model=_MODEL), dtype=np.float64)
            self._vectors[text] = vector / np.linalg.norm(vector)
        return self._vectors[text]


def _read(place: Path, base_url: str, *, seconds: float, seed: int) -> Endurance:
    """Ask, and hold every answer against the oracle."""
    dice, ends = random.Random(seed), time.monotonic() + seconds  # noqa: S311 - no secret
    own, oracle = Endurance(role="reader"), _Oracle(place)
    with _opened(place, base_url) as collection:
        while time.monotonic() < ends:
            own.rounds += 1
            _ask(collection, oracle, dice)
            if not own.memory_mib and time.monotonic() > ends - seconds * 2 / 3:
                own.measure()
    own.generations = len(oracle.met)
    own.measure()
    return own


def _ask(collection: ragkit.Collection, oracle: _Oracle, dice: random.Random) -> None:
    kind = dice.choice(("semantic", "exact", "lexical", "hybrid", "documents"))
    if kind in ("semantic", "exact"):
        query = dice.choice(_QUERIES)
        hits = collection.search(query, mode="semantic", k=_K, exact=kind == "exact")
        scores = {hit.source: hit.score for hit in hits}
        texts = {hit.source: hit.text for hit in hits}
        oracle.must_have_been(
            lambda one: texts.items() <= one.texts.items() and oracle.semantic(one, query, scores)
        )
    elif kind == "lexical":
        topic = dice.choice(_TOPICS)
        found = {hit.source: hit.text for hit in collection.search(topic, mode="lexical", k=500)}
        oracle.must_have_been(
            lambda one: found == {name: text for name, text in one.texts.items() if topic in text}
        )
    elif kind == "hybrid":
        found = {hit.source: hit.text for hit in collection.search(dice.choice(_QUERIES), k=500)}
        oracle.must_have_been(lambda one: found == dict(one.texts))
    else:
        found = {document.source: document.text for document in collection.documents()}
        oracle.must_have_been(lambda one: found == dict(one.texts))


def _opened(place: Path, base_url: str) -> ragkit.Collection:
    settings = Settings(model=_MODEL, base_url=base_url, api_key=Secret(KEY), workers=1)
    return ragkit.open(place / "kb", settings=settings)


def main() -> None:
    """Run one of the processes, or all of them and print how they fared."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--base-url", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        does = _write if given.role == "writer" else _read
        seed = f"{given.seed} {given.role}"
        own = does(given.place, given.base_url, seconds=given.seconds, seed=hash_of(seed))
        sys.stdout.write(json.dumps(asdict(own)))
        return
    with tempfile.TemporaryDirectory() as folder, LoopbackServer() as server:
        for own in soak(Path(folder), server.base_url, seconds=given.seconds, seed=given.seed):
            sys.stdout.write(f"{own}\n")


def hash_of(text: str) -> int:
    """The same in every process."""
    return int.from_bytes(text.encode(), "big") % 2**31


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
