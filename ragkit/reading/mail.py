"""E-mail as it travels (``.eml``): MIME parts, decoded by what they hold where they lie."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from email import policy
from email.errors import HeaderParseError, MessageError
from email.header import Header, decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.composing import one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.html import read_html
from ragkit.reading.letters import Attachment, Letter, read_letter

__all__ = ["decoded_header", "iso_date", "letter_of", "read_mail"]

_DEEPEST_PART = 50
_MOST_PARTS = 5000
_PEOPLE = ("From", "To", "Cc")
# Parts that say how others are encoded or signed, for programs.
_FOR_PROGRAMS = frozenset(
    {
        "application/pgp-signature",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "message/delivery-status",
        "text/rfc822-headers",
        "text/calendar",
    }
)


def read_mail(raw: RawFile) -> Reading:
    """Read a message: its plain text, or its HTML where it has no other, and its attachments.

    Raises:
        DocumentUnreadable: It is nested too deeply.
    """
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(raw.data)
    except (MessageError, ValueError, LookupError) as error:
        raise DocumentUnreadable("damaged: its MIME structure makes no sense") from error
    return read_letter(raw, letter_of(message, raw))


def letter_of(message: Message, raw: RawFile, depth: int = 0) -> Letter:
    """What a parsed message says.

    Args:
        message: Parsed with the policy ``compat32``.
        raw: The file that it is in.
        depth: How many messages it is attached to.
    """
    letter = Letter(
        subject=decoded_header(message.get("Subject")),
        people={key: decoded_header(message.get(key)) for key in _PEOPLE},
        date=iso_date(decoded_header(message.get("Date"))),
    )
    for part in _parts(message):
        if part.get_content_type() == "message/rfc822":
            inner = _payload(part)
            if isinstance(inner, list) and inner and isinstance(inner[0], Message):
                _attach_message(letter, inner[0], raw, depth)
        elif _is_body(part):
            _add_words(letter, part, raw)
        elif part.get_content_type() not in _FOR_PROGRAMS:
            name = decoded_header(part.get_filename())
            letter.attachments.append(Attachment(name=name, data=_content(part)))
    return letter


def _attach_message(letter: Letter, inner: Message, raw: RawFile, depth: int) -> None:
    subject = decoded_header(inner.get("Subject"))
    attached = letter_of(inner, raw, depth + 1) if depth < _DEEPEST_PART else Letter()
    letter.attachments.append(Attachment(name=subject, letter=attached))


def _parts(message: Message) -> Iterator[Message]:
    """The leaves of a message; of alternatives, the one that reads best."""
    waiting: list[tuple[Message, int]] = [(message, 0)]
    count = 0
    while waiting and count < _MOST_PARTS:
        part, depth = waiting.pop()
        count += 1
        payload = _payload(part)
        if not isinstance(payload, list) or part.get_content_type() == "message/rfc822":
            yield part
            continue
        if depth >= _DEEPEST_PART:
            raise DocumentUnreadable("nested too deeply")
        inner = [item for item in payload if isinstance(item, Message)]
        if part.get_content_type() == "multipart/alternative":
            inner = _best(inner)
        waiting += [(item, depth + 1) for item in reversed(inner)]


def _best(alternatives: list[Message]) -> list[Message]:
    """Plain text if it says anything, else the last, which the sender thinks the richest."""
    for part in alternatives:
        if part.get_content_type() == "text/plain" and _content(part).strip():
            return [part]
    kinds = ("multipart/related", "multipart/mixed", "text/html")
    rich = [part for part in alternatives if part.get_content_type() in kinds]
    return (rich or alternatives)[-1:]


def _is_body(part: Message) -> bool:
    if part.get_content_type() not in ("text/plain", "text/html"):
        return False
    return part.get_content_disposition() != "attachment" and not part.get_filename()


def _add_words(letter: Letter, part: Message, raw: RawFile) -> None:
    data, charset = _content(part), part.get_content_charset()
    if not data.strip():
        return
    try:
        if part.get_content_type() == "text/html":
            page = RawFile(
                source=raw.source, root="", media_type="text/html", data=data, album=raw.album
            )
            reading = read_html(page, charset)
            letter.body.append(reading)
            return
        decoded = decode(data, charset)
    except DocumentSkipped as error:
        letter.warnings.append(f"a part of the message could not be read: {error}")
        return
    letter.warnings += decoded.warnings
    flowed = str(part.get_param("format", "")).lower() == "flowed"
    letter.body.append(_unwrapped(decoded.text) if flowed else decoded.text)


def _content(part: Message) -> bytes:
    """The bytes of a part, out of its transfer encoding as far as that is sound."""
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, binascii.Error):
        data = None
    if isinstance(data, bytes):
        return data
    payload = _payload(part)
    return payload.encode("utf-8", "surrogateescape") if isinstance(payload, str) else b""


def _payload(part: Message) -> object:
    """The parts of a part, or what it says."""
    try:
        return part.get_payload()
    except (ValueError, LookupError):
        # The name of its encoding is none, and raises instead of being unknown.
        part.del_param("charset")
        return part.get_payload()


def _unwrapped(text: str) -> str:
    """Lines that end in a blank go on in the next (RFC 3676)."""
    joined: list[str] = []
    goes_on = False
    for line in text.splitlines():
        if goes_on and not line.startswith(">"):
            joined[-1] += line
        else:
            joined.append(line)
        goes_on = line.endswith(" ") and line != "-- " and not line.startswith(">")
    return "\n".join(joined)


def decoded_header(value: object) -> str:
    """A header's words, out of its encoding as far as that is sound."""
    if value is None:
        return ""
    try:
        # A header with bare 8-bit bytes is an object that would hide them as U+FFFD.
        pieces = decode_header(value if isinstance(value, Header) else str(value))
    except (HeaderParseError, ValueError):
        return one_line(str(value))
    words: list[str] = []
    for piece, charset in pieces:
        if isinstance(piece, str):
            words.append(piece)
            continue
        words.append(_decoded(piece, charset))
    return one_line("".join(words))


def _decoded(piece: bytes, charset: str | None) -> str:
    for encoding in (charset or "utf-8", "utf-8"):
        try:
            return piece.decode(encoding)
        except (LookupError, ValueError):
            continue
    return piece.decode("cp1252", "replace")


def iso_date(stated: str) -> str:
    """A date header in ISO 8601; as it is where it makes no sense."""
    try:
        return parsedate_to_datetime(stated).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return stated
