"""Requests and replies of an OpenAI-compatible embeddings API, without I/O.

A reply becomes one of three values. ``Reply``: every check passed. ``ServerError``: the server said
no. ``BadReply``: the server said yes, and the answer cannot be trusted. What is wrong with an
answer is decided here once; what to do about it is decided in ``policy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
import numpy as np

from ragkit.embedding.failures import (
    UNREADABLE,
    BadReply,
    ServerError,
    decoded,
    excerpt,
    holds_error,
    server_error,
)
from ragkit.embedding.seam import FloatMatrix, FloatVector

__all__ = ["Reply", "RequestForm", "build_request", "parse_reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """All of a request but its texts; a field that is None is not sent.

    Attributes:
        model: Name of the model, as the server knows it.
        dimensions: Width to cut vectors to.
        encoding_format: Always stated, since servers differ in what they do without it.
        input_type: The provider's word for queries or for documents.
        provider: OpenRouter's routing object.
        user: The end user's identifier.
    """

    model: str
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] = "float"
    input_type: str | None = None
    provider: Mapping[str, object] | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that passed every check.

    Attributes:
        vectors: float32, shape (n, d), rows of unit length, in the order of the texts.
        tokens: What the server says it billed; None where it says nothing.
        cost_usd: What the server says it charged; None where it says nothing.
        provider: Who answered, where the server says so.
        model: The model's name in the server's words.
    """

    vectors: FloatMatrix
    tokens: int | None
    cost_usd: Decimal | None
    provider: str | None
    model: str | None


class _Item(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Envelope(msgspec.Struct):
    data: list[_Item] | None = None
    error: Any = None
    object: Any = None
    model: Any = None
    provider: Any = None
    usage: msgspec.Raw = msgspec.Raw()


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None
    cost: Decimal | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
_USAGE: Final = msgspec.json.Decoder(_Usage)
_FLOATS: Final = msgspec.json.Decoder(list[float])
_BYTES: Final = msgspec.json.Decoder(bytes)


class _FlawError(Exception):
    """A check failed; never leaves this module."""

    def __init__(self, reason: str, width: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.width = width


def build_request(texts: Sequence[str], form: RequestForm) -> bytes:
    """The body of a request, canonical: keys sorted, no blanks.

    Servers that cache replies key them by the bytes of the body, so that equal requests must be
    equal to the byte.
    """
    body: dict[str, object] = {
        "model": form.model,
        "input": list(texts),
        "encoding_format": form.encoding_format,
    }
    optional = {
        "dimensions": form.dimensions,
        "input_type": form.input_type,
        "provider": form.provider,
        "user": form.user,
    }
    body.update((name, value) for name, value in optional.items() if value is not None)
    return msgspec.json.encode(body, order="sorted")


def parse_reply(
    status: int, headers: Mapping[str, str], body: bytes, *, expected: int, width: int | None
) -> Reply | ServerError | BadReply:
    """Read a reply and check all that guards against wrong vectors. Never raises.

    Args:
        status: Of the reply.
        headers: Of the reply.
        body: Uncompressed.
        expected: How many texts were sent.
        width: Width that every vector must have; None takes the width of the first.
    """
    if status != 200:
        return server_error(status, headers, decoded(body), body)
    try:
        envelope = _ENVELOPE.decode(body)
    except UNREADABLE as flaw:
        document = decoded(body)
        if holds_error(document):
            return server_error(status, headers, document, body)
        return BadReply(
            reason=f"not an embeddings reply ({excerpt(str(flaw))}): {excerpt(body)!r}",
            is_page=body.lstrip()[:1] == b"<",
        )
    if envelope.data is None or envelope.error:
        document = decoded(body)
        if holds_error(document):
            return server_error(status, headers, document, body)
    tokens, cost_usd = _bill(envelope.usage)
    try:
        vectors = _vectors(envelope.data, expected, width)
    except _FlawError as flaw:
        return BadReply(reason=flaw.reason, width=flaw.width, tokens=tokens, cost_usd=cost_usd)
    return Reply(
        vectors=vectors,
        tokens=tokens,
        cost_usd=cost_usd,
        provider=envelope.provider if isinstance(envelope.provider, str) else None,
        model=envelope.model if isinstance(envelope.model, str) else None,
    )


def _bill(usage: msgspec.Raw) -> tuple[int | None, Decimal | None]:
    # A bill that cannot be read must not cost the vectors that were paid for.
    try:
        stated = _USAGE.decode(usage)
    except UNREADABLE:
        return None, None
    tokens = stated.total_tokens if stated.prompt_tokens is None else stated.prompt_tokens
    cost = stated.cost if stated.cost is not None and stated.cost.is_finite() else None
    return (
        tokens if tokens is not None and tokens >= 0 else None,
        cost if cost is not None and cost >= 0 else None,
    )


def _vectors(items: list[_Item] | None, expected: int, width: int | None) -> FloatMatrix:
    if items is None:
        raise _FlawError("no data")
    if len(items) != expected:
        raise _FlawError(f"{len(items)} vectors for {expected} texts")
    positions = _positions(items)
    first = _row(items[0].embedding)
    rows = np.empty((expected, len(first)), np.float32)
    # A number beyond float32 becomes infinite here, and is then refused as not finite.
    with np.errstate(over="ignore"):
        rows[positions[0]] = first
        for position, item in zip(positions[1:], items[1:], strict=True):
            row = _row(item.embedding)
            if len(row) != len(first):
                raise _FlawError(f"vectors of {len(first)} and of {len(row)} numbers")
            rows[position] = row
    if width is not None and len(first) != width:
        raise _FlawError(f"vectors of {len(first)} numbers instead of {width}", len(first))
    return _unit(rows)


def _positions(items: Sequence[_Item]) -> list[int]:
    indexes = [item.index for item in items if item.index is not None]
    if not indexes:
        return list(range(len(items)))
    if len(indexes) != len(items):
        raise _FlawError(f"only {len(indexes)} of {len(items)} vectors have an index")
    if set(indexes) != set(range(len(items))):
        raise _FlawError(f"the indexes are not 0 to {len(items) - 1}, each once")
    return indexes


def _row(raw: msgspec.Raw) -> FloatVector | list[float]:
    try:
        if bytes(memoryview(raw)[:1]) == b'"':
            data = _BYTES.decode(raw)
            if len(data) % 4:
                raise _FlawError(f"{len(data)} bytes of base64 are no float32 numbers")
            row: FloatVector | list[float] = np.frombuffer(data, "<f4")
        else:
            row = _FLOATS.decode(raw)
    except UNREADABLE as flaw:
        raise _FlawError(f"a vector is not made of numbers ({excerpt(str(flaw))})") from None
    if not len(row):
        raise _FlawError("a vector without numbers")
    return row


def _unit(rows: FloatMatrix) -> FloatMatrix:
    # Squares in float64: those of float32 overflow at 2e19 and vanish at 1e-23.
    norms = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
    if not np.isfinite(norms).all():
        raise _FlawError(
            f"vector {int(np.argmin(np.isfinite(norms)))} has a number that is not finite"
        )
    if not norms.all():
        raise _FlawError(f"vector {int(np.argmin(norms))} is zero")
    # Dividing by float32 takes a tenth of the time, and a norm beyond float32 takes the long way;
    # which way depends on the row alone, so that its bits do not depend on the batch.
    unusual = (norms < 1e-30) | (norms > 1e30)
    rows[unusual] /= norms[unusual, None]
    norms[unusual] = 1.0
    rows /= norms.astype(np.float32)[:, None]
    return rows
