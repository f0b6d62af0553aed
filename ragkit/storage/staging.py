"""A generation that stands beside the one that readers see, complete, for a migration to switch to.

It is the coming generation with settings of its own. Whoever writes documents drops it, since it
was built from those that were there before; its vectors stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import msgspec

from ragkit.errors import CollectionDamaged
from ragkit.storage.states import Problem

__all__ = ["MIGRATING_SETTING", "PREVIOUS_SETTING", "STAGED_SETTING", "Staged"]

STAGED_SETTING = "staged"
# What a migration that has bought vectors leads to, until it has switched or was given up.
MIGRATING_SETTING = "migrating"
# What the last migration led away from, and can go back to.
PREVIOUS_SETTING = "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """What the collection will be after the switch.

    Attributes:
        number: Of this staging; none is ever given twice.
        settings: Those that differ from the collection's own.
        problems: What its model remarked.
    """

    number: int
    settings: Mapping[str, object]
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As a setting of the collection."""
        return {
            "number": self.number,
            "settings": dict(self.settings),
            "problems": [asdict(problem) for problem in self.problems],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Staged:
        """The inverse of ``as_json``.

        Raises:
            CollectionDamaged: It is none.
        """
        try:
            return msgspec.convert(value, cls)
        except msgspec.ValidationError as error:
            raise CollectionDamaged(
                f"the collection's setting {STAGED_SETTING!r} is none of ours ({error}): restore it"
                " from a copy"
            ) from error
