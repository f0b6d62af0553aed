"""Sets of questions whose answers are known, read from where they lie; nothing is kept here."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragkit.models.tokens import count_tokens

__all__ = ["Asked", "QuestionSet", "Span", "articles", "beir", "chunking_evaluation", "sections"]

Span = tuple[int, int]

_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*?)[ \t]*#*[ \t]*$")
# What can be asked for as a whole, and would be read as one.
_FEWEST_ANSWER_TOKENS, _MOST_ANSWER_TOKENS = 60, 900
_FEWEST_HEADING_WORDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, with the spans of one file that answer it or the files that do.

    Attributes:
        text: What is asked.
        file: Where the spans are.
        spans: First and past the last character of each.
        gains: How well each file answers, where files are looked for.
    """

    text: str
    file: str = ""
    spans: tuple[Span, ...] = ()
    gains: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """Files by name, and what is asked of them."""

    name: str
    files: dict[str, str]
    questions: list[Asked]


def chunking_evaluation(folder: Path) -> QuestionSet:
    """Chroma's chunking_evaluation: ``corpora/*.md`` and ``questions_df.csv``."""
    files = {path.name: _text(path) for path in sorted((folder / "corpora").glob("*.md"))}
    with (folder / "questions_df.csv").open(encoding="utf-8", newline="") as lines:
        questions = [
            Asked(
                text=row["question"],
                file=f"{row['corpus_id']}.md",
                spans=tuple(
                    (one["start_index"], one["end_index"]) for one in json.loads(row["references"])
                ),
            )
            for row in csv.DictReader(lines)
        ]
    return QuestionSet(name="chunking_eval", files=files, questions=questions)


def sections(folder: Path, *, with_headings: bool) -> QuestionSet:
    """A folder of Markdown, its headings as questions and what stands under each as the answer.

    Without headings the text is all there is to find it by, as for questions in other words; all of
    them are taken out, so that no other section has its heading still.
    """
    files: dict[str, str] = {}
    questions = []
    for path in sorted(folder.rglob("*.md")):
        name = path.relative_to(folder).as_posix()
        kept: list[str] = []
        titles: list[tuple[str, int]] = []
        end = 0
        for line, title in _lines(_text(path)):
            if title:
                titles.append((title, end + (len(line) if with_headings else 0)))
            if with_headings or not title:
                kept.append(line)
                end += len(line)
        files[name] = text = "".join(kept)
        ends = [*(start for _, start in titles[1:]), end]
        questions += [
            Asked(text=title, file=name, spans=(span,))
            for (title, start), stop in zip(titles, ends, strict=True)
            if (span := _answer(text, title, start, stop))
        ]
    name = "sections" if with_headings else "sections, no headings"
    return QuestionSet(name=name, files=files, questions=questions)


def beir(folder: Path) -> QuestionSet:
    """A folder in BEIR's form; each document becomes a file of Markdown with its title on top."""
    files = {}
    for row in _rows(folder / "corpus.jsonl"):
        heading = f"# {row['title']}\n\n" if row.get("title") else ""
        files[f"{row['_id']}.md"] = heading + row["text"]
    texts = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    gains: dict[str, dict[str, int]] = {}
    with (folder / "qrels.tsv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if int(row["score"]) > 0:
                gains.setdefault(row["query-id"], {})[f"{row['corpus-id']}.md"] = int(row["score"])
    questions = [Asked(text=texts[one], gains=gain) for one, gain in gains.items()]
    return QuestionSet(name=folder.name, files=files, questions=questions)


def articles(folder: Path) -> QuestionSet:
    """BEIR's form with ``spans.jsonl``: paragraphs of one title joined, answers as spans."""
    files: dict[str, str] = {}
    places: dict[str, tuple[str, int]] = {}
    for row in _rows(folder / "corpus.jsonl"):
        name = f"{row['title']}.md".replace("/", "-")
        before = files.get(name, f"# {row['title'].replace('_', ' ')}") + "\n\n"
        places[row["_id"]] = (name, len(before))
        files[name] = before + row["text"]
    texts = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    questions = []
    for row in _rows(folder / "spans.jsonl"):
        name, start = places[row["doc_id"]]
        span = (start + row["start"], start + row["end"])
        questions.append(Asked(text=texts[row["query_id"]], file=name, spans=(span,)))
    return QuestionSet(name=f"{folder.name}, articles", files=files, questions=questions)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _text(path: Path) -> str:
    # As ragkit reads it, line ends and all.
    return path.read_bytes().decode("utf-8-sig")


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line with its end, and the words of the heading that it is."""
    fenced = False
    for line in text.splitlines(keepends=True):
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else _HEADING.match(line.rstrip("\r\n"))
        yield line, re.sub(r"[`*_]", "", heading[1]) if heading else ""


def _answer(text: str, title: str, start: int, stop: int) -> Span | None:
    body = text[start:stop]
    start, stop = start + len(body) - len(body.lstrip()), start + len(body.rstrip())
    if len(title.split()) < _FEWEST_HEADING_WORDS or start >= stop:
        return None
    tokens = count_tokens(text[start:stop])
    return (start, stop) if _FEWEST_ANSWER_TOKENS <= tokens <= _MOST_ANSWER_TOKENS else None
