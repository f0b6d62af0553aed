from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from reading_pdf_pages import HEIGHT, WIDTH, drawn, filler, put_column, put_rows
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

from ragkit.chunking import Chunker
from ragkit.chunking.recipe import embedded_text
from ragkit.reading.files import read_bytes
from ragkit.reading.pdf_hyphens import BreakableLine, mend_hyphens
from ragkit.records import Document

PRICES = [["Lamp", "Price", "Stock"]] + [
    [f"model {i}", f"{7 * i} EUR", str(3 * i)] for i in range(1, 9)
]


def read(*pages: Callable[[Canvas], None]) -> Document:
    return read_bytes(drawn(pages), source="a.pdf").document


def flat(text: str) -> str:
    return " ".join(text.split())


def two_columns(canvas: Canvas) -> None:
    """A title over two columns whose lines are written alternately, as some programs do."""
    canvas.setFont("Times-Bold", 16)
    canvas.drawString(60, HEIGHT - 90, "Lamps and their wicks: a study over two columns of a page")
    canvas.setFont("Times-Roman", 10)
    left = simpleSplit(
        f"Left begins here. {filler(1, 150)}. Left ends here.", "Times-Roman", 10, 225
    )
    right = simpleSplit(f"Right begins. {filler(2, 150)}. Right ends here.", "Times-Roman", 10, 225)
    for number in range(max(len(left), len(right))):
        for x, lines in ((60, left), (310, right)):
            if number < len(lines):
                canvas.drawString(x, HEIGHT - 120 - 12 * number, lines[number])


def test_columns_are_read_one_after_the_other() -> None:
    """A page of two columns is not read across, however its lines were written."""
    text = read(two_columns).text
    places = [
        text.index(words)
        for words in ("Lamps and their", "Left begins", "Left ends", "Right begins", "Right ends")
    ]
    assert places == sorted(places)


def test_a_table_is_no_pair_of_columns() -> None:
    """The rows of a table stay rows, with their header, and blank cells keep their place."""
    rows = [*PRICES, ["model 9", "", "27"]]
    found = read(lambda canvas: put_rows(canvas, rows, (60, 260, 400), HEIGHT - 100))
    lines = found.text.split("\n")
    assert lines[0] == "Lamp | Price | Stock"
    assert lines[3] == "model 3 | 21 EUR | 9"
    assert lines[-1] == "model 9 | | 27"
    assert [block.kind for block in found.blocks] == ["table", *["row"] * 9]


def test_a_cell_of_several_lines_is_one_cell() -> None:
    """Lines that go on with a cell, set closer than the rows, join it."""

    def page(canvas: Canvas) -> None:
        rows = [["Part", "What it does"], ["wick", "It carries the oil"], ["chimney", "It shields"]]
        put_rows(canvas, rows, (60, 200), HEIGHT - 100, pitch=40)
        canvas.drawString(200, HEIGHT - 152, "up to the flame")
        put_rows(canvas, [["base", "It stands"]], (60, 200), HEIGHT - 220)

    assert read(page).text.split("\n") == [
        "Part | What it does",
        "wick | It carries the oil up to the flame",
        "chimney | It shields",
        "base | It stands",
    ]


def test_a_row_is_found_by_the_words_of_its_header() -> None:
    """In a table over two pages, each part is embedded with the names of its columns."""
    long = [["Lamp", "Price", "Stock"]] + [
        [f"model {i}", f"{7 * i} EUR", str(i)] for i in range(80)
    ]

    def page(begin: int, end: int) -> Callable[[Canvas], None]:
        return lambda canvas: put_rows(canvas, long[begin:end], (60, 260, 400), HEIGHT - 100)

    passages = Chunker().split(read(page(0, 41), page(41, 81)))
    row = next(passage for passage in passages if "model 73 |" in passage.text)
    assert "Price" not in row.text
    assert embedded_text(None, row).startswith("Lamp | Price | Stock\n")


def with_margins(number: int, chapter: str) -> Callable[[Canvas], None]:
    """A page with a header, the name of its chapter, a footer and its number."""

    def page(canvas: Canvas) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(60, HEIGHT - 40, "Journal of Lamps, volume 7")
        canvas.drawRightString(WIDTH - 60, HEIGHT - 40, chapter)
        canvas.drawCentredString(WIDTH / 2, 30, f"{number + 4}")
        put_column(canvas, f"Page {number} begins. {filler(number, 300)}.", 60, HEIGHT - 100, 470)

    return page


def test_lines_of_every_page_are_left_out_and_told() -> None:
    """Headers, footers and page numbers are no text; the metadata has the words."""
    found = read(*(with_margins(number, "Wicks" if number < 3 else "Glass") for number in range(6)))
    assert "Journal" not in found.text
    assert [page.split("\n")[0][:13] for page in found.text.split("\n\f")] == [
        f"Page {number} begins" for number in range(6)
    ]
    assert not any(line.strip().isdigit() for line in found.text.split("\n"))
    assert found.metadata["running_lines"] == [
        "Journal of Lamps, volume 7 Wicks",
        "4",
        "Journal of Lamps, volume 7 Glass",
    ]


def test_nothing_but_running_lines_is_lost() -> None:
    """Every other character of a document is in its text, whatever stands where."""
    pages = [with_margins(number, "Wicks") for number in range(4)]

    def mixed(canvas: Canvas) -> None:
        two_columns(canvas)
        put_rows(canvas, PRICES, (60, 260, 400), 230)
        canvas.rotate(90)
        canvas.drawString(100, -30, "printed upwards along the edge")

    plain = read_bytes(drawn([*pages, mixed]), source="a.pdf").document
    drawn_words = [f"Page {n} begins. {filler(n, 300)}." for n in range(4)]
    drawn_words += ["Lamps and their wicks: a study over two columns of a page"]
    drawn_words += [f"Left begins here. {filler(1, 150)}. Left ends here."]
    drawn_words += [f"Right begins. {filler(2, 150)}. Right ends here."]
    drawn_words += [cell for row in PRICES for cell in row] + ["printed upwards along the edge"]
    wanted = Counter(word for words in drawn_words for word in words.split())
    assert Counter(plain.text.replace("|", " ").split()) == wanted


@pytest.mark.parametrize("pages", [1, 2])
def test_what_stands_on_two_pages_is_no_running_line(pages: int) -> None:
    """Two pages are too few to tell: nothing is left out."""
    found = read(*(with_margins(number, "Wicks") for number in range(pages)))
    assert found.text.count("Journal of Lamps") == pages
    assert "running_lines" not in found.metadata


def test_a_page_of_a_single_line_keeps_it() -> None:
    """Where nothing but the like lines stand on the pages, they are the text."""
    pages = [lambda canvas: canvas.drawString(60, HEIGHT - 60, "One line")] * 5
    assert read(*pages).text == "\n\f".join(["One line"] * 5)


def test_a_header_of_a_table_on_every_page_stays() -> None:
    """A row that begins every page and that the rows follow closely is no running line."""

    def page(number: int) -> Callable[[Canvas], None]:
        rows = [["Lamp", "Price", "Stock"]] + [[f"model {number}{i}", "7", "3"] for i in range(5)]
        return lambda canvas: put_rows(canvas, rows, (60, 260, 400), HEIGHT - 40)

    assert read(*(page(number) for number in range(4))).text.count("Lamp | Price | Stock") == 4


def test_large_type_makes_headings_where_there_is_no_outline() -> None:
    """Sizes give the ranks; bold lines that stand alone come below them."""

    def page(canvas: Canvas) -> None:
        for size, font, top, words in (
            (20, "Helvetica-Bold", 80, "The Lamp Handbook"),
            (14, "Helvetica-Bold", 120, "1 Wicks"),
            (10, "Helvetica-Bold", 240, "Trimming them"),
            (14, "Helvetica-Bold", 360, "2 Glass"),
        ):
            canvas.setFont(font, size)
            canvas.drawString(60, HEIGHT - top, words)
        for top in (140, 260, 380):
            put_column(canvas, f"{filler(top, 60)}.", 60, HEIGHT - top, 470)

    found = read(page)
    assert [(section.level, section.title) for section in found.sections] == [
        (1, "The Lamp Handbook"),
        (2, "1 Wicks"),
        (3, "Trimming them"),
        (2, "2 Glass"),
    ]


def test_each_passage_has_its_box() -> None:
    """A passage over two columns has a box in each, measured from the upper left corner."""
    passages = Chunker(passage_tokens=400).split(read(two_columns))
    boxes = [box for passage in passages for box in passage.boxes]
    assert all(box.page == 1 and box.left_pt >= 59 and box.right_pt <= 540 for box in boxes)
    assert {round(box.left_pt) for box in boxes} == {60, 310}
    first = passages[0].boxes[0]
    assert (round(first.left_pt), round(first.top_pt)) == (60, 76)


def test_a_turned_page_is_read_as_it_is_shown() -> None:
    """Text on a page that viewers turn by 90 degrees is in order, its boxes as they are seen."""

    def page(canvas: Canvas) -> None:
        canvas.setPageRotation(90)
        canvas.rotate(90)
        put_rows(canvas, PRICES, (60, 260, 400), -100)

    found = read(page)
    assert found.text.startswith("Lamp | Price | Stock\nmodel 1 | 7 EUR | 3")
    assert (round(found.boxes[0].left_pt), round(found.boxes[0].top_pt)) == (60, 91)


def mended(*lines: str) -> str:
    made = [BreakableLine(line) for line in lines]
    mend_hyphens(made)
    return " / ".join(line.text for line in made)


@pytest.mark.parametrize(
    ("lines", "whole"),
    [
        # Seen whole elsewhere, with the hyphen, with both halves as words, or not at all.
        (("the infor-", "mation, and information"), "the information, / and information"),
        (("a well-", "known lamp, well-known"), "a well-known / lamp, well-known"),
        (("a slow-", "motion of slow lamps in motion"), "a slow-motion / of slow lamps in motion"),
        (("the perfor-", "mance"), "the performance / "),
        # Capitals, figures and lists keep it.
        (("the Anglo-", "Saxon lamp"), "the Anglo-Saxon / lamp"),
        (("the pre-", "and postwar lamps"), "the pre- / and postwar lamps"),
        (("from 1914-", "1918"), "from 1914- / 1918"),
        (("a dash -", "and more"), "a dash - / and more"),
        (("the last line-",), "the last line-"),
    ],
)
def test_a_broken_word_is_made_whole_by_its_document(lines: tuple[str, ...], whole: str) -> None:
    """The form that the document has elsewhere decides whether the hyphen belongs to the word."""
    assert mended(*lines) == whole


def test_a_word_that_two_columns_part_is_made_whole() -> None:
    """The second half comes from the head of the next column."""

    def page(canvas: Canvas) -> None:
        put_column(canvas, f"{filler(3, 90)} the illumi-", 60, HEIGHT - 100, 225)
        put_column(canvas, f"nation of {filler(4, 90)}.", 310, HEIGHT - 100, 225)

    assert "the illumination of" in flat(read(page).text)
