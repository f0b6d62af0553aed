"""Hits in the order of a model that reads query and passage together.

Such a model is good and slow: it is given the first candidates of a search and no more. Whatever
goes wrong with it leaves the hits in the order that they had, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ragkit.answers import Hit, Hits, Reranking, ScorePart
from ragkit.chunking.recipe import embedded_words
from ragkit.embedding.rerank_seam import RerankAnswer, Reranker

__all__ = ["candidates_for", "reranked", "shown_text"]

# What a perfect order could reach with so many: of the right documents, the first 10, 50, 100 and
# 200 hits hold 46, 70, 77 and 85 % on Cranfield and 84, 93, 95 and 97 % on SciFact
# (benchmarks/quality/candidates.py). A hundred are what Cohere sells as one unit.
FEWEST_CANDIDATES = 100
CANDIDATES_PER_HIT = 2


def candidates_for(k: int) -> int:
    """How many hits of a search are looked at, so that its k best are found."""
    return max(FEWEST_CANDIDATES, CANDIDATES_PER_HIT * k)


def reranked(hits: Sequence[Hit], query: str, *, model: str, by: Reranker) -> Hits:
    """The hits in the model's order; those that it did not score keep theirs, below the others.

    ``Hit.score`` becomes the model's score, and for the unscored at most the lowest of these, so
    that it still goes down the list. Equal scores keep their order.

    Args:
        hits: In the order of the search.
        query: What was asked.
        model: Name of the model.
        by: Asks it.

    Raises:
        ConfigurationError: The model cannot be asked at all.
    """
    from ragkit.embedding.batches import refusal  # noqa: PLC0415 - only where something is sent

    # A picture without words has nothing to be read, and a file as base64 would be read for money.
    readable = [
        place for place, hit in enumerate(hits) if refusal(embedded_words(hit.passage)) is None
    ]
    if not readable:
        return Hits(hits, rerank=Reranking(model=model, applied=False))
    answer = by.rerank(query, [shown_text(hits[place]) for place in readable], model=model)
    scores = {readable[place]: score for place, score in answer.scores.items()}
    told = _told(model, len(readable), answer)
    return Hits(_in_order(hits, scores) if told.applied else hits, rerank=told)


def shown_text(hit: Hit) -> str:
    """What the model reads of a passage: the headings that a person would see above it, and it.

    All of them, unlike in front of the text that is embedded, where a long path would drown the
    passage: here it is read beside the query and costs its tokens alone. Front matter is left out
    as it is there. So is the path in the file system: a file that moves is as good an answer as
    before.
    """
    words = (" ".join(heading.split()) for heading in (hit.title or "", *hit.headings))
    path = " > ".join(dict.fromkeys(filter(None, words)))
    text = embedded_words(hit.passage)
    return f"{path}\n{text}" if path else text


def _told(model: str, candidates: int, answer: RerankAnswer) -> Reranking:
    note = ""
    if not answer.scores:
        why = answer.error or f"{model} scored no passage"
        note = f"not reranked, the order is that of the search: {why}"
    return Reranking(
        model=model,
        applied=bool(answer.scores),
        note=note,
        candidates=candidates,
        tokens=answer.tokens,
        requests=answer.requests,
        cost_usd=answer.cost_usd,
        provider=answer.provider,
    )


def _in_order(hits: Sequence[Hit], scores: dict[int, float]) -> list[Hit]:
    best_first = sorted(scores, key=lambda place: (-scores[place], place))
    unscored = [place for place in range(len(hits)) if place not in scores]
    lowest, highest = scores[best_first[-1]], scores[best_first[0]]
    ordered = []
    for rank, place in enumerate((*best_first, *unscored), 1):
        hit, score = hits[place], scores.get(place)
        said = {**hit.scores, "fused": hit.score, "fused_rank": hit.rank}
        if score is not None:
            said |= {"rerank": score, "rerank_rank": rank}
        moved = replace(
            hit, rank=rank, score=min(lowest, hit.score) if score is None else score, scores=said
        )
        ordered.append(_explained(moved, lowest, highest))
    return ordered


def _explained(hit: Hit, lowest: float, highest: float) -> Hit:
    """With the model's part in the explanation, where there is one."""
    if hit.explanation is None or "rerank" not in hit.scores:
        return hit
    part = ScorePart(
        name="rerank",
        score=hit.score,
        rank=hit.rank,
        lowest=lowest,
        highest=highest,
        scaled=hit.score,
        weight=1.0,
    )
    return replace(hit, explanation=replace(hit.explanation, rerank=part))
