"""Laws 4 to 6 at rest: ids, counts, what names what, the ledger, and SQLite's own structure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

import numpy as np

from ragkit.maintenance.findings import Finding
from ragkit.storage.audit import Audit

__all__ = ["check_database", "check_ids", "check_references"]

_MOST_TOLD = 1000


def check_database(audit: Audit) -> Iterator[Finding]:
    """The file as SQLite sees it: every page, every index against its table."""
    for complaint in audit.complaints():
        yield Finding(law="database", place=audit.path.name, problem=complaint)


def check_ids(audit: Audit, seen: int) -> Iterator[Finding]:
    """Ids are unique and never reused, and every passage was met in a document.

    Args:
        audit: Of the collection.
        seen: Passages that belong to a living document.
    """
    ids, name = audit.ids(), audit.path.name
    for id_ in np.unique(ids[1:][ids[1:] == ids[:-1]]).tolist()[:_MOST_TOLD]:
        yield Finding(law="ids", place=f"passage {id_}", problem="its id is given twice")
    coming = audit.snapshot.setting("next_passage_id", 1)
    if len(ids) and ids[0] < 1:
        yield Finding(law="ids", place=name, problem="a passage has no id")
    if len(ids) and ids[-1] >= coming:
        problem = f"id {coming} would be given next, and passage {ids[-1]} is there"
        yield Finding(law="ids", place=name, problem=problem)
    if seen != len(ids):
        for id_, document_id in audit.strays(_MOST_TOLD):
            problem = f"its document {document_id} is not there"
            yield Finding(law="orphans", place=f"passage {id_}", problem=problem)
        problem = f"{len(ids):,} passages are alive, {seen:,} of them in documents"
        yield Finding(law="counts", place=name, problem=problem)


def check_references(audit: Audit) -> Iterator[Finding]:
    """What names what: passages their vectors, small tables each other, the ledger its parts."""
    for id_, place, problem in audit.misplaced(_MOST_TOLD):
        yield Finding(law="keys", place=f"{place}, passage {id_}", problem=problem)
    for table, number in audit.changed():
        problem = f"{number:,} rows of {table} are not what was written"
        yield Finding(law="rows", place=audit.path.name, problem=problem)
    for problem in audit.orphans():
        yield Finding(law="orphans", place=audit.path.name, problem=problem)
    for run, tokens, cost, part_tokens, part_costs in audit.ledger():
        if tokens != part_tokens or _dollars([cost]) != _dollars(part_costs):
            problem = "what its documents cost does not add up to what it cost"
            yield Finding(law="counts", place=f"ledger, run {run}", problem=problem)


def _dollars(amounts: list[str]) -> Decimal | None:
    try:
        return sum(map(Decimal, amounts), Decimal(0))
    except (InvalidOperation, TypeError):
        return None
