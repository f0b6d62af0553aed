"""Mending what was found, as far as truth allows without a model.

What is derived is made again, what names nothing is removed, a vector that is not what was stored
is forgotten so that the next index embeds its text again, and a document whose row is damaged is
read again from its file if that is still what was indexed. A document whose file is gone, or
another by now, is taken out: what is not what was written is not shown.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from ragkit.chunking.recipe import embedded_text
from ragkit.errors import (
    CollectionDamaged,
    CollectionLocked,
    RagkitError,
    ReadingError,
    RootVanished,
)
from ragkit.maintenance.findings import Findings
from ragkit.models.catalogue import TokenizerName
from ragkit.storage.mending import Wanted
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.states import DocumentState, Problem
from ragkit.storage.store import Store
from ragkit.storage.traces import raw_name_of
from ragkit.storage.writer import Writer
from ragkit.sync.counting import token_estimate
from ragkit.sync.derive import derive_words, derive_words_anew, sweep_words, words_are_usable
from ragkit.sync.pricing import Pricing
from ragkit.sync.synchronise import Options, Synchroniser

__all__ = ["Repair", "mend_foundations"]

# Each of them is a part of its root that the sync looks at.
_FILES_TOGETHER = 50
_NO_ROW = "its row was not what was written: the next index reads it again"
_NO_VECTOR = "passages have no vector, as theirs was damaged: the next index embeds them again"


@dataclass(slots=True, kw_only=True)
class Repair:
    """One repair of a collection.

    Attributes:
        store: The collection.
        key: This installation's, which signs derived files.
        synchroniser: Of the collection, with an embedder that asks nobody.
        mended: What was done, in words.
        wanted: Passages whose text must be embedded again.
    """

    store: Store
    key: bytes
    synchroniser: Synchroniser
    mended: list[str] = field(default_factory=list)
    wanted: list[Wanted] = field(default_factory=list)

    def run(self, found: Findings) -> None:
        """Mend what was found.

        Raises:
            CollectionLocked: Another process writes.
            CollectionDamaged: What must be known to mend anything is not there.
            CollectionError: The disk is full or refuses.
        """
        if "database" in found.laws or "rows" in found.laws:
            self.mended += mend_foundations(self.store.directory)
        with self.store.writing() as writer:
            again = self._mend_rows(writer, found)
        self._read_again(again)
        with self.store.writing() as writer, writer.mending() as mending:
            self.wanted = mending.wanted()

    def price(
        self, tokenizer: TokenizerName, price: Callable[[Snapshot], Pricing]
    ) -> tuple[int, Decimal | None]:
        """Tokens of the texts that must be embedded again, and their price, None if unknown.

        Args:
            tokenizer: What counts the model's tokens.
            price: As ``Pricer.price``.
        """
        if not self.wanted:
            return 0, Decimal(0)
        mark = self.synchroniser.embedder.fingerprint
        with self.store.snapshot() as snapshot:
            rate = snapshot.rate(mark.model).billed_per_counted
            tell = token_estimate(mark, tokenizer, rate)
            stored = snapshot.passages([one.id for one in self.wanted]).values()
            counted = sum(tell.count(embedded_text(one.title, one.passage)) for one in stored)
            tokens = tell.billed(counted)
            return tokens, price(snapshot).of(tokens)

    # --- rows

    def _mend_rows(self, writer: Writer, found: Findings) -> list[Path]:
        """Everything that needs no file; the files that are to be read again."""
        writer.drop_staged()
        with writer.mending() as mending:
            lost = mending.take_roots()
            vectors = mending.drop_vectors(found.rows)
            misplaced = mending.place_passages()
            orphans, taken = mending.remove_orphans(), mending.mend_sums()
            unnameable = set(mending.unnameable(found.documents))
            unembedded = dict.fromkeys((one.root, one.source) for one in mending.wanted())
        self._say(vectors, "vectors were not what was stored and are forgotten")
        self._say(0 if vectors else misplaced, "passages name the row of their vector again")
        self._say(orphans, "rows that named nothing were removed")
        self._say(taken, "rows about money and models were taken as they are")
        damaged = _Damaged.of(writer.snapshot(), self.store, found.documents - unnameable)
        gone = {*unnameable, *damaged.gone}
        for state in list(writer.snapshot().document_states()):
            if state.id in gone or state.root in {root.name for root in lost}:
                writer.remove_document(state.id)
        self._say(len(gone), "documents were taken out; the next index reads those that are there")
        for root in lost:
            self.mended.append(f"the root {root.name!r} was not what was written: index it again")
        words = self._derived(writer, anew="derived" in found.laws or orphans > 0)
        previous = writer.snapshot().setting("words", "")
        problems = [*damaged.problems, *(_problem(*place, _NO_VECTOR) for place in unembedded)]
        writer.commit(settings=words, problems=problems, roots=(), forgotten=lost)
        sweep_words(self.store, {previous, str(words.get("words", previous))})
        return damaged.files

    def _derived(self, writer: Writer, *, anew: bool) -> dict[str, object]:
        """The lexical index of the coming generation, made from the one before it or from truth."""
        before, sealed = writer.snapshot(), writer.seal()
        if (
            not anew
            and before.setting("words", "")
            and words_are_usable(self.store, before, self.key)
        ):
            if not len(sealed.gone):
                return {}
            return {"words": derive_words(self.store, writer, sealed, self.key)}
        try:
            name = derive_words_anew(self.store, writer.snapshot(coming=True), self.key)
        except CollectionDamaged as error:
            # Of a document whose disk is not attached nothing is taken out.
            self.mended.append(f"the lexical index could not be made anew: {error}")
            return {}
        self.mended.append("the lexical index was made anew")
        return {"words": name}

    # --- files

    def _read_again(self, files: Sequence[Path]) -> None:
        """Read files whose documents are damaged; vectors that are known are used again."""
        read = 0
        for start in range(0, len(files), _FILES_TOGETHER):
            some = files[start : start + _FILES_TOGETHER]
            try:
                read += self.synchroniser.sync(some, Options()).updated
            except CollectionLocked:
                raise
            except RagkitError:
                # One that its folder's rules leave out by now must not stop the others.
                for path in some:
                    with contextlib.suppress(ReadingError, RootVanished):
                        read += self.synchroniser.sync([path], Options()).updated
        self._say(read, "documents were read again from their files")

    def _say(self, number: int, what: str) -> None:
        if number:
            self.mended.append(f"{number:,} {what}")


def mend_foundations(directory: Path) -> list[str]:
    """Mend what a collection cannot even be opened without: its settings, and SQLite's indexes.

    Returns:
        What was done, in words.

    Raises:
        CollectionLocked: Another process writes.
        CollectionDamaged: What must be known to mend anything is not there.
    """
    with contextlib.closing(Store(directory, create=False)) as store:
        settings, lost = store.mend_foundations()
    if lost:
        raise CollectionDamaged(
            f"nothing tells any more what {', '.join(lost)} of the collection at {directory} was:"
            " restore it from a copy, or delete it and index again"
        )
    said = ["the indexes of the database were made anew"]
    if settings:
        said.append(f"settings were made again, or will be learnt again: {', '.join(settings)}")
    return said


@dataclass(slots=True, kw_only=True)
class _Damaged:
    """Documents whose rows are damaged and whose names are not.

    Attributes:
        files: Where those are that can be read again.
        gone: Ids of those whose file is gone, or another by now.
        problems: Let the next sync read what is not read now.
    """

    files: list[Path] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    def of(cls, snapshot: Snapshot, store: Store, ids: Collection[int]) -> _Damaged:
        """Look at the files."""
        damaged, roots = cls(), {root.name: root for root in snapshot.roots()}
        for state in snapshot.document_states():
            if state.id not in ids or state.root not in roots:
                continue
            place = store.place_of(roots[state.root])
            raw_name = os.fsdecode(raw_name_of(snapshot, state.id))
            path = place if roots[state.root].is_file else place / raw_name
            if os.path.lexists(place) and not _is_as_it_was(path, state):
                damaged.gone.append(state.id)
                continue
            if os.path.lexists(place):
                damaged.files.append(path)
            damaged.problems.append(_problem(state.root, state.source, _NO_ROW))
        return damaged


def _problem(root: str, source: str, reason: str) -> Problem:
    """What lets the next index read a document again, as it has no size that it was settled at."""
    return Problem(root=root, source=source, kind="failed", reason=reason, of_model=True)


def _is_as_it_was(path: Path, state: DocumentState) -> bool:
    """Whether a file is to the byte what was indexed.

    A stranger's collection may name any file of this machine: one that it does not know to the
    byte is not read for it.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == state.digest
    except OSError:
        return False
