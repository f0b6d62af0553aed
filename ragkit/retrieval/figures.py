"""Figures of an answer that stand with a citation, and whether the cited text has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["CITED", "CitedFigure", "cited_figures", "figure_in"]

# ``[1]`` and ``[1, 2]``, but no link.
CITED = re.compile(r"\[(\d{1,6}(?:\s?[,;]\s?\d{1,6}){0,20})\](?!\()")
_BETWEEN = re.compile(r"[\s,;]{0,3}")
# Where what a citation covers begins at the latest.
_SENTENCE_END = re.compile(r"[.!?\u3002]\s+|\n")
_LIST_NUMBER = re.compile(r"(?m:^\s{0,9}\d{1,3}[.)](?=\s))")
_FIGURE = re.compile(r"(?<![\w.,\[])\d{1,30}(?:[.,'\u2019\u00a0\u202f]\d{1,30}){0,9}(?![\d\]])")
_SEPARATOR = re.compile(r"[^\d]")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedFigure:
    """A number in a sentence that cites.

    Attributes:
        text: As written.
        start: First character in the answer.
        end: One past the last.
        numbers: Of the excerpts that the sentence cites.
    """

    text: str
    start: int
    end: int
    numbers: tuple[int, ...]


def cited_figures(answer: str) -> Iterator[CitedFigure]:
    """The figures of each sentence that ends with citations, in order.

    Args:
        answer: With ``_`` in the place of what is not to be looked at, such as quotations.
    """
    plain = _LIST_NUMBER.sub(lambda found: " " * len(found[0]), answer)
    last_end = 0
    for end, start, numbers in _groups(plain):
        covered = plain[last_end:start].rstrip(" \n.!?")
        begins = last_end
        for boundary in _SENTENCE_END.finditer(covered):
            begins = last_end + boundary.end()
        for figure in _FIGURE.finditer(plain, begins, start):
            yield CitedFigure(
                text=figure[0], start=figure.start(), end=figure.end(), numbers=numbers
            )
        last_end = end


def figure_in(figure: str, text: str, start: int, end: int) -> tuple[int, int] | None:
    """Where a stretch of a text has a figure, however its thousands and decimals are set."""
    wanted = _values(figure)
    for found in _FIGURE.finditer(text, start, end):
        if found[0] == figure or wanted & _values(found[0]):
            return found.span()
    return None


def _groups(answer: str) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """(end, start, numbers) of citations, those that follow each other as one."""
    start = end = -1
    numbers: list[int] = []
    for cited in CITED.finditer(answer):
        if numbers and not _BETWEEN.fullmatch(answer, end, cited.start()):
            yield end, start, tuple(numbers)
            numbers = []
        if not numbers:
            start = cited.start()
        numbers += map(int, _NUMBER.findall(cited[1]))
        end = cited.end()
    if numbers:
        yield end, start, tuple(numbers)


def _values(figure: str) -> frozenset[Decimal | str]:
    """What a figure may mean: ``12,500`` is twelve and a half, or twelve thousand five hundred."""
    signs, groups = _SEPARATOR.findall(figure), _SEPARATOR.split(figure)
    if not signs:
        return frozenset({Decimal(figure)})
    found: set[Decimal | str] = {figure}
    whole, last = groups[:-1], groups[-1]
    has_point = signs[-1] in ".," and signs[-1] not in signs[:-1]
    if has_point and _are_one(signs[:-1], whole):
        found.add(Decimal(f"{''.join(whole)}.{last}"))
    if _are_one(signs, groups):
        found.add(Decimal("".join(groups)))
    return frozenset(found)


def _are_one(signs: Sequence[str], groups: Sequence[str]) -> bool:
    """Whether groups of digits are one whole number, set in thousands where it is set at all."""
    in_threes = len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    return not signs or (len(set(signs)) == 1 and in_threes)
