"""Collections as each schema left them, as SQL text: every later version is held to them.

Whoever adds a migration runs ``python tests/schema_fixtures.py`` once the schema is final:
it indexes ``DOCUMENTS`` twice with the code as it is, an edit in between, and dumps the database.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from pathlib import Path

import ragkit
from ragkit.config import Settings
from ragkit.storage.schema import SCHEMA_VERSION

__all__ = ["FOLDER", "restore", "write_documents"]

FOLDER = Path(__file__).parent / "storage/schemas"
_BEFORE = {"lunch.txt": "Lunch is at noon. The soup is always hot.\n"}
_AFTER = {
    "keys.md": (
        "# Keys\n\nSigning keys are rotated every ninety days.\n\n"
        "## Loss\n\nWhoever loses a key tells the duty officer at once.\n"
    ),
    "lunch.txt": "Lunch is at one. The soup is always hot.\n",
    "broken.pdf": "%PDF-1.4\nnothing else",
}
_MTIME_NS = 10**18


def write_documents(folder: Path) -> None:
    """The files as the second index of every fixture saw them."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, _AFTER, _MTIME_NS)
    os.utime(folder / "lunch.txt", ns=(_MTIME_NS, _MTIME_NS + 5))


def restore(schema: int, directory: Path) -> None:
    """The collection of an earlier schema, of a folder ``docs`` beside it."""
    directory.mkdir()
    shutil.copy(FOLDER / "vectors.f32", directory)
    script = (FOLDER / f"schema-{schema}.sql").read_text(encoding="utf-8")
    with contextlib.closing(sqlite3.connect(directory / "collection.db")) as database:
        database.executescript(script)
        database.execute("PRAGMA journal_mode = WAL")


def _write(folder: Path, contents: Mapping[str, str], mtime_ns: int) -> None:
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
        os.utime(folder / name, ns=(mtime_ns, mtime_ns))


def _make() -> Path:
    with tempfile.TemporaryDirectory() as place:
        docs, kb = Path(place) / "docs", Path(place) / "kb"
        docs.mkdir()
        _write(docs, {**_AFTER, **_BEFORE}, _MTIME_NS)
        with ragkit.open(kb, settings=Settings(workers=1)) as collection:
            collection.sync(docs)
            write_documents(docs)
            collection.sync(docs)
        with contextlib.closing(sqlite3.connect(kb / "collection.db")) as database:
            pragmas = [
                f"PRAGMA {name} = {database.execute(f'PRAGMA {name}').fetchone()[0]};"
                for name in ("application_id", "user_version")
            ]
            lines = [*pragmas, *database.iterdump()]
        path = FOLDER / f"schema-{SCHEMA_VERSION}.sql"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        shutil.copy(kb / "vectors.f32", FOLDER)
        return path


if __name__ == "__main__":
    print(_make())  # noqa: T201 - a tool
