"""Kills a command at each place where it changes something on the disk.

``python kill_points.py ACTION MADE SCRATCH [EVERY]`` is run by the tests. It loads what the action
needs, and then forks: one child counts the calls that write, and for each of them another child
runs the same on a copy of its own and is ended by SIGKILL just before it, as by a lost machine. A
call is counted by the interpreter's own profiling hook, so that nothing of ragkit is replaced.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import ragkit
from ragkit.config import Settings

__all__ = ["Outcome", "in_child", "killed_everywhere", "state_of"]

# Loaded once, so that no child has to.
_MODULES = (
    *("ragkit.collection.opening", "ragkit.indexing.words", "ragkit.indexing.wordbuild"),
    *("ragkit.indexing.vectors", "ragkit.retrieval.retriever", "ragkit.sync.synchronise"),
    *("ragkit.maintenance.verify", "ragkit.maintenance.compact", "ragkit.maintenance.purge"),
    *("ragkit.maintenance.forget", "ragkit.maintenance.repair", "ragkit.maintenance.unasked"),
    *("ragkit.maintenance.carrying", "ragkit.chunking.recipe", "ragkit.sync.worker", "Stemmer"),
)
# What changes a disk, by the name that the interpreter gives it.
_WRITES = frozenset(
    {
        *("write", "pwrite", "fsync", "rename", "replace", "unlink", "remove", "truncate"),
        *("ftruncate", "link", "symlink", "mkdir", "rmdir", "sendfile", "copy_file_range"),
        *("execute", "executemany", "commit", "__exit__", "wait_merging_threads"),
    }
)
_OWNERS = {"posix", "Connection", "BufferedWriter", "BufferedRandom", "FileIO", "IndexWriter"}
# What only passes a call on; the place is where it comes from.
_BETWEEN = ("pathlib.py", "contextlib.py", "connecting.py")
# Where SQL only asks.
_READERS = ("snapshot.py", "database.py", "audit.py", "traces.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a command that was killed at every place.

    Attributes:
        points: The places, as ``function at file:line``.
        kills: How often it was killed.
        failures: What was wrong afterwards; empty when nothing was.
    """

    points: list[str]
    kills: int
    failures: list[str]


def killed_everywhere(action: str, made: Path, scratch: Path, *, every: int = 1) -> Outcome:
    """Kill an action at every n-th call that writes, and once for each function and module.

    Args:
        action: One of ``ACTIONS``.
        made: The collection ``kb`` and its ``docs``.
        scratch: An empty folder.
        every: n.
    """
    done = subprocess.run(
        [sys.executable, __file__, action, str(made), str(scratch), str(every)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        env={**os.environ, "PYTHONPATH": os.fspath(Path(ragkit.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout)
    return Outcome(points=told["points"], kills=told["kills"], failures=told["failures"])


def state_of(kb: Path) -> str:
    """All that a reader could see of a collection, and what search by words says, as one digest."""
    with ragkit.open(kb, settings=Settings(workers=1), create=False) as collection:
        digest = hashlib.sha256()
        for passage in collection.passages():
            place = (passage.id, passage.root, passage.source, passage.start, passage.text)
            digest.update(repr(place).encode())
        for document in collection.documents():
            digest.update(repr((document.source, document.text)).encode())
        with collection._store.snapshot() as snapshot:
            ids, slots = snapshot.ids_and_slots()
            digest.update(ids.tobytes() + collection._store.rows(snapshot)[slots].tobytes())
        for query in ("valve", "station pressure", "soup", "größe"):
            for hit in collection.search(query, mode="lexical", k=5):
                digest.update(repr((hit.passage.id, round(hit.score, 5))).encode())
    return digest.hexdigest()


def _compact(kb: Path) -> None:
    with _opened(kb) as collection:
        collection.compact()


def _purge(kb: Path) -> None:
    with _opened(kb) as collection:
        collection.purge("guides/stations.md")


def _forget(kb: Path) -> None:
    with _opened(kb) as collection, contextlib.suppress(ragkit.errors.SourceNotFound):
        collection.forget("docs")


def _repair(kb: Path) -> None:
    with _opened(kb) as collection:
        collection.verify(repair=True)


def _export(kb: Path) -> None:
    with _opened(kb) as collection:
        collection.export(kb.parent / "away.ragkit")


def _import(kb: Path) -> None:
    with contextlib.suppress(ragkit.errors.NotACollection):
        ragkit.import_collection(kb.parent / "away.ragkit", kb)


def _opened(kb: Path) -> ragkit.Collection:
    return ragkit.open(kb, settings=Settings(workers=1), create=False)


ACTIONS: Mapping[str, Callable[[Path], None]] = {
    "compact": _compact,
    "purge": _purge,
    "forget": _forget,
    "repair": _repair,
    "export": _export,
    "import": _import,
}
# What begins with a damaged collection.
_MENDS = ("repair",)


class _Counter:
    """Counts the calls that write, and ends the process at one of them."""

    def __init__(self, kill_at: int | None) -> None:
        self.points: list[str] = []
        self._kill_at = kill_at
        self._guard = threading.Lock()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "c_call" or getattr(argument, "__name__", "") not in _WRITES:
            return
        owner = str(getattr(argument, "__module__", "") or "")
        named = str(getattr(argument, "__qualname__", ""))
        if not {owner, named.partition(".")[0]} & _OWNERS:
            return
        place = _place_of(frame)
        if place.startswith(_READERS):
            return
        with self._guard:
            if len(self.points) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.points.append(f"{named} at {place}")


def _place_of(frame: FrameType) -> str:
    while Path(frame.f_code.co_filename).name in _BETWEEN and frame.f_back is not None:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def in_child(work: Callable[[], object]) -> tuple[int, str]:
    """Do something in a child; the signal that ended it, and what it said as JSON."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            said = json.dumps(work())
        except BaseException:  # noqa: BLE001 - whatever it is, the parent tells it
            said = json.dumps({"error": traceback.format_exc()[-1500:]})
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0), told


def _counted(action: Callable[[Path], None], kb: Path, kill_at: int | None) -> list[str]:
    counter = _Counter(kill_at)
    threading.setprofile(counter)
    sys.setprofile(counter)
    try:
        action(kb)
    finally:
        sys.setprofile(None)
    return counter.points


def _after(action: Callable[[Path], None], kb: Path) -> dict[str, object]:
    """What is there after a kill, and after the same once more."""
    first = _looked_at(kb)
    action(kb)
    names = sorted(path.name for path in (*kb.iterdir(), *kb.parent.iterdir()))
    return {"first": first, "last": _looked_at(kb), "names": names}


def _looked_at(kb: Path) -> dict[str, object]:
    if not kb.exists():
        return {"state": "nothing", "problems": []}
    with _opened(kb) as collection:
        report = collection.verify()
    problems = [f"{item.law} {item.place}: {item.problem}" for item in report.problems]
    away, taken_in = kb.parent / "away.ragkit", kb.parent / "looked at"
    if away.exists() and not problems:
        ragkit.import_collection(away, taken_in)
        if state_of(taken_in) != state_of(kb):
            problems.append("what was exported is not what is there")
        shutil.rmtree(taken_in)
    return {"state": "damaged" if problems else state_of(kb), "problems": problems}


def _chosen(points: list[str], every: int) -> list[int]:
    """Each n-th, and the first of each function and module."""
    places = [point.rpartition(":")[0] for point in points]
    firsts = {place: index for index, place in reversed(list(enumerate(places)))}
    return sorted({*firsts.values(), *range(0, len(points), every)})


def main(name: str, made: Path, scratch: Path, every: int) -> None:
    """Write what became of it to stdout."""
    for module in _MODULES:
        importlib.import_module(module)
    action = ACTIONS[name]
    before = json.loads(in_child(lambda: _looked_at(made / "kb"))[1])
    shutil.copytree(made, scratch / "whole")
    points = json.loads(in_child(lambda: _counted(action, scratch / "whole/kb", None))[1])
    after = json.loads(in_child(lambda: _looked_at(scratch / "whole/kb"))[1])
    is_sound = not before.get("problems") or name in _MENDS
    if isinstance(points, dict) or after.get("problems") or not is_sound:
        raise SystemExit(f"it does not work undisturbed: {before} {points} {after}")
    chosen, failures = _chosen(points, every), []
    for number in chosen:
        kb = scratch / str(number) / "kb"
        shutil.copytree(made, kb.parent)
        ended, said = in_child(partial(_counted, action, kb, number))
        told = json.loads(in_child(partial(_after, action, kb))[1])
        wrong = _wrong(ended, said, told, (before["state"], after["state"]))
        failures += [f"killed at {number}, {points[number]}: {problem}" for problem in wrong]
        shutil.rmtree(kb.parent)
    told = {"points": sorted(set(points)), "kills": len(chosen), "failures": failures}
    sys.stdout.write(json.dumps(told))


def _wrong(ended: int, said: str, told: dict[str, Any], states: tuple[str, str]) -> list[str]:
    if ended != signal.SIGKILL:
        return [f"it was not killed: {said[-500:]}"]
    if "error" in told:
        return [told["error"]]
    first, last = told["first"], told["last"]
    wrong = [
        f"{when}: {look['problems']}"
        for when, look in (("then", first), ("at last", last))
        if look["problems"] and look["state"] not in states
    ]
    if first["state"] not in states:
        wrong.append("a reader sees neither the old nor the new collection")
    if last["state"] != states[1]:
        wrong.append("the same command once more does not make what an uninterrupted one makes")
    ends = (".new", ".next", ".exporting", ".importing")
    left = [name for name in told["names"] if name.endswith(ends)]
    if left:
        wrong.append(f"left behind: {left}")
    return wrong


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
