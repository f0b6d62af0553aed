"""Answers that are none, and how servers word them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

import msgspec

__all__ = ["UNREADABLE", "BadReply", "Failure", "NoReply", "ServerError", "decoded", "excerpt"]
__all__ += ["holds_error", "is_by_chance", "is_page", "is_slow", "server_error", "shown"]
__all__ += ["unreadable", "way_of"]

_EXCERPT_CHARACTERS: Final = 200
_TITLE: Final = re.compile(rb"<title[^>]*>([^<]+)</title", re.IGNORECASE)
_TAG: Final = re.compile(rb"<[^>]*>")
_TITLE_WITHIN_BYTES: Final = 65_536
_ANYTHING: Final = msgspec.json.Decoder()
# What a decoder raises on hostile input: not JSON, the wrong types, not UTF-8, nested too deeply.
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """The server refused or failed.

    Attributes:
        status: HTTP status; for an error in a reply of 200, the error's own code, 502 without one.
        in_reply: Whether the error came in a reply of 200.
        code: The error's code as it stands in the body: a number or a word.
        kind: ``error_type`` or ``type`` of the error.
        availability: Why the model cannot be had, in OpenRouter's words: ``no_endpoints`` ….
        message: The server's words, on one line, cut to a readable length.
        headers: Of the reply, names in lower case.
        retry_after_s: Wait that the body asks for.
        retryable: Whether the body says that another try helps; None where it does not say.
        moderated: Whether the content of a text was refused.
        is_page: Whether the body is a web page: no API answers so.
    """

    status: int
    in_reply: bool = False
    code: int | str | None = None
    kind: str | None = None
    availability: str | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    retry_after_s: float | None = None
    retryable: bool | None = None
    moderated: bool = False
    is_page: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BadReply:
    """An answer that failed a check and is discarded whole.

    Attributes:
        reason: Which check, and how it failed.
        width: The one width that all of its vectors have, where that was the only flaw.
        is_page: Whether it is a web page rather than an answer.
        tokens: What the server billed for it all the same.
        cost_usd: What the server charged for it all the same.
    """

    reason: str
    width: int | None = None
    is_page: bool = False
    tokens: int | None = None
    cost_usd: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReply:
    """Nothing came back.

    Attributes:
        kind: ``refused``: no connection was made. ``timeout``: the server may still be at work, and
            may bill. ``broken``: the connection ended early. ``invalid``: it could not be sent.
        reason: In words.
        cause: The foreign exception, to raise from.
    """

    kind: Literal["refused", "timeout", "broken", "invalid"]
    reason: str
    cause: BaseException | None = None


Failure = ServerError | BadReply | NoReply


def is_by_chance(failure: Failure) -> bool:
    """Whether requests fail in this way whatever their size, too."""
    return not isinstance(failure, ServerError) or failure.in_reply or failure.status >= 429


def is_slow(failure: Failure) -> bool:
    """Whether the server had too much to do."""
    if isinstance(failure, ServerError):
        return failure.status in (408, 504, 524, 529) and not failure.in_reply
    return isinstance(failure, NoReply) and failure.kind == "timeout"


def way_of(failure: Failure) -> str:
    """The kind of trouble; each is counted apart, so that different mishaps do not add up."""
    if isinstance(failure, ServerError):
        return "error in reply" if failure.in_reply else "error"
    return type(failure).__name__


def is_page(body: bytes) -> bool:
    """Whether a body is a web page, or another document with tags."""
    return body.lstrip()[:1] == b"<"


def shown(body: bytes) -> str:
    """A body for a message: its beginning, and of a web page its title."""
    if not is_page(body):
        return excerpt(body)
    beginning = body[:_TITLE_WITHIN_BYTES]
    title = _TITLE.search(beginning)
    said = excerpt(title.group(1) if title else _TAG.sub(b" ", beginning), 80)
    return f"a web page, {said!r}" if said else "a web page"


def unreadable(body: bytes, flaw: Exception, wanted: str) -> BadReply:
    """A body of 200 that is not what was asked for, *wanted*."""
    if is_page(body):
        return BadReply(reason=shown(body), is_page=True)
    return BadReply(reason=f"not {wanted} ({excerpt(str(flaw))}): {excerpt(body)!r}")


def excerpt(text: str | bytes, length: int = _EXCERPT_CHARACTERS) -> str:
    """The beginning of foreign text on one line, without characters that a terminal would obey."""
    if isinstance(text, bytes):
        text = text[: length * 8].decode("utf-8", "replace")
    line = " ".join(text.split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= length else line[: length - 1] + "…"


def decoded(body: bytes) -> object:
    """Any JSON as plain values; None for what is no JSON."""
    try:
        value: object = _ANYTHING.decode(body)
    except UNREADABLE:
        return None
    return value


def holds_error(document: object) -> bool:
    """Whether a reply of 200 is an error in truth."""
    if not isinstance(document, dict):
        return False
    flat = not document.get("data") and ("message" in document or "detail" in document)
    return bool(document.get("error")) or document.get("object") == "error" or flat


def server_error(
    status: int, headers: Mapping[str, str], document: object, body: bytes
) -> ServerError:
    """The error in a body of any of the shapes that servers use, or a page for one."""
    error = _error_object(document)
    metadata = _mapping(error.get("metadata"))
    availability = _mapping(error.get("availability"))
    code = _first((error.get("code"), error.get("http_status"), error.get("status")), (int, str))
    kinds = (place.get(name) for name in ("error_type", "type") for place in (metadata, error))
    kind = _first(kinds, (str,))
    reason = availability.get("code")
    message = _first((error.get(name) for name in ("message", "detail", "error")), (str,))
    in_reply = status == 200
    retryable = availability.get("retryable")
    return ServerError(
        status=_number_of(code) or 502 if in_reply else status,
        in_reply=in_reply,
        code=code if isinstance(code, int | str) else None,
        kind=kind if isinstance(kind, str) else None,
        availability=reason if isinstance(reason, str) else None,
        message=excerpt(message) if isinstance(message, str) and message.strip() else shown(body),
        headers=_lower(metadata.get("headers")) | _lower(headers),
        retry_after_s=_seconds(availability.get("retry_after", metadata.get("retry_after"))),
        retryable=retryable if isinstance(retryable, bool) else _should_retry(headers),
        moderated="flagged_input" in metadata
        or kind in ("content_policy_violation", "content_filter", "refusal"),
        is_page=is_page(body),
    )


def _should_retry(headers: Mapping[str, str]) -> bool | None:
    # OpenAI's header for its own clients.
    return {"true": True, "false": False}.get(headers.get("x-should-retry", "").lower())


def _error_object(document: object) -> Mapping[str, object]:
    # {"error": {…}}, {"error": "…"}, flat, and {"detail": …} all occur.
    root = _mapping(document)
    error = root.get("error")
    if isinstance(error, Mapping):
        return error
    if isinstance(root.get("detail"), list | dict):
        return {**root, "detail": msgspec.json.encode(root["detail"]).decode()}
    return root


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _first(values: Iterable[object], kinds: tuple[type, ...]) -> object:
    fitting = (v for v in values if isinstance(v, kinds) and not isinstance(v, bool))
    return next(fitting, None)


def _number_of(code: object) -> int | None:
    """An HTTP status for the code of an error; None for what is no number and no known word."""
    if isinstance(code, str):
        code = int(code) if code.isdecimal() and len(code) == 3 else _WORDS.get(code)
    return code if isinstance(code, int) and 400 <= code <= 599 else None


_WORDS: Final[Mapping[str, int]] = {
    "authentication": 401,
    "invalid_api_key": 401,
    "payment_required": 402,
    "insufficient_quota": 402,
    "rate_limit_exceeded": 429,
    "provider_overloaded": 529,
    "invalid_request": 400,
    "context_length_exceeded": 400,
    "payload_too_large": 413,
    "server": 500,
    "timeout": 504,
}


def _lower(headers: object) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in _mapping(headers).items()}


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e9 else None
