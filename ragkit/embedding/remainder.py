"""What of a stream gets no vector: texts under suspicion, inputs put off, and costs in vain."""

from __future__ import annotations

from ragkit.embedding.jobs import Bill, Job
from ragkit.errors import RagkitError

__all__ = ["Remainder"]

_Reasons = tuple[tuple[int, str], ...]


class Remainder:
    """Kept until somebody can be told.

    Attributes:
        bill: What requests cost that were not answered.
        suspicion: What to raise if it is not the texts under suspicion that are at fault.
    """

    def __init__(self) -> None:
        self.bill = Bill()
        self.suspicion: RagkitError | None = None
        self._suspects: list[tuple[int, str]] = []
        self._postponed: list[tuple[int, str]] = []

    @property
    def suspects(self) -> int:
        """Texts that were refused alone since the last answer, not named as the cause."""
        return len(self._suspects)

    @property
    def postponed(self) -> int:
        """Inputs that were put off and not told of yet."""
        return len(self._postponed)

    def write_off(self, job: Job) -> None:
        """The batch gets no vectors; its requests are paid all the same."""
        lost = job.bill.take()
        self.bill.requests += lost.requests
        self.bill.tokens += lost.tokens
        self.bill.cost_usd += lost.cost_usd

    def postpone(self, job: Job, reason: str) -> None:
        """The batch is not sent at all, or not again."""
        self.write_off(job)
        self._postponed += [(entry.index, reason) for entry in job.entries]

    def suspect(self, job: Job, reason: str, otherwise: RagkitError) -> None:
        """Its one text was refused, and may be at fault."""
        self.write_off(job)
        self._suspects.append((job.entries[0].index, reason))
        self.suspicion = otherwise

    def take_suspects(self) -> _Reasons:
        """Those under suspicion, once others were answered: it was they."""
        suspects, self._suspects = tuple(self._suspects), []
        return suspects

    def take_postponed(self) -> _Reasons:
        """Those that were put off, once."""
        postponed, self._postponed = tuple(self._postponed), []
        return postponed
