"""Kills a command at every place where it writes, and looks what becomes of it.

    PYTHONPATH=tests python tests/interruption/kills.py [--times 5] [COMMAND…]

prints how many places there are, how often a process was ended at each, and every violation. Which
places there are is found by running the command once; those that only come up in other runs join.
A place that several commands come by is met so often by all of them together, and once by each.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from commands import COMMANDS, CONCURRENCY
from loopback import LoopbackServer, Request
from stage import LOG, Look, Stage
from write_points import Call, Kill, calls_in, compiled_writes

from ragkit.models.catalogue import fingerprint, profile
from ragkit.models.fingerprint import Fingerprint

__all__ = ["MOST_LOST", "Campaign", "Toll", "Undisturbed", "wrong_at_last", "wrong_purchases"]
__all__ += ["wrong_then"]

# One answer is being stored while so many requests as may be in flight at once are answered.
MOST_LOST = 1 + CONCURRENCY

_WITH_BYTES = ("write", "writev", "pwrite")
_MOST_TRIES = 20
# What is not truth, and is half there while it is made.
_UNFINISHED = ("thumbnails",)


@dataclass(slots=True, kw_only=True)
class Toll:
    """What became of a command that was killed again and again.

    Attributes:
        command: Which.
        points: How often it was ended at each place.
        missed: Kills that a run did not come to, since it went another way.
        violations: What was wrong afterwards.
        lost: Most requests that were answered before one kill, and their vectors not stored.
        calls: Number of calls of an undisturbed run that change something.
    """

    command: str
    points: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    violations: list[str] = field(default_factory=list)
    lost: int = 0
    calls: int = 0

    @property
    def kills(self) -> int:
        """How often it was killed."""
        return self.points.total()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """A command as it is when nobody kills it."""

    made: Path
    before: Look
    after: Look
    calls: Sequence[Call]


class Campaign:
    """Kills commands and holds what they leave against what they make when they are left alone.

    Args:
        stage: Runs them.
        server: Embeds for them.
        scratch: An empty folder.
    """

    def __init__(self, stage: Stage, server: LoopbackServer, scratch: Path) -> None:
        self._stage = stage
        self._server = server
        self._scratch = scratch
        self._starts: dict[object, Path] = {}
        self._known: dict[str, Undisturbed] = {}
        self._number = 0

    def every_point(
        self, name: str, *, times: int, dice: random.Random, met: Mapping[str, int]
    ) -> Toll:
        """Kill a command at every place, so often each; once where other commands *met* it."""
        undisturbed, toll = self.undisturbed(name), Toll(command=name)
        toll.calls = len(undisturbed.calls)
        seen = Counter(call.point for call in undisturbed.calls)
        todo = sorted(seen)
        while todo:
            point = todo.pop()
            wanted = max(1, times - met.get(point, 0))
            for kill in _kills_at(point, seen[point], wanted, dice):
                new = self._kill(name, undisturbed, kill, toll) - seen.keys()
                todo += sorted(new)
                seen.update(new)
            # Where a run went another way: its first occurrence is met the most often.
            for _ in range(_MOST_TRIES):
                if toll.points[point] >= wanted:
                    break
                self._kill(name, undisturbed, Kill(point=point, nth=0, moment="before"), toll)
        return toll

    def some_points(self, name: str, *, number: int, dice: random.Random) -> Toll:
        """Kill a command at so many places, drawn by lot."""
        undisturbed, toll = self.undisturbed(name), Toll(command=name)
        toll.calls = len(undisturbed.calls)
        seen = Counter(call.point for call in undisturbed.calls)
        for point in dice.sample(sorted(seen), min(number, len(seen))):
            (kill,) = _kills_at(point, seen[point], 1, dice)
            self._kill(name, undisturbed, kill, toll)
        return toll

    def again_and_again(self, name: str, *, kills: int, dice: random.Random) -> Toll:
        """Kill a command so often in a row, each time on its way further than the last."""
        undisturbed, toll = self.undisturbed(name), Toll(command=name)
        toll.calls = len(undisturbed.calls)
        way = list(dict.fromkeys(call.point for call in undisturbed.calls))
        chosen = sorted(dice.sample(range(len(way)), min(kills, len(way))))
        place = self.copied(undisturbed.made)
        for point in (way[index] for index in chosen):
            moment = dice.choice(("before", "after"))
            if self._stage.kill(name, place, Kill(point=point, nth=0, moment=moment)):
                toll.points[point] += 1
            else:
                toll.missed += 1
        self._complete(place, undisturbed, f"{kills} kills", toll, kills)
        return toll

    def undisturbed(self, name: str) -> Undisturbed:
        """Prepare a command, and do it once."""
        if name not in self._known:
            self._known[name] = self._left_alone(name)
        return self._known[name]

    def _left_alone(self, name: str) -> Undisturbed:
        command = COMMANDS[name]
        if command.prepare not in self._starts:
            made = self._scratch / f"made-{len(self._starts)}"
            made.mkdir()
            self._stage.prepare(name, made)
            self._starts[command.prepare] = made
        made = self._starts[command.prepare]
        whole = self.copied(made)
        if command.begins == "old":
            forward = self.copied(made)
            self._stage.bring_forward(forward)
            before = self._stage.look(forward)
        else:
            before = self._stage.look(whole)
        calls = self._stage.record(name, whole)
        after = self._stage.look(whole)
        shutil.rmtree(whole)
        if after.problems or not after.state:
            raise AssertionError(f"{name} does not work undisturbed: {after}")
        calls = [call for call in calls if " @ " in call.point]
        return Undisturbed(made=made, before=before, after=after, calls=calls)

    def copied(self, made: Path) -> Path:
        """A scene of its own; what was asked of the server up to now was for another."""
        self._number += 1
        self._server.ledger.requests.clear()
        return Path(shutil.copytree(made, self._scratch / str(self._number), symlinks=True))

    def _kill(self, name: str, undisturbed: Undisturbed, kill: Kill, toll: Toll) -> set[str]:
        """One kill and all that follows; the places that the run came by."""
        place = self.copied(undisturbed.made)
        if self._stage.kill(name, place, kill):
            toll.points[kill.point] += 1
            self._complete(place, undisturbed, str(kill), toll)
        else:
            toll.missed += 1
        met = {call.point for call in calls_in(place / LOG) if " @ " in call.point}
        shutil.rmtree(place)
        return met

    def _complete(
        self, place: Path, undisturbed: Undisturbed, which: str, toll: Toll, kills: int = 1
    ) -> None:
        """Look, do the same again, and look again."""
        name = toll.command
        answered = [request for request in self._server.ledger.requests if request.status == 200]
        then = self._stage.look(place)
        begun = len(self._server.ledger.requests)
        self._stage.run(name, place)
        asked = self._server.ledger.requests[begun:]
        last = self._stage.look(place)
        wrong = [
            *wrong_then(COMMANDS[name].begins, then, undisturbed),
            *wrong_at_last(last, undisturbed),
            *wrong_purchases(asked, then, last),
        ]
        again = set(_texts(asked))
        lost = sum(not again.isdisjoint(_texts([request])) for request in answered)
        if lost > kills * MOST_LOST:
            wrong.append(f"{lost} answered requests were lost")
        toll.lost = max(toll.lost, lost)
        toll.violations += [f"{name}, {which}: {problem}" for problem in wrong]


def _kills_at(point: str, occurrences: int, times: int, dice: random.Random) -> Iterator[Kill]:
    """Kills at one place, as different from each other as they can be."""
    moments = ("before", "half", "after") if point.startswith(_WITH_BYTES) else ("before", "after")
    every = [(nth, moment) for nth in range(occurrences) for moment in moments]
    chosen: list[tuple[int, str]] = []
    while len(chosen) < times:
        chosen += dice.sample(every, min(len(every), times - len(chosen)))
    for nth, moment in chosen:
        yield Kill(point=point, nth=nth, moment=moment)


def wrong_then(begins: str, then: Look, undisturbed: Undisturbed) -> Iterator[str]:
    """Right after the kill a reader sees the old or the new collection, whole."""
    before, after = undisturbed.before, undisturbed.after
    if then.problems:
        is_old = begins == "old" and all("of an older ragkit" in said for said in then.problems)
        if begins != "damaged" and not is_old:
            yield f"then: {then.problems}"
        return
    seen = [_visible(look) for look in (before, after)]
    if _visible(then) not in seen:
        parts = [part for part, said in _visible(then).items() if said != seen[0].get(part)]
        yield f"a reader sees neither the old nor the new collection, by its {parts}"
    elif then.answers not in (before.answers, after.answers):
        yield "a search finds neither what it found before nor what it finds afterwards"


def wrong_at_last(last: Look, undisturbed: Undisturbed) -> Iterator[str]:
    """After the same command once more it is what an uninterrupted run makes."""
    after = undisturbed.after
    if last.problems:
        yield f"at last: {last.problems}"
        return
    differing = [part for part in after.state if last.state.get(part) != after.state[part]]
    if differing:
        yield f"another collection at last, by its {differing}"
    elif last.answers != after.answers:
        yield "a search finds something else at last"
    if last.names != after.names:
        yield f"files at last: {sorted(set(last.names) ^ set(after.names))}"


def wrong_purchases(asked: Sequence[Request], then: Look, last: Look) -> Iterator[str]:
    """No text is asked for whose vector was stored, and none twice."""
    twice = [
        text
        for request in asked
        if request.status == 200
        for text in _texts([request])
        if _mark(_model(request)).key(text).hex() in then.keys
    ]
    if twice:
        yield f"asked again though it was stored: {twice[:3]}"
    number = sum(request.inputs for request in asked if request.status == 200)
    if number > len(last.keys - then.keys):
        yield f"{number} inputs bought, and only {len(last.keys - then.keys)} were missing"


def _visible(look: Look) -> dict[str, str]:
    """What readers see, without what is staged for the next generation."""
    return {
        part: said
        for part, said in look.state.items()
        if part not in _UNFINISHED and not part.startswith("staged ")
    }


def _texts(requests: Sequence[Request]) -> Iterator[str]:
    """The texts of answered requests; pictures are none."""
    for request in requests:
        if request.status == 200:
            inputs = json.loads(request.body)["input"]
            yield from (one for one in inputs if isinstance(one, str))


def _model(request: Request) -> str:
    return str(json.loads(request.body)["model"])


@lru_cache
def _mark(model: str) -> Fingerprint:
    return fingerprint(profile(model))


def main() -> None:
    """Kill, and print what became of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--times", type=int, default=5, help="kills at each place")
    parser.add_argument("--in-a-row", type=int, default=10, help="kills of one run and its heirs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    violations, total = 0, Counter[str]()
    with tempfile.TemporaryDirectory() as folder, LoopbackServer() as server:
        scratch = Path(folder)
        with Stage([compiled_writes(scratch)], server.base_url, scratch / "state") as stage:
            campaign = Campaign(stage, server, scratch)
            for name in arguments.commands:
                dice = random.Random(f"{arguments.seed} {name}")  # noqa: S311 - no secret
                every = campaign.every_point(name, times=arguments.times, met=total, dice=dice)
                row = campaign.again_and_again(name, kills=arguments.in_a_row, dice=dice)
                for toll in (every, row):
                    violations += len(toll.violations)
                    sys.stdout.write("\n".join([_told(toll), *toll.violations, ""]))
                sys.stdout.flush()
                total.update(every.points)
    sys.stdout.write(
        f"{len(total)} distinct write points, each killed at least {min(total.values())} times;"
        f" {total.total()} kills, {violations} violations\n"
    )
    sys.exit(bool(violations) or min(total.values()) < arguments.times)


def _told(toll: Toll) -> str:
    return (
        f"{toll.command}: {toll.calls} calls, {len(toll.points)} write points, {toll.kills} kills,"
        f" {toll.missed} not reached, {len(toll.violations)} violations,"
        f" at most {toll.lost} answered requests lost at once"
    )


if __name__ == "__main__":
    main()
