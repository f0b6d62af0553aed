"""The money of one stream: what its requests put aside, and what they turn out to cost."""

from __future__ import annotations

from decimal import Decimal

from ragkit.embedding.budget import Budget
from ragkit.embedding.failures import BadReply, Failure
from ragkit.embedding.jobs import Job
from ragkit.embedding.picture_proof import PictureProof
from ragkit.embedding.wire import Reply
from ragkit.errors import BudgetSpent

__all__ = ["Purse"]


class Purse:
    """A budget as a stream uses it; without one, everything may be sent.

    Args:
        budget: Of the run; None without a limit.
        pictures: Tells what a picture may be billed as.
    """

    def __init__(self, budget: Budget | None, pictures: PictureProof) -> None:
        self._budget = budget
        self._pictures = pictures

    @property
    def is_open(self) -> bool:
        """Whether a price is known, or nobody asks for it: a request may have many inputs."""
        return self._budget is None or self._budget.knows_price

    @property
    def has_promises(self) -> bool:
        """Whether requests of the same budget are in flight, whose cost is not known yet."""
        return self._budget is not None and self._budget.has_promises

    def reserve(self, job: Job) -> bool:
        """Put money aside for a batch; whether there was enough."""
        if self._budget is None:
            return True
        # A picture may still be taken for text.
        size = job.size_bytes if self._is_unproven(job) else job.weight_bytes
        promised = self._budget.reserve(size, job.pictures)
        if promised is None:
            return False
        job.promised_usd = promised
        return True

    def settle(self, job: Job, outcome: Reply | Failure) -> bool:
        """Put what was charged on the batch's bill; whether the budget can be kept at all."""
        charged = Decimal(0)
        if isinstance(outcome, Reply | BadReply):
            charged = outcome.cost_usd or Decimal(0)
            job.bill.tokens += outcome.tokens or 0
            job.bill.cost_usd += charged
        if self._budget is None:
            return True
        if not isinstance(outcome, Reply):
            self._budget.settle(job.promised_usd, charged, 0)
            return True
        listed = self._budget.listed_cost(outcome.tokens, job.weight_bytes, job.pictures)
        if outcome.cost_usd is None and listed is not None:
            charged = listed
        answered_bytes = 0 if self._is_unproven(job) else job.weight_bytes
        self._budget.settle(job.promised_usd, charged, answered_bytes)
        return outcome.cost_usd is not None or listed is not None

    def give_back(self, job: Job) -> None:
        """Nobody will know what became of the request."""
        if self._budget is not None:
            self._budget.settle(job.promised_usd, Decimal(0), 0)

    def spent(self) -> BudgetSpent:
        """What is raised when not even the smallest request can be paid."""
        budget = self._budget or Budget(Decimal(0))
        return BudgetSpent(
            f"stopped before passing max_cost_usd={budget.max_cost_usd:f} (spent "
            f"{budget.spent_usd:f}): raise it and run again to continue"
        )

    def _is_unproven(self, job: Job) -> bool:
        return job.is_pictures and not self._pictures.is_proven
