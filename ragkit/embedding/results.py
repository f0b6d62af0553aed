"""What a stream hands over: batches with vectors, and those that only report."""

from __future__ import annotations

import numpy as np

from ragkit.embedding.jobs import Bill
from ragkit.embedding.mending import Ready
from ragkit.embedding.seam import EmbeddedBatch

__all__ = ["batch_of", "report_of"]

_Failed = tuple[tuple[int, str], ...]


def batch_of(ready: Ready, provider: str | None, failed: _Failed) -> EmbeddedBatch:
    """Vectors, with what all requests for them cost."""
    bill = ready.job.bill
    return EmbeddedBatch(
        indexes=tuple(entry.index for entry in ready.job.entries),
        vectors=ready.vectors,
        tokens=bill.tokens,
        cost_usd=bill.cost_usd,
        requests=bill.requests,
        provider=provider,
        failed=failed,
        notes=ready.notes,
    )


def report_of(
    bill: Bill, failed: _Failed, width: int | None, *, postponed: _Failed = ()
) -> EmbeddedBatch:
    """Refused inputs and costs in vain."""
    return EmbeddedBatch(
        indexes=(),
        vectors=np.empty((0, width or 0), np.float32),
        postponed=postponed,
        tokens=bill.tokens,
        cost_usd=bill.cost_usd,
        requests=bill.requests,
        failed=failed,
    )
