"""Where passages begin and end, and what they say of their place."""

from __future__ import annotations

import pytest
from chunking_parts import OPENAI, assert_spans, document, seeded, sentence

from ragkit.chunking import Chunker
from ragkit.errors import InvalidArgument, UnknownModel
from ragkit.records import Block, Document, Image, Passage, Section

GENERATOR = seeded(0)
LONG = " ".join(sentence(GENERATOR) for _ in range(6))


def split(text: str, **fields: object) -> list[Passage]:
    of = document(text, **fields)
    passages = Chunker(model=OPENAI).split(of)
    assert_spans(of, passages)
    return passages


def test_a_blank_document_has_no_passages() -> None:
    """Nothing but white space is nothing to find."""
    assert split("") == []
    assert split(" \n\t\r\n\u3000") == []


def test_a_short_document_is_one_passage() -> None:
    """What fits in a passage is one, trimmed."""
    (passage,) = split("\n\n  One line. And another.\n\n")
    assert (passage.start, passage.end, passage.line) == (4, 26, 3)
    assert passage.text == "One line. And another."


def test_a_heading_begins_the_passage_of_what_follows_it() -> None:
    """Headings never end a passage, and passages know the headings they stand under."""
    text = f"# Guide\n\n## Setup\n\n{LONG}\n\n{LONG}\n\n## Use\n\n{LONG}\n"
    passages = split(text, media_type="text/markdown")
    assert passages[0].text.startswith("# Guide\n\n## Setup\n\n")
    assert passages[0].headings == ("Guide",)
    assert any(passage.text.startswith("## Use\n\n") for passage in passages)
    assert {passage.headings for passage in passages[1:]} == {("Guide", "Setup"), ("Guide", "Use")}


def test_underlined_headings_are_seen_in_plain_text() -> None:
    """Plain text has headings too: underlined, with blank lines around."""
    passages = split(f"Intro\n=====\n\n{LONG}\n\nMore\n----\n\n{LONG}\n")
    assert [passage.headings for passage in passages][-1] == ("Intro", "More")
    assert passages[0].text.startswith("Intro\n=====\n\n")


def test_wiki_headings_are_seen_in_plain_text() -> None:
    """MediaWiki's headings need no blank lines, and may have blanks between their signs."""
    text = f"== Plot ==\n{LONG}\n{LONG}\n = = = Music = = = \n{LONG}\n{LONG}\n== Legacy ==\n{LONG}"
    found = [passage.headings for passage in split(text)]
    assert sorted(set(found)) == [("Legacy",), ("Plot",), ("Plot", "Music")]
    assert {passage.headings for passage in split(f"a = b\n\n==== Front\n{LONG}\nx == y\n")} == {()}


def test_comments_are_no_headings() -> None:
    """A line with a hash in a script or a fence opens no section."""
    script = "# install\npip install x\n# run\nx --help\n" * 20
    assert {passage.headings for passage in split(script)} == {()}
    fenced = f"# Real\n\n{LONG}\n\n```sh\n# comment\nls\n```\n\n{LONG}\n"
    headings = {passage.headings for passage in split(fenced, media_type="text/markdown")}
    assert headings == {("Real",)}


def test_sections_of_the_reader_win() -> None:
    """Where the reader gave sections, paths come from them and lines are not asked."""
    text = f"Alpha\n\n{LONG}\n\nBeta\n\n{LONG}\n\n# not a heading\n\n{LONG}"
    beta = text.index("Beta")
    sections = (
        Section(start=0, end=len(text), level=1, title="Alpha"),
        Section(start=beta, end=len(text), level=2, title="Beta"),
    )
    passages = split(text, sections=sections)
    assert passages[0].headings == ("Alpha",)
    assert passages[-1].headings == ("Alpha", "Beta")
    assert beta in [passage.start for passage in passages]


def test_small_sections_share_a_passage() -> None:
    """Sections of a line each do not make passages of a line each."""
    text = "".join(f"## Term {n}\n\nIts meaning.\n\n" for n in range(60))
    passages = split(text, media_type="text/markdown")
    assert len(passages) <= 15
    assert all(passage.text.startswith("## Term") for passage in passages)


def test_sentences_are_cut_where_they_end() -> None:
    """One long paragraph is cut between sentences, not at abbreviations or initials."""
    text = "Dr. J. Smith of Acme Inc. and Co. paid 3.5 percent, e.g. Monday, No. 7 first. " * 60
    passages = split(text)
    assert len(passages) > 5
    assert all(passage.text.startswith("Dr. J. Smith") for passage in passages)
    assert all(passage.text.endswith("first.") for passage in passages)


def test_wrapped_lines_are_cut_at_sentences() -> None:
    """Hard-wrapped prose is not cut where a line merely was full."""
    import textwrap

    text = textwrap.fill(" ".join(sentence(GENERATOR) for _ in range(80)), 72)
    passages = split(text)
    assert len(passages) > 8
    assert sum(passage.text.endswith(".") for passage in passages) >= len(passages) - 1


def test_no_word_is_cut() -> None:
    """Words stay whole where the text has no better place to cut than between them."""
    text = " ".join(GENERATOR.choices(["alpha", "beta", "gamma", "delta"], k=4000))
    known = {"alpha", "beta", "gamma", "delta"}
    assert {word for passage in split(text) for word in passage.text.split()} == known


def test_one_long_word_is_left_whole_within_the_limit() -> None:
    """A word longer than a passage but within the model's limit is not cut."""
    word = "".join(GENERATOR.choices("abcdefghij0123456789", k=900))
    passages = split(f"{LONG}\n\n{word}\n\n{LONG}")
    assert any(word in passage.text for passage in passages)


def test_chinese_is_cut_at_its_punctuation() -> None:
    """Text without blanks is cut after its stops, and never before one."""
    text = "".join(
        "".join(chr(GENERATOR.randint(0x4E00, 0x5E00)) for _ in range(15))
        + "，" * (n % 3 > 0)
        + "。" * (n % 3 == 0)
        for n in range(300)
    )
    passages = split(text)
    assert len(passages) > 20
    assert all(passage.text[-1] in "，。" for passage in passages)


def test_marks_stay_with_their_letters() -> None:
    """No passage begins with a combining mark, even inside one endless word."""
    text = "e\u0301" * 20_000
    passages = split(text)
    assert len(passages) > 1
    assert all(passage.text[0] == "e" for passage in passages)


def test_rows_are_whole() -> None:
    """Rows of a table are not cut, over several lines neither."""
    rows = [f'{n},"First line.\nSecond. Third of {n}",{n * n}' for n in range(200)]
    text = "\n".join(rows)
    places = [0]
    for row in rows[:-1]:
        places.append(places[-1] + len(row) + 1)
    blocks = tuple(
        Block(start=place, end=place + len(row), kind="row")
        for place, row in zip(places, rows, strict=True)
    )
    passages = split(text, blocks=blocks, media_type="text/csv")
    assert len(passages) > 10
    assert {passage.start for passage in passages} <= set(places)


def test_lines_and_pages_are_counted() -> None:
    """Lines count LF, CRLF and lone CR; pages count from one."""
    text = f"One.\r\nTwo.\rThree.\n\n{LONG}\n\n{LONG}\n\n{LONG}"
    page = text.index(LONG, 40)
    passages = split(text, pages=(0, page))
    assert passages[0].line == 1
    assert passages[0].page == 1
    assert passages[-1].page == 2
    assert passages[-1].line == 9
    assert any(passage.start == page for passage in passages)


def test_what_the_document_says_is_carried() -> None:
    """Root, source, metadata and image are the document's."""
    image = Image(path="a.png", width_px=4, height_px=3)
    of = Document(source="a.png", root="pictures", text="A cat.", metadata={"k": 1}, image=image)
    (passage,) = Chunker(model=OPENAI).split(of)
    assert (passage.root, passage.source, passage.metadata) == ("pictures", "a.png", {"k": 1})
    assert passage.image == image
    silent = Document(source="a.png", text="", image=image)
    (picture,) = Chunker(model=OPENAI).split(silent)
    assert (picture.text, picture.start, picture.end, picture.image) == ("", 0, 0, image)


def test_front_matter_rides_with_the_first_passage() -> None:
    """Front matter belongs to the first passage where both fit, else it stands alone."""
    matter = "---\ntitle: Keys\ntags: [a, b]\n---\n"
    passages = split(f"{matter}\n# Keys\n\n{LONG}\n\n{LONG}", media_type="text/markdown")
    assert passages[0].start == 0
    assert passages[0].text.startswith("---\ntitle: Keys")
    assert "# Keys" in passages[0].text
    matter = "---\ntitle: Keys\n" + "- tag\n" * 16 + "---\n"
    of = document(f"{matter}\n{LONG}\n\n{LONG}")
    tight = Chunker(model=OPENAI, max_tokens=64).split(of)
    assert_spans(of, tight)
    assert tight[0].text == matter.strip()
    alone = split(matter)
    assert [passage.text for passage in alone] == [matter.strip()]


@pytest.mark.parametrize("field", ["max_tokens", "passage_tokens"])
def test_sizes_below_one_are_refused(field: str) -> None:
    """A size of nothing is an error that names it."""
    with pytest.raises(InvalidArgument, match=f"{field}=0"):
        Chunker(model=OPENAI, **{field: 0})


def test_a_limit_without_room_is_refused() -> None:
    """A limit below what one character takes says what the least is."""
    with pytest.raises(InvalidArgument, match="give 4 or more"):
        Chunker(model=OPENAI, max_tokens=1)


def test_an_unknown_embedded_model_is_refused() -> None:
    """The catalogue's own error reaches the caller."""
    with pytest.raises(UnknownModel, match="local/all-minilm-l6-v2"):
        Chunker(model="local/other")
