from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from collection_four_formats import QUESTIONS, write_four

import ragkit
from ragkit.answers import Hit
from ragkit.config import Settings

FORMATS = ("rst", "html", "docx", "pdf")


@pytest.fixture(scope="module")
def collections(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, ragkit.Collection]]:
    """A collection of each of the four files, by format."""
    folder = tmp_path_factory.mktemp("four")
    write_four(folder / "docs")
    made: dict[str, ragkit.Collection] = {}
    for name in FORMATS:
        made[name] = ragkit.open(folder / name, settings=Settings(workers=1))
        report = made[name].sync(folder / "docs" / f"tarn.{name}")
        assert (report.added, report.failed, report.warnings) == (1, (), ())
    yield made
    for collection in made.values():
        collection.close()


def words(text: str) -> list[str]:
    """A text without any markup."""
    return re.findall(r"\w+", text.casefold())


def overlap(one: str, other: str) -> float:
    """Share of the shorter text's words that the longer one has."""
    shorter, longer = sorted((words(one), words(other)), key=len)
    return sum(word in set(longer) for word in shorter) / len(shorter)


def test_the_same_text_has_the_same_sections_in_every_format(
    collections: dict[str, ragkit.Collection],
) -> None:
    """Headings, their ranks and their order do not depend on the format."""
    outlines = {
        name: [(s.level, s.title) for s in collection.documents()[0].sections]
        for name, collection in collections.items()
    }
    assert outlines["rst"] == outlines["html"] == outlines["docx"] == outlines["pdf"]
    assert len(outlines["rst"]) == 7


def test_the_same_text_has_the_same_words_in_every_format(
    collections: dict[str, ragkit.Collection],
) -> None:
    """Reading loses no word and makes none, whatever the format."""
    texts = {name: words(c.documents()[0].text) for name, c in collections.items()}
    assert texts["rst"] == texts["html"] == texts["docx"] == texts["pdf"]


@pytest.mark.parametrize(("question", "answer"), QUESTIONS, ids=[q for q, _ in QUESTIONS])
def test_the_same_text_answers_alike_in_every_format(
    collections: dict[str, ragkit.Collection], question: str, answer: str
) -> None:
    """The first passage is the same up to markup and has the answer; three of five are the same."""
    hits: dict[str, list[Hit]] = {
        name: list(collection.search(question, k=5)) for name, collection in collections.items()
    }
    first = {name: found[0] for name, found in hits.items()}
    for name, hit in first.items():
        assert " ".join(words(answer)) in " ".join(words(hit.text)), name
        assert hit.headings == first["html"].headings
        assert overlap(hit.text, first["html"].text) >= 0.95
    for found in hits.values():
        shared = {hit.headings for hit in found} & {hit.headings for hit in hits["html"]}
        assert len(shared) >= 3


def test_a_citation_names_the_page_where_there_are_pages(
    collections: dict[str, ragkit.Collection],
) -> None:
    """The PDF's hits have a page and a box on it; those of text formats have lines."""
    hit = collections["pdf"].search(QUESTIONS[0][0], k=1)[0]
    assert hit.page == 1
    assert [box.page for box in hit.passage.boxes] == [1]
    assert hit.passage.boxes[0].right_pt > 300 > hit.passage.boxes[0].left_pt
    cited = collections["pdf"].context(QUESTIONS[0][0], max_tokens=400).citations[0]
    assert (cited.page, cited.boxes[0].page) == (1, 1)
    plain = collections["rst"].search(QUESTIONS[0][0], k=1)[0]
    assert (plain.page, plain.passage.boxes) == (None, ())
    assert plain.passage.line > 1


def test_an_excerpt_of_a_table_names_its_columns(tmp_path: Path) -> None:
    """Rows without their header come into a prompt with the names of the columns beside them."""
    rows = "".join(f"| part {n} | HN-{n:04} | {n * 7} |\n" for n in range(200))
    (tmp_path / "docs").mkdir()
    table = f"| Name | Number | Price |\n|---|---|---|\n{rows}"
    (tmp_path / "docs" / "parts.md").write_text(table, encoding="utf-8")
    with ragkit.open(tmp_path / "kb", settings=Settings(workers=1)) as collection:
        collection.sync(tmp_path / "docs")
        hit = collection.search("price of part 137", k=1)[0]
        assert "| part 137 | HN-0137 | 959 |" in hit.text
        assert hit.passage.table_header == "Name | Number | Price"
        text = str(collection.context("price of part 137", max_tokens=250))
    assert 'columns "Name | Number | Price"' in text
