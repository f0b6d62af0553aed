"""Finds text that speaks to the model that will read it, rather than to people.

A mark is a warning, not a verdict: a manual that quotes such a sentence gets it as well. What is
written here is told by its form in fifteen languages; a determined writer can word it otherwise,
so whatever is quoted stays fenced, marked or not.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

from ragkit.screening.phrases import HIDDEN, ORDER_FORMS, ORDERS, PATTERNS

__all__ = ["find_injections"]


# A run of these draws nothing; joiners inside words and emoji come one at a time.
_INVISIBLE = "\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff\u00ad"
_HIDDEN = re.compile(
    f"[{_INVISIBLE}]{{6,}}"
    # Tags spell ASCII that nobody sees; after a black flag they are a flag.
    "|(?<![\U0001f3f4\U000e0020-\U000e007f])[\U000e0020-\U000e007f]{3,}"
    # Selectors in a row spell bytes; override turns what is read against what is shown.
    "|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}|[\u202d\u202e]"
)
_DROPPED = re.compile(f"[{_INVISIBLE}]+")
_BLANKS = re.compile(r"\s+")

_CLAUSE = re.compile(r"[.!?;。！？]")
_CLAUSE_CHARACTERS = 60


def find_injections(text: str) -> tuple[str, ...]:
    """Signs that a text addresses the model that reads it; one phrase each, in a fixed order.

    Letters are compared after NFKC and in lower case, without what draws nothing, so that neither
    fullwidth letters nor blanks of no width hide a phrase.
    """
    plain = unicodedata.normalize("NFKC", text.translate(_TAGS_SPELLED))
    plain = _BLANKS.sub(" ", _DROPPED.sub("", plain)).lower()
    found = [
        kind
        for kind, words, pattern in _compiled()
        if any(word in plain for word in words) and pattern.search(plain)
    ]
    if ORDERS not in found and any(_orders(plain, *form) for form in ORDER_FORMS):
        found.insert(0, ORDERS)
    if _HIDDEN.search(text):
        found.append(HIDDEN)
    return tuple(found)


# Tag characters as the ASCII that they spell.
_TAGS_SPELLED = {code: chr(code - 0xE0000) for code in range(0xE0020, 0xE007F)}


@cache
def _compiled() -> tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]:
    return tuple(
        (kind, tuple(words.split("|")), re.compile(pattern)) for kind, words, pattern in PATTERNS
    )


def _orders(plain: str, stems: str, verb: str, scope: str) -> bool:
    """Whether a clause has a noun of these stems, and near it the verb and the scope."""
    for stem in stems.split("|"):
        place = plain.find(stem)
        while place >= 0:
            end = place + len(stem)
            before = _CLAUSE.split(plain[max(0, place - _CLAUSE_CHARACTERS) : place])[-1]
            after = _CLAUSE.split(plain[end : end + _CLAUSE_CHARACTERS])[0]
            clause = f"{before}{stem}{after}"
            if re.search(verb, clause) and re.search(scope, clause):
                return True
            place = plain.find(stem, end)
    return False
