"""Which folders a call is about: named roots, new ones, and parts of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ragkit.errors import PathNotFound
from ragkit.reading.names import source_from_raw
from ragkit.storage.states import Root
from ragkit.storage.store import Store

__all__ = ["UNPLACED_SETTING", "Scope", "scopes", "stored_path"]

# Names of the roots of a collection that was carried here without them: the first folder of such a
# name that is indexed is that root.
UNPLACED_SETTING = "unplaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one path of a call covers.

    Attributes:
        name: Name of the root, known or to be made.
        path: Where the root is, absolute.
        is_file: Whether the root is a single file.
        prefix: The part of the root to bring into step; empty for all of it.
        known: Whether the collection has the root already.
    """

    name: str
    path: Path
    is_file: bool
    prefix: str = ""
    known: bool = False

    def covers(self, source: str) -> bool:
        """Whether the source is in the part."""
        return self.prefix in ("", source) or source.startswith(f"{self.prefix}/")


def scopes(
    paths: Sequence[Path], store: Store, roots: Iterable[Root], unplaced: Collection[str] = ()
) -> list[Scope]:
    """The part of a root, known or new, that each path names; what is named twice counts once.

    Args:
        paths: Folders and files.
        store: The collection.
        roots: It has.
        unplaced: Names of those that may be found at another place.

    Raises:
        PathNotFound: Nothing is there, and no known root or document is meant.
    """
    known = {store.place_of(root): root for root in roots}
    taken = {root.name for root in known.values()}
    elsewhere = {
        root.name: root
        for place, root in known.items()
        if root.name in unplaced and not os.path.lexists(place)
    }
    found: list[Scope] = []
    for path in dict.fromkeys(Path(os.path.abspath(path)) for path in paths):  # noqa: PTH100
        scope = (
            _known_scope(path, known) or _placed_scope(path, elsewhere) or _new_scope(path, taken)
        )
        taken.add(scope.name)
        found.append(scope)
    return [scope for scope in found if not any(_is_within(scope, other) for other in found)]


def stored_path(path: Path, collection: Path) -> str:
    """A root's path as it is stored: relative where folder and collection move together."""
    collection = Path(os.path.abspath(collection))  # noqa: PTH100
    if collection.parent == path or collection.parent in path.parents or path in collection.parents:
        return PurePosixPath(os.path.relpath(path, collection)).as_posix()
    return path.as_posix()


def _is_within(scope: Scope, other: Scope) -> bool:
    """Whether another scope covers this one, so that its files would be met twice."""
    return scope is not other and scope.name == other.name and other.covers(scope.prefix)


def _known_scope(path: Path, known: dict[Path, Root]) -> Scope | None:
    for above in (path, *path.parents):
        root = known.get(above)
        if root is None or (root.is_file and above != path):
            continue
        below = path.relative_to(above)
        prefix = "" if above == path else source_from_raw(os.fsencode(below.as_posix()))
        return Scope(name=root.name, path=above, is_file=root.is_file, prefix=prefix, known=True)
    return None


def _placed_scope(path: Path, elsewhere: dict[str, Root]) -> Scope | None:
    """A root of the collection at its new place, which is still to be written down."""
    root = elsewhere.get(path.name)
    if root is None or not os.path.exists(path) or root.is_file != path.is_file():  # noqa: PTH110
        return None
    return Scope(name=elsewhere.pop(path.name).name, path=path, is_file=root.is_file)


def _new_scope(path: Path, taken: set[str]) -> Scope:
    if not os.path.exists(path):  # noqa: PTH110 - it answers where a Path raises
        raise PathNotFound(f"there is no file or folder at {path}")
    base = os.fsencode(path.name).decode("utf-8", "replace") or "root"
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}-{number}"
    return Scope(name=name, path=path, is_file=path.is_file())
