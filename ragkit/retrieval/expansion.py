"""A passage grows into what stands around it in its document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ragkit.errors import InvalidArgument, SourceNotFound
from ragkit.models.tokens import count_tokens
from ragkit.records import Passage
from ragkit.storage.seam import PassageStore, StoredPassage

__all__ = ["StoreExpander", "expanded", "shared_headings"]

# Neighbours are fetched so many at a time, on each side.
_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class StoreExpander:
    """Expands passages of a store for as long as that can be asked; an ``Expander``."""

    store: PassageStore

    def expanded(self, passage: Passage, tokens: int) -> Passage:
        """As ``Expander.expanded``."""
        return expanded(passage, store=self.store, tokens=tokens)


def expanded(passage: Passage, *, store: PassageStore, tokens: int) -> Passage:
    """The passage with as many of its neighbours as fit, those under its own headings first.

    A picture becomes the text around it, and is still named.

    Args:
        passage: One that the store has.
        store: Of the generation that it is of, or a later one.
        tokens: Most cl100k tokens of the whole; a passage that has more comes back as it is.

    Returns:
        A span of the document, ``text == document.text[start:end]``, with the headings that all of
        it stands under, and without an id, since no vector stands for it.

    Raises:
        InvalidArgument: tokens is below 1.
        SourceNotFound: The store does not have the passage any more, or has another text for it.
    """
    if tokens < 1:
        raise InvalidArgument(f"tokens={tokens}: give 1 or more")
    stored = store.passages([passage.id]).get(passage.id)
    if stored is None or stored.passage.text != passage.text:
        raise SourceNotFound(
            f"{passage.source} does not have this passage any more: it was indexed again since,"
            " so search again"
        )
    own, stored = stored, _text_of(stored, store)
    run = [stored]
    for is_inside in (True, False):
        run = _grown(run, store, tokens, is_inside=is_inside)
    while len(run) > 1:
        whole = _joined(run, store)
        if whole.tokens <= tokens:
            return replace(whole, image=own.passage.image)
        # Tokens of parts do not always add up to those of the whole.
        run = run[:-1] if run[-1] is not stored else run[1:]
    if own is not stored and _tokens(stored) <= tokens:
        return replace(stored.passage, id=0, image=own.passage.image)
    return own.passage


def _text_of(stored: StoredPassage, store: PassageStore) -> StoredPassage:
    """A picture's passage of text: that in which it stands, or the last before it."""
    if stored.passage.image is None:
        return stored
    start = stored.passage.start
    around = [
        one
        for one in store.siblings(stored.document_id, 0, stored.ordinal - 1)
        if one.passage.image is None and (one.ordinal == 0 or one.passage.start <= start)
    ]
    return around[-1] if around else stored


def _grown(
    run: list[StoredPassage], store: PassageStore, tokens: int, *, is_inside: bool
) -> list[StoredPassage]:
    """More neighbours, after and before in turn, until neither side has one that fits.

    Args:
        run: Passages of a document, in order and side by side.
        store: Has the others.
        tokens: Most of the whole.
        is_inside: Whether only passages under the same headings are taken.
    """
    headings = run[0].passage.headings
    sides = [_neighbours(run[-1], store, 1), _neighbours(run[0], store, -1)]
    left = tokens - _length(run)
    while sides:
        for side in list(sides):
            found = next(side, None)
            cost = 0 if found is None else _cost(found, run)
            stays_inside = found is None or not is_inside or found.passage.headings == headings
            if found is None or cost > left or not stays_inside:
                sides.remove(side)
                continue
            left -= cost
            run = [*run, found] if found.ordinal > run[-1].ordinal else [found, *run]
    return run


def _neighbours(stored: StoredPassage, store: PassageStore, step: int) -> Iterator[StoredPassage]:
    """The passages of the document after one (step 1) or before it (step -1), nearest first."""
    nearest = stored.ordinal + step
    while nearest >= 0:
        farthest = nearest + step * (_TOGETHER - 1)
        first, last = sorted((nearest, max(0, farthest)))
        found = store.siblings(stored.document_id, first, last)
        for one in sorted(found, key=lambda one: step * one.ordinal):
            # Pictures come after all of the text, and end it; so do the letters of a file in it.
            if one.passage.image is not None or one.passage.encoded:
                return
            yield one
        if len(found) <= last - first:
            return
        nearest = farthest + step


def _length(run: Sequence[StoredPassage]) -> int:
    gaps = run[-1].passage.end - run[0].passage.start
    gaps -= sum(one.passage.end - one.passage.start for one in run)
    return max(0, gaps) + sum(_tokens(one) for one in run)


def _cost(found: StoredPassage, run: Sequence[StoredPassage]) -> int:
    """What it adds: its own tokens and, for blank text between, at most one for a character."""
    after = found.passage.start - run[-1].passage.end
    before = run[0].passage.start - found.passage.end
    return _tokens(found) + max(0, after if found.ordinal > run[-1].ordinal else before)


def _tokens(stored: StoredPassage) -> int:
    return stored.passage.tokens or count_tokens(stored.passage.text)


def _joined(run: Sequence[StoredPassage], store: PassageStore) -> Passage:
    first = run[0]
    start, end = first.passage.start, max(one.passage.end for one in run)
    text = store.span(first.document_id, start, end)
    return replace(
        first.passage,
        id=0,
        end=end,
        text=text,
        headings=shared_headings([one.passage.headings for one in run]),
        tokens=count_tokens(text),
    )


def shared_headings(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings that all of the passages stand under."""
    shared: list[str] = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return tuple(shared)
