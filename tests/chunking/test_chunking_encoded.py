"""Files that stand in a text as data URLs: in the passages, and not in what is embedded."""

from __future__ import annotations

import base64

import pytest
from chunking_parts import OPENAI, assert_spans, document, seeded, sentence
from hypothesis import given
from hypothesis import strategies as st

from ragkit.chunking import Chunker
from ragkit.chunking.encoded import encoded_spans
from ragkit.chunking.recipe import embedded_text
from ragkit.records import Passage

BYTES = seeded("a picture").randbytes(29_999)
PAYLOAD = base64.b64encode(BYTES).decode()
URL = f"data:image/png;base64,{PAYLOAD}"


def lines_of(text: str, width: int, end: str = "\n") -> str:
    return end.join(text[at : at + width] for at in range(0, len(text), width))


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"data:image/svg+xml;charset=utf-8;base64,{PAYLOAD}",
        f"data:application/pdf;name=x.pdf;base64,{PAYLOAD}",
        f"data:;base64,{PAYLOAD}",
        "data:image/png;base64," + base64.urlsafe_b64encode(BYTES).decode(),
        URL.replace("/", "\\/"),
        f"data:image/png;base64,{lines_of(PAYLOAD, 76)}",
        f"data:image/png;base64,{lines_of(PAYLOAD, 64, chr(13) + chr(10))}",
    ],
)
def test_a_file_is_found_from_its_first_letter_to_its_last(url: str) -> None:
    """In whatever way it is written, and nothing of what stands around it."""
    for before, after in (("", ""), ("![x](", ") and prose."), ('{"icon": "', '"}'), ("a ", "\nb")):
        spans = encoded_spans(f"{before}{url}{after}")
        assert spans == ((len(before), len(before) + len(url)),)


@pytest.mark.parametrize(
    "text",
    [
        "data: the rows below",
        "data:,hello%20world",
        "data:image/png;base64, is how such a URL begins",
        "The smallest picture is data:image/gif;base64,R0lGODlhAQABAAAAACw= and nothing else.",
        f"a hash {PAYLOAD[:200]} and no URL",
    ],
)
def test_what_only_speaks_of_data_is_text(text: str) -> None:
    """A passage that begins with ``data:`` is a text like any other."""
    assert encoded_spans(text) == ()
    (passage,) = Chunker().split(document(text))
    assert embedded_text(None, passage) == text


@pytest.mark.parametrize("model", ["local/all-minilm-l6-v2", OPENAI])
def test_nothing_of_a_file_is_embedded_and_every_word_around_it_is(model: str) -> None:
    """The passages are the whole document; the letters of the file are in no embedded text."""
    text = f"# Pumps\n\nThe pump runs at noon.\n\n![x]({URL}) Then it rests.\n\nAnd cools down.\n"
    of = document(text)
    passages = Chunker(model=model, max_tokens=64).split(of)
    assert_spans(of, passages)
    assert len(passages) > 100
    embedded = [embedded_text(None, passage) for passage in passages]
    said = "\n".join(filter(None, embedded))
    for words in ("The pump runs at noon.", "Then it rests.", "And cools down."):
        assert words in said
    assert len(said) < 200
    assert sum(not text for text in embedded) > 100
    # Nor are words shown with letters of the file, which goes on over the edge of their passage.
    shown = [passage.text for passage in passages if embedded_text(None, passage)]
    assert shown == [
        "# Pumps\n\nThe pump runs at noon.\n\n![x](",
        ") Then it rests.\n\nAnd cools down.",
    ]
    assert passages[-1].line == 5


def test_a_passage_of_many_files_is_what_stands_between_them() -> None:
    """A list of icons keeps its words; brackets alone are none."""
    icon = f"data:image/png;base64,{PAYLOAD[:40]}"
    (passage,) = Chunker().split(document(f"- ![]({icon}) open\n- ![]({icon}) shut\n"))
    assert embedded_text(None, passage) == "- ![]() open\n- ![]() shut"
    (passage,) = Chunker().split(document(f"![]({icon})\n![]({icon})\n"))
    assert embedded_text("Icons", passage) == ""


@given(st.data())
def test_words_are_embedded_wherever_files_stand(data: st.DataObject) -> None:
    """However files and sentences follow one another, and however they are cut."""
    generator = seeded(data.draw(st.integers(0, 10_000)))
    sizes = data.draw(st.lists(st.integers(40, 4_000), max_size=4))
    said = [sentence(generator) for _ in range(len(sizes) + 1)]
    gap = data.draw(st.sampled_from(["\n\n", " ", "\n"]))
    files = [f"![](data:image/png;base64,{PAYLOAD[:size]})" for size in sizes]
    parts = [part for pair in zip(said, files, strict=False) for part in pair] + said[-1:]
    of = document(gap.join(parts))
    passages = Chunker(max_tokens=data.draw(st.integers(20, 200))).split(of)
    assert_spans(of, passages)
    embedded = [embedded_text(None, passage) for passage in passages]
    assert not any(PAYLOAD[at : at + 20] in text for at in (0, 20) for text in embedded)
    for passage, text in zip(passages, embedded, strict=True):
        begins = [passage.text[start:].startswith("data:") for start, _ in passage.encoded]
        assert not text or all(begins)
    words = "".join(embedded).replace("![](", "").replace(")", "")
    assert "".join(words.split()) == "".join("".join(said).split())


def test_where_front_matter_ends_a_file_may_begin() -> None:
    """What is left out on two grounds is left out once."""
    icon = f"data:image/png;base64,{PAYLOAD[:60]}"
    text = f"---\nicon: {icon}\n---\n\n![]({icon}) Keys turn."
    (passage,) = Chunker().split(document(text))
    assert isinstance(passage, Passage)
    assert len(passage.encoded) == 2
    assert embedded_text(None, passage) == "![]() Keys turn."
