"""Figures with citations: which belong together, and which are the same number."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragkit.retrieval.figures import cited_figures, figure_in


def cited(answer: str) -> list[tuple[str, tuple[int, ...]]]:
    return [(one.text, one.numbers) for one in cited_figures(answer)]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("It takes 40 l/min at 230 V [1].", [("40", (1,)), ("230", (1,))]),
        ("It takes 40 l/min. It is from 1998 [2].", [("1998", (2,))]),
        ("It takes 3.5 l. [1] From 1998 [2, 3].", [("3.5", (1,)), ("1998", (2, 3))]),
        ("From 12,500 on [1][2] and from 7 on.", [("12,500", (1, 2))]),
        ("- 90% [1]\n- 80%\n2) 70 % [4]", [("90", (1,)), ("70", (4,))]),
        ("Part HN-0417 and v2 and A4 [1]", [("0417", (1,))]),
        ("See [1](http://x/9) and 8.", []),
        ("[1] 2024", []),
    ],
)
def test_a_figure_is_cited_by_its_own_sentence(
    answer: str, found: list[tuple[str, tuple[int, ...]]]
) -> None:
    """Citations cover their sentence, back to the citations before them; the rest is not cited."""
    assert cited(answer) == found
    for one in cited_figures(answer):
        assert answer[one.start : one.end] == one.text


@pytest.mark.parametrize(
    ("figure", "text", "same"),
    [
        ("12,500", "12500 pieces", True),
        ("12,500", "12.500 Stück", True),
        ("12,500", "12.5 m", True),
        ("12500", "12 500", False),
        ("12\u202f500", "12,500", True),
        ("1,234.5", "1234.50", True),
        ("1.234,5", "1,234.5", True),
        ("1.0.21", "1.0.21", True),
        ("1.0.21", "1021", False),
        ("90", "190 or 900 or 9.0", False),
        ("90", "90%", True),
        ("007", "7", True),
        ("2024", "A2024", False),
    ],
)
def test_numbers_are_compared_by_what_they_mean(figure: str, text: str, same: bool) -> None:
    """Thousands and decimals may be set in any way; other digits are another number."""
    assert (figure_in(figure, text, 0, len(text)) is not None) is same


@given(number=st.integers(1000, 10**12))
def test_every_way_to_set_thousands_is_one_number(number: int) -> None:
    """Commas, points, apostrophes and narrow blanks in threes."""
    for sign in ",.'\u2019\u202f":
        text = f"{number:,}".replace(",", sign)
        assert figure_in(str(number), text, 0, len(text)) == (0, len(text))


@given(answer=st.text(st.sampled_from("[]1, .\n9a%"), max_size=60))
def test_any_answer_is_read(answer: str) -> None:
    """Each figure stands before the citation that it is given."""
    for one in cited_figures(answer):
        assert answer[one.start : one.end] == one.text
        following = re.search(r"\[(\d+)", answer[one.end :])
        assert following is not None
        assert int(following[1]) == one.numbers[0]
