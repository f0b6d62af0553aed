"""The chunker: one Document in, its Passages out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from itertools import repeat

import numpy as np

from ragkit.chunking.characters import Characters, Positions
from ragkit.chunking.encoded import with_encoded
from ragkit.chunking.gaps import HEADING, Gaps, find_gaps
from ragkit.chunking.limits import HardLimit, limit_of
from ragkit.chunking.lines import Lines, read_lines
from ragkit.chunking.measure import TokenRuler
from ragkit.chunking.outline import headings_of, paths_at, sections_from
from ragkit.chunking.packing import choose_cuts, longest_tokens
from ragkit.chunking.pictures import picture_passages
from ragkit.chunking.recipe import front_matter_end
from ragkit.chunking.refine import Caps, refine
from ragkit.chunking.surroundings import TableHeaders, boxes_of
from ragkit.config import DEFAULT_MODEL
from ragkit.errors import InvalidArgument
from ragkit.models.catalogue import ModelProfile
from ragkit.models.tokens import count_tokens
from ragkit.records import Document, Passage, Section

__all__ = ["Chunker"]

# A table row is left whole up to this many passages.
_ROW_PASSAGES = 5


class Chunker:
    """Cuts documents into passages by their structure.

    Headings, blank lines, list items, lines and sentences are cut in that order of preference,
    words only where a sentence is too long, and a word only where it alone is over the limit.
    Passages do not overlap, and together they hold every character that is not white space.
    An edited paragraph changes the passages near it and no others.
    """

    def __init__(
        self,
        *,
        max_tokens: int | None = None,
        model: str | ModelProfile = DEFAULT_MODEL,
        passage_tokens: int = 100,
    ) -> None:
        """Prepare for a model.

        Args:
            max_tokens: Most tokens of that model that an embedded passage may have, headings in
                front of it included; None for what the model takes. Passages aim at it where it
                is smaller than ``passage_tokens``.
            model: Name of the model, whose tokens count for the limit, or what is known of it.
            passage_tokens: Size that passages aim at, in cl100k tokens.

        Raises:
            InvalidArgument: A size is below 1, or the limit leaves no room for a text.
        """
        for name, value in (("max_tokens", max_tokens), ("passage_tokens", passage_tokens)):
            if value is not None and value < 1:
                raise InvalidArgument(f"{name}={value}: give 1 or more")
        self._limit: HardLimit = limit_of(model, max_tokens)
        # The mean, so that most passages stay below a limit that is itself the target.
        self._target = max(1, min(passage_tokens, self._limit.max_tokens * 5 // 8))

    @property
    def max_tokens(self) -> int:
        """The hard limit, in the model's own tokens."""
        return self._limit.max_tokens

    @property
    def passage_tokens(self) -> int:
        """Size that passages aim at: smaller than asked for where the model takes little."""
        return self._target

    def split(self, document: Document) -> list[Passage]:
        """Cut a document.

        Returns:
            Its passages in order, and after them those of its pictures; none for a blank document
            without any. Their ``id`` is 0.
        """
        pictures = picture_passages(document)
        if document.image is not None or not document.text.strip():
            return pictures
        return self._text(document) + pictures

    def _text(self, document: Document) -> list[Passage]:
        text = document.text
        body = front_matter_end(text)
        front = len(text[:body].rstrip())
        body = len(text) - len(text[body:].lstrip())
        if body == len(text):
            whole = with_encoded([_whole(document, len(text.rstrip()))], text, lambda _: "")
            return self._limit.enforce(document.title, whole)
        headers = TableHeaders(document)
        passages = self._body(document, body, headers)
        if front:
            passages = self._with_front_matter(document, passages, front)
        return self._limit.enforce(
            document.title, with_encoded(passages, text, headers.at), headers.at
        )

    def _body(self, document: Document, body: int, headers: TableHeaders) -> list[Passage]:
        """The passages of everything from ``body`` on, which is not white."""
        characters = Characters(document.text)
        lines = read_lines(characters)
        headings = [each for each in headings_of(document, characters, lines) if each.end > body]
        gaps = find_gaps(document, characters, lines, headings)
        if body and gaps.positions[0] != body:
            gaps = _after(gaps, body)
        ruler = TokenRuler(characters)
        gaps, before = refine(gaps, characters, ruler, self._caps())
        cuts = choose_cuts(
            before - before[0],
            gaps.levels,
            ruler.contents(before),
            ruler.total - int(before[0]),
            target_tokens=self._target,
            heading_from=HEADING,
        )
        starts = gaps.positions[cuts]
        ends = characters.skip_white_back(
            np.concatenate([starts[1:], (len(document.text),)]), starts
        )
        sections = document.sections or sections_from(headings, len(document.text))
        passages = _passages(document, lines, sections, ruler, (starts, ends))
        if not document.blocks:
            return passages
        found = zip(passages, headers.of(starts), strict=False)
        return [replace(each, table_header=header) if header else each for each, header in found]

    def _caps(self) -> Caps:
        limit = self._limit.max_tokens
        unit = longest_tokens(self._target)
        return Caps(
            unit=unit,
            row=max(unit, min(_ROW_PASSAGES * self._target, limit * 4 // 5)),
            word=max(unit, limit),
        )

    def _with_front_matter(
        self, document: Document, passages: list[Passage], front: int
    ) -> list[Passage]:
        """Front matter goes with the first passage, or stands alone where both are too long."""
        first = passages[0]
        text = document.text[: first.end]
        joined = replace(first, start=0, text=text, tokens=count_tokens(text), page=None, line=1)
        joined = replace(joined, page=_page(document, 0))
        if self._limit.enforce(document.title, [joined]) == [joined] and (
            joined.tokens <= self._limit.max_tokens
        ):
            return [joined, *passages[1:]]
        return [_whole(document, front), *passages]


def _after(gaps: Gaps, body: int) -> Gaps:
    """The gaps of the body, from where its text begins."""
    first = int(gaps.positions.searchsorted(body, "right"))
    return Gaps(
        positions=np.append(body, gaps.positions[first:]),
        levels=np.append(gaps.levels[:1], gaps.levels[first:]),
        row=np.append(False, gaps.row[first:]),
    )


def _passages(
    document: Document,
    lines: Lines,
    sections: tuple[Section, ...],
    ruler: TokenRuler,
    spans: tuple[Positions, Positions],
) -> list[Passage]:
    """Passages of the spans, with where each stands."""
    starts, ends = (each.tolist() for each in spans)
    text = document.text
    pages: Iterable[int | None] = repeat(None)
    if document.pages:
        on_page = np.array(document.pages, np.int64).searchsorted(spans[0], "right")
        pages = np.maximum(on_page, 1).tolist()
    return _records(
        len(starts),
        {
            "id": repeat(0),
            "root": repeat(document.root),
            "source": repeat(document.source),
            "start": starts,
            "end": ends,
            "text": [text[start:end] for start, end in zip(starts, ends, strict=True)],
            "headings": paths_at(sections, spans[0]),
            "page": pages,
            "line": (lines.ends.searchsorted(spans[0]) + 1).tolist(),
            "tokens": ruler.exact(*spans),
            "metadata": repeat(document.metadata),
            "image": repeat(None),
            "table_header": repeat(""),
            "boxes": boxes_of(document, zip(starts, ends, strict=True)),
            "encoded": repeat(()),
        },
    )


def _records(count: int, columns: Mapping[str, Iterable[object]]) -> list[Passage]:
    """Passages from a column for each of their fields.

    A third of the cost of calling the constructor: a frozen record sets its fields one by one in
    Python, and here whole columns are set without a step of the interpreter.
    """
    records = list(map(object.__new__, repeat(Passage, count)))
    for each in fields(Passage):
        setter = getattr(Passage, each.name).__set__
        deque(map(setter, records, columns[each.name]), maxlen=0)
    return records


def _page(document: Document, position: int) -> int | None:
    if not document.pages:
        return None
    return max(int(np.searchsorted(np.array(document.pages), position, side="right")), 1)


def _whole(document: Document, end: int) -> Passage:
    """The head of a document as one passage."""
    start = len(document.text) - len(document.text.lstrip())
    text = document.text[start:end]
    return Passage(
        root=document.root,
        source=document.source,
        start=start,
        end=end,
        text=text,
        page=_page(document, start),
        line=1,
        tokens=count_tokens(text),
        metadata=document.metadata,
        boxes=next(iter(boxes_of(document, [(start, end)]))),
    )
