"""A question becomes what the word index is asked: terms with weights, and quoted phrases.

Common words are left out of every question that has others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ragkit.indexing.analysis import Analyzer, is_unspaced, surfaces
from ragkit.indexing.languages import DEFAULT_LANGUAGE, LANGUAGES, guess_language, stop_words

__all__ = ["Question", "query_phrases", "query_terms"]

# What a part of a name counts beside the whole of it: a question with β-catenin would else ask for
# it three times (0.4 points of recall on PubMed texts, and nothing lost elsewhere).
_PART_WEIGHT = 0.5
# A single letter (the J of V(D)J, the P of P. falciparum) stands in many passages by chance.
_LETTER_WEIGHT = 0.25

# Pairs of Thai letters and the like are in every passage, threes tell them apart. Pairs of hiragana
# are mostly endings and particles.
_LETTERS_WEIGHT = 0.3
_LETTER_PAIR = re.compile("[\u0e01-\u0edf\u1000-\u109f\u1780-\u17d3]{2}")
_KANA_WEIGHT = 0.5
_KANA_PAIR = re.compile("[\u3041-\u309f]{2}")
# Chinese characters that are grammar; alone they say nothing (nDCG@10 0.963 without, 0.959 with).
_GRAMMAR = frozenset("的了是在和与或及也都就而被把从对为于中上下这那哪谁吗呢么什怎几多少")

# Shorter runs of words occur by chance, and halves of questions do so more than whole ones (with 4
# words they cost SciFact 0.002 nDCG@10); longer texts are found by their many terms.
_SHORTEST_PHRASE = 4
_SHORTEST_HALF = 5
_LONGEST_PHRASE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a text asks of an index.

    Attributes:
        weights: What each distinct term counts, in the order of the question.
        words: The terms of each of its words; a passage that has one has something of the word.
            Runs of scripts without blanks are left out, since their pairs cross words.
    """

    weights: dict[str, float]
    words: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, text: str, languages: Sequence[str]) -> Question:
        """Analyse a question to an index that holds texts of these languages.

        It is analysed in each of them, since a German stem is found only in what was stemmed as
        German; for an index of one language that is the same as analysing it in that one. Words
        that are common in the question's own language are left out, unless there are no others;
        when its language cannot be told, those that are common in any of the index's.
        """
        held = _held(languages)
        analyzers = {code: Analyzer(code) for code in held}
        weights: dict[str, float] = {}
        words = []
        for surface in _content(text, held):
            own = _weights_of(surface, analyzers)
            for term, weight in own.items():
                weights[term] = max(weight, weights.get(term, 0.0))
            if own and not is_unspaced(surface):
                words.append(tuple(own))
        return cls(weights=weights, words=tuple(dict.fromkeys(words)))


def query_terms(text: str, languages: Sequence[str]) -> list[str]:
    """Distinct terms of a question to an index that holds texts of these languages."""
    return list(Question.of(text, languages).weights)


def query_phrases(text: str, languages: Sequence[str]) -> dict[tuple[str, ...], int]:
    """Runs of terms that a passage has if the question is quoted from it, each with its words.

    The whole question, and each half of it: a passage may end within a quotation, but hardly
    within both halves. Common words count here, since a quotation is known by their order too.
    """
    held = _held(languages)
    words = surfaces(text)
    if not _SHORTEST_PHRASE <= len(words) <= _LONGEST_PHRASE:
        return {}
    middle = len(words) // 2
    halves = [words[:middle], words[middle:]] if middle >= _SHORTEST_HALF else []
    analyzers = [Analyzer(code) for code in held]
    return {
        tuple(analyzer.terms(" ".join(run))): len(run)
        for analyzer in analyzers
        for run in (words, *halves)
    }


def _held(languages: Sequence[str]) -> tuple[str, ...]:
    return tuple(code for code in languages if code in LANGUAGES) or (DEFAULT_LANGUAGE,)


def _content(text: str, held: tuple[str, ...]) -> list[str]:
    """The words of a question without the common ones; all of them if there are no others."""
    own = held[0] if len(held) == 1 else guess_language(text, held)
    common = frozenset[str]().union(*(stop_words(code) for code in ([own] if own else held)))
    found = list(dict.fromkeys(surfaces(text)))
    return [word for word in found if word.casefold() not in common] or found


def _weights_of(surface: str, analyzers: Mapping[str, Analyzer]) -> dict[str, float]:
    """What the terms of one word count, in whichever language a passage has it."""
    # A word common in another language is no word of that language's passages.
    speaking = [code for code in analyzers if surface.casefold() not in stop_words(code)]
    weights: dict[str, float] = {}
    if is_unspaced(surface):
        pieces = next(iter(analyzers.values())).terms(surface)
        telling = [piece for piece in pieces if piece not in _GRAMMAR] or pieces
        return {piece: _weight_of_run(piece) for piece in telling}
    for code in speaking or analyzers:
        words, parts = analyzers[code].split(surface)
        for terms, weight in ((words, 1.0), (parts, _PART_WEIGHT)):
            for term in terms:
                own = weight * (_LETTER_WEIGHT if _is_letter(term) else 1.0)
                weights[term] = max(own, weights.get(term, 0.0))
    weights.pop("", None)
    return weights


def _is_letter(term: str) -> bool:
    return len(term) == 1 and term.isalpha()


def _weight_of_run(term: str) -> float:
    """What a piece of a run of a script without blanks counts."""
    if _KANA_PAIR.fullmatch(term):
        return _KANA_WEIGHT
    return _LETTERS_WEIGHT if _LETTER_PAIR.fullmatch(term) else 1.0
