"""Which words of a passage a query matched, for whoever shows them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ragkit.indexing.analysis import Analyzer, detect_language
from ragkit.indexing.questions import query_terms

__all__ = ["matched_spans"]

# Scripts without blanks between words: found by pairs of characters, so shown by pairs.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003fffd"
)
_WORD = re.compile(
    f"(?P<run>[{_UNSPACED}]+)|[^\\W{_UNSPACED}]+(?:[.\\-'\u2019\u2010\u2011][^\\W{_UNSPACED}]+)*"
)
# Where only a part of ``maxTokens`` or ``state-of-the-art`` was asked for, only that is shown.
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W_A-Za-z0-9]+")


def matched_spans(text: str, query: str) -> list[tuple[int, int]]:
    """(start, end) of what a query matches in a text by its words' stems, in order, disjoint.

    Common words of the query do not count unless it has no others, as in the search itself.
    """
    language = detect_language(text)
    wanted = frozenset(query_terms(query, [language]))
    analyzer = Analyzer(language)
    found: list[tuple[int, int]] = []
    for word in _WORD.finditer(text):
        spans = _in_run(word, wanted) if word["run"] else _in_word(word, wanted, analyzer)
        for start, end in spans:
            if found and start <= found[-1][1]:
                found[-1] = found[-1][0], end
            else:
                found.append((start, end))
    return found


def _in_run(run: re.Match[str], wanted: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Pairs that were asked for; single characters only where no pair was."""
    has_pairs = any(len(term) == 2 and _is_run(term) for term in wanted)
    width = 2 if has_pairs else 1
    for start in range(run.start(), run.end() - width + 1):
        if run.string[start : start + width] in wanted:
            yield start, start + width


def _is_run(term: str) -> bool:
    word = _WORD.fullmatch(term)
    return word is not None and word["run"] is not None


def _in_word(
    word: re.Match[str], wanted: frozenset[str], analyzer: Analyzer
) -> list[tuple[int, int]]:
    """The parts that were asked for, or all of the word where only the whole was."""
    made = analyzer.terms(word[0])
    if wanted.isdisjoint(made):
        return []
    if made[0] in wanted:
        return [word.span()]
    parts = [
        part.span()
        for part in _PART.finditer(word.string, word.start(), word.end())
        if not wanted.isdisjoint(analyzer.terms(part[0]))
    ]
    return parts or [word.span()]
