"""Query sets as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import InvalidArgument, PathNotFound
from ragkit.evaluation.querysets import (
    Question,
    parse_questions,
    question_json,
    read_questions,
    write_questions,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
QUESTIONS = st.builds(
    Question,
    question=TEXTS,
    sources=st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple),
    answer=st.none() | TEXTS,
    page=st.none() | st.integers(1, 99),
)


@settings(deadline=None, max_examples=50)
@given(questions=st.lists(QUESTIONS, min_size=1, max_size=4))
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, questions: list[Question]
) -> None:
    """Any questions survive a file, line separators of Unicode in them included."""
    path = tmp_path_factory.mktemp("sets") / "questions.jsonl"
    write_questions(path, questions)
    assert read_questions(path) == questions


def test_a_set_by_hand(tmp_path: Path) -> None:
    """One source or a list, a span, a byte order mark, blank lines and unknown keys are taken."""
    path = tmp_path / "set.jsonl"
    path.write_text(
        '\ufeff{"question": "Who?", "source": "a.md", "answer": "me", "id": 7}\r\n\r\n'
        '{"question": "When?", "source": ["a.md", "b.pdf"], "page": 2, "start": 5, "end": 9}\n',
        encoding="utf-8",
    )
    first, second = read_questions(path)
    assert first == Question(question="Who?", sources=("a.md",), answer="me")
    assert second == Question(question="When?", sources=("a.md", "b.pdf"), page=2, start=5, end=9)
    assert question_json(first) == {"question": "Who?", "source": "a.md", "answer": "me"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[]", "line 2 is no JSON object"),
        ('{"source": "a"}', 'line 2 has no "question"'),
        ('{"question": " ", "source": "a"}', 'line 2 has no "question"'),
        ('{"question": "q"}', 'line 2 has no "source"'),
        ('{"question": "q", "source": []}', 'line 2 has no "source"'),
        ('{"question": "q", "source": ["a", 1]}', "holds what is no name"),
        ('{"question": "q", "source": "a", "answer": 1}', '"answer" is no text'),
        ('{"question": "q", "source": "a", "page": 0}', '"page" is 0'),
        ('{"question": "q", "source": "a", "start": 3}', "are no span"),
        ('{"question": "q", "source": "a", "start": 3, "end": 3}', "are no span"),
        ('{"question": "q", "source": "a", "start": true, "end": 3}', '"start" is True'),
    ],
)
def test_a_bad_line_is_named(line: str, said: str) -> None:
    """An error says which line it is and what is wrong there."""
    with pytest.raises(InvalidArgument, match="the query set, ") as caught:
        parse_questions(["", line])
    assert said in str(caught.value)


def test_files_that_are_no_set(tmp_path: Path) -> None:
    """No file, no UTF-8 and no question are errors of their own; no file is overwritten."""
    with pytest.raises(PathNotFound, match="no query set at"):
        read_questions(tmp_path / "none.jsonl")
    (tmp_path / "latin").write_bytes(b"\xe9")
    with pytest.raises(InvalidArgument, match="not UTF-8"):
        read_questions(tmp_path / "latin")
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(InvalidArgument, match="has no question"):
        read_questions(tmp_path / "empty")
    with pytest.raises(InvalidArgument, match="exists: name a new file"):
        write_questions(tmp_path / "empty", [])
