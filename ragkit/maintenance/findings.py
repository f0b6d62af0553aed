"""What the checkers find, with what a repair needs to know of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ragkit.reports import Fault

__all__ = ["Finding", "Findings"]

# A collection may be damaged in a million places, and nobody reads them all.
_MOST_OF_A_LAW = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault, and what it is a fault of.

    Attributes:
        law: As in ``Fault``.
        place: As in ``Fault``.
        problem: As in ``Fault``.
        document_id: Of the document that must be read again.
        row: (matrix, slot) of the vector that must be made again.
    """

    law: str
    place: str
    problem: str
    document_id: int | None = None
    row: tuple[int, int] | None = None


@dataclass(slots=True, kw_only=True)
class Findings:
    """Everything that was found, with bounded memory for what is told of it."""

    faults: list[Fault] = field(default_factory=list)
    laws: Counter[str] = field(default_factory=Counter)
    documents: set[int] = field(default_factory=set)
    rows: set[tuple[int, int]] = field(default_factory=set)

    def add(self, finding: Finding) -> None:
        """Take one in."""
        self.laws[finding.law] += 1
        if finding.document_id is not None:
            self.documents.add(finding.document_id)
        if finding.row is not None:
            self.rows.add(finding.row)
        if self.laws[finding.law] <= _MOST_OF_A_LAW:
            fault = Fault(law=finding.law, place=finding.place, problem=finding.problem)
            self.faults.append(fault)

    def told(self) -> tuple[Fault, ...]:
        """The faults, and how many were left out."""
        more = [
            Fault(law=law, place="elsewhere", problem=f"and {number - _MOST_OF_A_LAW:,} more")
            for law, number in self.laws.items()
            if number > _MOST_OF_A_LAW
        ]
        return (*self.faults, *more)
