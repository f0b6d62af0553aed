"""Whatever is killed or loses its power ends, done once more, as if it had been left alone."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import COMMANDS
from faults import compiled
from kills import Campaign
from loopback import LoopbackServer
from power import PowerCuts
from refusals import Refusals
from stage import Stage
from write_points import compiled_writes

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interruption")


@pytest.fixture(scope="module")
def stage(scratch: Path, server: LoopbackServer) -> Iterator[Stage]:
    libraries = (compiled(scratch), compiled_writes(scratch))
    with Stage(libraries, server.base_url, scratch / "state") as stage:
        yield stage


@pytest.fixture(scope="module")
def campaign(stage: Stage, server: LoopbackServer, scratch: Path) -> Campaign:
    return Campaign(stage, server, scratch)


@pytest.mark.parametrize(("name", "number"), [("index again", 2), ("migrate", 2)])
def test_a_killed_command_loses_nothing(campaign: Campaign, name: str, number: int) -> None:
    """Killed at places drawn by lot, it completes, verify is clean, and nothing is bought twice."""
    toll = campaign.some_points(name, number=number, dice=random.Random(name))  # noqa: S311
    assert toll.violations == []
    assert toll.kills + toll.missed == number
    assert toll.kills >= 1


def test_kills_in_mid_recovery_lose_nothing(campaign: Campaign) -> None:
    """So does one that is killed again while it makes good for the last kill."""
    toll = campaign.again_and_again("index again", kills=4, dice=random.Random(4))  # noqa: S311
    assert toll.violations == []
    assert toll.kills >= 2


def test_a_power_cut_loses_nothing(
    campaign: Campaign, stage: Stage, server: LoopbackServer
) -> None:
    """Of unflushed pages and names any may be lost; what was promised is there, and all is whole.

    The log of writes is first replayed as it is, and makes the same files byte for byte.
    """
    cuts = PowerCuts(campaign, stage, server)
    dice = random.Random(2)  # noqa: S311
    losses = cuts.everywhere("index again", every=50, cuts=1, completes=5, dice=dice)
    assert losses.violations == []
    assert losses.disks >= 10
    assert losses.completed >= 2


@pytest.mark.parametrize("name", ["migrate", "compact"])
def test_a_refused_call_loses_nothing(
    campaign: Campaign, stage: Stage, server: LoopbackServer, name: str
) -> None:
    """A full or failing disk in mid-command costs one sentence that says what to do."""
    refusals = Refusals(campaign, stage, server)
    trouble = refusals.some_calls(name, number=2, dice=random.Random(name))  # noqa: S311
    assert trouble.violations == []
    assert trouble.told.keys() != {""}
    assert refusals.some_reads(name, number=1, dice=random.Random(name)).violations == []  # noqa: S311


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("script", "every"),
    [("kills.py", []), ("power.py", ["--every=3"]), ("refusals.py", ["--every=4"])],
)
def test_every_command(script: str, every: list[str]) -> None:
    """Each is killed at every place, its power cut after every third call, every fourth refused."""
    done = subprocess.run(
        [sys.executable, HERE / script, *every],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.fspath(HERE.parent)},
    )
    sys.stdout.write(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"{name}: " in done.stdout for name in COMMANDS)
