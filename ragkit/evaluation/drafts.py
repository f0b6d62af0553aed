"""Questions drafted from a corpus without any model: for a first measurement, and to be edited.

A draft shares its words with the text it was taken from, so it is easier to answer than what users
ask, and figures on drafts alone flatter.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

from ragkit.errors import InvalidArgument
from ragkit.evaluation.querysets import Question
from ragkit.indexing.languages import guess_language
from ragkit.records import Document, Section

__all__ = ["draft_questions"]

# Kinds in the order of their worth.
_ASKED, _DEFINED, _HEADED = 0, 1, 2

_KEPT_PER_DOCUMENT = 50
_SHORTEST_ANSWER, _LONGEST_ANSWER = 20, 400
_LONGEST_QUESTION = 160
_READ_CHARACTERS = 400_000
_FEWEST_WORDS = 3

_SENTENCE = re.compile(r"[^\s#|>*`\-=~:.][^\n]{0,600}?[.!?\u3002](?=\s|$)(?:\s|$)")
_LINE = re.compile(r"[^\n]+")
# One sentence, with the signs of a heading, a list or emphasis around it.
_IS_QUESTION = re.compile(r"(?:[^\n.?!]|\.(?=\S| [a-z])|(?<=\d)\. ){5,}[?\uff1f\u061f][*_\s]*")
_MARKS = re.compile(r"^(?:[#>\s*_\-]|\d+[.)]\s|(?:Q|F|Question|Frage)\d{0,3}[:.]\s)+")
_ANSWER_MARKS = re.compile(r"(?:A|R|Answer|Antwort)\d{0,3}[:.]\s+")
_EMPHASIS = "*_` \t"
_WORDS = r"(?:[^\W\d_][\w'’/-]*[ ]){1,5}"
# How a definition begins, and how one asks for it.
_DEFINITIONS = MappingProxyType(
    {
        "en": (
            rf"(?P<name>(?:An? |The )?{_WORDS})(?P<verb>is|are) (?:an?|the) ",
            "What {verb} {name}?",
        ),
        "de": (
            rf"(?P<name>(?:Eine? |Der |Die |Das )?{_WORDS})(?P<verb>ist) eine? ",
            "Was ist {name}?",
        ),
        "fr": (
            rf"(?P<name>(?:Une? |Le |La )?{_WORDS})(?P<verb>est) une? ",
            "Qu'est-ce que {name} ?",
        ),
        "es": (rf"(?P<name>(?:Una? |El |La )?{_WORDS})(?P<verb>es) una? ", "¿Qué es {name}?"),
    }
)
_ARTICLES = (
    "A ",
    "An ",
    "The ",
    "Ein ",
    "Eine ",
    "Der ",
    "Die ",
    "Das ",
    "Un ",
    "Une ",
    "Le ",
    "La ",
)
# Words that point at what stood before: no subject of a question.
_POINTING = re.compile(
    r"\b(?:it|this|that|there|he|she|they|we|you|i|what|which|who|here|one|es|das|dies|er|sie|wir"
    r"|man|ce|cela|il|elle|on|esto|eso)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    kind: int
    question: str
    start: int
    end: int


def draft_questions(documents: Iterable[Document], number: int) -> list[Question]:
    """Questions about documents, each with its answer's place, spread over the documents.

    Taken are headings and lines that are questions with the first sentence after them, sentences
    that define something, and headings with their first sentence. A question that several places
    answer is left out. The same documents give the same questions, whatever their order.

    Args:
        documents: Read once.
        number: How many at most.

    Raises:
        InvalidArgument: number is below 1.
    """
    if number < 1:
        raise InvalidArgument(f"number={number}: ask for 1 question or more")
    by_document = {
        (document.root, document.source): (document.text, _drafts(document))
        for document in documents
    }
    counts = Counter(
        draft.question.casefold() for _, drafts in by_document.values() for draft in drafts
    )
    # By digest, so that a few questions are not all of the first folder.
    order = sorted(
        by_document, key=lambda place: hashlib.sha256("\0".join(place).encode()).digest()
    )
    sources = Counter(source for _, source in by_document)
    chosen: list[Question] = []
    for turn in range(_KEPT_PER_DOCUMENT):
        for root, source in order:
            text, drafts = by_document[root, source]
            unique = [draft for draft in drafts if counts[draft.question.casefold()] == 1]
            if turn < len(unique) and len(chosen) < number:
                name = source if sources[source] == 1 else f"{root}:{source}"
                chosen.append(_question(name, text, unique[turn]))
    return chosen


def _question(name: str, text: str, draft: _Draft) -> Question:
    return Question(
        question=draft.question,
        sources=(name,),
        answer=text[draft.start : draft.end],
        start=draft.start,
        end=draft.end,
    )


def _drafts(document: Document) -> list[_Draft]:
    """Of one document, the best kinds first, in its order."""
    text = document.text[:_READ_CHARACTERS]
    sections = [one for one in document.sections if one.start < len(text)]
    found = [*_asked(text), *_headed(text, sections), *_defined(text)]
    best: dict[int, _Draft] = {}
    for draft in sorted(found, key=lambda draft: (draft.start, draft.kind)):
        # One sentence answers one draft.
        best.setdefault(draft.start, draft)
    drafts = sorted(best.values(), key=lambda draft: (draft.kind, draft.start))
    return drafts[:_KEPT_PER_DOCUMENT]


def _asked(text: str) -> Iterator[_Draft]:
    """Lines that are questions, headings or entries of a list of questions, and what follows."""
    for line in _LINE.finditer(text):
        begins = line.start() < 2 or text[line.start() - 2] == "\n" or line[0][0] in "#*"
        if begins and _IS_QUESTION.fullmatch(line[0]):
            question = _MARKS.sub("", line[0]).strip(_EMPHASIS)
            yield from _answered(_ASKED, question, text, line.end(), text.find("\n#", line.end()))


def _headed(text: str, sections: list[Section]) -> Iterator[_Draft]:
    """Headings with the one above them, and the first sentence under them."""
    path: list[Section] = []
    for place, section in enumerate(sections):
        path = [one for one in path if one.end > section.start and one.level < section.level]
        above = f"{path[-1].title}: " if path else ""
        path.append(section)
        after = sections[place + 1].start if place + 1 < len(sections) else len(text)
        line_end = text.find("\n", section.start, section.end)
        if line_end >= 0 and not section.title.rstrip().endswith("?"):
            yield from _answered(_HEADED, above + section.title, text, line_end, after)


def _defined(text: str) -> Iterator[_Draft]:
    language = guess_language(text[:20_000])
    if language is None or language not in _DEFINITIONS:
        return
    pattern, asked = _DEFINITIONS[language]
    begins = re.compile(pattern)
    for sentence in _SENTENCE.finditer(text):
        found = begins.match(text, sentence.start(), sentence.end())
        at_start = sentence.start() == 0 or text[sentence.start() - 1].isspace()
        if found and at_start and not _POINTING.search(found["name"]):
            start, end = sentence.start(), sentence.start() + len(sentence[0].rstrip())
            if sentence[0][0].isupper() and _is_answer(text[start:end]):
                question = asked.format(name=_lower_article(found["name"]), verb=found["verb"])
                yield _Draft(kind=_DEFINED, question=question, start=start, end=end)


def _lower_article(name: str) -> str:
    name = name.strip()
    return name[0].lower() + name[1:] if name.startswith(_ARTICLES) else name


def _answered(kind: int, question: str, text: str, start: int, stop: int) -> Iterator[_Draft]:
    """The question with the first sentence between two places, if both will do."""
    stop = len(text) if stop < 0 else stop
    marks = _ANSWER_MARKS.search(text, start, min(stop, start + 40))
    sentence = _SENTENCE.search(text, marks.end() if marks else start, min(stop, start + 2000))
    if sentence is None or not 5 <= len(question) <= _LONGEST_QUESTION:
        return
    answer = sentence[0].rstrip()
    if _is_answer(answer) and not answer.endswith("?"):
        begin = sentence.start()
        yield _Draft(kind=kind, question=question, start=begin, end=begin + len(answer))


def _is_answer(text: str) -> bool:
    if not _SHORTEST_ANSWER <= len(text) <= _LONGEST_ANSWER:
        return False
    # Chinese and Japanese have no blanks; a line of signs has no letters.
    letters = sum(map(str.isalpha, text))
    return letters > len(text) / 2 and (len(text.split()) >= _FEWEST_WORDS or not text.isascii())
