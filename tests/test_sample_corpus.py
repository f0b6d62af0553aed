"""The sample documents and the questions asked of them belong together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ragkit.reading import read
from ragkit.reading.walk import FoundFile, walk

CORPUS = Path(__file__).parent.parent / "sample_corpus"
MANUAL = "manuals/sluice-4-installer-manual.pdf"
KINDS = {
    ".csv",
    ".html",
    ".ipynb",
    ".json",
    ".jsonl",
    ".md",
    ".pdf",
    ".py",
    ".rst",
    ".tsv",
    ".txt",
    ".xml",
}


def _questions() -> list[dict[str, str]]:
    lines = (CORPUS / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _sources() -> list[str]:
    found = walk(CORPUS, max_file_bytes=1024 * 1024)
    return [item.source for item in found if isinstance(item, FoundFile)]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The text of each document, as its reader gives it."""
    return {source: read(CORPUS / source).text for source in _sources()}


def test_size_and_kinds_of_the_corpus() -> None:
    """There are 25 to 40 documents of every kind that is read, and at least 40 questions."""
    sources = _sources()
    assert 25 <= len(sources) <= 40
    assert {Path(source).suffix for source in sources} == KINDS
    assert len(_questions()) >= 40


def test_index_sees_neither_questions_nor_script() -> None:
    """What .ragignore names stays out of the index, else questions would find themselves."""
    assert {"questions.jsonl", "make_manual_pdf.py"}.isdisjoint(_sources())
    assert (CORPUS / "make_manual_pdf.py").is_file()


def test_every_answer_stands_in_its_document_alone(texts: dict[str, str]) -> None:
    """Each answer is a quote from the text of its source and of no other document."""
    for question in _questions():
        assert set(question) == {"question", "source", "answer"}
        holders = [source for source, text in texts.items() if question["answer"] in text]
        assert holders == [question["source"]], question


def test_every_document_is_asked_about(texts: dict[str, str]) -> None:
    """No document is there for nothing, and no question is asked twice."""
    questions = _questions()
    assert {question["source"] for question in questions} == set(texts)
    assert Counter(question["question"] for question in questions).most_common(1)[0][1] == 1


def test_half_of_the_questions_are_worded_differently() -> None:
    """At least half of the questions share at most a third of their words with the answer."""
    questions = _questions()
    different = 0
    for question in questions:
        asked = {word.strip(".,?:").lower() for word in question["question"].split()}
        asked = {word for word in asked if len(word) > 3}
        answer = question["answer"].lower()
        different += sum(word in answer for word in asked) * 3 <= len(asked)
    assert different * 2 >= len(questions)


def test_script_makes_the_manual_byte_for_byte(tmp_path: Path) -> None:
    """The committed PDF is what the committed script writes."""
    made = tmp_path / "manual.pdf"
    script = CORPUS / "make_manual_pdf.py"
    subprocess.run([sys.executable, str(script), str(made)], check=True, capture_output=True)
    assert made.read_bytes() == (CORPUS / MANUAL).read_bytes()


def test_manual_keeps_its_pages_and_chapters() -> None:
    """The manual reads as pages with their starts, its title, and its chapters as sections."""
    manual = read(CORPUS / MANUAL)
    assert len(manual.pages) == 4
    assert manual.title == "Sluice 4 Valve Controller: Installer's Manual"
    assert [section.title for section in manual.sections if section.level == 1] == [
        "1 Before you begin",
        "2 Mounting",
        "3 Wiring",
        "4 First start",
        "5 Technical data",
        "6 Faults during installation",
        "7 Taking out of service",
        "8 Declaration",
    ]


def test_page_furniture_of_the_web_page_is_gone() -> None:
    """Navigation, scripts and the footer of the HTML page are no part of its text."""
    text = read(CORPUS / "support/troubleshooting.html").text
    assert "Most faults can be put right with a brush" in text
    for furniture in ("trackScroll", "Help centre", "Imprint", "margin-left"):
        assert furniture not in text


def test_corpus_is_worth_searching(texts: dict[str, str]) -> None:
    """There are at least 25,000 words of it, and no document is a stub."""
    words = {source: len(text.split()) for source, text in texts.items()}
    assert sum(words.values()) >= 25_000
    assert min(words.values()) >= 250
