"""Requests and replies of an OpenAI-compatible embeddings API, without I/O.

A reply becomes one of three values. ``Reply``: every check passed. ``ServerError``: the server said
no. ``BadReply``: the server said yes, and the answer cannot be trusted. What is wrong with an
answer is decided here once; what to do about it is decided in ``policy``.
"""

from __future__ import annotations

import sys
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
    unreadable,
)
from ragkit.embedding.seam import FloatMatrix

__all__ = ["Reply", "RequestForm", "bill_of", "build_request", "parse_reply"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """All of a request but its texts; a field that is None is not sent.

    Attributes:
        model: Name of the model, as the server knows it.
        dimensions: Width to cut vectors to.
        encoding_format: Stated wherever the server takes it, since servers differ in what they do
            without it.
        input_type: The provider's word for queries or for documents.
        provider: OpenRouter's routing object.
        user: The end user's identifier.
        dimensions_field: What the server calls the width.
        input_type_field: What it calls the kind of input.
    """

    model: str
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] | None = "float"
    input_type: str | None = None
    provider: Mapping[str, object] | None = None
    user: str | None = None
    dimensions_field: str = "dimensions"
    input_type_field: str = "input_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that passed every check.

    Attributes:
        vectors: float32, shape (n, d), rows of unit length, in the order of the texts.
        tokens: What the server says it billed; None where it says nothing.
        cost_usd: What the server says it charged; None where it says nothing.
        provider: Who answered, where the server says so.
        model: The model's name in the server's words.
        headers: Of the reply, names in lower case.
        is_base64: Whether all vectors came as base64.
        was_unit: Whether all were of unit length as they came, within a thousandth: numbers that
            were decoded wrongly are not.
    """

    vectors: FloatMatrix
    tokens: int | None
    cost_usd: Decimal | None
    provider: str | None
    model: str | None
    headers: Mapping[str, str]
    is_base64: bool
    was_unit: bool


class _Item(msgspec.Struct):
    embedding: msgspec.Raw
    index: int | None = None


class _Base64Item(msgspec.Struct):
    embedding: bytes
    index: int | None = None


class _About(msgspec.Struct, kw_only=True):
    error: Any = None
    object: Any = None
    model: Any = None
    provider: Any = None
    usage: msgspec.Raw = msgspec.Raw()


class _Envelope(_About, kw_only=True):
    data: list[_Item] | None = None


class _Base64Envelope(_About, kw_only=True):
    data: list[_Base64Item]


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    total_tokens: int | None = None
    cost: Decimal | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)
# Fails at the first vector that is no base64, so that trying it costs nothing where it is none.
_BASE64: Final = msgspec.json.Decoder(_Base64Envelope)
_USAGE: Final = msgspec.json.Decoder(_Usage)
_NUMBER_BYTES: Final = 4
_LEAST_SQUARE: Final = 1e-20
_MOST_SQUARE: Final = 1e20
_NEARLY: Final = 1e-3
_FLOATS: Final = msgspec.json.Decoder(list[float])
_BYTES: Final = msgspec.json.Decoder(bytes)


class _FlawError(Exception):
    """A check failed; never leaves this module."""

    def __init__(self, reason: str, width: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.width = width


def build_request(inputs: Sequence[object], form: RequestForm) -> bytes:
    """The body of a request, canonical: keys sorted, no blanks.

    The inputs are all texts, or all objects with parts: the schema knows no mixture.

    Servers that cache replies key them by the bytes of the body, so that equal requests must be
    equal to the byte.
    """
    body: dict[str, object] = {"model": form.model, "input": list(inputs)}
    optional = {
        "encoding_format": form.encoding_format,
        form.dimensions_field: form.dimensions,
        form.input_type_field: form.input_type,
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
    envelope: _Envelope | _Base64Envelope
    try:
        try:
            envelope = _BASE64.decode(body)
        except msgspec.MsgspecError:
            envelope = _ENVELOPE.decode(body)
    except UNREADABLE as flaw:
        document = decoded(body)
        if holds_error(document):
            return server_error(status, headers, document, body)
        return unreadable(body, flaw, "an embeddings reply")
    if envelope.data is None or envelope.error:
        document = decoded(body)
        if holds_error(document):
            return server_error(status, headers, document, body)
    tokens, cost_usd = bill_of(envelope.usage)
    try:
        rows = _rows(envelope.data, expected, width)
        vectors, was_unit = _unit(rows)
    except _FlawError as flaw:
        return BadReply(reason=flaw.reason, width=flaw.width, tokens=tokens, cost_usd=cost_usd)
    return Reply(
        vectors=vectors,
        tokens=tokens,
        cost_usd=cost_usd,
        provider=envelope.provider if isinstance(envelope.provider, str) else None,
        model=envelope.model if isinstance(envelope.model, str) else None,
        headers=headers,
        is_base64=isinstance(envelope, _Base64Envelope),
        was_unit=was_unit,
    )


def bill_of(usage: msgspec.Raw) -> tuple[int | None, Decimal | None]:
    """Tokens and dollars of a reply's ``usage``; None for what it does not say."""
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


def _rows(
    items: Sequence[_Item] | Sequence[_Base64Item] | None, expected: int, demanded: int | None
) -> FloatMatrix:
    """The vectors as they came, float32 (expected, d), in the order of the texts."""
    if items is None:
        raise _FlawError("no data")
    if len(items) != expected:
        raise _FlawError(f"{len(items)} vectors for {expected} texts")
    positions = _positions(items)
    vectors = [_row(item.embedding) for item in items]
    width = len(vectors[0]) // _NUMBER_BYTES
    for row in vectors:
        if len(row) != len(vectors[0]):
            raise _FlawError(f"vectors of {width} and of {len(row) // _NUMBER_BYTES} numbers")
    if demanded is not None and width != demanded:
        raise _FlawError(f"vectors of {width} numbers instead of {demanded}", width)
    rows = np.empty((expected, width), np.float32)
    # Not copied by numpy, which gives up the interpreter's lock for each row: 64 threads that take
    # it back so often wait for one another.
    target, size = rows.data.cast("B"), width * _NUMBER_BYTES
    for position, row in zip(positions, vectors, strict=True):
        target[position * size : (position + 1) * size] = row
    return rows if sys.byteorder == "little" else rows.byteswap()


def _positions(items: Sequence[_Item] | Sequence[_Base64Item]) -> list[int]:
    indexes = [item.index for item in items if item.index is not None]
    if not indexes:
        return list(range(len(items)))
    if len(indexes) != len(items):
        raise _FlawError(f"only {len(indexes)} of {len(items)} vectors have an index")
    if set(indexes) != set(range(len(items))):
        raise _FlawError(f"the indexes are not 0 to {len(items) - 1}, each once")
    return indexes


def _row(raw: msgspec.Raw | bytes) -> bytes:
    """One vector as float32, little-endian; of base64 decoded or not, or of numbers."""
    try:
        if not isinstance(raw, msgspec.Raw):
            data = raw
        elif bytes(memoryview(raw)[:1]) == b'"':
            data = _BYTES.decode(raw)
        else:
            # At once, so that the numbers of one vector at most are Python objects. A number beyond
            # float32 becomes infinite here, and is then refused as not finite.
            with np.errstate(over="ignore"):
                data = np.array(_FLOATS.decode(raw), "<f4").tobytes()
    except UNREADABLE as flaw:
        raise _FlawError(f"a vector is not made of numbers ({excerpt(str(flaw))})") from None
    if len(data) % _NUMBER_BYTES:
        raise _FlawError(f"{len(data)} bytes of base64 are no float32 numbers")
    if not data:
        raise _FlawError("a vector without numbers")
    return data


def _unit(rows: FloatMatrix) -> tuple[FloatMatrix, bool]:
    """The rows scaled to unit length, in place, and whether they had it before.

    What is done with a row depends on it alone, so that its bits do not depend on the batch.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", rows, rows)
        # Squares of float32 overflow at 2e19 and vanish at 1e-23: those take the long way, and so
        # does what is no number.
        unusual = np.flatnonzero(~((squares > _LEAST_SQUARE) & (squares < _MOST_SQUARE)))
        norms = np.sqrt(squares, dtype=np.float64)
        norms[unusual] = np.sqrt(np.square(rows[unusual], dtype=np.float64).sum(axis=1))
    if not np.isfinite(norms).all():
        raise _FlawError(
            f"vector {int(np.argmin(np.isfinite(norms)))} has a number that is not finite"
        )
    if not norms.all():
        raise _FlawError(f"vector {int(np.argmin(norms))} is zero")
    was_unit = bool((np.abs(norms - 1.0) < _NEARLY).all())
    if len(unusual):
        rows[unusual] /= norms[unusual, None]
        norms[unusual] = 1.0
    rows /= norms.astype(np.float32)[:, None]
    return rows, was_unit
