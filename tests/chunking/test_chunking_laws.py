"""Law 1 on any text, law 4 on any edit, and bounded time."""

from __future__ import annotations

import time

import pytest
from chunking_parts import KINDS, OPENAI, assert_spans, document, seeded, units
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.chunking import Chunker
from ragkit.records import Block, Section

ODD = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("aA1 .\n\n\r\t#-|`>*:\"'=。，字\u0301\u200d\u3000\xa0\x0c\u2028é😀—")),
        st.characters(),
    ),
    max_size=400,
)
PIECES = st.lists(
    st.sampled_from(
        ["# Head\n", "## Under\n\n", "Title\n=====\n", "- item\n", "1. item. Two\n", "| a | b |\n",
         "```py\n", "```\n", "> quoted\n", "word ", "A sentence. ", "Wait! ", "\n\n", "\r\n", "\r",
         "---\n", "title: x\n", "字字，字。", "a" * 90, "  indented\n", "<|endoftext|>", "\ud800",
         "…", "e.g. Foo", ").\n\n", '"Key": "value",\n', "  \n", "\u3000"]
    ),
    max_size=60,
)  # fmt: skip


@settings(deadline=None, max_examples=120)
@given(text=st.one_of(ODD, PIECES.map("".join)), size=st.sampled_from([1, 8, 20, 100]))
def test_any_text_is_covered_by_spans(text: str, size: int) -> None:
    """Whatever the text, its passages are spans of it, apart, in order, and miss nothing."""
    of = document(text)
    assert_spans(of, Chunker(model=OPENAI, passage_tokens=size).split(of))


@settings(deadline=None, max_examples=80)
@given(text=PIECES.map("".join), limit=st.integers(8, 60))
def test_any_limit_is_kept(text: str, limit: int) -> None:
    """However small the limit, passages are spans and none but single characters are over it."""
    of = document(text, title="A title")
    passages = Chunker(model=OPENAI, max_tokens=limit).split(of)
    assert_spans(of, passages)
    assert all(passage.tokens <= limit for passage in passages)
    assert all(len(passage.text) <= 8 * limit for passage in passages)


@settings(deadline=None, max_examples=60)
@given(data=st.data(), text=PIECES.map("".join))
def test_any_structure_is_borne(data: st.DataObject, text: str) -> None:
    """Blocks, sections and pages at any place, sensible or not, break no law."""
    places = st.integers(0, len(text))
    spans = data.draw(st.lists(st.tuples(places, places), max_size=8).map(sorted))
    kinds = st.sampled_from(["heading", "paragraph", "list", "table", "row", "code", "quote"])
    blocks = tuple(Block(start=min(span), end=max(span), kind=data.draw(kinds)) for span in spans)
    sections = tuple(
        Section(start=min(span), end=max(span), level=data.draw(st.integers(1, 7)), title="T")
        for span in spans
    )
    of = document(
        text,
        blocks=tuple(sorted(blocks, key=lambda block: block.start)),
        sections=tuple(sorted(sections, key=lambda section: section.start)),
        pages=tuple(sorted(data.draw(st.lists(places, max_size=4)))),
    )
    passages = Chunker(model=OPENAI, passage_tokens=20).split(of)
    assert_spans(of, passages)
    assert all((passage.page is None) == (not of.pages) for passage in passages)


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_changes_at_most_six_passages(kind: str) -> None:
    """A paragraph or line put in, taken out or replaced leaves all but six passages as they are."""
    generator = seeded(kind)
    for _ in range(10):
        parts, between = units(kind, generator, {"words": 8000}.get(kind, 400))
        before = Chunker(model=OPENAI).split(document(between.join(parts)))
        edited = list(parts)
        place = generator.randrange(len(edited))
        fresh, _ = units(kind, generator, 1)
        edited[place : place + generator.randint(0, 1)] = generator.choice((fresh, []))
        after = Chunker(model=OPENAI).split(document(between.join(edited)))
        old, new = {passage.text for passage in before}, {passage.text for passage in after}
        assert sum(passage.text not in old for passage in after) <= 6
        assert sum(passage.text not in new for passage in before) <= 6


def test_an_edit_in_a_megabyte_of_chat_changes_at_most_six_passages() -> None:
    """A megabyte without a heading or a blank line is cut locally too."""
    generator = seeded(4)
    lines, between = units("chat", generator, 14_000)
    text = between.join(lines)
    assert len(text) > 1_000_000
    before = Chunker(model=OPENAI).split(document(text))
    lines[200] = "eve: this line was written anew, and is somewhat longer than it used to be"
    after = Chunker(model=OPENAI).split(document(between.join(lines)))
    old, new = {passage.text for passage in before}, {passage.text for passage in after}
    assert 1 <= len(new - old) <= 6
    assert 1 <= len(old - new) <= 6


@pytest.mark.parametrize("kind", KINDS)
def test_sizes_stay_near_the_target(kind: str) -> None:
    """Passages have about 100 tokens in the mean, and hardly any is tiny or very long."""
    parts, between = units(kind, seeded(kind), {"words": 20_000}.get(kind, 700))
    passages = Chunker(model=OPENAI).split(document(between.join(parts)))
    sizes = sorted(passage.tokens for passage in passages)
    assert 75 <= sum(sizes) / len(sizes) <= 115
    assert sizes[len(sizes) // 20] >= 30
    assert sizes[-1] <= 240


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "\n" * 1_000_000 + "x",
        "x" + " " * 1_000_000 + "y",
        "a\nb\n" * 250_000,
        "The same paragraph again.\n\n" * 20_000,
        "".join(">" * depth + " q\n" for depth in range(1, 1500)),
        ">" * 5000 + " deep",
        "字" * 200_000,
        "e" + "\u0301" * 300_000,
        "=" * 1_000_000,
        "# h\n\n" * 60_000,
        "```\n" * 100_000,
        "A. " * 200_000,
        "---\n" + "a: b\n" * 100_000,
    ],
    ids=lambda text: f"{text[:6]!r}-{len(text)}",
)
@pytest.mark.parametrize("model", [OPENAI, "someone/unheard-of"])
def test_monotonous_texts_take_bounded_time(text: str, model: str) -> None:
    """A megabyte of nearly nothing is cut in about a second, and lawfully."""
    chunker = Chunker(model=model)
    began = time.process_time()
    passages = chunker.split(document(text))
    assert time.process_time() - began < 3.0
    assert "".join("".join(passage.text.split()) for passage in passages) == "".join(text.split())
    assert all(len(passage.text) <= 8 * chunker.max_tokens for passage in passages)


def test_the_same_document_is_cut_the_same() -> None:
    """Two chunkers agree, whatever either cut before."""
    parts, between = units("prose", seeded(1), 50)
    of = document(between.join(parts))
    busy = Chunker(model=OPENAI)
    busy.split(document("Something else."))
    assert busy.split(of) == Chunker(model=OPENAI).split(of)
