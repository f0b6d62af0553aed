"""A migration that was begun and has not switched: what it leads to, and the ways out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ragkit.errors import CollectionDamaged
from ragkit.models.fingerprint import Fingerprint
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.staging import MIGRATING_SETTING

__all__ = ["Unfinished", "unfinished_migration"]

_OPTIONS = {
    "model": "--model",
    "base_url": "--base-url",
    "dimensions": "--dimensions",
    "passage_tokens": "--passage-tokens",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """What only a migration needs, and would have to be bought again without it.

    Attributes:
        model: That it leads to.
        goes_on: Command line that finishes it.
        gives_up: Command line that lets go of it; its vectors are then kept until compacting.
    """

    model: str
    goes_on: str
    gives_up: str


def unfinished_migration(snapshot: Snapshot) -> Unfinished | None:
    """The migration that a collection is in the middle of; None without one."""
    staged = snapshot.staged
    target = snapshot.setting(MIGRATING_SETTING, dict[str, object]())
    if staged is not None:
        target = dict(staged.settings)
    if not target:
        return None
    before = {name: snapshot.setting(name, None) for name in ("fingerprint", *_OPTIONS)}
    now, then = _told(before), _told(target)
    options = [f"{_OPTIONS[name]} {value}" for name, value in then.items() if value != now[name]]
    return Unfinished(
        model=str(then["model"]),
        # A route or a prompt has no option, and is named in Python.
        goes_on=" ".join(["ragkit migrate", *(options or [f"--model {then['model']}"])]),
        gives_up=f"ragkit migrate --model {now['model']}",
    )


def _told(identity: Mapping[str, object]) -> dict[str, object]:
    """As it is named on a command line."""
    try:
        mark = Fingerprint.from_json(str(identity["fingerprint"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CollectionDamaged(
            "what the collection says of a migration cannot be read: it is damaged or was tampered"
            " with; restore it from a copy"
        ) from error
    return {**{name: identity.get(name) for name in _OPTIONS}, "dimensions": mark.dimensions}
