"""Processes that do one command each, forked from one that has loaded everything.

``python stage.py`` is preloaded with ``writes.c``, reads orders as lines of JSON and answers each
with a line. ``Stage`` starts it and speaks to it.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from commands import COMMANDS, Scene
from faults import MachineFault
from states import answers_of, keys_of, state_of
from write_points import Call, Kill, calls_in, watched

import ragkit
from ragkit.errors import CollectionNotFound

__all__ = ["LOG", "Look", "Stage"]

# Where a run's calls are told, in the scene's folder.
LOG = "calls"

# Loaded once, so that no child has to.
_MODULES = (
    *("ragkit.collection.opening", "ragkit.indexing.words", "ragkit.indexing.wordbuild"),
    *("ragkit.indexing.vectors", "ragkit.retrieval.retriever", "ragkit.sync.synchronise"),
    *("ragkit.sync.estimate", "ragkit.sync.watch", "ragkit.sync.interrupt", "Stemmer", "httpx"),
    *("ragkit.embedding.openrouter", "ragkit.embedding.client", "ragkit.chunking"),
    *("ragkit.maintenance.verify", "ragkit.maintenance.compact", "ragkit.maintenance.purge"),
    *("ragkit.maintenance.forget", "ragkit.maintenance.migrate", "ragkit.maintenance.repair"),
    *("ragkit.maintenance.carrying", "ragkit.maintenance.unasked", "ragkit.sync.worker"),
)
_PATIENCE_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is to be seen of a collection.

    Attributes:
        state: As ``state_of``; empty when there is no collection.
        answers: As ``answers_of``.
        keys: As ``keys_of``.
        problems: Of ``verify``, or the error with which something ended.
        generation: Its number.
        names: What lies in its folder and beside it.
    """

    state: Mapping[str, str]
    answers: Mapping[str, list[list[object]]]
    keys: frozenset[str]
    problems: tuple[str, ...]
    generation: int
    names: tuple[str, ...]


class Stage:
    """A process that forks one for each order.

    Args:
        libraries: To be preloaded, ``writes.c`` among them, and those whose calls it is not to see
            before it.
        base_url: Of a server.
        state: Folder for what the installation keeps.
    """

    def __init__(self, libraries: Sequence[Path], base_url: str, state: Path) -> None:
        here = Path(__file__).parent
        places = (here, here.parent, Path(ragkit.__file__).parents[1])
        self._base_url = base_url
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "LD_PRELOAD": ":".join(map(os.fspath, libraries)),
                "PYTHONPATH": os.pathsep.join(map(os.fspath, places)),
                "XDG_STATE_HOME": os.fspath(state),
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=_PATIENCE_S)

    def prepare(self, command: str, place: Path) -> None:
        """Make what is there before a command."""
        self._done(do="prepare", command=command, place=place)

    def run(self, command: str, place: Path) -> None:
        """Do a command."""
        self._done(do="run", command=command, place=place)

    def record(self, command: str, place: Path, *, data: bool = False) -> list[Call]:
        """Do a command; what it changed, call by call."""
        log = place / LOG
        self._done(do="run", command=command, place=place, log=log, data=data)
        return calls_in(log)

    def kill(self, command: str, place: Path, kill: Kill) -> bool:
        """Begin a command and end it; whether it came to that."""
        told = self._ask(do="run", command=command, place=place, log=place / LOG, kill=asdict(kill))
        if told["signal"] == signal.SIGKILL:
            return True
        if told["said"] is None or "error" in told["said"]:
            raise AssertionError(f"{command} at {kill}: {told}")
        return False

    def refuse(self, command: str, place: Path, fault: MachineFault) -> str:
        """Begin a command and let calls of it fail; the sentence with which it ended, if it did."""
        meant = dict(fault.environment(Path()))
        del meant["LD_PRELOAD"]
        return str(self._done(do="refuse", command=command, place=place, fault=meant)["told"])

    def look(self, place: Path) -> Look:
        """Open, verify and search a collection."""
        said = self._done(do="look", place=place)
        return Look(
            state=said["state"],
            answers=said["answers"],
            keys=frozenset(said["keys"]),
            problems=tuple(said["problems"]),
            generation=said["generation"],
            names=tuple(said["names"]),
        )

    def bring_forward(self, place: Path) -> None:
        """Bring a collection's schema forward, and do nothing else."""
        self._done(do="bring forward", place=place)

    def _done(self, **order: object) -> Any:  # noqa: ANN401 - JSON may be anything
        told = self._ask(**order)
        said = told["said"]
        if told["signal"] or said is None or "error" in said:
            raise AssertionError(f"{order}: {told['signal']} {said and said['error']}")
        return said

    def _ask(self, **order: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"base_url": self._base_url, **order}, default=os.fspath)
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


def _forked(work: Callable[[], object]) -> dict[str, object]:
    """Do something in a child: the signal that ended it, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(_PATIENCE_S)
        try:
            said = json.dumps(work())
        except BaseException:  # noqa: BLE001 - whatever it is, the parent tells it
            said = json.dumps({"error": traceback.format_exc()[-3000:]})
        with os.fdopen(writing, "w") as pipe:
            pipe.write(said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return {"signal": ended, "said": json.loads(told) if told else None}


def _obey(order: Mapping[str, Any]) -> object:
    scene = Scene(place=Path(order["place"]), base_url=order["base_url"])
    if order["do"] == "look":
        return _look(scene)
    if order["do"] == "bring forward":
        with scene.open() as collection, collection._store.writing():
            return {}
    command = COMMANDS[order["command"]]
    if order["do"] == "prepare":
        command.prepare(scene)
    elif order["do"] == "refuse":
        # Read by the library at each call.
        os.environ.update(order["fault"])
        try:
            command.run(scene)
        except ragkit.RagkitError as error:
            return {"told": f"{type(error).__name__}: {error}"}
        return {"told": ""}
    elif "log" not in order:
        command.run(scene)
    else:
        kill = Kill(**order["kill"]) if order.get("kill") else None
        with watched(
            scene.place.resolve(), Path(order["log"]), kill=kill, data=order.get("data", False)
        ):
            command.run(scene)
    return {}


def _look(scene: Scene) -> dict[str, object]:
    nothing = {"state": {}, "answers": {}, "keys": [], "generation": 0, "names": _names(scene)}
    try:
        with scene.open() as collection:
            problems = [
                f"{item.law} {item.place}: {item.problem}" for item in collection.verify().problems
            ]
            return {
                "state": {**state_of(collection), **_carried_away(scene)},
                "answers": answers_of(collection),
                "keys": keys_of(collection),
                "problems": problems,
                "generation": collection.status().generation,
                "names": _names(scene),
            }
    except CollectionNotFound:
        return {**nothing, "problems": []}
    except ragkit.RagkitError:
        return {**nothing, "problems": [traceback.format_exc()[-1500:]]}


def _names(scene: Scene) -> list[str]:
    """What lies in the collection and beside it."""
    inside = [path.name for path in scene.kb.iterdir()] if scene.kb.is_dir() else []
    beside = [f"../{path.name}" for path in scene.place.iterdir() if path.name != LOG]
    return sorted([*inside, *beside])


def _carried_away(scene: Scene) -> dict[str, str]:
    """The state of what was exported, if something was."""
    if not scene.away.exists():
        return {}
    place = scene.away.with_name("looked at")
    ragkit.import_collection(scene.away, place)
    with replace(scene, name=place.name).open() as collection:
        parts = {f"exported {name}": part for name, part in state_of(collection).items()}
    shutil.rmtree(place)
    return parts


def main() -> None:
    """Obey until there are no more orders."""
    for module in _MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        order = json.loads(line)
        sys.stdout.write(json.dumps(_forked(lambda order=order: _obey(order))) + "\n")  # type: ignore[misc]  # the loop's own
        sys.stdout.flush()


if __name__ == "__main__":
    main()
