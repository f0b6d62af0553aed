"""The short form of ``fuzz.py``: every seed, and a few changes of each, the same in every run."""

from __future__ import annotations

import random

import pytest
from fuzz_mutation import at_random, inside
from fuzz_targets import SEEDS, TARGETS

_CHANGES = 4


@pytest.mark.parametrize("name", TARGETS)
def test_no_bytes_bring_a_parser_down(name: str) -> None:
    """What is damaged at random ends as its parser promises, and what is read keeps law 1."""
    target = TARGETS[name]
    for seed, data in target.seeds().items():
        generator = random.Random(seed)  # noqa: S311 - damage, not secrets
        target.run(data)
        for _ in range(_CHANGES):
            changed = inside(data[1:], lambda piece: at_random(piece, generator), generator)  # noqa: B023
            target.run(data[:1] + changed)


def test_every_seed_is_used() -> None:
    """No file of the corpus lies there for nothing."""
    used = {name for target in TARGETS.values() for name in target.seeds()}
    assert {path.name for path in SEEDS.iterdir()} <= used
