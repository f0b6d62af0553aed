"""Laws 1 and 2 of documents and passages: rows, spans, keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Protocol

from ragkit.chunking.recipe import embedded_text
from ragkit.errors import CollectionDamaged
from ragkit.maintenance.findings import Finding
from ragkit.models.fingerprint import Fingerprint
from ragkit.records import Passage
from ragkit.screening.findings import masked
from ragkit.storage.audit import AuditedDocument, AuditedPassage
from ragkit.storage.rows import image_from_value, parsed
from ragkit.sync.outgoing import SentText

__all__ = ["check_document", "check_spans", "vector_key"]


class Span(Protocol):
    """As much of a passage as law 1 is about."""

    @property
    def start(self) -> int:
        """First character."""
        ...

    @property
    def end(self) -> int:
        """One past the last."""
        ...

    @property
    def text(self) -> str:
        """What it shows."""
        ...


def check_spans(text: str, passages: Sequence[Span]) -> Iterator[tuple[int, str]]:
    """Law 1: passages are spans of the text, in order, apart, and hold all that is not blank.

    Args:
        text: Of their document.
        passages: In their order.

    Yields:
        (index of the passage, what is wrong); the index is the next passage's where text is
        missing before it, and their number where it is missing at the end.
    """
    last = 0
    for index, passage in enumerate(passages):
        if passage.text != text[passage.start : passage.end]:
            yield index, f"it is not characters {passage.start} to {passage.end} of its document"
        if passage.start < last:
            yield index, f"it begins at {passage.start}, before the one ahead of it ends at {last}"
        elif text[last : passage.start].strip():
            yield index, f"the text from {last} to {passage.start} is in no passage"
        last = max(last, passage.end)
    if text[last:].strip():
        yield len(passages), f"the text from {last} to {len(text)} is in no passage"


def check_document(
    document: AuditedDocument, key_of: Callable[[AuditedDocument, AuditedPassage], bytes] | None
) -> Iterator[Finding]:
    """Rows, births, spans and keys of one document.

    Args:
        document: With its passages.
        key_of: The key that the vector of a passage must have; None when that cannot be told.
    """
    yield from _check_rows(document)
    ordinals = [passage.ordinal for passage in document.passages]
    if ordinals != list(range(len(ordinals))) or not ordinals:
        yield _finding("counts", document, f"its passages are not numbered from 0: {ordinals[:20]}")
    elif document.text is not None:
        texts = [passage for passage in document.passages if passage.image is None]
        for index, problem in check_spans(document.text, texts):
            yield _finding("spans", document, problem, _named(texts, index))
        for passage in document.passages[len(texts) :]:
            # A picture's caption lies in a passage of text as well, and pictures come last.
            if passage.text != document.text[passage.start : passage.end]:
                problem = "its caption is not what its document has there"
                yield _finding("spans", document, problem, f"passage {passage.id}")
    if key_of is not None and document.is_sound:
        for passage in document.passages:
            if passage.is_sound and passage.key != key_of(document, passage):
                problem = "its vector is kept under the key of another text"
                yield _finding("keys", document, problem, f"passage {passage.id}")


def _check_rows(document: AuditedDocument) -> Iterator[Finding]:
    if document.root is None:
        yield _finding("orphans", document, "its root is not there")
    if not document.is_sound:
        yield _finding("rows", document, "its row is not what was written")
    elif document.text is None:
        yield _finding("rows", document, "its text cannot be unpacked")
    for passage in document.passages:
        named = f"passage {passage.id}"
        if not passage.is_sound:
            yield _finding("rows", document, "its row is not what was written", named)
        if (passage.born, passage.died) != (document.born, document.died):
            problem = "it was not born, or did not die, with its document"
            yield _finding("rows", document, problem, named)


def vector_key(document: AuditedDocument, passage: AuditedPassage, mark: Fingerprint) -> bytes:
    """The key of what is embedded for a passage; empty where its row has no sense.

    Args:
        document: The document.
        passage: Of it.
        mark: Makes keys.
    """
    try:
        headings = _headings(passage.headings)
        image = None
        if passage.image is not None:
            image = image_from_value(passage.image, document.source, None)
    except CollectionDamaged:
        return b""
    plain = Passage(
        source=document.source,
        start=passage.start,
        end=passage.end,
        text=passage.text,
        headings=headings,
        table_header=passage.table_header or "",
        encoded=passage.encoded,
        image=image,
    )
    text = masked(embedded_text(document.title, plain), passage.masks)
    return SentText(text=text, image=image).key(mark)


# The passages of a section have the same.
@lru_cache(1024)
def _headings(value: str) -> tuple[str, ...]:
    return parsed(value, tuple[str, ...])


def _named(passages: Sequence[AuditedPassage], index: int) -> str:
    return f"passage {passages[index].id}" if index < len(passages) else "its end"


def _finding(law: str, document: AuditedDocument, problem: str, part: str = "") -> Finding:
    place = f"{document.place}, {part}" if part else document.place
    return Finding(law=law, place=place, problem=problem, document_id=document.id)
