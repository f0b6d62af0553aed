"""What a collection holds, counted."""

from __future__ import annotations

from decimal import Decimal

from ragkit.collection.tuned import tuned_of
from ragkit.maintenance.unfinished import unfinished_migration
from ragkit.reports import CollectionStatus
from ragkit.storage.installation import installation_key
from ragkit.storage.snapshot import Snapshot
from ragkit.storage.store import Store

__all__ = ["status_of"]


def status_of(snapshot: Snapshot, store: Store, model: str) -> CollectionStatus:
    """The status at one generation."""
    spent = tuple(snapshot.spent_by_model())
    staged, unfinished = snapshot.staged, unfinished_migration(snapshot)
    tuned = tuned_of(snapshot, installation_key)
    return CollectionStatus(
        collection=str(store.directory),
        model=model,
        dimensions=snapshot.width or None,
        roots={root.name: str(store.place_of(root)) for root in snapshot.roots()},
        documents=snapshot.count("documents"),
        passages=snapshot.count("passages"),
        vectors=snapshot.count("vectors"),
        bytes=store.size_bytes(),
        generation=snapshot.generation,
        measured_recall=1.0,
        spent_usd=sum((item.cost_usd for item in spent), Decimal(0)),
        failed=_reasons(snapshot, "failed"),
        skipped=_reasons(snapshot, "skipped"),
        spent=spent,
        staged=None if staged is None else str(staged.settings["model"]),
        migration=None if unfinished is None else unfinished.goes_on,
        tuned=None if tuned is None else str(tuned),
    )


def _reasons(snapshot: Snapshot, kind: str) -> tuple[tuple[str, str], ...]:
    return tuple((problem.source, problem.reason) for problem in snapshot.problems([kind]))
