"""What an examination finds, as values: one record for each question that was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = ["Check", "Examination"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One question and its answer.

    Attributes:
        name: What was looked at, in a word or two.
        ok: Whether it is as it should be.
        detail: What was found.
        remedy: What to do; empty when there is nothing to do. Where all is well it is advice.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found, in the order in which it was looked at.

    Attributes:
        checks: The answers.
        learnt: Facts of the server that are worth keeping with a collection; plain JSON.
        requests: Sent for it that could cost something.
        tokens: That the server billed for it.
        cost_usd: What the server charged for it.
    """

    checks: tuple[Check, ...]
    learnt: Mapping[str, object] = field(default_factory=dict)
    requests: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)

    @property
    def ok(self) -> bool:
        """Whether every check is."""
        return all(check.ok for check in self.checks)
