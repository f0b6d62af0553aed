"""What a search was asked with: refused, with what to do, where no search could use it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from ragkit.embedding.images import EmbedInput, ImageInput
from ragkit.errors import InvalidArgument

__all__ = [
    "MODES",
    "Mode",
    "check_k",
    "check_min_relevance",
    "check_mode",
    "check_queries",
    "check_rerank",
    "check_weight",
    "check_where",
    "mode_of",
    "words_of",
]

Mode = Literal["hybrid", "semantic", "lexical"]
MODES: tuple[Mode, ...] = get_args(Mode)


def words_of(query: EmbedInput) -> str:
    """What of a query can be looked up in words; nothing of a picture alone."""
    return query if isinstance(query, str) else query.text.strip()


def mode_of(query: EmbedInput, mode: Mode) -> Mode:
    """How a query is searched: a picture without words by its vector alone."""
    if words_of(query):
        return mode
    if mode == "lexical":
        raise InvalidArgument("a picture has no words to look up: leave mode out, or add a query")
    return "semantic"


def check_queries(queries: Sequence[object]) -> None:
    """Refuse what is no list of questions."""
    if isinstance(queries, str):
        raise InvalidArgument("queries is one string: give a list of them, or use search")
    for query in queries:
        if isinstance(query, ImageInput):
            continue
        if not isinstance(query, str):
            raise InvalidArgument(f"a query of type {type(query).__name__}: give a string")
        if not query.strip():
            raise InvalidArgument("the query is blank: ask something")


def check_k(k: object) -> None:
    """Refuse what is no number of hits."""
    if isinstance(k, bool) or not isinstance(k, int):
        raise InvalidArgument(f"k={k!r}: give a whole number of hits, 1 or more")
    if k < 1:
        raise InvalidArgument(f"k={k}: ask for 1 hit or more")


def check_weight(name: str, value: object) -> None:
    """Refuse what is no share."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidArgument(f"{name}={value!r}: give a share from 0 to 1")


def check_mode(mode: str) -> None:
    """Refuse an unknown mode."""
    modes = get_args(Mode)
    if mode not in modes:
        raise InvalidArgument(f"mode={mode!r}: choose one of {', '.join(modes)}")


def check_where(where: object) -> None:
    """Refuse what is no mapping of names to globs."""
    if where is None:
        return
    if not isinstance(where, Mapping):
        raise InvalidArgument(
            f"where of type {type(where).__name__}: give conditions as {{'source': 'guides/*'}}"
        )
    for key, value in where.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InvalidArgument(
                f"where has {key!r}: {value!r}, but a condition is a name and a glob, both strings"
            )


def check_rerank(model: object, queries: Sequence[EmbedInput], *, is_possible: bool) -> None:
    """Refuse what names no model, a retriever that cannot ask one, and a query without words."""
    if model is None:
        return
    if not all(map(words_of, queries)):
        raise InvalidArgument(
            f"rerank={model!r}: a picture without words is not reranked: add a query"
        )
    if not isinstance(model, str) or not model.strip():
        raise InvalidArgument(f"rerank={model!r}: name a model, such as cohere/rerank-v3.5")
    if not is_possible:
        raise InvalidArgument(
            f"rerank={model!r}: this retriever has no reranker, give it one when it is made"
        )


def check_min_relevance(value: object, queries: Sequence[EmbedInput], *, is_possible: bool) -> None:
    """Refuse what is no probability, a picture, and a collection whose scores nobody can judge."""
    if value is None:
        return
    if any(isinstance(query, ImageInput) for query in queries):
        raise InvalidArgument(
            f"min_relevance={value!r}: the relevance to a picture is not known, leave it out"
        )
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidArgument(f"min_relevance={value!r}: give a number from 0 to 1")
    if not is_possible:
        raise InvalidArgument(
            f"min_relevance={value}: relevance is not known here, as the collection was indexed by"
            " an earlier ragkit; the next index that changes anything calibrates it"
        )
