"""What carries one exchange at a time to a server, and the values that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from ragkit.embedding.failures import BadReply, NoReply, excerpt

__all__ = ["Channel", "Exchange", "RawReply", "bare", "too_large"]
__all__ += ["words_of"]

_CONNECT_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RawReply:
    """A reply as it came, uncompressed; ``Transport.masked`` takes the key out of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request, and when to stop waiting for its reply.

    Attributes:
        method: ``GET`` or ``POST``.
        path: All of it, with its query.
        body: JSON; None for none.
        most_bytes: Largest body of a reply, uncompressed.
        timeout_s: Longest wait for all of the reply.
    """

    method: str
    path: str
    body: bytes | None = None
    most_bytes: int
    timeout_s: float

    @property
    def connect_timeout_s(self) -> float:
        """Longest wait for a connection."""
        return min(self.timeout_s, _CONNECT_TIMEOUT_S)


class Channel(Protocol):
    """At most one connection, kept open between exchanges; for one thread at a time."""

    def ask(self, exchange: Exchange) -> RawReply | NoReply | BadReply:
        """Send a request and read its reply; foreign errors end here."""
        ...

    def close(self) -> None:
        """Close the connection; the next exchange would open another."""
        ...


def too_large(most_bytes: int) -> BadReply:
    """A reply beyond what may be read."""
    return BadReply(reason=f"a reply of over {most_bytes} bytes")


def bare(error: Exception) -> Exception:
    """The exception without its frames, whose variables hold the key."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)


def words_of(error: Exception) -> str:
    """A foreign exception on one line."""
    return excerpt(str(error)) or type(error).__name__
