"""What an e-mail is, whatever program kept it: a subject, people, a date, words, attachments."""

from __future__ import annotations

from dataclasses import dataclass, field

from ragkit.errors import DocumentSkipped, DocumentUnreadable
from ragkit.reading.composing import Composer, one_line
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.members import read_member, shown_name
from ragkit.reading.properties import stated_metadata

__all__ = ["Attachment", "Letter", "read_letter"]

_DEEPEST_LETTER = 5
_MOST_ATTACHMENTS = 1000


@dataclass(slots=True, kw_only=True)
class Attachment:
    """A file that came with a letter, or another letter.

    Attributes:
        name: As the sender called it.
        data: Its content.
        letter: Set where it is a letter itself.
    """

    name: str
    data: bytes = b""
    letter: Letter | None = None


@dataclass(slots=True, kw_only=True)
class Letter:
    """An e-mail.

    Attributes:
        subject: Its subject; may be empty, as any of these.
        people: ``From``, ``To`` and so on, as they are shown.
        date: In ISO 8601 where the header is sound.
        body: Its words, as the readings of its parts.
        attachments: In their order.
        warnings: Remarks on how it was read.
    """

    subject: str = ""
    people: dict[str, str] = field(default_factory=dict)
    date: str = ""
    body: list[str | Reading] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def read_letter(raw: RawFile, letter: Letter) -> Reading:
    """Make a document of a letter: the subject heads it, and each attachment is a section."""
    composer = Composer()
    _write(composer, raw, letter, depth=0)
    people = {key.lower(): value for key, value in letter.people.items()}
    metadata = stated_metadata({**people, "date": letter.date})
    return composer.reading(raw, title=one_line(letter.subject) or None, metadata=metadata)


def _write(composer: Composer, raw: RawFile, letter: Letter, *, depth: int) -> None:
    level = 2 * depth + 1
    composer.heading(letter.subject, level)
    composer.warnings += letter.warnings
    names = [shown_name(item.name) or "without a name" for item in letter.attachments]
    lines = {
        **letter.people,
        "Date": letter.date,
        "Attachments": ", ".join(names[:_MOST_ATTACHMENTS]),
    }
    shown = [f"{key}: {one_line(value)}" for key, value in lines.items() if value.strip()]
    composer.paragraph("\n".join(shown))
    for part in letter.body:
        if isinstance(part, str):
            composer.plain(part)
        else:
            composer.include(part, level=level)
    for attachment, name in zip(letter.attachments[:_MOST_ATTACHMENTS], names, strict=False):
        if attachment.letter is None:
            _attach(composer, raw, attachment, name, level + 1)
        elif depth < _DEEPEST_LETTER:
            composer.heading(f"Attached message: {name}", level + 1)
            _write(composer, raw, attachment.letter, depth=depth + 1)


def _attach(
    composer: Composer, raw: RawFile, attachment: Attachment, name: str, level: int
) -> None:
    """Write an attachment as a section, if there is something in it to read."""
    try:
        reading = read_member(raw, attachment.name, attachment.data)
    except DocumentSkipped:
        return
    except DocumentUnreadable as error:
        composer.warnings.append(f"attachment {name!r} could not be read: {error}")
        return
    composer.heading(f"Attachment: {name}", level)
    composer.include(reading, level=level, name=name)
