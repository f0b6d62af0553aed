"""Every law, over the whole collection, at the speed of the disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, repeat

from ragkit.errors import CollectionDamaged, CollectionError
from ragkit.maintenance.derived import check_words, words_are_missing
from ragkit.maintenance.documents import check_document, vector_key
from ragkit.maintenance.findings import Finding, Findings
from ragkit.maintenance.sources import check_sources
from ragkit.maintenance.tables import check_database, check_ids, check_references
from ragkit.maintenance.vectors import check_vectors
from ragkit.models.fingerprint import Fingerprint
from ragkit.storage.audit import Audit, AuditedDocument, AuditedPassage
from ragkit.storage.files import DATABASE_NAME
from ragkit.storage.store import Store
from ragkit.sync.progress import Progress, ProgressListener
from ragkit.sync.synchronise import Synchroniser

__all__ = ["Verification"]


@dataclass(slots=True, kw_only=True)
class Verification:
    """One look at a collection; reads all of it, and writes nothing.

    Attributes:
        store: The collection.
        key: This installation's, which signs derived files.
        listener: Told how far it is.
        found: What was found; complete after ``run``.
        reader: Reads every file again, so that passages are compared with it; None for none.
        notes: What is not wrong, and worth knowing.
        lacks_words: Whether the lexical index is not there, which is allowed.
        documents: Documents that were looked at.
        passages: Passages.
        vectors: Vectors.
    """

    store: Store
    key: bytes
    listener: ProgressListener | None = None
    found: Findings = field(default_factory=Findings)
    reader: Synchroniser | None = None
    notes: list[str] = field(default_factory=list)
    lacks_words: bool = False
    documents: int = 0
    passages: int = 0
    vectors: int = 0
    _total_bytes: int = 0
    _done_bytes: int = 0
    _told_s: float = 0.0

    def run(self) -> None:
        """Look at everything of the newest generation.

        Raises:
            CollectionNotFound: There is no collection any more.
        """
        try:
            with self.store.auditing() as audit:
                self._look(audit)
        except CollectionDamaged as error:
            # What SQLite cannot walk through ends the walk.
            self.found.add(Finding(law="database", place=DATABASE_NAME, problem=str(error)))

    def _look(self, audit: Audit) -> None:
        database_bytes = audit.path.stat().st_size
        # It is read twice: by SQLite for its own structure, and row by row.
        self._total_bytes = self.store.size_bytes() + database_bytes
        self._tell(0)
        self._take(check_database(audit))
        self._tell(database_bytes)
        key_of = _key_of(audit)
        for document in audit.documents():
            self._look_at(document, key_of)
        self._take(check_ids(audit, self.passages))
        self._take(check_references(audit))
        waiting = audit.waiting()
        if waiting:
            self.notes.append(f"{waiting:,} passages have no vector until the next index")
        for matrix in audit.matrices():
            self._look_at_vectors(audit, matrix)
        self._look_at_words(audit)
        if self.reader is not None:
            self._take(check_sources(self.store, audit, self.reader, self.notes.append))
        self._done_bytes = self._total_bytes
        self._tell(0)

    def _look_at(
        self,
        document: AuditedDocument,
        key_of: Callable[[AuditedDocument, AuditedPassage], bytes] | None,
    ) -> None:
        self._take(check_document(document, key_of))
        self.documents += 1
        self.passages += len(document.passages)
        self._tell(document.size_bytes)

    def _look_at_vectors(self, audit: Audit, matrix: int) -> None:
        try:
            name, rows, expected = audit.rows(matrix)
        except CollectionError as error:
            self.found.add(Finding(law="vectors", place="vectors", problem=str(error)))
            return
        slots, checksums = audit.vectors(matrix)
        lost = slots[slots >= len(rows)]
        there = len(slots) - len(lost)
        ended = f"the file ends before it, at row {len(rows):,} of {expected:,}"
        wrong = check_vectors(rows, slots[:there], checksums[:there], self._tell)
        for slot, problem in chain(zip(lost.tolist(), repeat(ended)), wrong):
            place = f"{name}, row {slot}"
            finding = Finding(law="vectors", place=place, problem=problem, row=(matrix, slot))
            self.found.add(finding)
        self.vectors += there

    def _look_at_words(self, audit: Audit) -> None:
        if words_are_missing(self.store, audit):
            self.lacks_words = True
            self.notes.append(
                "the lexical index is not there: each search makes it anew, until --repair or the"
                " next index that changes anything keeps one"
            )
            return
        self._take(check_words(self.store, audit, self.key))

    def _take(self, findings: Iterator[Finding]) -> None:
        for finding in findings:
            self.found.add(finding)

    def _tell(self, more_bytes: int) -> None:
        self._done_bytes = min(self._done_bytes + more_bytes, self._total_bytes)
        now_s = time.monotonic()
        if self.listener is not None and (now_s - self._told_s > 0.1 or not more_bytes):
            self._told_s = now_s
            self.listener(Progress(total_bytes=self._total_bytes, done_bytes=self._done_bytes))


def _key_of(audit: Audit) -> Callable[[AuditedDocument, AuditedPassage], bytes] | None:
    fingerprint = audit.snapshot.setting("fingerprint", "")
    if not fingerprint:
        return None
    return partial(vector_key, mark=Fingerprint.from_json(fingerprint))
