"""Law 1 against the files themselves: what is stored is what a fresh read gives."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from ragkit.maintenance.findings import Finding
from ragkit.reading.messages import ReadRequest
from ragkit.reading.pool import WorkerFailure
from ragkit.reading.registry import reader_version
from ragkit.storage.audit import Audit
from ragkit.storage.states import DocumentState
from ragkit.storage.store import Store
from ragkit.storage.traces import raw_name_of
from ragkit.sync.synchronise import Synchroniser

__all__ = ["check_sources"]


def check_sources(
    store: Store, audit: Audit, reader: Synchroniser, note: Callable[[str], None]
) -> Iterator[Finding]:
    """Read every file that is what was indexed, and compare its text with the stored one.

    A file that changed since, or is gone, is no fault: the next index sees to it.

    Args:
        store: The collection.
        audit: Of it.
        reader: Reads as a sync does.
        note: Told of what could not be compared.
    """
    snapshot, apart = audit.snapshot, Counter[str]()
    pictures = bool(reader.takes_images(snapshot))
    states: list[DocumentState] = []
    paths: list[Path] = []
    roots = {root.name: root for root in snapshot.roots()}
    for state in snapshot.document_states():
        root = roots[state.root]
        place = store.place_of(root)
        path = place if root.is_file else place / os.fsdecode(raw_name_of(snapshot, state.id))
        difference = _difference(path, state, pictures=pictures)
        if difference:
            apart[difference] += 1
        else:
            states.append(state)
            paths.append(path)
    requests = (
        ReadRequest(
            path=os.fsencode(path),
            source=state.source,
            root=state.root,
            max_file_bytes=reader.max_file_bytes,
            pictures=pictures,
        )
        for state, path in zip(states, paths, strict=True)
    )
    with reader.pool() as pool:
        for state, (_, reply) in zip(states, pool.run(requests), strict=True):
            if isinstance(reply, WorkerFailure) or reply.read.document is None:
                apart["cannot be read now"] += 1
            elif reply.read.document.text != audit.text_of(state.id):
                problem = "its text is not what its file reads as"
                named = f"{state.root}:{state.source}"
                yield Finding(law="sources", place=named, problem=problem, document_id=state.id)
    for difference, number in sorted(apart.items()):
        note(f"of {number:,} documents the file {difference}: an index brings them into step")


def _difference(path: Path, state: DocumentState, *, pictures: bool) -> str:
    """Why a file is not to be compared; empty where it is what was indexed."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return "is not there"
    if digest != state.digest:
        return "changed since"
    if state.reader_version != reader_version(state.media_type, pictures=pictures):
        return "was read by an earlier version"
    return ""
