"""Quotations in a text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.retrieval.matching import QuotableText

TEXT = (
    "Signing keys are\u00a0rotated every  ninety\n\tdays \u2013 never later. It\u2019s"
    " \u201cthe\u201d rule.\r\nCafe\u0301s close. Die Stra\u00dfe ist zu."
    " \u79c1\u306f\u732b\u3067\u3059\u3002 soft\u00adware"
)


@pytest.mark.parametrize(
    ("quotation", "found", "kind"),
    [
        ("Signing keys", "Signing keys", "exact"),
        (" Signing keys ", "Signing keys", "exact"),
        ("signing KEYS are rotated", "Signing keys are\u00a0rotated", "alike"),
        ("every ninety days - never", "every  ninety\n\tdays \u2013 never", "alike"),
        ("It's 'the' rule", "It\u2019s \u201cthe\u201d rule", "alike"),
        ("never later,", "never later", "alike"),
        ("Caf\u00e9s close", "Cafe\u0301s close", "alike"),
        ("software", "soft\u00adware", "alike"),
        ("\u732b\u3067\u3059", "\u732b\u3067\u3059", "exact"),
        ("igning keys", None, None),
        ("Signing key", None, None),
        ("every ninety hours", None, None),
        ("...", None, None),
        ("  ", None, None),
    ],
)
def test_what_a_quotation_is_found_as(quotation: str, found: str | None, kind: str | None) -> None:
    """White space, case, quotes, dashes and accents may differ; words may not, nor be cut."""
    match = QuotableText(TEXT).find(quotation)
    assert (match and TEXT[match.start : match.end], match and match.kind) == (found, kind)


def test_all_places_are_found_in_order() -> None:
    """Exact places come alone; where there are none, all that are alike."""
    text = QuotableText("One day. one DAY. One day, one daydream.")
    assert [match.start for match in text.places("One day")] == [0, 18]
    assert [match.start for match in text.places("ONE DAY")] == [0, 9, 18]


WORDS = st.lists(
    st.sampled_from(["alpha", "Beta", "\u0130x", "na\u00efve", "\u4e2d\u6587", "7"]), min_size=1
)
BLANKS = st.sampled_from([" ", "\n", " \t ", "\u00a0", "\r\n"])


@settings(deadline=None, max_examples=80)
@given(before=WORDS, quoted=WORDS, after=WORDS, blanks=st.lists(BLANKS, min_size=60, max_size=60))
def test_a_retyped_passage_is_found_where_it_stands(
    before: list[str], quoted: list[str], after: list[str], blanks: list[str]
) -> None:
    """Whatever blanks a text has, its words joined by single ones are found, and span the words."""

    def joined(words: list[str]) -> str:
        return "".join(word + blanks.pop() for word in words[:18])

    text = joined(before) + joined(quoted) + joined(after)
    match = QuotableText(text).find(" ".join(quoted[:18]).upper().replace("\u0130X", "\u0130x"))
    assert match is not None
    assert [word.lower() for word in text[match.start : match.end].split()] == [
        word.lower() for word in quoted[:18]
    ]


def test_hostile_text_takes_no_time() -> None:
    """A long run of blanks or of one letter, asked for one letter or for blanks, ends soon."""
    started_s = time.process_time()
    for text in (" " * 300_000, "a" * 300_000, "a " * 150_000, "a\n" * 150_000):
        for quotation in ("a", "aa", "a" * 1000, "a " * 1000 + "b", "b"):
            QuotableText(text).find(quotation)
    assert time.process_time() - started_s < 20
