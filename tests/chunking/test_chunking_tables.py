from __future__ import annotations

import pytest

from ragkit.chunking import Chunker
from ragkit.chunking.recipe import embedded_text
from ragkit.chunking.surroundings import boxes_of
from ragkit.reading.files import read_bytes
from ragkit.records import Box, Document, Passage

AFTER = "That is all of it.\n"
PARTS = [(f"part {number}", f"HN-{number:04}", str(number * 7)) for number in range(400)]


def passages(name: str, text: str) -> list[Passage]:
    return Chunker().split(read_bytes(text.encode(), source=name).document)


def markdown_table() -> str:
    head = "# Lamps\n\nWhat we have.\n\n| Name | Number | Price |\n|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in PARTS) + "\nThat is all of it.\n"


def csv_table() -> str:
    return "Name,Number,Price\n" + "".join(",".join(row) + "\n" for row in PARTS)


def html_table() -> str:
    rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in PARTS)
    head = "<tr><th>Name</th><th>Number</th><th>Price</th></tr>"
    return f"<h1>Lamps</h1><table>{head}{rows}</table><p>That is all of it.</p>"


def grid_table() -> str:
    rule = "+----------+---------+------+\n"
    rows = "".join(f"| {a:<8} | {b:<7} | {c:<4} |\n{rule}" for a, b, c in PARTS)
    head = f"{rule}| Name     | Number  | Price|\n{rule.replace('-', '=')}"
    return f"Lamps\n=====\n\n{head}{rows}\n{AFTER}"


def simple_table() -> str:
    rule = "======== ======= =====\n"
    rows = "".join(f"{a:<8} {b:<7} {c}\n" for a, b, c in PARTS)
    return f"{rule}Name     Number  Price\n{rule}{rows}{rule}\n{AFTER}"


def list_table() -> str:
    rows = "".join(f"   * - {a}\n     - {b}\n     - {c}\n" for a, b, c in PARTS)
    head = ".. list-table:: Parts\n   :header-rows: 1\n\n"
    return f"{head}   * - Name\n     - Number\n     - Price\n{rows}\n{AFTER}"


def comma_table() -> str:
    rows = "".join(f"   {', '.join(row)}\n" for row in PARTS)
    return f".. csv-table:: Parts\n   :header: Name, Number, Price\n\n{rows}\n{AFTER}"


def asciidoc_table() -> str:
    rows = "".join(f"|{' |'.join(row)}\n" for row in PARTS)
    return f"= Lamps\n\n|===\n|Name |Number |Price\n\n{rows}|===\n\n{AFTER}"


def org_table() -> str:
    rows = "".join(f"| {' | '.join(row)} |\n" for row in PARTS)
    return f"* Lamps\n\n| Name | Number | Price |\n|------+---|---|\n{rows}\n{AFTER}"


def latex_table() -> str:
    rows = "".join(f"{' & '.join(row)} \\\\\n" for row in PARTS)
    head = "\\begin{tabular}{lll}\n\\hline\nName & Number & Price \\\\ \\hline\n"
    return f"{head}{rows}\\end{{tabular}}\n\n{AFTER}"


@pytest.mark.parametrize(
    ("name", "text", "header"),
    [
        ("a.rst", grid_table(), "Name | Number | Price"),
        ("a.rst", simple_table(), "Name Number Price"),
        ("a.rst", list_table(), "Name | Number | Price"),
        ("a.rst", comma_table(), "Name, Number, Price"),
        ("a.adoc", asciidoc_table(), "Name |Number |Price"),
        ("a.org", org_table(), "Name | Number | Price"),
        ("a.tex", latex_table(), "Name | Number | Price"),
        ("a.md", markdown_table(), "Name | Number | Price"),
        ("a.csv", csv_table(), "Name,Number,Price"),
        ("a.html", html_table(), "Name | Number | Price"),
    ],
)
def test_each_part_of_a_long_table_knows_its_header(name: str, text: str, header: str) -> None:
    """The part with the header shows it, every later one has it, and what follows has it not."""
    found = passages(name, text)
    rows = [passage for passage in found if "HN-" in passage.text]
    assert len(rows) > 20
    assert [passage.table_header for passage in rows[1:]] == [header] * (len(rows) - 1)
    assert rows[0].table_header == ""
    assert "Number" in rows[0].text
    after = [passage for passage in found if passage.text.startswith("That is all")]
    assert [passage.table_header for passage in after] == [""] * len(after)


def test_the_header_is_embedded_and_never_shown() -> None:
    """The columns' names stand before the rows in what is embedded, and not in the text."""
    second = [passage for passage in passages("a.md", markdown_table()) if "HN-" in passage.text][1]
    assert "Price" not in second.text
    embedded = embedded_text(None, second)
    assert embedded == f"Lamps\nName | Number | Price\n{second.text}"


def test_a_wide_header_takes_no_more_than_its_share() -> None:
    """Of thirty columns the first are named, and the heading keeps its place."""
    wide = " | ".join(f"column{number}" for number in range(30))
    passage = Passage(
        source="a",
        start=10,
        end=200,
        text="1 | 2 | 3\n" * 19,
        headings=("Lamps",),
        table_header=wide,
    )
    assert embedded_text(None, passage) == (f"Lamps\ncolumn0 | column1 | column2\n{passage.text}")


def test_a_table_without_a_header_has_none() -> None:
    """Rows that nothing heads go on with nothing, even after another table."""
    table = "<table><tr><th>Name</th><th>Price</th></tr><tr><td>wick</td><td>3</td></tr></table>"
    bare = "".join(f"<tr><td>{number}</td><td>HN-{number}</td></tr>" for number in range(300))
    found = passages("a.html", f"{table}<p>Others:</p><table>{bare}</table>")
    assert {passage.table_header for passage in found if "HN-" in passage.text} == {""}


def test_lines_of_a_column_become_one_box() -> None:
    """A passage over two columns and a page has a box for each of them."""
    lines = [(1, 50, 700), (1, 50, 712), (1, 310, 60), (1, 310, 72), (2, 50, 60)]
    boxes = tuple(
        Box(
            start=10 * index,
            end=10 * index + 9,
            page=page,
            left_pt=left,
            top_pt=top,
            right_pt=left + 200,
            bottom_pt=top + 10,
        )
        for index, (page, left, top) in enumerate(lines)
    )
    document = Document(source="a", text="123456789\n" * 5, boxes=boxes)
    whole, part = boxes_of(document, [(0, 35), (35, 49)])
    assert [(b.page, b.left_pt, b.top_pt, b.bottom_pt) for b in whole] == [
        (1, 50, 700, 722),
        (1, 310, 60, 82),
    ]
    assert [(b.page, b.start, b.end) for b in part] == [(1, 30, 39), (2, 40, 49)]


def test_a_table_cut_for_the_model_s_limit_keeps_its_header() -> None:
    """Where few cl100k tokens are many of the model's, the further parts have the header too."""
    rule = "=" * 60 + "  " + "=" * 20 + "\n"
    rows = "".join(f"{'part ' + str(number):<60}  {number}\n" for number in range(6))
    text = f"{rule}{'Name':<60}  Price\n{rule}{rows}{rule}"
    found = passages("a.rst", text)
    assert len(found) > 1
    assert [passage.table_header for passage in found[1:]] == ["Name Price"] * (len(found) - 1)
