"""Questions drafted from documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from ragkit import read
from ragkit.errors import InvalidArgument
from ragkit.evaluation.drafts import draft_questions
from ragkit.evaluation.querysets import Question
from ragkit.records import Document

FAQ = """# Support

## Can I rent a station?

Yes, for 65 euros a month. Ask sales.

**Does it work with old valves?**
With latching valves of 9 to 12 volts, yes.

Q: Who pays for the transport?
A: We pay for the transport in both directions.
"""
TERMS = """# Terms

A webhook is a POST to your address for each event. Another sentence follows here.

It is a long story about nothing. The lag is the age of the oldest message in the queue.

Restarts are a nuisance that nobody wants to see. Is this a question in the middle of prose? No.
"""
GERMAN = """# Begriffe

Die Regenrinne ist ein offenes Rohr am Rand des Daches und wird aus Zink gemacht.
"""


def document(tmp_path: Path, name: str, text: str) -> Document:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read(tmp_path / name)


def asked(questions: list[Question]) -> dict[str, str | None]:
    return {one.question: one.answer for one in questions}


def test_what_is_drafted(tmp_path: Path) -> None:
    """Headings and lines that ask, definitions, and headings with their first sentence."""
    faq = asked(draft_questions([document(tmp_path, "faq.md", FAQ)], 99))
    assert faq == {
        "Can I rent a station?": "Yes, for 65 euros a month.",
        "Does it work with old valves?": "With latching valves of 9 to 12 volts, yes.",
        "Who pays for the transport?": "We pay for the transport in both directions.",
    }
    terms = asked(draft_questions([document(tmp_path, "terms.md", TERMS)], 99))
    assert terms == {
        "What is a webhook?": "A webhook is a POST to your address for each event.",
        "What is the lag?": "The lag is the age of the oldest message in the queue.",
        "What are Restarts?": "Restarts are a nuisance that nobody wants to see.",
    }
    german = asked(draft_questions([document(tmp_path, "begriffe.md", GERMAN)], 99))
    assert list(german) == ["Was ist die Regenrinne?"]


WRAPPED = """# The pump

    indented = code_is_no_sentence.

- A list comes first. It is passed over.

It was E. M. Forster, i.e. the writer, who said
"Only connect!" to all of us, and `cargo test!`
was what they heard. Next to it there is more.

## But the valve

```
A comment is a line of code. It is none.
```

The solenoid valve is a valve that is
opened by a current of 24 volts. But the closed one is a nuisance for
all who wait. The difference is a matter of taste and no more than that.
Calling a plumber is a last resort of everybody.
"""


def test_sentences_are_whole(tmp_path: Path) -> None:
    """Neither the end of a line nor an abbreviation, a quotation or code ends a sentence."""
    assert asked(draft_questions([document(tmp_path, "pump.md", WRAPPED)], 99)) == {
        "What is the solenoid valve?": (
            "The solenoid valve is a valve that is\nopened by a current of 24 volts."
        ),
        "The pump": (
            'It was E. M. Forster, i.e. the writer, who said\n"Only connect!" to all of us, and'
            " `cargo test!`\nwas what they heard."
        ),
    }


def test_a_byline_answers_nothing(tmp_path: Path) -> None:
    """Under a heading the first sentence of the text counts, and not whose text it is."""
    text = (
        "# Privacy of data\n\nOwner: Ada Byron, of the data.\n\nA soil probe knows nobody's name.\n"
    )
    assert asked(draft_questions([document(tmp_path, "privacy.md", text)], 99)) == {
        "Privacy of data": "A soil probe knows nobody's name."
    }


def test_an_answer_is_where_it_says(tmp_path: Path) -> None:
    """Each answer is the document's text between start and end."""
    faq = document(tmp_path, "faq.md", FAQ)
    drafted = draft_questions([faq, document(tmp_path, "terms.md", TERMS)], 99)
    texts = {"faq.md": FAQ, "terms.md": TERMS}
    assert len(drafted) == 6
    for one in drafted:
        assert texts[one.sources[0]][one.start : one.end] == one.answer


def test_drafts_are_spread_and_the_same_each_time(tmp_path: Path) -> None:
    """As many documents as there are questions, whatever the order; shared questions are out."""
    documents = [
        document(
            tmp_path, f"{n}.md", f"# Part {n}\n\nThis is the text of part number {n}.\n\n{FAQ}"
        )
        for n in range(6)
    ]
    drafted = draft_questions(documents, 4)
    assert drafted == draft_questions(documents[::-1], 4)
    assert len({one.sources for one in drafted}) == 4
    assert all(one.question.startswith("Part ") for one in drafted)
    assert len(draft_questions(documents, 99)) == 6
    with pytest.raises(InvalidArgument, match="number=0"):
        draft_questions(documents, 0)


def test_hostile_text_takes_no_time() -> None:
    """A long run of one sign, of question marks or of halves of sentences ends soon."""
    for unit in ("a", "?", "# ", "A b ", "The x is ", "\n", "a.", "Q: ", "```\n", "A. "):
        text = unit * (100_000 // len(unit))
        draft_questions([Document(source="x.md", text=text)], 10)
