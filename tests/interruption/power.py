"""Cuts the power after every call of a command, and looks what the disk then holds.

    PYTHONPATH=tests python tests/interruption/power.py [COMMAND…]

The command runs once, and what it writes is recorded. For each prefix of that log a collection is
laid out as any process would see it, and as a disk may hold it that lost what was not flushed.
"""

from __future__ import annotations

import argparse
import copy
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commands import COMMANDS
from disk import Disk, content_of
from kills import Campaign, Undisturbed, wrong_at_last, wrong_purchases, wrong_then
from loopback import LoopbackServer
from stage import LOG, Look, Stage
from write_points import Call, compiled_writes

__all__ = ["Losses", "PowerCuts"]

# Shared memory: it is no part of what lasts, and no call tells of what is written to it.
_NOT_LASTING = "kb/collection.db-shm"


@dataclass(slots=True, kw_only=True)
class Losses:
    """What became of a command whose machine lost its power again and again.

    Attributes:
        command: Which.
        calls: Number of calls that change something, after each of which there may be a cut.
        disks: Number of disks that were looked at.
        completed: On how many of them the command was then done again.
        violations: What was wrong.
    """

    command: str
    calls: int = 0
    disks: int = 0
    completed: int = 0
    violations: list[str] = field(default_factory=list)


class PowerCuts:
    """Lays out disks and looks at them.

    Args:
        campaign: Knows commands as they are when they are left alone.
        stage: Runs them.
        server: Embeds for them.
    """

    def __init__(self, campaign: Campaign, stage: Stage, server: LoopbackServer) -> None:
        self._campaign = campaign
        self._stage = stage
        self._server = server

    def recorded(self, name: str, undisturbed: Undisturbed) -> tuple[Disk, list[Call]]:
        """The disk before a command, and the log of all that it wrote.

        Raises:
            AssertionError: The log does not make the files that are there.
        """
        place = self._campaign.copied(undisturbed.made)
        disk = Disk(place)
        before = copy.deepcopy(disk)
        calls = self._stage.record(name, place, data=True)
        for call in calls:
            disk.apply(call)
        real, replayed = content_of(place), disk.whole()
        del real[LOG]
        for files in (real, replayed):
            files.pop(_NOT_LASTING, None)
        assert replayed.keys() == real.keys(), replayed.keys() ^ real.keys()
        differing = [name for name, content in real.items() if replayed[name] != content]
        assert differing == [], "some write was not seen"
        shutil.rmtree(place)
        return before, calls

    def everywhere(
        self, name: str, *, every: int, cuts: int, completes: int, dice: random.Random
    ) -> Losses:
        """Cut the power after each n-th call.

        Args:
            name: Of the command.
            every: n.
            cuts: Disks with losses for each place, beside the one without.
            completes: On each n-th disk the command is done again.
            dice: Decides what is lost.
        """
        undisturbed = self._campaign.undisturbed(name)
        disk, calls = self.recorded(name, undisturbed)
        losses = Losses(command=name, calls=len(calls))
        for number, call in enumerate(calls):
            disk.apply(call)
            if number % every and number != len(calls) - 1:
                continue
            disks = [disk.whole(), *(disk.after_power_loss(dice) for _ in range(cuts))]
            for variant, files in enumerate(disks):
                losses.disks += 1
                completed = losses.disks % completes == 0
                losses.completed += completed
                wrong = self._look(name, undisturbed, files, calls[: number + 1], completed)
                which = f"{name}, call {number}, {call.point or call.path}, disk {variant}"
                losses.violations += [f"{which}: {problem}" for problem in wrong]
        return losses

    def _look(
        self,
        name: str,
        undisturbed: Undisturbed,
        files: Mapping[str, bytes],
        calls: Sequence[Call],
        completed: bool,
    ) -> list[str]:
        place = self._laid_out(undisturbed.made, files)
        begins = COMMANDS[name].begins
        then = self._stage.look(place)
        wrong = list(wrong_then(begins, then, undisturbed))
        wrong += _broken_promises(calls, then, undisturbed)
        if completed:
            begun = len(self._server.ledger.requests)
            self._stage.run(name, place)
            asked = self._server.ledger.requests[begun:]
            last = self._stage.look(place)
            wrong += [*wrong_at_last(last, undisturbed), *wrong_purchases(asked, then, last)]
        shutil.rmtree(place)
        return wrong

    def _laid_out(self, made: Path, files: Mapping[str, bytes]) -> Path:
        """A scene with these files; those that did not change keep their times."""
        place = self._campaign.copied(made)
        for path, content in content_of(place).items():
            if files.get(path) != content:
                (place / path).unlink()
        for path, content in files.items():
            if not (place / path).exists():
                (place / path).parent.mkdir(parents=True, exist_ok=True)
                (place / path).write_bytes(content)
        return place


def _broken_promises(calls: Sequence[Call], then: Look, undisturbed: Undisturbed) -> Iterator[str]:
    """What the code had said to be durable by then must be there."""
    promised = dict(call.path.split() for call in calls if call.name == "mark")
    known = len(then.keys - undisturbed.before.keys)
    if int(promised.get("vectors", 0)) > known:
        yield f"{promised['vectors']} vectors were stored, and {known} are there"
    if int(promised.get("generation", 0)) > then.generation:
        yield f"generation {promised['generation']} was committed, and {then.generation} is there"


def main() -> None:
    """Cut, and print what became of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--every", type=int, default=1, help="cut after each n-th call")
    parser.add_argument("--cuts", type=int, default=2, help="disks with losses for each place")
    parser.add_argument("--completes", type=int, default=7, help="go on from each n-th disk")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    violations, disks = [], 0
    with tempfile.TemporaryDirectory() as folder, LoopbackServer() as server:
        scratch = Path(folder)
        with Stage([compiled_writes(scratch)], server.base_url, scratch / "state") as stage:
            power = PowerCuts(Campaign(stage, server, scratch), stage, server)
            for name in arguments.commands:
                losses = power.everywhere(
                    name,
                    every=arguments.every,
                    cuts=arguments.cuts,
                    completes=arguments.completes,
                    dice=random.Random(f"{arguments.seed} {name}"),  # noqa: S311 - no secret
                )
                violations += losses.violations
                sys.stdout.write("".join(f"{violation}\n" for violation in losses.violations))
                disks += losses.disks
                sys.stdout.write(
                    f"{name}: {losses.calls} calls, {losses.disks} disks, the command done again on"
                    f" {losses.completed}, {len(losses.violations)} violations\n"
                )
                sys.stdout.flush()
    sys.stdout.write(f"{disks} disks, {len(violations)} violations\n")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
