from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading_code_samples import SAMPLES, CodeSample

from ragkit.chunking import Chunker
from ragkit.reading.files import read_bytes, read_file
from ragkit.reading.messages import ReadRequest
from ragkit.records import Document

NAMES = [sample.name for sample in SAMPLES]
SIGNS = "class def function fn func struct { } ( ) [ ] < > => : ; \n , ' \" /* */ // # é 1 = end"


def document(name: str, text: str) -> Document:
    return read_bytes(text.encode(), source=name).document


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_classes_and_functions_are_sections(sample: CodeSample) -> None:
    """Each language's definitions are found, nested as they stand, titled by their signature."""
    found = document(sample.name, sample.text)
    assert found.text == sample.text
    assert [(section.level, section.title) for section in found.sections] == list(sample.sections)


@pytest.mark.parametrize("sample", SAMPLES, ids=NAMES)
def test_comments_and_decorators_belong_to_what_they_stand_above(sample: CodeSample) -> None:
    """A section begins with its doc comment and decorators and ends with its last sign."""
    found = document(sample.name, sample.text)
    spans = {s.title: found.text[s.start : s.end] for s in found.sections}
    for title, (begins, ends) in sample.spans.items():
        assert spans[title].startswith(begins), spans[title]
        assert spans[title].endswith(ends), spans[title]


def test_a_passage_knows_its_class_and_method() -> None:
    """A long method's parts stand under class and method, and no passage mixes two methods."""
    lines = [f"        total += weigh('part number {i} of the lamp', {i})" for i in range(40)]
    text = "class Lamp(Device):\n    def weight(self, spare: bool) -> int:\n        total = 0\n"
    text += "\n".join(lines) + "\n        return total\n\n    def colour(self):\n"
    text += '        """Green, as all lamps of the house have been since the fire."""\n'
    text += "        return self.paint.mix('green', 'as in the first catalogue')\n"
    passages = Chunker().split(document("a.py", text))
    path = ("class Lamp(Device)", "def weight(self, spare: bool) -> int")
    assert [p.headings for p in passages[1:-1]] == [path] * (len(passages) - 2)
    assert passages[-1].headings == ("class Lamp(Device)", "def colour(self)")
    assert passages[-1].text.startswith("def colour(self):")


def test_what_does_not_parse_is_read_all_the_same() -> None:
    """Around a syntax error the definitions are still found, and the text is whole."""
    text = "def f(:\n    return 1\n\n\ndef g(x):\n    return 2\n"
    found = document("a.py", text)
    assert found.text == text
    assert "def g(x)" in [section.title for section in found.sections]


@pytest.mark.parametrize("name", NAMES)
@given(signs=st.lists(st.sampled_from(SIGNS.split(" ")), max_size=60))
def test_any_text_gives_sound_sections_and_blocks(name: str, signs: list[str]) -> None:
    """Whatever the signs, sections nest, blocks are apart and cover all that is not blank."""
    text = " ".join(signs)
    if not text.strip():
        return
    found = document(name, text)
    assert found.text == text
    around: list[int] = []
    for section in found.sections:
        while around and around[-1] <= section.start:
            around.pop()
        assert section.level == len(around) + 1
        assert section.start < section.end <= min(around, default=len(text))
        around.append(section.end)
    at = 0
    for block in found.blocks:
        assert block.start >= at
        assert not text[at : block.start].strip()
        at = block.end
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("name", "unit", "count"),
    [
        ("a.py", "{", 300_000),
        ("a.py", "(", 300_000),
        ("a.js", "(x) => ,", 30_000),
        ("a.java", "a<", 100_000),
        ("a.cs", "a<", 100_000),
        ("a.cpp", "a<\n", 100_000),
        ("a.go", "func f() {\n", 20_000),
    ],
)
def test_hostile_code_is_bounded_and_read_as_text(name: str, unit: str, count: int) -> None:
    """What takes a parser minutes, gigabytes or its life is given up early and kept as text."""
    text = unit * count
    assert document(name, text).text == text


def test_code_is_read_with_care_when_asked(tmp_path: Path) -> None:
    """The careful way keeps the text, does without sections, and says so."""
    path = tmp_path / "a.py"
    path.write_text("def f():\n    pass\n", encoding="utf-8")
    request = ReadRequest(
        path=os.fsencode(path), source="a.py", root="", max_file_bytes=1000, careful=True
    )
    reply = read_file(request)
    assert reply is not None
    assert reply.document is not None
    assert (reply.document.text, reply.document.sections) == ("def f():\n    pass\n", ())
    assert "its parser crashed" in reply.warnings[0]


def test_a_format_without_a_careful_way_says_so(tmp_path: Path) -> None:
    """There is no second way to read a text, so there is no reply."""
    path = tmp_path / "a.txt"
    path.write_text("lamp", encoding="utf-8")
    request = ReadRequest(
        path=os.fsencode(path), source="a.txt", root="", max_file_bytes=1000, careful=True
    )
    assert read_file(request) is None


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        ("#!/usr/bin/env python3", "text/x-python"),
        ("#!/bin/sh", "text/x-shellscript"),
        ("#!/usr/bin/awk -f", "text/x-source"),
    ],
)
def test_a_script_without_an_extension_says_its_language(first: str, kind: str) -> None:
    """The interpreter that the first line names decides."""
    assert document("run", f"{first}\nx\n").media_type == kind
