"""Hits become text for an LLM: numbered, cited, fenced, and within a budget of tokens.

Separate passages come first, since at a fixed budget they answer more than wider ones do; only what
they leave of the budget goes into widening the best of them to their neighbours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ragkit.answers import Citation, Context, Hit
from ragkit.errors import InvalidArgument
from ragkit.models.tokenizers import DEFAULT_TOKENIZER, counter_of, tokenizer_of
from ragkit.models.tokens import TokenCounter
from ragkit.retrieval.excerpts import FORMATS, Excerpt, Format, Layout, layout_of
from ragkit.retrieval.expansion import shared_headings
from ragkit.screening.injection import find_injections
from ragkit.storage.seam import PassageStore, StoredPassage

__all__ = ["hits_to_fill", "pack"]

# Neighbours are joined into one excerpt unless more blank text than this lies between them.
LARGEST_GAP_CHARACTERS = 200
# What a short passage takes with its heading line: how many hits a budget can hold at most.
TOKENS_OF_A_SHORT_EXCERPT = 50
FEWEST_HITS = 10

NOTHING_FOUND = "No passage in the documents was found for this question."
NOTHING_FITS = "Passages were found, but none of them fits in {} tokens."


def hits_to_fill(max_tokens: int) -> int:
    """How many hits to search for, so that ``pack`` can fill the budget with separate passages.

    Raises:
        InvalidArgument: No budget; said before a search is paid for.
    """
    _check_max_tokens(max_tokens)
    return max(FEWEST_HITS, max_tokens // TOKENS_OF_A_SHORT_EXCERPT)


def pack(
    hits: Sequence[Hit],
    *,
    store: PassageStore,
    max_tokens: int = 3000,
    format: Format = "markdown",  # noqa: A002 - the name is part of the public contract
    tokenizer: str = DEFAULT_TOKENIZER,
    relevant: bool | None = None,
) -> Context:
    """Pack the best of the hits, and then what stands around them, into a budget of tokens.

    Hits are taken in their order while they fit, each text once; passages that touch or overlap
    are joined. Sources come in the order of their best hit, and inside a source everything is in
    document order. What is quoted is ``document.text[citation.start:citation.end]`` exactly.
    Without hits, or when none fits, the text says so (or is empty, if even that does not fit) and
    there are no citations.

    Args:
        hits: Best first.
        store: The generation that the hits are of; hits that it does not have are left out.
        max_tokens: Most tokens of the whole text, headings, citations and markup included.
        format: ``markdown``, ``xml`` or ``json``.
        tokenizer: Whose tokens: an LLM's name, ``cl100k``, ``o200k``, or ``bound`` for a number
            that no tokenizer passes, as for every LLM whose vocabulary is not shipped.
        relevant: Whether the hits seem to answer; where they do not, the text says so.

    Raises:
        InvalidArgument: max_tokens is below 1, or the format is unknown.
    """
    _check(max_tokens, format)
    counter = counter_of(tokenizer)
    layout = layout_of(format, is_doubtful=relevant is False)
    told = Context(text="", tokens=0, tokenizer=tokenizer_of(tokenizer), relevant=relevant)
    stored = store.passages([hit.passage.id for hit in hits])
    found = [stored[hit.passage.id] for hit in hits if hit.passage.id in stored]
    packing = _Packing(
        store=store,
        layout=layout,
        counter=counter,
        left=max_tokens,
        names_root=len({one.passage.root for one in found}) > 1,
    )
    packing.left -= packing.count(layout.frame)
    taken = [passage for passage in _each_text_once(found) if packing.add(passage)]
    _widen(packing, taken)
    while packing.steps:
        # Tokens of parts do not always add up to those of the whole; only the whole counts.
        excerpts = packing.excerpts()
        text = layout.render(excerpts)
        (tokens,) = counter.count([text])
        if tokens <= max_tokens:
            citations = tuple(_citation(n, excerpt) for n, excerpt in enumerate(excerpts, 1))
            return replace(told, text=text, tokens=tokens, citations=citations)
        packing.undo()
    note = layout.note(NOTHING_FITS.format(max_tokens) if found else NOTHING_FOUND)
    tokens = packing.count(note)
    return told if tokens > max_tokens else replace(told, text=note, tokens=tokens)


def _check_max_tokens(max_tokens: object) -> None:
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise InvalidArgument(
            f"max_tokens={max_tokens!r}: give a whole number of tokens, 1 or more"
        )


def _check(max_tokens: object, format_: object) -> None:
    _check_max_tokens(max_tokens)
    if format_ not in FORMATS:
        raise InvalidArgument(f"format={format_!r}: choose one of {', '.join(FORMATS)}")


def _each_text_once(found: Sequence[StoredPassage]) -> Iterator[StoredPassage]:
    """The passages that have something to quote, without copies of one already seen."""
    seen: set[bytes] = set()
    for stored in found:
        shows = stored.passage.text.strip() or stored.passage.image is not None
        if shows and stored.text_key not in seen:
            seen.add(stored.text_key)
            yield stored


@dataclass(slots=True, kw_only=True)
class _Packing:
    """What has been chosen so far, and what is left of the budget.

    Attributes:
        store: Where text between passages comes from.
        layout: Decides what an excerpt costs.
        counter: Counts in the tokens of the budget.
        left: Tokens not spent yet, by the sum of the parts.
        names_root: Whether each excerpt says which root it is of.
        chosen: Passages of each document in document order; documents in the order of their best.
        steps: (document, what was chosen of it before), oldest first.
    """

    store: PassageStore
    layout: Layout
    counter: TokenCounter
    left: int
    names_root: bool
    chosen: dict[int, tuple[StoredPassage, ...]] = field(default_factory=dict)
    steps: list[tuple[int, tuple[StoredPassage, ...]]] = field(default_factory=list)
    _tokens: dict[str, int] = field(default_factory=dict)
    _joined: dict[tuple[int, ...], Excerpt] = field(default_factory=dict)

    def add(self, stored: StoredPassage) -> bool:
        """Choose a passage if it fits; whether it is chosen now."""
        before = self.chosen.get(stored.document_id, ())
        place = bisect_left(before, stored.ordinal, key=_ordinal)
        left = before[place - 1] if place else None
        right = before[place] if place < len(before) else None
        if right is not None and right.ordinal == stored.ordinal:
            return True
        cost = self._cost(stored, after=left)
        if right is not None:
            cost += self._cost(right, after=stored) - self._cost(right, after=left)
        if cost > self.left:
            return False
        self.steps.append((stored.document_id, before))
        self.chosen[stored.document_id] = (*before[:place], stored, *before[place:])
        self.left -= cost
        return True

    def undo(self) -> None:
        """Take the last choice back; what it cost stays spent, for it was underestimated."""
        document_id, before = self.steps.pop()
        if before:
            self.chosen[document_id] = before
        else:
            del self.chosen[document_id]

    def excerpts(self) -> list[Excerpt]:
        """In the order in which they are shown."""
        return [self._excerpt(run) for chosen in self.chosen.values() for run in _runs(chosen)]

    def count(self, text: str) -> int:
        """Tokens of a text; remembered, since parts are looked at again and again."""
        if text not in self._tokens:
            (self._tokens[text],) = self.counter.count([text])
        return self._tokens[text]

    def _cost(self, stored: StoredPassage, *, after: StoredPassage | None) -> int:
        """Tokens that a passage adds where the one *after* which it comes is chosen too.

        They are those of the passage alone, so that a long run is not counted anew as it grows.
        """
        if after is None or not _touch(after, stored):
            return self.count(self.layout.piece(self._excerpt([stored])))
        gap = max(0, stored.passage.start - after.passage.end)
        return gap + self.count(self.layout.body(stored.passage.text))

    def _excerpt(self, run: Sequence[StoredPassage]) -> Excerpt:
        key = (run[0].document_id, *(one.ordinal for one in run))
        if key not in self._joined:
            joined = _joined(run, self.store)
            self._joined[key] = replace(joined, names_root=self.names_root)
        return self._joined[key]


def _ordinal(stored: StoredPassage) -> int:
    return stored.ordinal


def _runs(chosen: Sequence[StoredPassage]) -> Iterator[list[StoredPassage]]:
    """Passages of one document, in order, grouped into those that touch or overlap."""
    run: list[StoredPassage] = []
    for stored in chosen:
        if run and not _touch(run[-1], stored):
            yield run
            run = []
        run.append(stored)
    if run:
        yield run


def _touch(left: StoredPassage, right: StoredPassage) -> bool:
    if left.passage.image is not None or right.passage.image is not None:
        return False
    gap = right.passage.start - left.passage.end
    return gap <= 0 or (right.ordinal == left.ordinal + 1 and gap <= LARGEST_GAP_CHARACTERS)


def _joined(run: Sequence[StoredPassage], store: PassageStore) -> Excerpt:
    first = run[0]
    start, end = first.passage.start, max(one.passage.end for one in run)
    text = first.passage.text if len(run) == 1 else store.span(first.document_id, start, end)
    headings = shared_headings([one.passage.headings for one in run])
    said = (first.title or "", *headings, first.passage.table_header, text)
    return Excerpt(
        passage=first.passage,
        title=first.title,
        end=end,
        text=text,
        headings=headings,
        warning=_warning("\n".join(said)),
        boxes=tuple(box for one in run for box in one.passage.boxes),
    )


# Half of the packing is this, and who measures packs the same passages over and over.
@lru_cache(maxsize=2048)
def _warning(said: str) -> str:
    return ", ".join(find_injections(said))


@dataclass(slots=True)
class _Edge:
    """Where an excerpt may grow next, on one side: the ordinal and the step away from the hit."""

    hit: StoredPassage
    ordinal: int
    step: int


def _widen(packing: _Packing, hits: Sequence[StoredPassage]) -> None:
    """Give what is left to the neighbours, the best hit first, one ring around all at a time.

    A neighbour under other headings is about something else, and ends the growth on its side, as a
    picture does and a file in the text. Pictures have no neighbours: they come after all of a
    document's text.
    """
    texts = [hit for hit in hits if hit.passage.image is None]
    edges = [_Edge(hit, hit.ordinal + step, step) for hit in texts for step in (1, -1)]
    while edges and packing.left > 0:
        edges = [edge for edge in edges if _grow(packing, edge)]


def _grow(packing: _Packing, edge: _Edge) -> bool:
    """Take the passage at the edge; whether the edge may be tried again further out."""
    found = packing.store.siblings(edge.hit.document_id, edge.ordinal, edge.ordinal)
    if not found or found[0].passage.headings != edge.hit.passage.headings:
        return False
    if found[0].passage.image is not None or found[0].passage.encoded:
        return False
    if not packing.add(found[0]):
        return False
    edge.ordinal += edge.step
    return True


def _citation(number: int, excerpt: Excerpt) -> Citation:
    return Citation(
        number=number,
        root=excerpt.passage.root,
        source=excerpt.passage.source,
        page=excerpt.passage.page,
        line=excerpt.passage.line,
        start=excerpt.passage.start,
        end=excerpt.end,
        headings=excerpt.headings,
        warning=excerpt.warning,
        boxes=excerpt.boxes,
    )
