"""The commands that write: what is there before each of them, and what it does."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from loopback import KEY
from loopback_pictures import picture
from schema_fixtures import restore
from schema_fixtures import write_documents as write_fixture

import ragkit
from ragkit.config import Secret, Settings

__all__ = ["COMMANDS", "CONCURRENCY", "Command", "Scene"]

# Takes ten texts at once, so that a small folder is several requests.
MODEL = "test/tight"
OTHER_MODEL = "test/small"
PICTURES_MODEL = "test/pictures"
CONCURRENCY = 2
_MTIME_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A folder with a collection and documents ``docs`` in it, and a server.

    Attributes:
        place: The folder.
        base_url: Of the server.
        name: Of the collection's folder.
    """

    place: Path
    base_url: str
    name: str = "kb"

    @property
    def kb(self) -> Path:
        """The collection."""
        return self.place / self.name

    @property
    def docs(self) -> Path:
        """The documents."""
        return self.place / "docs"

    @property
    def away(self) -> Path:
        """What was exported."""
        return self.place / "away.ragkit"

    def open(self, model: str | None = None) -> ragkit.Collection:
        """The collection as a process of its own opens it; it is only made with a *model*."""
        settings = Settings(
            model=model,
            base_url=None if model is None else self.base_url,
            api_key=Secret(KEY),
            workers=1,
            concurrency=CONCURRENCY,
        )
        return ragkit.open(self.kb, settings=settings, create=model is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command.

    Attributes:
        prepare: Makes what is there before.
        run: The command; the same again where it was interrupted.
        begins: ``sound``; ``damaged``, so that ``verify`` may find something until it is done; or
            ``old``, so that it cannot be verified until its schema is brought forward.
    """

    prepare: Callable[[Scene], None]
    run: Callable[[Scene], None]
    begins: str = "sound"


def _write(path: Path, text: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, ns=(_MTIME_NS, _MTIME_NS))


def _sections(name: str, numbers: range, change: str = "") -> str:
    parts = [
        f"## Section {number} of {name}\n\n"
        + f"Section {number} of {name} says what a valve of size {number * 7} bears. {change}" * 4
        for number in numbers
    ]
    return f"# {name.title()}\n\n" + "\n\n".join(parts) + "\n"


def _first_edition(scene: Scene) -> None:
    """Seven files, about thirty passages."""
    _write(scene.docs / "guides/valves.md", _sections("valves", range(9)))
    _write(scene.docs / "guides/pumps.md", _sections("pumps", range(7)))
    _write(scene.docs / "old/stations.md", _sections("stations", range(6)))
    _write(scene.docs / "notes/lunch.txt", "Lunch is at noon, and the soup is always hot.\n")
    _write(scene.docs / "notes/größe.txt", "Die Größe der Leitung wird in Millimetern genannt.\n")
    _write(scene.docs / "notes/gone.txt", "What is written here will be deleted.\n")
    _write(scene.docs / "notes/broken.pdf", "%PDF-1.4\nnothing else")


def _second_edition(scene: Scene) -> None:
    """An edit, a move, a copy, a deletion and two new files."""
    _write(scene.docs / "guides/pumps.md", _sections("pumps", range(1, 9), "It was checked. "))
    (scene.docs / "new").mkdir()
    (scene.docs / "old/stations.md").rename(scene.docs / "new/stations.md")
    shutil.copy2(scene.docs / "guides/valves.md", scene.docs / "new/copy of valves.md")
    (scene.docs / "notes/gone.txt").unlink()
    _write(scene.docs / "new/filters.md", _sections("filters", range(5)))
    _write(scene.docs / "notes/tea.txt", "Tea is at four.\n")


def _sync(scene: Scene, model: str = MODEL) -> None:
    with scene.open(model) as collection:
        collection.sync(scene.docs)


def _indexed(scene: Scene) -> None:
    _first_edition(scene)
    _sync(scene)


def _edited(scene: Scene) -> None:
    _indexed(scene)
    _second_edition(scene)


def _indexed_twice(scene: Scene) -> None:
    """So that it holds dead vectors and rows."""
    _edited(scene)
    _sync(scene)


def _migrated(scene: Scene) -> None:
    _indexed(scene)
    _migrate(scene)


def _with_pictures(scene: Scene) -> None:
    for colour in ("red", "blue"):
        _write(scene.docs / f"img/{colour}.png", picture(colour, (120, 90), kind="PNG"))
    _write(scene.docs / "notes/lunch.txt", "Lunch is at noon, and the soup is always hot.\n")


def _without_thumbnails(scene: Scene) -> None:
    _with_pictures(scene)
    _sync(scene, PICTURES_MODEL)
    shutil.rmtree(scene.kb / "derived/thumbnails")


def _with_another_root(scene: Scene) -> None:
    _indexed(scene)
    _write(scene.place / "more/trees.md", _sections("trees", range(4)))
    with scene.open() as collection:
        collection.sync(scene.place / "more")


def _of_the_first_schema(scene: Scene) -> None:
    restore(1, scene.kb)
    write_fixture(scene.docs)


def _damaged(scene: Scene) -> None:
    """A vector that is another, and a lexical index that is not whole."""
    _indexed(scene)
    with (scene.kb / "vectors.f32").open("r+b") as file:
        file.seek(5 * 64 * 4 + 17)
        file.write(b"\x55")
    next((scene.kb / "derived").glob("words-*/manifest.json")).unlink()


def _repaired(scene: Scene) -> None:
    """What is left to be embedded again."""
    _damaged(scene)
    _repair(scene)


def _migrate(scene: Scene) -> None:
    with scene.open() as collection:
        collection.migrate(model=OTHER_MODEL)


def _stage(scene: Scene) -> None:
    with scene.open() as collection:
        collection.migrate(model=OTHER_MODEL, stage_only=True)


def _migrate_back(scene: Scene) -> None:
    with scene.open() as collection:
        if collection.model != MODEL:
            collection.migrate(back=True)


def _compact(scene: Scene) -> None:
    with scene.open() as collection:
        collection.compact()


def _purge(scene: Scene) -> None:
    with scene.open() as collection:
        collection.purge("guides/pumps.md")


def _forget(scene: Scene) -> None:
    with scene.open() as collection:
        if "more" in collection.roots:
            collection.forget("more")


def _repair(scene: Scene) -> None:
    with scene.open() as collection:
        collection.verify(repair=True)


def _export(scene: Scene) -> None:
    with scene.open() as collection:
        collection.export(scene.away)


def _exported(scene: Scene) -> None:
    """What was exported, and no collection."""
    _indexed_twice(scene)
    _export(scene)
    shutil.rmtree(scene.kb)


def _import(scene: Scene) -> None:
    if not scene.kb.exists():
        ragkit.import_collection(scene.away, scene.kb)


def _watch(scene: Scene) -> None:
    stop = threading.Event()
    with scene.open() as collection:
        for _ in collection.watch(scene.docs, quiet_s=0.01, stop=stop):
            stop.set()


def _index_schema(scene: Scene) -> None:
    with ragkit.open(scene.kb, settings=Settings(workers=1)) as collection:
        collection.sync(scene.docs)


COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "index": Command(prepare=_first_edition, run=_sync),
        "index again": Command(prepare=_edited, run=_sync),
        "index pictures": Command(
            prepare=_with_pictures, run=lambda scene: _sync(scene, PICTURES_MODEL)
        ),
        "index thumbnails": Command(
            prepare=_without_thumbnails, run=lambda scene: _sync(scene, PICTURES_MODEL)
        ),
        "index an old schema": Command(
            prepare=_of_the_first_schema, run=_index_schema, begins="old"
        ),
        "watch": Command(prepare=_edited, run=_watch),
        "migrate": Command(prepare=_indexed, run=_migrate),
        "migrate --stage": Command(prepare=_indexed, run=_stage),
        "migrate --back": Command(prepare=_migrated, run=_migrate_back),
        "compact": Command(prepare=_indexed_twice, run=_compact),
        "purge": Command(prepare=_indexed_twice, run=_purge),
        "forget": Command(prepare=_with_another_root, run=_forget),
        "export": Command(prepare=_indexed_twice, run=_export),
        "import": Command(prepare=_exported, run=_import),
        "verify --repair": Command(prepare=_damaged, run=_repair, begins="damaged"),
        "index after a repair": Command(prepare=_repaired, run=_sync),
    }
)
