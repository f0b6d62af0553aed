"""What is sent for each passage: its embedded text, masked where the model is remote."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ragkit.chunking.encoded import encoded_spans
from ragkit.chunking.recipe import embedded_pieces, embedded_text
from ragkit.models.fingerprint import Fingerprint
from ragkit.records import Document, Image, Passage
from ragkit.screening.findings import Finding, masked
from ragkit.screening.screen import Screen

__all__ = ["Outgoing", "SentText", "SentTexts"]

# The passages of a section share their prefix, and a folder has few open sections at a time.
_REMEMBERED_PREFIXES = 1024
_LINES_NAMED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SentText:
    """What goes to the model for one passage.

    Attributes:
        text: Exactly what is embedded, and what the vector's key is the digest of.
        masks: What of ``embedded_text`` was masked for it, in order; most texts have none.
        image: The picture that it goes with; None for text alone.
    """

    text: str
    masks: tuple[Finding, ...] = ()
    image: Image | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to embed: all of the passage is a file as a data URL."""
        return self.image is None and not self.text

    def key(self, of: Fingerprint) -> bytes:
        """What names its vector."""
        if self.image is None:
            return of.key(self.text)
        return of.key_of_image(self.image.digest, self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTexts:
    """What goes to the model for a document.

    Attributes:
        texts: One for each passage, in order.
        remarks: What was masked or left out and where, for the report; never the thing itself.
    """

    texts: Sequence[SentText]
    remarks: tuple[str, ...] = ()


class Outgoing:
    """Makes the texts of a document's passages.

    Args:
        screen: Finds what is to be masked; None for a model that runs here, where nothing leaves.
    """

    def __init__(self, screen: Screen | None) -> None:
        self._screen = screen
        self._in_prefix = lru_cache(_REMEMBERED_PREFIXES)(self._look)

    def of(self, document: Document, passages: Sequence[Passage]) -> SentTexts:
        """The texts of a document; all of it is looked through, since a key has many passages."""
        title = document.title
        left_out = _left_out(document, passages)
        if self._screen is None:
            texts = [
                SentText(text=embedded_text(title, passage), image=passage.image)
                for passage in passages
            ]
            return SentTexts(texts=texts, remarks=left_out)
        found = self._look(document.text)
        starts, ends = [one.start for one in found], [one.end for one in found]
        lines: defaultdict[str, list[int]] = defaultdict(list)
        texts = []
        for passage in passages:
            first, last = bisect_right(ends, passage.start), bisect_left(starts, passage.end)
            inside = found[first:last]
            texts.append(self._text(title, passage, inside))
            for one in inside:
                if one.start >= passage.start and not _is_encoded(passage, one):
                    lines[one.kind].append(_line_in(passage, one.start))
        remarks = [f"{kind} masked in what is sent, {_at(at)}" for kind, at in lines.items()]
        return SentTexts(texts=texts, remarks=(*left_out, *remarks))

    def _look(self, text: str) -> tuple[Finding, ...]:
        return () if self._screen is None else tuple(self._screen.findings(text))

    def _text(self, title: str | None, passage: Passage, found: Sequence[Finding]) -> SentText:
        """A passage's embedded text, which ends with what of the passage is embedded."""
        whole = embedded_text(title, passage)
        pieces = embedded_pieces(passage)
        place = len(whole) - sum(end - start for start, end in pieces)
        masks = [*self._in_prefix(whole[:place])]
        for first, last in pieces:
            # Of the document, as the findings are.
            start, end = passage.start + first, passage.start + last
            shift = place - start
            masks += (
                replace(one, start=max(start, one.start) + shift, end=min(end, one.end) + shift)
                for one in found
                if one.start < end and one.end > start
            )
            place += end - start
        sent = masked(whole, masks) if masks else whole
        return SentText(text=sent, masks=tuple(masks), image=passage.image)


def _left_out(document: Document, passages: Sequence[Passage]) -> tuple[str, ...]:
    """Where files stand in the text, of which nothing is embedded."""
    if not any(passage.encoded for passage in passages):
        return ()
    text = document.text
    lines = [len(f"{text[:start]}x".splitlines()) for start, _ in encoded_spans(text)]
    return (f"a file as a data URL is not embedded, {_at(lines)}",)


def _is_encoded(passage: Passage, one: Finding) -> bool:
    """Whether a finding is letters of a file, of which nothing is sent."""
    start, end = one.start - passage.start, one.end - passage.start
    return any(first <= start and end <= last for first, last in passage.encoded)


def _line_in(passage: Passage, place: int) -> int:
    before = passage.text[: place - passage.start]
    return passage.line + len(f"{before}x".splitlines()) - 1


def _at(lines: Sequence[int]) -> str:
    """``at line 3``, or the first few of many."""
    distinct = sorted(set(lines))
    if len(distinct) == 1:
        return f"at line {distinct[0]}"
    named = ", ".join(map(str, distinct[:_LINES_NAMED]))
    more = len(distinct) - _LINES_NAMED
    return f"at lines {named}" + (f" and {more} more" if more > 0 else "")
