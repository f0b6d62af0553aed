"""A collection that is made once and copied for each test, and looks into its files."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import ragkit
from ragkit.config import Settings
from ragkit.storage.sums import SUMS, add_function, seal_rows

__all__ = ["SETTINGS", "copied", "crafted", "make", "opened", "write_corpus"]

# One worker: these documents are read before a second one has started.
SETTINGS = Settings(workers=1)

_TOPICS = {
    "guides/valves.md": "# Valves\n\nA valve is closed by hand before the pump is opened.\n",
    "guides/pumps.md": "# Pumps\n\nPumps are greased in March, and never while they run.\n",
    "policies/leave.md": "# Leave\n\nLeave is asked for in writing, two weeks ahead.\n",
    "notes/lunch.txt": "Lunch is at noon, and the soup is always hot.\n",
    "notes/größe.txt": "Die Größe der Leitung wird in Millimetern angegeben.\n",
}


def write_corpus(folder: Path) -> None:
    """Five small documents and one of many passages."""
    for name, text in _TOPICS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    sections = (
        f"## Station {number}\n\n"
        + f"Station {number} reports its pressure of {number * 37} millibar every hour. " * 5
        for number in range(12)
    )
    (folder / "guides/stations.md").write_text("# Stations\n\n" + "\n\n".join(sections))


def make(directory: Path) -> Path:
    """A collection ``kb`` over ``docs``, both in the directory."""
    write_corpus(directory / "docs")
    with ragkit.open(directory / "kb", settings=SETTINGS) as collection:
        report = collection.sync(directory / "docs")
    assert (report.added, report.failed) == (6, ())
    return directory


def opened(kb: Path) -> ragkit.Collection:
    """The collection as a later process would open it."""
    return ragkit.open(kb, settings=SETTINGS, create=False)


def copied(made: Path, directory: Path) -> Path:
    """The collection of ``make`` and its documents once more; where the copy of it is."""
    shutil.copytree(made, directory, dirs_exist_ok=True)
    return directory / "kb"


@contextlib.contextmanager
def crafted(kb: Path, *, sealed: bool = False) -> Iterator[sqlite3.Connection]:
    """The database for whoever wants to do it harm; what was done is kept.

    Args:
        kb: The collection.
        sealed: Whether the rows get the sums that they then must have, as a stranger would do.
    """
    with contextlib.closing(sqlite3.connect(kb / "collection.db")) as connection:
        add_function(connection)
        with connection:
            yield connection
            for table in {table for table, _ in SUMS} if sealed else ():
                seal_rows(connection, table)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
