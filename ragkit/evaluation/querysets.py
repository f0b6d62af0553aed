"""Query sets: questions with the place of their answer, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ragkit.errors import InvalidArgument, PathNotFound

__all__ = ["Question", "parse_questions", "question_json", "read_questions", "write_questions"]

_FIELDS = ("question", "source", "answer", "page", "start", "end")
_BLANKS = " \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, and where the answer stands.

    Attributes:
        question: As a user would ask it.
        sources: Documents that answer it, as ``SOURCE`` or ``ROOT:SOURCE``; one is enough where an
            answer is quoted, and each counts where none is.
        answer: Quoted from the documents, exactly or up to white space, case and typography.
        page: Page on which the answer stands, counted from 1; used where no answer is quoted.
        start: First character of the answer in the document's text; wins over the quotation.
        end: One past the last.
    """

    question: str
    sources: tuple[str, ...]
    answer: str | None = None
    page: int | None = None
    start: int | None = None
    end: int | None = None


def read_questions(path: str | os.PathLike[str]) -> list[Question]:
    """Read a JSONL file; blank lines are passed over, unknown keys are kept out.

    Raises:
        PathNotFound: There is no such file.
        InvalidArgument: It is not UTF-8, or a line is no question; the message names the line.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PathNotFound(f"there is no query set at {file}: check the path") from error
    except UnicodeDecodeError as error:
        raise InvalidArgument(f"{file} is not UTF-8: save the query set in UTF-8") from error
    # Not splitlines: JSON may hold a line separator of Unicode in a string as it is.
    return parse_questions(text.split("\n"), name=str(file))


def parse_questions(lines: Iterable[str], *, name: str = "the query set") -> list[Question]:
    """The questions of JSON lines.

    Raises:
        InvalidArgument: A line is no question, or there is none; the message names the line.
    """
    questions = list(_parsed(lines, name))
    if not questions:
        raise InvalidArgument(f"{name} has no question: write one JSON object a line")
    return questions


def write_questions(path: str | os.PathLike[str], questions: Iterable[Question]) -> None:
    """Write a new JSONL file.

    Raises:
        InvalidArgument: There is a file already: what somebody edited is never overwritten.
    """
    lines = [json.dumps(question_json(one), ensure_ascii=False) + "\n" for one in questions]
    try:
        with Path(path).open("x", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)
    except FileExistsError as error:
        raise InvalidArgument(f"{path} exists: name a new file, or remove it first") from error


def question_json(question: Question) -> dict[str, object]:
    """The object of a line, without what is not known."""
    only = question.sources[0] if len(question.sources) == 1 else list(question.sources)
    values = (question.question, only, question.answer, question.page, question.start, question.end)
    pairs = zip(_FIELDS, values, strict=True)
    return {key: value for key, value in pairs if value is not None}


def _parsed(lines: Iterable[str], name: str) -> Iterator[Question]:
    for number, line in enumerate(lines, 1):
        if line.strip(_BLANKS):
            where = f"{name}, line {number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidArgument(f"{where} is not JSON: write one object a line") from error
            if not isinstance(value, dict):
                raise InvalidArgument(f"{where} is no JSON object: write {{...}} a line")
            yield _question(value, where)


def _question(value: Mapping[str, object], where: str) -> Question:
    text = value.get("question")
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgument(f'{where} has no "question": give it as a string')
    answer = value.get("answer")
    if answer is not None and (not isinstance(answer, str) or not answer.strip()):
        raise InvalidArgument(f'{where}: "answer" is no text: quote the document, or leave it out')
    start, end = _number(value, "start", 0, where), _number(value, "end", 1, where)
    if (start is None) != (end is None) or (start is not None and end is not None and start >= end):
        raise InvalidArgument(f'{where}: "start" and "end" are no span: give both, or neither')
    return Question(
        question=text,
        sources=_sources(value.get("source"), where),
        answer=answer,
        page=_number(value, "page", 1, where),
        start=start,
        end=end,
    )


def _sources(value: object, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed:
        raise InvalidArgument(f'{where} has no "source": give a document\'s name, or a list')
    if not all(isinstance(one, str) and one for one in listed):
        raise InvalidArgument(f'{where}: "source" holds what is no name: give strings')
    return tuple(dict.fromkeys(listed))


def _number(value: Mapping[str, object], key: str, least: int, where: str) -> int | None:
    number = value.get(key)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise InvalidArgument(f'{where}: "{key}" is {number!r}: give a whole number from {least}')
    return number
