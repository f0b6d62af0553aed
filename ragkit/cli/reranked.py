"""What is said of a reranking: beside the hits, and where it failed."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ragkit.cli.looks import Looks, inline
from ragkit.cli.output import write_error, write_note

if TYPE_CHECKING:
    from ragkit.answers import Reranking

__all__ = ["rerank_json", "rerank_line", "write_rerank_warning", "write_unnoted"]


def rerank_line(rerank: Reranking, looks: Looks) -> str:
    """Which model put how many passages in order, and for how much."""
    from ragkit.cli.report import dollars  # noqa: PLC0415

    said = f"Reranked by {inline(rerank.model)}: {rerank.candidates:,} passages"
    if not rerank.applied:
        said = f"Not reranked by {inline(rerank.model)}"
    if rerank.applied and rerank.cost_usd is None:
        said += ", at a cost that the server does not state"
    elif rerank.applied or rerank.cost_usd:
        said += f", {dollars(rerank.cost_usd or Decimal(0))}"
    return looks.dim(said)


def rerank_json(rerank: Reranking | None) -> dict[str, object]:
    """What JSON says of it; nothing where it was not asked for."""
    return {} if rerank is None else {"rerank": rerank}


def write_rerank_warning(rerank: Reranking | None) -> None:
    """To stderr, where there is something to know."""
    if rerank is not None and rerank.note:
        write_error(rerank.note)


def write_unnoted(reason: str, rerank: Reranking | None) -> None:
    """That a query's cost is not in the ledger, where no reranking's note says so already."""
    if reason and (rerank is None or reason not in rerank.note):
        write_note(f"What the query cost is not in the ledger: {reason}.")
