"""What was found out about a server, for whoever asks it next: nothing is learnt twice.

Only what costs requests to find out is kept. That base64 is honoured is believed until an answer
contradicts it; limits are where the next run begins. How many tokens texts have is not among it:
the next texts may be of another language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, Self

from ragkit.embedding.limits import BatchLimits

__all__ = ["Knowledge"]

_MOST: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What is known of a server and its model; None for what is not.

    Attributes:
        base64: Whether vectors may be asked for as base64.
        inputs: Texts that were answered in one request.
        most_inputs: Most that it takes.
        tokens: Most tokens that it takes in a request.
        size_bytes: Most bytes of texts that it takes.
        reads_tokens: Most tokens of one text that it takes, or reads.
        width: Of the vectors that are kept already; the next answer of this width needs no second
            one to be believed.
    """

    base64: bool | None = None
    inputs: int | None = None
    most_inputs: int | None = None
    tokens: int | None = None
    size_bytes: int | None = None
    reads_tokens: int | None = None
    width: int | None = None

    @classmethod
    def of(
        cls, limits: BatchLimits, *, base64: bool | None, reads_tokens: int | None = None
    ) -> Self:
        """What the answers so far have taught."""
        return cls(
            base64=base64,
            inputs=limits.inputs,
            most_inputs=limits.most_inputs,
            tokens=limits.tokens,
            size_bytes=limits.size_bytes,
            reads_tokens=reads_tokens,
        )

    @classmethod
    def from_json(cls, stored: object) -> Self:
        """Of what ``json`` gave; whatever cannot be is left out, since a file may say anything."""
        values = stored if isinstance(stored, Mapping) else {}
        known: dict[str, object] = {}
        for item in fields(cls):
            value = values.get(item.name)
            if item.name == "base64":
                known[item.name] = value if isinstance(value, bool) else None
            else:
                fits = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _MOST
                known[item.name] = value if fits else None
        return cls(**known)  # type: ignore[arg-type]

    @property
    def json(self) -> dict[str, object]:
        """Plain JSON."""
        return asdict(self)

    def begin(self, limits: BatchLimits) -> None:
        """Let limits begin where the last run ended, and never above what they were made with."""
        limits.most_inputs = min(limits.most_inputs, self.most_inputs or limits.most_inputs)
        limits.inputs = min(self.inputs or limits.inputs, limits.most_inputs)
        limits.tokens = min(limits.tokens, self.tokens or limits.tokens)
        limits.size_bytes = min(limits.size_bytes, self.size_bytes or limits.size_bytes)
