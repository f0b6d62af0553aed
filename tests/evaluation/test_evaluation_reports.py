"""Evaluations as a page and as a picture."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from ragkit.errors import InvalidArgument
from ragkit.evaluation.html_report import html_report
from ragkit.evaluation.png_report import png_report
from ragkit.evaluation.querysets import Question
from ragkit.evaluation.results import Evaluation, Excerpt, Outcome, summarise
from ragkit.evaluation.sheet import Sheet

VOID = {"meta", "rect"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</style></bdi></main><h1>Owned</h1>",
    "\u202egnp.exe \u2066 \x1b]0;title\x07 \x00 \ud800 &amp;lt;",
    "javascript:alert(1) <!-- ]]> <svg onload=alert(1)>",
)


class Page(HTMLParser):
    """Every element of a page, and its text by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)


def evaluation(
    ranks: Sequence[int | None], *, texts: Sequence[str] = ("How?",), model: str = "m"
) -> Evaluation:
    outcomes = tuple(
        Outcome(
            question=Question(question=text, sources=(f"{text}.md",), answer=f"Thus: {text}"),
            source_rank=rank,
            answer_rank=None,
            values={
                "source recall@1": float(rank == 1),
                "source recall@10": float(rank is not None and rank <= 10),
                "source mrr": 1 / rank if rank else 0.0,
                "source ndcg@10": 1 / rank if rank else 0.0,
            },
            hits=(Excerpt(source=text, line=7, page=None, headings=(text, text), text=text),),
            note=text if text in HOSTILE else "",
        )
        for rank, text in zip(ranks, list(texts) * len(ranks), strict=False)
    )
    return Evaluation(
        collection="kb", model=model, mode="hybrid", k=(1, 10), measures=summarise(outcomes),
        outcomes=outcomes,
    )  # fmt: skip


def test_a_page_says_what_was_measured() -> None:
    """The finding is the title; each measure stands there with its interval, drawn to scale."""
    found = evaluation([1] * 6 + [2, 4, None, 12])
    page = Page(html_report(found, made="2026-11-25"))
    assert page.texts["h1"] == ["8 of 10 questions answered by the first 10 hits"]
    first = found.measure("recall@1")
    assert (first.mean, f"{first.mean:.3f}" in page.texts["td"]) == (0.6, True)
    assert f"{first.low:.3f} to {first.high:.3f}" in page.texts["td"]
    bands = [attrs for tag, attrs in page.elements if tag == "rect" and attrs["class"] == "band"]
    assert float(bands[0]["x"]) == pytest.approx(1000 * first.low)
    assert float(bands[0]["width"]) == pytest.approx(1000 * (first.high - first.low))
    widths = {(a["class"], float(a["width"])) for tag, a in page.elements if tag == "rect"}
    assert {("c1", 600), ("c2", 100), ("c3", 100), ("c5", 100), ("c6", 100)} <= widths
    labels = [attrs.get("aria-label", "") for tag, attrs in page.elements if tag == "svg"]
    assert "rank 1: 6, rank 2 to 3: 1, rank 4 to 5: 1, rank 6 to 10: 0, later: 1, not found: 1" in (
        labels
    )


def test_a_page_lists_misses_with_what_came_instead() -> None:
    """Question, what was wanted, where it came, its answer, and the hits that came first."""
    page = Page(html_report(evaluation([1, None, 12], texts=["one", "two", "three"])))
    assert "2 misses in the first 10 hits" in page.texts["h2"]
    said = page.texts["bdi"]
    for text in ("two", "two.md", "Thus: two", "two:7", "two › two"):
        assert text in said
    assert "Thus: one" not in said
    assert any("the document came at 12" in text for text in page.texts["p"])
    none = Page(html_report(evaluation([1, 3])))
    assert "No misses" in none.texts["h2"]


def test_hostile_text_is_only_text() -> None:
    """Whatever question, source, answer, heading, passage or model say, no element comes of it."""
    plain = Page(html_report(evaluation([None] * 5, texts=["a", "b", "c", "d", "e"])))
    told = html_report(
        evaluation([None] * 5, texts=HOSTILE, model=HOSTILE[0]), evaluation([1] * 5, texts=HOSTILE)
    )
    page = Page(told)
    names = {tag for tag, _ in page.elements}
    assert names <= {tag for tag, _ in plain.elements} | {"section", "li"}
    assert names.isdisjoint({"script", "img", "a", "link", "iframe", "object", "base", "form"})
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not {one for one in attributes if one.startswith("on")} | {"src", "href"} & attributes
    assert HOSTILE[0] in page.texts["bdi"]
    assert HOSTILE[2] in page.texts["bdi"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", told)
    told.encode("utf-8")


def test_a_page_asks_for_nothing() -> None:
    """Its policy forbids loading and scripts, and no address stands in it."""
    told = html_report(evaluation([1, None]))
    policies = [attrs for tag, attrs in Page(told).elements if "http-equiv" in attrs]
    assert policies[0]["content"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not re.search(r"https?:|url\(|@import", told)
    assert "prefers-color-scheme: dark" in told


def test_a_comparison_leads_the_page() -> None:
    """The verdict with its interval comes first, and the questions that changed places follow."""
    good, bad = evaluation([1] * 30), evaluation([3] * 30, model="other")
    page = Page(html_report(bad, good))
    assert page.texts["h2"][0] == "This is worse"
    verdict = next(attrs for tag, attrs in page.elements if "verdict" in attrs.get("class", ""))
    assert verdict["class"] == "verdict bad"
    assert "30 questions answered worse" in page.texts["h2"]
    assert "3 here, 1 there" in page.texts["span"]
    assert "by nDCG@10 of the source, -0.667 (-0.667 to -0.667)" in "".join(page.texts["p"])
    with pytest.raises(InvalidArgument, match="different questions"):
        html_report(good, evaluation([1]))


def test_a_picture_is_drawn_to_scale() -> None:
    """Of ten questions six came first: six tenths of the strip are dark."""
    drawn = Image.open(io.BytesIO(png_report(evaluation([1] * 6 + [2, 4, None, 12]))))
    assert (drawn.format, drawn.width) == ("PNG", 1640)
    pixels = drawn.convert("RGB")
    first, missed = (0x1D, 0x5A, 0x96), (0xCF, 0x6A, 0x5F)
    rows = [
        [pixels.getpixel((x, y)) for x in range(pixels.width)] for y in range(0, drawn.height, 8)
    ]
    widest = max(rows, key=lambda row: row.count(first))
    strip = 1640 - 2 * 80
    assert widest.count(first) == pytest.approx(0.6 * strip, abs=1)
    assert widest.count(missed) == pytest.approx(0.1 * strip, abs=1)
    right = {pixels.getpixel((x, y)) for x in (1575, 1600, 1639) for y in range(0, drawn.height, 3)}
    assert right == {(255, 255, 255)}


def test_a_picture_takes_any_text() -> None:
    """Long, foreign and hostile texts are drawn inside the margins, with a comparison too."""
    texts = [*HOSTILE, "x" * 3000, "信号署名鍵はどのくらいの頻度で交換されますか?" * 9, "Größe"]
    found = evaluation([None] * len(texts), texts=texts)
    with_other = Image.open(
        io.BytesIO(png_report(found, evaluation([1] * len(texts), texts=texts)))
    )
    alone = Image.open(io.BytesIO(png_report(found)))
    assert with_other.height > alone.height
    for drawn in (with_other, alone):
        margin = drawn.convert("RGB").crop((1564, 0, 1640, drawn.height))
        assert margin.getextrema() == ((255, 255),) * 3


def test_text_that_no_font_has_is_written_without_its_marks() -> None:
    """A character that no font shows becomes its plain letter, or a question mark."""
    sheet = Sheet(width=400, height=100, margin=10)
    assert sheet.write("Größe \U0001d400 \ue000") > sheet.write("Gr")
    assert sheet.write("W" * 900) <= sheet.right + 1


def test_reports_are_written_where_asked(tmp_path: Path) -> None:
    """A page or a picture by the name's end, replaced at the next time; no other kind."""
    found = evaluation([1, None])
    for name, start in (("a.html", b"<!doctype html>"), ("A.PNG", b"\x89PNG")):
        for _ in range(2):
            found.write_report(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(InvalidArgument, match=r"an \.html or a \.png file"):
        found.write_report(tmp_path / "a.pdf")
    with pytest.raises(InvalidArgument, match="there is no folder"):
        found.write_report(tmp_path / "none" / "a.html")
