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

# Kinds in the order of their worth; a heading of a word or two could be asked of any document.
_ASKED, _DEFINED, _HEADED, _BARE = 0, 1, 2, 3

_KEPT_PER_DOCUMENT = 50
_SHORTEST_ANSWER, _LONGEST_ANSWER = 20, 400
_LONGEST_QUESTION = 160
_READ_CHARACTERS = 400_000
_LOOKED_AT = 2000
_FEWEST_WORDS = 3

# A sentence ends with its closing signs, and not after an initial or an abbreviation.
_SENTENCE_END = re.compile(
    r"[.!?]['\"\u201d\u2019)\]*_]*(?=\s|\Z)|[\u3002\uff01\uff1f]['\"\u201d\u2019\u300d)]*"
)
_ABBREVIATED = re.compile(
    r"(?:\b[^\W\d_]|\b(?:e\.g|i\.e|etc|vs|cf|Dr|Mr|Mrs|Ms|Prof|St|No|Fig|approx|z\.B|d\.h|bzw|ca|Nr"
    r"|p\.ex))\.\Z"
)
_LOOKED_BACK = 8
# What a paragraph of prose begins with: a word, with or without emphasis or quotation.
_PROSE = re.compile(r"[*_`\"'\u201c\u2018\u00bf\u00a1(\[]{0,3}\w")
# "Owner: Ada Byron." says whose a text is, and nothing of what it is about.
_LABELLED = re.compile(r"\w{1,20}(?: \w{1,20})?: ")
_LISTED = re.compile(r"\d{1,3}[.)]\s|[*+-]\s|\[[^\]\n]{0,80}\]:|\.\.\s")
_FENCES = ("```", "~~~")
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
# Words that point at what stood before, or at anything: no subject of a question.
_POINTING = re.compile(
    r"\b(?:it|its|this|these|that|those|there|here|he|she|they|their|we|our|you|your|i|my|what|which"
    r"|who|one|ones|some|many|most|each|both|all|every\w+|any\w+|some\w+|no\w*thing|such|other"
    r"|another|same|only|next|first|second|third|last|former|latter|previous|following|above|below"
    r"|but|and|or|so|then|now|also|if|when|es|das|dies\w*|er|sie|wir|man|n\u00e4chste\w*|erste\w*"
    r"|letzte\w*|aber|und|ce|cela|il|elle|on|esto|eso|esta|este)\b|\S (?:an?|the|eine?|der|die|une?"
    r"|les?|la|el) |\A(?:the )?(?:difference|key|point|idea|problem|result|answer|rest|way)s? *\Z",
    re.IGNORECASE,
)
# A sentence that says only what kind of thing something is like.
_EMPTY = re.compile(
    r"(?:example|reason|lot|bit|little|few|good|great|common|nice|bad|fine|useful|big|case|Beispiel"
    r"|exemple|ejemplo|same)\b"
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
            question = above + section.title
            kind = _HEADED if len(question.split()) >= _FEWEST_WORDS else _BARE
            yield from _answered(kind, question, text, line_end, after)


def _defined(text: str) -> Iterator[_Draft]:
    language = guess_language(text[:20_000])
    if language is None or language not in _DEFINITIONS:
        return
    pattern, asked = _DEFINITIONS[language]
    begins = re.compile(pattern)
    for paragraph in _paragraphs(text, 0, len(text)):
        for start, end in _sentences(text, *paragraph):
            found = begins.match(text, start, end)
            if found is None or _POINTING.search(found["name"]) or _EMPTY.match(text, found.end()):
                continue
            if text[start].isupper() and _is_answer(text[start:end]):
                question = asked.format(name=_lower_article(found["name"]), verb=found["verb"])
                yield _Draft(kind=_DEFINED, question=question, start=start, end=end)


def _lower_article(name: str) -> str:
    name = name.strip()
    return name[0].lower() + name[1:] if name.startswith(_ARTICLES) else name


def _answered(kind: int, question: str, text: str, start: int, stop: int) -> Iterator[_Draft]:
    """The question with the first sentence of prose between two places, if both will do."""
    stop = len(text) if stop < 0 else stop
    marks = _ANSWER_MARKS.search(text, start, min(stop, start + 40))
    if not 5 <= len(question) <= _LONGEST_QUESTION:
        return
    begin = marks.end() if marks else start
    for paragraph in _paragraphs(text, begin, min(stop, begin + _LOOKED_AT)):
        sentence = next(_sentences(text, *paragraph), None)
        if sentence is not None:
            answer = text[slice(*sentence)]
            if _is_answer(answer) and not answer.endswith("?"):
                yield _Draft(kind=kind, question=question, start=sentence[0], end=sentence[1])
            return


def _paragraphs(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where prose stands: lines without a blank one between, that are no list, table or code."""
    begins, is_code = -1, False
    position = start
    while position < stop:
        newline = text.find("\n", position, stop)
        end = stop if newline < 0 else newline
        line = text[position:end].strip()
        if line.startswith(_FENCES):
            is_code = not is_code
        is_text = (
            bool(line) and not is_code and not line.startswith((*_FENCES, "#", "|", ">", "<", "="))
        )
        if begins >= 0 and not is_text:
            yield begins, position
            begins = -1
        elif begins < 0 and is_text and _is_prose(line, text, position):
            begins = position + len(text[position:end]) - len(text[position:end].lstrip())
        position = end + 1
    if begins >= 0:
        yield begins, stop


def _is_prose(line: str, text: str, position: int) -> bool:
    """Whether a paragraph may begin with this line; four blanks before it make it code."""
    is_indented = text.startswith(("    ", "\t"), position)
    is_other = is_indented or _LISTED.match(line) or _LABELLED.match(line)
    return not is_other and _PROSE.match(line) is not None


def _sentences(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Where the sentences of a paragraph begin and end; what is not ended is none."""
    for mark in _SENTENCE_END.finditer(text, start, stop):
        after = mark.end()
        while after < stop and text[after].isspace():
            after += 1
        looked_at = max(start, mark.start() - _LOOKED_BACK), mark.start() + 1
        if text[after : min(after + 1, stop)].islower() or _ABBREVIATED.search(text, *looked_at):
            continue
        yield start, mark.end()
        start = after


def _is_answer(text: str) -> bool:
    if not _SHORTEST_ANSWER <= len(text) <= _LONGEST_ANSWER:
        return False
    # Chinese and Japanese have no blanks; a line of signs has no letters.
    letters = sum(map(str.isalpha, text))
    return letters > len(text) / 2 and (len(text.split()) >= _FEWEST_WORDS or not text.isascii())
