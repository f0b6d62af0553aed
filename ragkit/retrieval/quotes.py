"""Whether what an answer quotes and cites stands in the sources.

A quotation is looked for in the whole text of documents, not in passages, since it may cross from
one into the next. Which documents are looked through is decided by its rarest word, so that "not
found" is a fact about the collection; where there would be too many, the check says so.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from ragkit.answers import Citation, Context
from ragkit.errors import InvalidArgument
from ragkit.indexing.analysis import surfaces
from ragkit.indexing.languages import LANGUAGES, stop_words
from ragkit.indexing.seam import WordRanker
from ragkit.records import Document
from ragkit.retrieval.figures import CITED, CitedFigure, cited_figures, figure_in
from ragkit.retrieval.matching import Match, QuotableText
from ragkit.storage.snapshot import Snapshot

__all__ = ["QuoteCheck", "verify_quotes"]

LONGEST_ANSWER = 1_000_000
MOST_QUOTES = 300
_LONGEST_QUOTE = 20_000

# Passages most like the quotation: nearly every quotation that is there is found among these.
_LIKELY = 10
# How far the list of its rarest word is read, and how much text is looked through for one answer.
_DEEPEST = 5_000
_MOST_CHARACTERS = 200_000_000
_WORDS_TRIED = 6
_TEXTS_KEPT = 32

_NOT_FOUND = "not found in the documents"
_PARTLY = "not found in the documents that were looked through; there are too many with its words"

_INNER = r"(?:[^{0}\n]|\n(?![ \t]*\n)){{1,20000}}"
_QUOTED = re.compile(
    "|".join(
        (
            rf'(?<![\w"])"(?=\S)(?P<a>{_INNER.format(chr(34))})(?<=\S)"(?!\w)',
            rf"“(?P<b>{_INNER.format('“”')})”",
            rf"„(?P<c>{_INNER.format('„“”')})[“”]",
            rf"«(?P<d>{_INNER.format('«»')})»",
            rf"»(?P<e>{_INNER.format('«»')})«",
            rf"「(?P<f>{_INNER.format('「」')})」",
            rf"『(?P<g>{_INNER.format('『』')})』",
        )
    )
)
_FENCED = re.compile(r"^(```+|~~~+)[^\n]*\n.*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"(?:^[ ]{0,3}>[^\n]*(?:\n|\Z))+", re.MULTILINE)
_BLOCK_MARK = re.compile(r"^[ ]{0,3}>[ ]?", re.MULTILINE)
_ATTRIBUTION = re.compile(r"\n[ \t]*(?:—|–|--)[^\n]*\s*\Z")
_CITED_AT_END = re.compile(r"(?:\s*\[\d{1,6}(?:\s?[,;]\s?\d{1,6}){0,20}\])+[.\s]*\Z")
_CITED_NEXT = re.compile(r"[.,;:]?\s{0,2}\(?\[(\d{1,6})[\],;]")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteCheck:
    """One quotation, citation or cited figure of an answer, and what was found of it.

    Attributes:
        kind: ``quote``, ``citation`` or ``figure``.
        text: The quotation without its marks, the citation as ``[3]``, or the figure.
        answer_start: First character of it in the answer.
        answer_end: One past the last.
        found: Whether it stands in a document; of a citation, whether the context has its number
            and the collection still its document; of a figure, whether an excerpt has it that its
            sentence cites.
        match: ``exact``; ``alike`` up to white space, case and typography, or in another way to
            set a number; None when not found.
        number: Citation number that stands with the quotation or figure, or is the citation.
        agrees: Whether quotation or figure is in the excerpt of that number; None without a number
            or a context.
        root: Of the document it was found in; as all that follows None when it was not found.
        source: Path of the document.
        page: Page on which it starts, counted from 1; None also where there are no pages.
        line: Line on which it starts, counted from 1.
        start: First character in the document's text.
        end: One past the last.
        reason: Why it was not found; empty when it was.
    """

    kind: Literal["quote", "citation", "figure"]
    text: str
    answer_start: int
    answer_end: int
    found: bool = False
    match: Literal["exact", "alike"] | None = None
    number: int | None = None
    agrees: bool | None = None
    root: str | None = None
    source: str | None = None
    page: int | None = None
    line: int | None = None
    start: int | None = None
    end: int | None = None
    reason: str = ""


def verify_quotes(
    answer: str, *, words: WordRanker, store: Snapshot, context: Context | None = None
) -> list[QuoteCheck]:
    r"""Check each quotation, and with a context each citation and each figure that is cited.

    Quotations are ``"…"``, ``“…”``, ``„…“``, ``«…»``, ``»…«``, ``「…」`` and block quotes (``> ``);
    what stands in fenced code is none. Citations are ``[1]`` and ``[1, 2]``; the figures of a
    sentence that ends with some are looked for in the excerpts of these.

    Args:
        answer: Of an LLM, or of a person.
        words: Finds documents that may hold a quotation.
        store: The generation that *words* is of.
        context: What the answer was made from; its documents are looked through first.

    Returns:
        In the order of the answer.

    Raises:
        InvalidArgument: The answer is longer than a million characters.
    """
    if len(answer) > LONGEST_ANSWER:
        raise InvalidArgument(
            f"the answer has {len(answer):,} characters: check {LONGEST_ANSWER:,} at a time"
        )
    plain = _FENCED.sub(lambda fence: " " * len(fence[0]), answer)
    citations = {one.number: one for one in context.citations} if context else {}
    finder = _Finder(words, store)
    checks: list[QuoteCheck] = []
    for place, check in enumerate(_quotations(plain)):
        if place >= MOST_QUOTES:
            checks.append(replace(check, reason=f"not checked: {MOST_QUOTES} quotations before it"))
        else:
            checks.append(_checked(check, finder, citations, has_context=context is not None))
    if context is not None:
        checks += [_cited(check, finder, citations) for check in _numbers(plain)]
        for check in checks:
            if check.kind == "quote":
                start, end = check.answer_start, check.answer_end
                plain = plain[:start] + "_" * (end - start) + plain[end:]
        figures = islice(cited_figures(plain), MOST_QUOTES)
        checks += [_figure(figure, finder, citations) for figure in figures]
    return sorted(checks, key=lambda check: (check.answer_start, check.answer_end))


# --- what the answer quotes


def _quotations(answer: str) -> Iterator[QuoteCheck]:
    """Block quotes, then what stands in quotation marks outside of them."""
    rest: list[str] = []
    position = 0
    for block in _BLOCK.finditer(answer):
        text = _BLOCK_MARK.sub("", block[0]).rstrip()
        text = _CITED_AT_END.sub("", _ATTRIBUTION.sub("", text)).strip()
        rest += (answer[position : block.start()], "\n" * (block.end() - block.start()))
        position = block.end()
        if text:
            number = _number_after(answer, block.end()) or _last_number(block[0])
            yield QuoteCheck(
                kind="quote",
                text=_unquoted(text),
                answer_start=block.start(),
                answer_end=block.start() + len(block[0].rstrip()),
                number=number,
            )
    plain = "".join((*rest, answer[position:]))
    for quoted in _QUOTED.finditer(plain):
        inner = quoted[quoted.lastgroup or 0]
        text = _CITED_AT_END.sub("", inner).strip()
        if text:
            yield QuoteCheck(
                kind="quote",
                text=text,
                answer_start=quoted.start(),
                answer_end=quoted.end(),
                number=_number_after(plain, quoted.end()) or _last_number(inner[len(text) :]),
            )


def _unquoted(text: str) -> str:
    """A block quote that is in quotation marks as well."""
    whole = _QUOTED.fullmatch(text)
    return whole[whole.lastgroup or 0].strip() if whole else text


def _number_after(answer: str, end: int) -> int | None:
    found = _CITED_NEXT.match(answer, end)
    return int(found[1]) if found else None


def _last_number(text: str) -> int | None:
    found = _CITED_AT_END.search(text[-200:])
    return int(_NUMBER.findall(found[0])[-1]) if found else None


def _numbers(answer: str) -> Iterator[QuoteCheck]:
    for cited in CITED.finditer(answer):
        for number in _NUMBER.finditer(cited[1]):
            yield QuoteCheck(
                kind="citation",
                text=f"[{int(number[0])}]",
                answer_start=cited.start(),
                answer_end=cited.end(),
                number=int(number[0]),
            )


# --- what the sources have


class _Finder:
    """Looks quotations up; what it has read is kept for the next, within bounds."""

    def __init__(self, words: WordRanker, store: Snapshot) -> None:
        self._words = words
        self._store = store
        self._texts: dict[tuple[str, str], tuple[Document, QuotableText] | None] = {}
        self._left = _MOST_CHARACTERS

    def document(self, place: tuple[str, str]) -> tuple[Document, QuotableText] | None:
        """A document with its text to look through; None when the collection lacks it."""
        if place not in self._texts:
            while len(self._texts) >= _TEXTS_KEPT:
                del self._texts[next(iter(self._texts))]
            document = self._store.document(*place)
            found = None if document is None else (document, QuotableText(document.text))
            self._texts[place] = found
        return self._texts[place]

    def find(
        self, quotation: str, first: Sequence[tuple[str, str]]
    ) -> tuple[Document, Match] | str:
        """Where it stands, in the given documents before others; why not, when it does not."""
        tried: set[tuple[str, str]] = set()
        alike: tuple[Document, Match] | None = None
        for places in (first, self._likely(quotation)):
            for place in places:
                if place in tried:
                    continue
                if self._left <= 0:
                    return alike or _PARTLY
                tried.add(place)
                found = self._in(place, quotation)
                if found is not None and found[1].kind == "exact":
                    return found
                alike = alike or found
        if alike is not None:
            return alike
        places, is_complete = self._possible(quotation)
        for place in places:
            if self._left <= 0:
                return _PARTLY
            found = None if place in tried else self._in(place, quotation)
            if found is not None:
                return found
        return _NOT_FOUND if is_complete else _PARTLY

    def _in(self, place: tuple[str, str], quotation: str) -> tuple[Document, Match] | None:
        known = self.document(place)
        if known is None:
            return None
        document, text = known
        self._left -= len(document.text)
        match = text.find(quotation)
        return None if match is None else (document, match)

    def _likely(self, quotation: str) -> list[tuple[str, str]]:
        return self._documents(self._words.rank(quotation, _LIKELY).ids.tolist())

    def _possible(self, quotation: str) -> tuple[list[tuple[str, str]], bool]:
        """The documents that have its rarest word, and whether these are all of them."""
        rarest: list[int] | None = None
        for word in _telling_words(quotation):
            ids = self._words.rank(word, _DEEPEST).ids.tolist()
            if rarest is None or len(ids) < len(rarest):
                rarest = ids
            if len(ids) <= _LIKELY:
                break
        if rarest is None:
            return [], True
        return self._documents(rarest), len(rarest) < _DEEPEST

    def _documents(self, ids: Sequence[int]) -> list[tuple[str, str]]:
        """Of the passages, each once, in their order."""
        found = self._store.passages(ids)
        passages = (found[one].passage for one in ids if one in found)
        return list(dict.fromkeys((passage.root, passage.source) for passage in passages))


def _telling_words(quotation: str) -> list[str]:
    """The longest words, which are the rarest as a rule, without those common in any language."""
    found = dict.fromkeys(surfaces(quotation[:_LONGEST_QUOTE]))
    common = frozenset[str]().union(*map(stop_words, LANGUAGES))
    telling = [word for word in found if word.casefold() not in common] or list(found)
    return sorted(telling, key=len, reverse=True)[:_WORDS_TRIED]


def _checked(
    check: QuoteCheck, finder: _Finder, citations: dict[int, Citation], *, has_context: bool
) -> QuoteCheck:
    """A quotation, looked for in what it cites, in the rest of the context, and everywhere."""
    if not surfaces(check.text[:_LONGEST_QUOTE]):
        return replace(check, reason="it has no word to look for")
    cited = citations.get(check.number) if check.number is not None else None
    others = citations.values() if cited is None else (cited, *citations.values())
    first = list(dict.fromkeys((one.root, one.source) for one in others))
    agreeing = None if cited is None else _in_excerpt(check.text, cited, finder)
    found = agreeing or finder.find(check.text, first)
    agrees = None if check.number is None or not has_context else agreeing is not None
    if isinstance(found, str):
        return replace(check, reason=found, agrees=agrees)
    document, match = found
    return replace(
        _placed(check, document, match.start, match.end), match=match.kind, agrees=agrees
    )


def _in_excerpt(quotation: str, cited: Citation, finder: _Finder) -> tuple[Document, Match] | None:
    known = finder.document((cited.root, cited.source))
    if known is None:
        return None
    document, text = known
    for match in text.places(quotation):
        if cited.start <= match.start and match.end <= cited.end:
            return document, match
    return None


def _cited(check: QuoteCheck, finder: _Finder, citations: dict[int, Citation]) -> QuoteCheck:
    cited = citations.get(check.number or 0)
    if cited is None:
        return replace(check, reason=f"the context has no excerpt {check.text}")
    known = finder.document((cited.root, cited.source))
    if known is None or cited.end > len(known[0].text):
        reason = f"{cited.source} is no longer in the collection as it was cited"
        return replace(check, reason=reason)
    return _placed(check, known[0], cited.start, cited.end)


def _figure(figure: CitedFigure, finder: _Finder, citations: dict[int, Citation]) -> QuoteCheck:
    """A figure, looked for in the excerpts that its sentence cites."""
    check = QuoteCheck(
        kind="figure",
        text=figure.text,
        answer_start=figure.start,
        answer_end=figure.end,
        number=figure.numbers[0],
        agrees=False,
        reason=f"not in {' or '.join(f'[{number}]' for number in figure.numbers)}",
    )
    for number in figure.numbers:
        cited = citations.get(number)
        known = None if cited is None else finder.document((cited.root, cited.source))
        if cited is None or known is None:
            continue
        document = known[0]
        span = figure_in(figure.text, document.text, cited.start, cited.end)
        if span is not None:
            same = document.text[slice(*span)] == figure.text
            placed = _placed(check, document, *span)
            match: Literal["exact", "alike"] = "exact" if same else "alike"
            return replace(placed, match=match, number=number, agrees=True, reason="")
    return check


def _placed(check: QuoteCheck, document: Document, start: int, end: int) -> QuoteCheck:
    return replace(
        check,
        found=True,
        root=document.root,
        source=document.source,
        page=max(1, bisect_right(document.pages, start)) if document.pages else None,
        line=_line_of(document.text, start),
        start=start,
        end=end,
    )


def _line_of(text: str, place: int) -> int:
    r"""Counted as everywhere: a line ends with ``\n``, or with a ``\r`` that no ``\n`` follows."""
    lone = text.count("\r", 0, place) - text.count("\r\n", 0, place + 1)
    return text.count("\n", 0, place) + lone + 1
