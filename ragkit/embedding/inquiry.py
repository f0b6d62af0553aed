"""Single questions to a server: a few attempts, no stream, and one error for each way to fail.

``policy`` decides for thousands of requests that a run cannot do without. What is asked here
somebody waits for at a terminal, so it gives up after seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from ragkit.embedding.complaints import Target
from ragkit.embedding.failures import (
    BadReply,
    Failure,
    NoReply,
    ServerError,
    decoded,
    holds_error,
    is_page,
    server_error,
    shown,
)
from ragkit.embedding.transport import RawReply, Transport
from ragkit.errors import EmbeddingError, MalformedReply

__all__ = ["error_of", "get_json", "patiently"]

T = TypeVar("T")

_ATTEMPTS: Final = 3
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 5.0
_PASSING: Final = frozenset({408, 409, 424, 425, 429, 500, 502, 503, 504, 524, 529})


def patiently(ask: Callable[[], T | Failure], *, ends_at_s: float = math.inf) -> T | Failure:
    """The first answer of a few attempts; failures that time does not heal come back at once.

    So does a refusal that asks for a longer wait than anybody has at a terminal: nothing is sent
    before a stated wait has passed.

    Args:
        ask: One attempt.
        ends_at_s: When there is no further one, on the monotonic clock.
    """
    for attempt in range(1, _ATTEMPTS):
        answer = ask()
        if not isinstance(answer, Failure) or not _passes(answer):
            return answer
        wait_s = _wait_s(answer, attempt)
        if wait_s > _LONGEST_WAIT_S or time.monotonic() + wait_s >= ends_at_s:
            return answer
        time.sleep(wait_s)
    return ask()


def get_json(transport: Transport, path: str) -> Mapping[str, object] | list[object] | Failure:
    """The JSON that a GET gives, after a few attempts."""
    return patiently(lambda: _document(transport.get(path)))


def error_of(failure: Failure, target: Target, attempts: int = _ATTEMPTS) -> EmbeddingError:
    """What a failure is called when it is final, after so many attempts at most."""
    match failure:
        case NoReply(kind="invalid"):
            return target.unsendable(failure.reason)
        case NoReply():
            return target.gave_up(attempts if _passes(failure) else 1, failure.reason)
        case BadReply():
            return MalformedReply(
                f"{target.url} gave no usable answer ({failure.reason}): check that the base URL "
                "is that of an OpenAI-compatible API"
            )
    if failure.status in _PASSING or failure.status >= 500:
        return target.gave_up(attempts, f"{failure.status}: {failure.message}")
    worded = {
        401: target.forbidden,
        402: target.no_credit,
        403: target.forbidden,
        404: target.unavailable,
        405: target.unavailable,
    }
    return worded.get(failure.status, target.rejected)(failure)


def _document(
    reply: RawReply | NoReply | BadReply,
) -> Mapping[str, object] | list[object] | Failure:
    if not isinstance(reply, RawReply):
        return reply
    document = decoded(reply.body)
    if reply.status != 200 or (isinstance(document, dict) and holds_error(document)):
        return server_error(reply.status, reply.headers, document, reply.body)
    if isinstance(document, (dict, list)):
        return document
    if not reply.body.strip():
        return BadReply(reason="an empty body")
    return BadReply(reason=f"no JSON but {shown(reply.body)}", is_page=is_page(reply.body))


def _passes(failure: Failure) -> bool:
    match failure:
        case ServerError():
            if failure.retryable is not None:
                return failure.retryable
            return failure.in_reply or failure.status in _PASSING
        case NoReply():
            # A server that is not there is not there a second later either, and one that let a
            # whole timeout pass has had its time.
            return failure.kind == "broken"
    return not failure.is_page


def _wait_s(failure: Failure, attempt: int) -> float:
    stated = failure.retry_after_s if isinstance(failure, ServerError) else None
    if stated is None and isinstance(failure, ServerError):
        stated = _header_s(failure.headers)
    return _FIRST_WAIT_S * 2.0 ** (attempt - 1) if stated is None else stated


def _header_s(headers: Mapping[str, str]) -> float | None:
    for name, factor in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "")
        if value.isascii() and value.replace(".", "", 1).isdigit():
            return float(value) * factor
    return None
