"""A collection's directory: its database, its matrix, its lock."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from ragkit.errors import (
    CollectionDamaged,
    CollectionError,
    CollectionNotFound,
    GenerationGone,
    NotACollection,
    NothingStaged,
    remedy,
)
from ragkit.storage.audit import Audit
from ragkit.storage.connecting import atomic, damage
from ragkit.storage.database import Database
from ragkit.storage.drafts import Draft
from ragkit.storage.expenses import Expense, add_expenses
from ragkit.storage.files import DATABASE_NAME, remove_tree
from ragkit.storage.lock import LOCK_NAME, writer_lock
from ragkit.storage.matrix import FloatMatrix, map_rows, matrix_files
from ragkit.storage.mending import mend_settings, rebuild_indexes
from ragkit.storage.replacing import clear_drafts
from ragkit.storage.rewriting import Selection
from ragkit.storage.schema import SCHEMA_VERSION, schema_version
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.states import Root
from ragkit.storage.thumbnails import Thumbnails
from ragkit.storage.writer import Writer

__all__ = ["Store"]

# A vector's row in the database: its key alone is 32 bytes.
_LEAST_BYTES_PER_VECTOR = 32
# What may be committed and not in the database's own file yet.
_LARGEST_LOG = 2**30


class Store:
    """What lasts of one collection. Opening it reads nothing but one header."""

    def __init__(
        self,
        directory: Path,
        *,
        create: bool = True,
        read_only: bool = False,
        staged: bool = False,
    ) -> None:
        """Open the collection at *directory*, or make one.

        Args:
            directory: Where it is.
            create: Make it if there is none.
            read_only: Change nothing.
            staged: Show the generation that a migration holds ready, instead of the newest.

        Raises:
            CollectionNotFound: There is none, and none may be made.
            NotACollection: The directory holds something else.
        """
        self.directory = directory
        self._staged = staged
        if not self.exists(directory):
            if directory.is_file():
                raise NotACollection(f"{directory} is a file: give the collection's directory")
            if read_only or not create:
                raise CollectionNotFound(
                    f"there is no collection at {directory}: `ragkit index FOLDER` makes one"
                )
            Database.create(directory)
        self._database = Database(directory, read_only=read_only)

    @property
    def is_writable(self) -> bool:
        """Whether this process may change it at all."""
        return os.access(self.directory, os.W_OK)

    def ensure(self) -> None:
        """Make the database again if it was discarded."""
        if not self.exists(self.directory):
            Database.create(self.directory)

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether there is a collection at the directory."""
        return (directory / DATABASE_NAME).is_file()

    @property
    def derived(self) -> Path:
        """Where what can be rebuilt lives."""
        return self.directory / "derived"

    @property
    def thumbnails(self) -> Thumbnails:
        """The small pictures of its pictures."""
        return Thumbnails(self.derived / "thumbnails")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The newest generation, unchanging for as long as the context lasts.

        Raises:
            NothingStaged: The staged one is meant, and there is none.
        """
        with self._database.reading() as (connection, origin):
            if not self._staged:
                yield Snapshot(connection, origin=origin, thumbnails=self.thumbnails)
                return
            staged = Snapshot(connection).staged
            if staged is None:
                raise NothingStaged(
                    f"the collection at {self.directory} has no staged generation: `ragkit migrate"
                    " --model M --stage` makes one, and an index of changed files drops it"
                )
            # A later staging may stand under the same generation.
            yield Snapshot(
                connection,
                coming=True,
                origin=(*origin, staged.number),
                thumbnails=self.thumbnails,
            )

    @contextlib.contextmanager
    def auditing(self) -> Iterator[Audit]:
        """The newest generation with its rows as they are, damaged or not.

        Raises:
            CollectionError: An earlier ragkit wrote it, and nothing has brought it forward yet.
        """
        with self._database.reading() as (connection, origin):
            version = schema_version(connection)
            if version < SCHEMA_VERSION:
                raise CollectionError(
                    f"{self.directory} has schema {version} of an older ragkit: `ragkit index`"
                    " brings it forward, and then it can be verified and exported"
                )
            yield Audit(connection, Snapshot(connection, origin=origin), self._database.path)

    @contextlib.contextmanager
    def writing(
        self, *, wait_s: float = 0.0, stop: threading.Event | None = None
    ) -> Iterator[Writer]:
        """Hold the collection for writing; leftovers of an interrupted sync are cleared first.

        Args:
            wait_s: How long to wait for another writer.
            stop: Once set, there is no waiting.

        Raises:
            CollectionLocked: Another writer holds it.
            CollectionError: The disk is full or refuses; what was embedded before is kept.
        """
        with (
            writer_lock(self.directory, wait_s=wait_s, stop=stop),
            damage(self.directory / DATABASE_NAME),
        ):
            clear_drafts(self.directory)
            # Another process may have discarded it, as empty, while this one waited.
            self.ensure()
            writer = Writer(self.directory, self._database.open_writer())
            try:
                yield writer
            finally:
                writer.close()

    def settle(self, values: Mapping[str, object]) -> None:
        """Keep settings of a collection that only its maker knows of yet; no lock is taken."""
        with damage(self._database.path):
            writer = Writer(self.directory, self._database.open_writer())
            with contextlib.closing(writer):
                writer.set(values)

    def mend_foundations(self) -> tuple[list[str], list[str]]:
        """Make right what no writer could work on: settings, and indexes of the database.

        Returns:
            Names of the settings that were mended, and of those that nothing tells.

        Raises:
            CollectionLocked: Another writer holds it.
            CollectionDamaged: SQLite cannot walk through the tables themselves.
        """
        with (
            writer_lock(self.directory),
            damage(self._database.path),
            contextlib.closing(self._database.open_writer()) as connection,
        ):
            rebuild_indexes(connection)
            with atomic(connection):
                return mend_settings(connection)

    @contextlib.contextmanager
    def drafting(
        self, writer: Writer, selection: Selection, told: Callable[[], None] = lambda: None
    ) -> Iterator[Draft]:
        """The collection written anew beside itself; removed if it is not published.

        Args:
            writer: Holds the collection; it is of no use any more once the draft is published.
            selection: What of the newest generation is written.
            told: Called for each row.

        Raises:
            CollectionError: The disk is full or refuses; the collection is as it was.
        """
        snapshot = writer.snapshot()
        rows = self.rows(snapshot)
        try:
            draft = Draft(self.directory, snapshot, selection, told)
            with contextlib.closing(draft):
                draft.add_matrix(rows)
                yield draft
        except OSError as error:
            raise CollectionError(
                f"{self.directory} cannot be written: {error.strerror}; {remedy(error)}"
            ) from error

    def publish(self, writer: Writer, draft: Draft) -> None:
        """Let a draft become the collection, at once for everyone who opens it.

        Raises:
            CollectionError: The disk refuses; whoever opens the collection next goes on.
        """
        try:
            draft.publish(writer.snapshot(), writer.close)
        except OSError as error:
            raise CollectionError(
                f"{self.directory} cannot be written: {error.strerror}; {remedy(error)}"
            ) from error

    def note(self, expenses: Iterable[Expense], *, patience_s: float = 0.2) -> str:
        """Add to the ledger what was spent beside syncs; the writer's lock is not needed for it.

        Args:
            expenses: All of them, or none.
            patience_s: How long to wait for a transaction of the writer to end.

        Returns:
            Why it could not be done, in words; empty when it is.
        """
        try:
            with self._database.noting(patience_s) as connection:
                add_expenses(connection, expenses)
        except CollectionError as error:
            return str(error)
        return ""

    def rows(self, snapshot: Snapshot) -> FloatMatrix:
        """The committed rows of the matrix, mapped: float32 (rows, width).

        Raises:
            CollectionDamaged: The file is not what the database says.
            GenerationGone: The vectors of this generation were compacted away.
        """
        rows = snapshot.matrix_rows()
        # What is allocated for a search grows with the rows, and a crafted file of a few kilobytes
        # must not name a trillion of them.
        if rows * _LEAST_BYTES_PER_VECTOR > self._database.path.stat().st_size + _LARGEST_LOG:
            raise CollectionDamaged(
                f"{self._database.path} names row {rows:,} of the vectors, more than it can know"
                " of: restore it from a copy, or delete the collection and index again"
            )
        try:
            mapped = map_rows(
                self.directory, number=snapshot.matrix, width=snapshot.width, rows=rows
            )
        except CollectionDamaged:
            self._see_that_it_is_current(snapshot)
            raise
        # Asked after the file was opened: another may have taken its name before.
        self._see_that_it_is_current(snapshot)
        return mapped

    def _see_that_it_is_current(self, snapshot: Snapshot) -> None:
        # The file alone: what else is in an origin is about its content.
        if snapshot.origin and not self._database.is_current(snapshot.origin[:2]):
            raise GenerationGone(
                f"the vectors of generation {snapshot.generation} of the collection at"
                f" {self.directory} were compacted: search again"
            )

    def place_of(self, root: Root) -> Path:
        """Where a root is now, absolute; ``..`` is taken out without asking the file system."""
        return Path(os.path.abspath(self.directory / root.path))  # noqa: PTH100

    def is_empty(self) -> bool:
        """Whether nothing was ever committed to it."""
        with self.snapshot() as snapshot:
            return snapshot.generation == 0 and snapshot.matrix_rows() == 0

    def discard_if_empty(self) -> None:
        """Remove the files of a collection to which nothing was ever committed.

        Its directory goes too if nothing else is in it. A collection that another writer holds is
        left to that writer.
        """
        with contextlib.suppress(CollectionError), writer_lock(self.directory):
            if self.exists(self.directory) and self.is_empty():
                self._discard()

    def _discard(self) -> None:
        self.close()
        for path in matrix_files(self.directory):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            remove_tree(self.derived)
        # The database goes first: without it the rest is known for remains.
        for name in (DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm", LOCK_NAME):
            (self.directory / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.directory.rmdir()

    def size_bytes(self) -> int:
        """Bytes of all files of the collection; a file that a writer deletes meanwhile is none."""
        size_bytes = 0
        for folder, _, names in os.walk(self.directory):
            for name in names:
                with contextlib.suppress(OSError):
                    size_bytes += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118
        return size_bytes

    def close(self) -> None:
        """Close what is open; the store opens it again when it is used."""
        self._database.close()
