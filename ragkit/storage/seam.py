"""What retrieval asks of a store: one generation of a collection, as a reader sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ragkit.records import Passage
from ragkit.screening.findings import Finding

__all__ = ["IdArray", "PassageStore", "StoredPassage"]

IdArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPassage:
    """A passage with what the store knows around it.

    Attributes:
        passage: The passage; its ids, texts and offsets as they were indexed.
        title: The document's stated title.
        document_id: The same for all passages of a document in this generation.
        ordinal: Position among the document's passages, from 0.
        text_key: Equal for passages whose embedded text is the same to the byte.
        language: ISO 639-1 code of the document's language, where it is known.
        masks: What of the embedded text was masked before it was sent:
            ``masked(embedded_text(title, passage), masks)`` is what ``text_key`` is the digest of.
    """

    passage: Passage
    title: str | None
    document_id: int
    ordinal: int
    text_key: bytes
    language: str | None = None
    masks: tuple[Finding, ...] = ()


class PassageStore(Protocol):
    """One generation of a collection; every answer is about that generation."""

    def passages(self, ids: Sequence[int]) -> dict[int, StoredPassage]:
        """Those of the passages that are alive, by id; ids that are not are left out."""
        ...

    def matching(self, where: Mapping[str, str]) -> IdArray | None:
        """Sorted ids of the passages whose document fits every condition; None for all of them.

        A key is ``source``, ``root``, ``title``, ``media_type`` or a metadata key (dots go inward);
        a value is a glob, without regard to case for all but ``source``. ``**`` is not special:
        ``*`` also crosses ``/``.

        Raises:
            InvalidArgument: A condition is empty.
        """
        ...

    def siblings(self, document_id: int, first: int, last: int) -> list[StoredPassage]:
        """Passages of a document with ordinals from first to last inclusive, in order."""
        ...

    def neighbours(self, ids: IdArray) -> tuple[IdArray, IdArray]:
        """The passages before and after each of some, int64 (len(ids),) both; -1 for none.

        A neighbour is alive, touches it in the order of their document, and stands under the same
        headings. A passage that is not alive has none.
        """
        ...

    def span(self, document_id: int, start: int, end: int) -> str:
        """``document.text[start:end]``."""
        ...
