"""Refuses a command one of its writes or reads, or all from one on, and looks what becomes of it.

    PYTHONPATH=tests python tests/interruption/refusals.py [--every 1] [COMMAND…]

As a full disk, an exceeded quota, a failing disk, a read-only one and a lost permission do. What
was durable stays, one sentence says what to do, and once the fault is gone the same command makes
what it makes undisturbed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from commands import COMMANDS
from faults import MachineFault, compiled
from kills import Campaign, wrong_at_last, wrong_purchases, wrong_then
from loopback import LoopbackServer
from stage import Stage
from write_points import compiled_writes

__all__ = ["ERRORS", "Refusals", "Trouble"]

ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EACCES")
_CALLS = "write,fsync,truncate,rename,link,mkdir"
# What they are called in the log, where some have more names.
_LOGGED = ("write", "writev", "pwrite", "fsync", "truncate", "rename", "link", "mkdir")
# What a message advises.
_ADVICE = ("the same command again", "rebuild the index", "name another", "see to the disk")
# A folder of documents that cannot be read is another matter.
_NAME = "kb/"


@dataclass(slots=True, kw_only=True)
class Trouble:
    """What became of a command that was refused again and again.

    Attributes:
        command: Which.
        faults: Number of runs with a fault.
        told: How often it ended with each sentence, without what differs from run to run.
        violations: What was wrong.
    """

    command: str
    faults: int = 0
    told: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Refusals:
    """Lets calls of commands fail.

    Args:
        campaign: Knows commands as they are when they are left alone.
        stage: Runs them, with the library of faults.
        server: Embeds for them.
    """

    def __init__(self, campaign: Campaign, stage: Stage, server: LoopbackServer) -> None:
        self._campaign = campaign
        self._stage = stage
        self._server = server

    def some_calls(self, name: str, *, number: int, dice: random.Random) -> Trouble:
        """Refuse so many of its calls, drawn by lot, one in each run."""
        calls = self._number_of_calls(name)
        return self._refused(name, sorted(dice.sample(range(calls), min(number, calls))), dice)

    def every_call(self, name: str, *, every: int, dice: random.Random) -> Trouble:
        """Refuse each n-th call in a run of its own."""
        return self._refused(name, range(0, self._number_of_calls(name), every), dice)

    def some_reads(self, name: str, *, number: int, dice: random.Random) -> Trouble:
        """Let so many reads fail, ever later ones, each in a run of its own."""
        places = [dice.randrange(2**power, 2 ** (power + 1)) for power in range(number)]
        return self._refused(name, places, dice, reads=True)

    def _number_of_calls(self, name: str) -> int:
        calls = self._campaign.undisturbed(name).calls
        return sum(call.name in _LOGGED for call in calls)

    def _refused(
        self, name: str, places: Iterable[int], dice: random.Random, *, reads: bool = False
    ) -> Trouble:
        trouble = Trouble(command=name)
        for after in places:
            fault = MachineFault(
                path=_NAME if reads else "",
                calls="read" if reads else _CALLS,
                error="EIO" if reads else dice.choice(ERRORS),
                after=after,
                times=dice.choice((0, 1)),
            )
            trouble.faults += 1
            trouble.violations += [
                f"{name}, {fault}: {wrong}" for wrong in self._wrong(fault, trouble)
            ]
        return trouble

    def _wrong(self, meant: MachineFault, trouble: Trouble) -> Iterator[str]:
        name = trouble.command
        undisturbed = self._campaign.undisturbed(name)
        place = self._campaign.copied(undisturbed.made)
        fault = replace(meant, path=f"{place.resolve()}/{meant.path}")
        told = self._stage.refuse(name, place, fault)
        trouble.told[told.replace(str(place), "…")] += 1
        if told and not any(advice in told for advice in _ADVICE):
            yield f"no advice in: {told}"
        then = self._stage.look(place)
        yield from wrong_then(COMMANDS[name].begins, then, undisturbed)
        begun = len(self._server.ledger.requests)
        self._stage.run(name, place)
        asked = self._server.ledger.requests[begun:]
        last = self._stage.look(place)
        yield from wrong_at_last(last, undisturbed)
        yield from wrong_purchases(asked, then, last)
        shutil.rmtree(place)


def _told(trouble: Trouble) -> str:
    line = f"{trouble.command}: {trouble.faults} faults, {len(trouble.violations)} violations"
    sentences = [f"  {number} {said}" for said, number in trouble.told.most_common()]
    return "\n".join([line, *sentences, *trouble.violations, ""])


def main() -> None:
    """Refuse, and print what became of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("commands", nargs="*", default=list(COMMANDS), metavar="COMMAND")
    parser.add_argument("--every", type=int, default=1, help="refuse each n-th call")
    parser.add_argument("--reads", type=int, default=10, help="number of reads that fail")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    faults = violations = 0
    with tempfile.TemporaryDirectory() as folder, LoopbackServer() as server:
        scratch = Path(folder)
        libraries = (compiled(scratch), compiled_writes(scratch))
        with Stage(libraries, server.base_url, scratch / "state") as stage:
            refusals = Refusals(Campaign(stage, server, scratch), stage, server)
            for name in arguments.commands:
                dice = random.Random(f"{arguments.seed} {name}")  # noqa: S311 - no secret
                for trouble in (
                    refusals.every_call(name, every=arguments.every, dice=dice),
                    refusals.some_reads(name, number=arguments.reads, dice=dice),
                ):
                    faults += trouble.faults
                    violations += len(trouble.violations)
                    sys.stdout.write(_told(trouble))
                    sys.stdout.flush()
    sys.stdout.write(f"{faults} faults, {violations} violations\n")
    sys.exit(bool(violations))


if __name__ == "__main__":
    main()
