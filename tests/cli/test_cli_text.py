"""Text made fit for a terminal: widths, wrapping, bars, lists of problems."""

from __future__ import annotations

import ast
from decimal import Decimal
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.cli.looks import Looks, columns, inline, marked, named, printable, shortened, wrap
from ragkit.cli.output import jsonable
from ragkit.cli.progress_bar import bar_line
from ragkit.cli.report import bytes_text, dollars, problem_lines
from ragkit.sync.progress import Progress

TEXT = st.text(alphabet=st.sampled_from("ab é東京\u0301\t-."), max_size=60)
PLAIN = Looks(width=60)


@settings(deadline=None, max_examples=100)
@given(text=TEXT, width=st.integers(2, 20))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    """Every character that is no blank is in one line, in order, and no line is too wide."""
    lines = wrap(text, (0, len(text)), width)
    shown = [text[start:end] for start, end in lines]
    assert "".join("".join(line.split()) for line in shown) == "".join(text.split())
    assert all(columns(line) <= width for line in shown)
    assert all(left[1] <= right[0] for left, right in pairwise(lines))


@settings(deadline=None, max_examples=100)
@given(text=st.text(max_size=60))
def test_printable_keeps_positions(text: str) -> None:
    """As many characters as before, none of them a control character but the line feed."""
    shown = printable(text)
    assert len(shown) == len(text)
    assert not any(ord(each) < 32 or 127 <= ord(each) < 160 for each in shown if each != "\n")
    assert "\n" not in inline(text)


@settings(deadline=None, max_examples=300)
@given(
    name=st.text(alphabet=st.one_of(st.sampled_from("ab \n\t'\"\\\u2028\x1b\x9b"), st.characters()))
)
def test_a_name_stays_itself(name: str) -> None:
    """It is shown on one line, steers no terminal, and is told from every other name."""
    shown = named(name)
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert (ast.literal_eval(shown) if shown.startswith(("'", '"')) else shown) == name


@settings(deadline=None, max_examples=60)
@given(text=TEXT, width=st.integers(4, 30))
def test_shortened_fits(text: str, width: int) -> None:
    """What fits stays as it is; the rest ends with the sign of omission, and fits."""
    short = shortened(text, width, "…")
    assert short == text or short.endswith("…")
    assert columns(short) <= width


def test_marks_are_cut_to_the_line() -> None:
    """A match that a line break splits is bold on both lines."""
    looks = Looks(width=80, color=True)
    assert marked("abcdef", (0, 3), [(2, 4)], looks) == "ab\x1b[1mc\x1b[22m"
    assert marked("abcdef", (3, 6), [(2, 4)], looks) == "\x1b[1md\x1b[22mef"


def test_the_bar_says_what_is_known() -> None:
    """Share, time left, rate, tokens and money, each only once it is known."""
    begun = Progress(total_bytes=1000)
    assert bar_line(begun, 0.0, PLAIN) == f"{'─' * 30}    0%"
    moment = Progress(
        total_bytes=1000, done_bytes=250, texts=500, tokens=45_300, cost_usd=Decimal("0.0123")
    )
    said = bar_line(moment, 20.0, Looks(width=100))
    assert said == f"{'━' * 7}{'─' * 23}   25%  ETA 1:00  25 texts/s  45.3k tokens  $0.0123"
    assert bar_line(moment, 20.0, Looks(width=100, unicode=False)).startswith("#######---")
    assert len(bar_line(moment, 20.0, Looks(width=20))) <= 19
    assert bar_line(moment, 14_400.0, Looks(width=100)).split("  ")[-4] == "ETA 12:00:00"


def test_problems_are_grouped_by_reason() -> None:
    """The commonest reason first, with three examples; verbose lists all names."""
    problems = [("a.pdf", "encrypted"), *((f"{n}.png", "no reader") for n in range(5))]
    assert problem_lines(problems, looks=Looks(), verbose=False) == [
        "        5  no reader: 0.png, 1.png, 2.png and 2 more",
        "        1  encrypted: a.pdf",
    ]
    listed = problem_lines(problems, looks=Looks(), verbose=True)
    assert listed[:2] == ["        5  no reader", "           0.png"]
    assert len(listed) == 8
    many = [(f"{n}", f"reason {n}") for n in range(12)]
    assert problem_lines(many, looks=Looks(), verbose=False)[-1].endswith(
        "and 4 more reasons: -v lists them"
    )


def test_amounts() -> None:
    """Sizes in binary units; dollars with as many digits as embeddings need."""
    assert [bytes_text(size) for size in (0, 1023, 1536, 5 << 20, 3 << 30)] == [
        "0 bytes",
        "1023 bytes",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]
    amounts = (Decimal(0), Decimal("0.000123"), Decimal("12.5"))
    assert [dollars(amount) for amount in amounts] == ["$0.00", "$0.000123", "$12.50"]


def test_json_has_only_what_json_knows() -> None:
    """Decimals are numbers, tuples are lists, and what is no number is null."""
    value = {"cost": Decimal("0.25"), "pairs": (("a", "b"),), "odd": float("nan"), "yes": True}
    assert jsonable(value) == {"cost": 0.25, "pairs": [["a", "b"]], "odd": None, "yes": True}
