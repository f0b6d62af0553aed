"""Text becomes lexical terms: what the word index stores, and what it is asked for.

Normalised by NFKC and case; stems by language; runs of Chinese, Japanese, Korean, Thai and their
like as pairs of characters; identifiers whole and in parts; accents folded after stemming, since
the stemmers need them. The text itself is never changed.

Common words stay in the index, so that a question of nothing else finds its passages too.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable

import Stemmer

from ragkit.indexing.languages import DEFAULT_LANGUAGE, LANGUAGES, language_of

__all__ = [
    "ANALYSIS_VERSION",
    "Analyzer",
    "detect_language",
    "is_unspaced",
    "stemmer_version",
    "surfaces",
    "terms",
]

# Goes up whenever any text would give other terms; older indexes are then built anew.
ANALYSIS_VERSION = 3

# Terms of the whole of a word, and of its parts.
Split = tuple[list[str], list[str]]

# Scripts that are written without blanks between words, or (Korean) with blanks that do not part
# words from their endings.
_UNSPACED = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u109f\u1100-\u11ff"
    "\u1780-\u17d3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3041-\u3096\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003fffd"
)
# Marks that belong to the letter before them, though ``\w`` does not match them.
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u0f71-\u0fbc\u1ab0-\u1aff\u1dc0-\u1dff"
    + "".join(
        f"{chr(block)}-{chr(block + 3)}{chr(block + 0x3A)}-{chr(block + 0x4F)}"
        f"{chr(block + 0x51)}-{chr(block + 0x57)}{chr(block + 0x62)}{chr(block + 0x63)}"
        for block in range(0x0900, 0x0E00, 0x80)
    )
)
# Possessive throughout: no text makes this backtrack.
_LETTERS = f"(?:[^\\W{_UNSPACED}]++[{_MARKS}]*+)++"
_SURFACE = re.compile(
    f"[{_UNSPACED}]++|{_LETTERS}(?:[.\\-'\u2019\u2010\u2011]{_LETTERS})*+(?:\\+\\+|#)?"
)
_ASCII_SURFACE = re.compile(r"\w++(?:[.\-']\w++)*+(?:\+\+|#)?", re.ASCII)
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd]")
# Scripts of letters rather than syllables: pairs of them are in every passage. Without its blanks
# English is found with nDCG@10 0.78 by pairs, 0.96 by threes, 0.97 as words.
_LETTERED = re.compile("[\u0e01-\u0edf\u1000-\u109f\u1780-\u17d3]{3,}+")

_PLAIN = re.compile(r"[a-z]++|[0-9]++")
_SEPARATORS = re.compile(r"[._\-]+")
_VERSION = re.compile(r"[vV]?([0-9]+(?:\.[0-9]+)+)")
_IS_CAMEL = re.compile(r"[a-z][A-Z]|[A-Z]{2}[a-z]")
# RNAi and URLs end with letters of their own and are one part.
_CAMEL_PARTS = re.compile(r"[A-Z]{2,}[a-z]{1,2}(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PLURAL_ACRONYM = re.compile(r"[A-Z]{2,}s")

# Soft hyphens and joiners are inside words and say nothing; quotes and hyphens have many forms.
_TIDIED = {0x00AD: None, 0x200B: None, 0x200C: None, 0x200D: None, 0x2060: None, 0xFEFF: None} | {
    0x2018: "'",
    0x2019: "'",
    0x02BC: "'",
    0x2010: "-",
    0x2011: "-",
}
# Letters that no decomposition takes apart.
_FOLDED = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ə": "e"}
)
_FOLDED_MARKS = re.compile("[\u0300-\u036f\u05b0-\u05c7\u064b-\u065f\u0670]+")
_ELIDED = re.compile(
    r"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|un|gl|all|dall|dell|nell|sull|quest|quell)'(?=..)"
)
_ELIDING_LANGUAGES = frozenset({"ca", "fr", "it"})
# Whose marks tell words apart: they are found with them, and with half the weight without.
_TONAL_LANGUAGES = frozenset({"vi"})

# By the first letter of a word that is not Latin.
_SCRIPT_STEMMERS = (
    ("\u0370", "\u03ff", "greek"),
    ("\u1f00", "\u1fff", "greek"),
    ("\u0400", "\u052f", "russian"),
    ("\u0530", "\u058f", "armenian"),
    ("\u0600", "\u06ff", "arabic"),
    ("\u0900", "\u097f", "hindi"),
    ("\u0b80", "\u0bff", "tamil"),
)

# Beyond this a word is data (base64, a digest, a line without blanks): found only as a whole.
_LONGEST = 64
_KEPT = 24
_CACHED_WORDS = 2**16


class Analyzer:
    """Makes terms, and remembers those of the words it has seen; for one thread at a time.

    Args:
        language: ISO 639-1 code of the texts in Latin script; another is taken for English. Words
            in other scripts are stemmed by their script.
    """

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        self._language = language if language in LANGUAGES else DEFAULT_LANGUAGE
        self._stemmers: dict[str, Callable[[str], str]] = {}
        name = LANGUAGES[self._language]
        self._stem_latin = self._stemmer(name) if name else str
        self._seen: dict[str, tuple[str, ...]] = {}

    def terms(self, text: str) -> list[str]:
        """All terms of a text, in its order, common words among them; none holds a blank."""
        found: list[str] = []
        seen, expand = self._seen, self._expand
        for surface in surfaces(text):
            made = seen.get(surface)
            if made is None:
                if len(seen) >= _CACHED_WORDS:
                    seen.clear()
                made = seen[surface] = expand(surface)
            found += made
        return found

    def _expand(self, surface: str) -> tuple[str, ...]:
        words, parts = self.split(surface)
        return tuple(dict.fromkeys(term for term in (*words, *parts) if term))

    def split(self, surface: str) -> Split:
        """A word as it stands in a text: the terms that say all of it, and those of its parts."""
        if _PLAIN.fullmatch(surface):
            return [self._term(surface)], []
        if _IS_UNSPACED.match(surface):
            return _pairs(surface), []
        if surface[-1] in "+#":
            bare = surface.rstrip("+#")
            if len(bare) == 1:
                return [surface.casefold()], [bare.casefold()]
            surface = bare
        return self._of_compound(surface)

    def _of_compound(self, surface: str) -> Split:
        version = _VERSION.fullmatch(surface)
        if version:
            return [version[1]], version[1].split(".")
        pieces = [piece for piece in _SEPARATORS.split(surface) if piece]
        words, parts = [], []
        for piece in pieces:
            own, inner = self._of_piece(piece)
            words += own
            parts += inner
        if len(pieces) > 1 and _is_one_name(surface, pieces):
            # Joined, so that max_tokens, max-tokens and maxTokens are one name.
            joined = self._term("".join(pieces).replace("'", "").casefold())
            return [joined], words + parts
        return words, parts

    def _of_piece(self, piece: str) -> Split:
        if "'" in piece:
            return self._of_apostrophe(piece.casefold())
        if _PLURAL_ACRONYM.fullmatch(piece):
            return [self._term(piece[:-1].lower())], []
        words = [self._term(piece.casefold())]
        if self._language in _TONAL_LANGUAGES and not piece.isascii():
            return [piece.casefold()[:_LONGEST]], words
        if piece.isascii() and _IS_CAMEL.search(piece):
            parts = _CAMEL_PARTS.findall(piece)
            return words, [self._term(part.lower()) for part in parts if part.isdigit() or part[1:]]
        return words, []

    def _of_apostrophe(self, word: str) -> Split:
        """``l'homme`` is its noun, ``key's`` its stem, ``don't`` one word, ``O'Reilly`` both."""
        word = word.removesuffix("'s")
        elided = _ELIDED.match(word)
        rest = word[elided.end() :] if elided else ""
        if rest and self._language in _ELIDING_LANGUAGES:
            return [self._term(rest.replace("'", ""))], []
        joined = self._term(word.replace("'", ""))
        left, _, right = word.partition("'")
        if len(left) <= 2 < len(right):
            return [joined], [self._term(right.replace("'", ""))]
        return [joined], []

    def _term(self, word: str) -> str:
        """The stem of a casefolded word, without accents."""
        if len(word) > _LONGEST:
            digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=12).hexdigest()
            return fold(word[:_KEPT]) + digest
        if word.isascii():
            return self._stem_latin(word)
        return fold(self._stem_other(word))

    def _stem_other(self, word: str) -> str:
        first = word[0]
        for lowest, highest, name in _SCRIPT_STEMMERS:
            if lowest <= first <= highest:
                return self._stemmer(name)(word)
        if any(letter.isdecimal() for letter in word):
            return "".join(
                str(unicodedata.decimal(letter)) if letter.isdecimal() else letter
                for letter in word
            )
        # English borrows its accents and loses them again: résumé is resume. Elsewhere they tell
        # endings apart, and the stemmer must see them.
        return self._stem_latin(fold(word) if self._language == "en" else word)

    def _stemmer(self, name: str) -> Callable[[str], str]:
        if name not in self._stemmers:
            # Its own cache would only double ours.
            stem: Callable[[str], str] = Stemmer.Stemmer(name, 0).stemWord
            self._stemmers[name] = stem
        return self._stemmers[name]


def terms(text: str, language: str = DEFAULT_LANGUAGE) -> list[str]:
    """All terms of one text; for many texts keep an ``Analyzer``."""
    return Analyzer(language).terms(text)


def stemmer_version() -> str:
    """What stems words; another version may stem them otherwise."""
    return f"Snowball {Stemmer.version()}"


def detect_language(text: str) -> str:
    """ISO 639-1 code of a text's language; English when nothing speaks for another."""
    return language_of(text) or DEFAULT_LANGUAGE


def is_unspaced(surface: str) -> bool:
    """Whether a word as it stands in a text is a run of a script without blanks between words."""
    return _IS_UNSPACED.match(surface) is not None


def surfaces(text: str) -> list[str]:
    """Words as they stand in a text, case kept, with what joins their parts."""
    if text.isascii():
        return _ASCII_SURFACE.findall(text)
    return _SURFACE.findall(unicodedata.normalize("NFKC", text.translate(_TIDIED)))


def fold(word: str) -> str:
    """Without accents and vowel points: ``müller`` and ``muller`` are one."""
    if word.isascii():
        return word
    bare = _FOLDED_MARKS.sub("", unicodedata.normalize("NFD", word))
    return unicodedata.normalize("NFC", bare).translate(_FOLDED)


def _pairs(run: str) -> list[str]:
    """Pairs of neighbours; a character alone is its own term, and so is a Chinese one anywhere.

    Threes too where the script is one of letters, as Thai is.
    """
    if len(run) == 1:
        return [run]
    found = [run[i : i + 2] for i in range(len(run) - 1)]
    found += _HAN.findall(run)
    for letters in _LETTERED.findall(run):
        found += [letters[i : i + 3] for i in range(len(letters) - 2)]
    return found


def _is_one_name(surface: str, pieces: list[str]) -> bool:
    """Whether a word of several pieces is looked for as a whole, unlike ``state-of-the-art``."""
    return len(pieces) == 2 or not surface.replace("-", "").isalpha()
