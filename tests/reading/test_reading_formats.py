from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragkit.errors import DocumentSkipped, DocumentUnreadable, PathNotFound
from ragkit.reading import read
from ragkit.reading.content import Reading
from ragkit.reading.files import read_bytes
from ragkit.reading.registry import load_reader, media_type, reader_version
from ragkit.records import Document


def document(name: str, text: str) -> Document:
    return read_bytes(text.encode(), source=name).document


def pieces(found: Document) -> list[tuple[str, int, str]]:
    return [(b.kind, b.level, found.text[b.start : b.end]) for b in found.blocks]


PAGE = """<!DOCTYPE html>
<html lang="en"><head><title> The lamp &ndash; a guide </title>
<meta name="description" content="How to  light it"><style>p{}</style></head>
<body><a href="#main">Skip to main content</a>
<nav><a href="/">Home</a></nav><header><h1>The lamp<a href="#top">¶</a></h1></header>
<div role="navigation">elsewhere</div><div hidden>secret</div>
<p>A lamp has a <b>wick</b>, a
   burner &amp; a&nbsp;font.<br>Second line.</p>
<h2>Lighting</h2>
<ol><li>Fill it<ul><li>slowly</li><li><p>with care</p></li></ul></li><li>Light it</li></ol>
<pre><code>light --now
  wait</code></pre>
<table><caption>Prices</caption><thead><tr><th>Part</th><th>Price</th></tr></thead>
<tr><td>wick</td><td>2 <i>coins</i></td></tr>
<tr><td></td><td><p>30</p><p>coins</p></td></tr></table>
<blockquote><p>Never leave it alone.</p></blockquote>
<script>var x = "<p>no</p>";</script><noscript>no</noscript><!-- no -->
<img src="x.png" alt="A lamp at night"><aside>Buy now</aside>
<h3>Oil</h3><p>Olive.</p><footer>Copyright</footer></body></html>"""


def test_a_page_reads_as_a_person_reads_it() -> None:
    """Navigation, scripts and footers go; headings, lists, tables and code stay."""
    found = document("a.html", PAGE)
    assert found.text == (
        "The lamp\n\nA lamp has a wick, a burner & a font.\nSecond line.\n\nLighting\n\n"
        "1. Fill it\n  - slowly\n  - with care\n2. Light it\n\nlight --now\n  wait\n\n"
        "Prices\nPart | Price\nwick | 2 coins\n| 30 coins\n\nNever leave it alone.\n\n"
        "A lamp at night\n\nOil\n\nOlive."
    )
    assert found.title == "The lamp – a guide"
    assert found.metadata == {"description": "How to light it", "language": "en"}
    assert [(s.level, s.title, found.text[s.start : s.start + 3]) for s in found.sections] == [
        (1, "The lamp", "The"), (2, "Lighting", "Lig"), (3, "Oil", "Oil"),
    ]  # fmt: skip


def test_a_page_has_blocks() -> None:
    """Each piece of a page is a block of its kind, with the depth of list items."""
    kinds = pieces(document("a.html", PAGE))
    assert ("heading", 2, "Lighting") in kinds
    assert ("list", 1, "1. Fill it") in kinds
    assert ("list", 2, "  - with care") in kinds
    assert ("code", 0, "light --now\n  wait") in kinds
    assert ("table", 0, "Part | Price") in kinds
    assert ("row", 0, "wick | 2 coins") in kinds
    assert ("quote", 0, "Never leave it alone.") in kinds


def test_a_table_that_arranges_a_page_is_no_table() -> None:
    """Cells of a table with headings or tables in it are blocks; inner tables keep their rows."""
    found = document(
        "a.html",
        "<table><tr><td><h2>One</h2><p>a</p></td><td>"
        "<table><tr><td>1</td><td>2</td></tr></table></td></tr></table>",
    )
    assert found.text == "One\n\na\n\n1 | 2"
    assert [s.title for s in found.sections] == ["One"]


def test_a_page_that_is_all_sidebar_is_still_read() -> None:
    """Where nothing else is left, the navigation is the text."""
    assert document("a.html", "<nav><ul><li>Lamps</li></ul></nav>").text == "- Lamps"


def test_a_declared_charset_of_a_page_counts() -> None:
    """A page in Latin-1 that says so is read as such, without a warning."""
    data = '<meta charset="iso-8859-1"><p>Öl für die Lampe, bitte</p>'.encode("latin-1")
    reading = read_bytes(data, source="a.html")
    assert (reading.document.text, reading.warnings) == ("Öl für die Lampe, bitte", ())


@given(st.text(st.sampled_from("<>/abdivptrhl1 \n&;=\"'!-"), max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_tag_soup_gives_sound_blocks(soup: str) -> None:
    """Whatever the markup, blocks are in order, apart, and cover all that is not blank."""
    try:
        found = document("a.html", soup)
    except DocumentSkipped:
        return
    at = 0
    for block in found.blocks:
        assert block.start >= at
        assert not found.text[at : block.start].strip()
        at = block.end
    assert not found.text[at:].strip()


def test_deep_pages_take_linear_time() -> None:
    """20,000 nested elements are read in a moment, without recursion."""
    began = time.process_time()
    assert document("a.html", "<div>" * 20_000 + "lamp").text == "lamp"
    assert time.process_time() - began < 5


def test_tables_keep_their_text_and_name_their_columns() -> None:
    """CSV stays as it is; the header's names are metadata, each row is a block, quotes may wrap."""
    text = '\ufeffname;price\r\nwick;"2\r\ncoins"\r\n\r\nfont;"3 ""big"""\r\n'
    found = document("a.csv", text)
    assert found.text == text[1:]
    assert found.metadata == {"columns": ["name", "price"]}
    assert pieces(found) == [
        ("table", 0, "name;price"),
        ("row", 0, 'wick;"2\r\ncoins"'),
        ("row", 0, 'font;"3 ""big"""'),
    ]


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "a,a\n1,2\n", "a,,c\n1,2,3\n"])
def test_a_table_without_a_header_has_only_rows(text: str) -> None:
    """Numbers, repeated or blank cells are no names of columns."""
    found = document("a.csv", text)
    assert found.metadata == {}
    assert {block.kind for block in found.blocks} == {"row"}


def test_a_quote_that_is_never_closed_is_said() -> None:
    """The rest of the file does not become one row; the warning names the line."""
    reading = read_bytes(b'a,b\n1,"x\n2,y\n', source="a.csv")
    assert len(reading.document.blocks) == 3
    assert reading.warnings == ("line 2: a quote is never closed; each line is a row",)


def test_json_stays_as_it_is() -> None:
    """JSON is shown unchanged; what is not JSON is text with a warning."""
    text = '{\n  "lamp": [1, 2.5, "öl"]\n}\n'
    assert document("a.json", text).text == text
    reading = read_bytes(b'{"lamp": 1,}', source="a.json")
    assert reading.document.text == '{"lamp": 1,}'
    assert reading.warnings == ("not valid JSON: trailing comma in object (byte 11)",)


def test_each_line_of_json_lines_is_a_row() -> None:
    """Bad lines stay in the text, and the warning names the first and counts the others."""
    reading = read_bytes(b'{"a": 1}\n\nbad\nworse\n', source="a.jsonl")
    assert [text for _, _, text in pieces(reading.document)] == ['{"a": 1}', "bad", "worse"]
    assert reading.warnings == ("line 3 and 1 more lines are not valid JSON",)


def test_a_notebook_reads_from_top_to_bottom() -> None:
    """Markdown as it is, code and short outputs fenced, pictures never."""
    cells = [
        {"cell_type": "markdown", "source": ["# Lamps\n", "Some *light*."]},
        {
            "cell_type": "code",
            "source": "# ask\nprint('```')",
            "outputs": [
                {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m\n"]},
                {"output_type": "display_data", "data": {"image/png": "QUJD"}},
                {"output_type": "execute_result", "data": {"text/plain": "x" * 5000}},
                {"output_type": "error", "ename": "Dark", "evalue": "no oil", "traceback": []},
            ],
        },
    ]
    notebook = {"cells": cells, "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}
    found = document("a.ipynb", json.dumps(notebook))
    assert found.text == (
        "# Lamps\nSome *light*.\n\n````python\n# ask\nprint('```')\n````\n\n```\nred\n```\n\n"
        f"```\n{'x' * 2000}…\n```\n\n```\nDark: no oil\n```"
    )
    assert found.title == "Lamps"
    assert [section.title for section in found.sections] == ["Lamps"]
    assert found.metadata == {"programming_language": "python"}


def test_xml_gives_the_words_of_its_elements() -> None:
    """Elements are lines, words within a sentence stay in it, titles are sections."""
    found = document(
        "a.xml",
        "<?xml version='1.0'?><book><title>Lamps &amp; oil</title><chapter><title>Wicks</title>"
        "<para>Use <code>cotton</code>, not\n   wool.</para><para>Trim it.</para></chapter>"
        "<chapter><title>Fonts</title><para>Fill it.</para></chapter></book>",
    )
    assert found.text == ("Lamps & oil\nWicks\nUse cotton, not\nwool.\nTrim it.\n\nFonts\nFill it.")
    assert found.title == "Lamps & oil"
    assert [(s.level, s.title, s.start) for s in found.sections] == [
        (1, "Lamps & oil", 0),
        (2, "Wicks", 12),
        (2, "Fonts", found.text.index("Fonts")),
    ]


def test_feeds_lose_their_escaped_markup() -> None:
    """HTML inside an element of a feed is read as HTML."""
    escaped = "&lt;p&gt;A &lt;b&gt;lamp&lt;/b&gt;&lt;/p&gt;"
    feed = f"<rss><item><description>{escaped}</description></item></rss>"
    assert document("a.rss", feed).text == "A lamp"


def test_xml_that_says_all_in_attributes_is_text() -> None:
    """Configuration in attributes is not lost."""
    assert document("a.xml", '<a><b oil="olive"/></a>').text == '<a><b oil="olive"/></a>'


def test_a_drawing_is_its_words() -> None:
    """An SVG gives its text; one without any is empty, whatever its lines are."""
    assert document("a.svg", '<svg><path d="M0 0"/><text>oil</text></svg>').text == "oil"
    with pytest.raises(DocumentSkipped, match=r"^empty: no text in it$"):
        document("a.svg", '<svg><path d="M0 0L1 1"/></svg>')


def test_broken_xml_is_text_with_a_warning() -> None:
    """What is not well formed is read as it is."""
    reading = read_bytes(b"<a><b>lamp</a>", source="a.xml")
    assert reading.document.text == "<a><b>lamp</a>"
    assert reading.warnings[0].startswith("not well-formed XML, read as text: mismatched tag")


def test_an_amplifying_entity_is_a_bomb() -> None:
    """One long entity, used often, is refused like a nest of them."""
    bomb = f'<!DOCTYPE a [<!ENTITY e "{"x" * 50_000}">]><a>{"&e;" * 5000}</a>'
    with pytest.raises(DocumentUnreadable, match="entities expand"):
        document("a.xml", bomb)


RST = """\
=====
Lamps
=====

Intro ``text``.

Lighting
--------

Example::

    Not a heading
    -------------

- Fill it
- Light it
  slowly

Trimming
~~~~~~~~

.. code-block:: sh

   trim --now

Oil
---

+---+---+
| a | b |
+---+---+
"""


def test_restructured_text_has_sections() -> None:
    """Ranks follow the order of adornments; literal blocks hide theirs; the text is unchanged."""
    found = document("a.rst", RST)
    assert found.text == RST
    assert found.title == "Lamps"
    assert [(s.level, s.title) for s in found.sections] == [
        (1, "Lamps"), (2, "Lighting"), (3, "Trimming"), (2, "Oil"),
    ]  # fmt: skip
    kinds = pieces(found)
    assert ("heading", 1, "=====\nLamps\n=====") in kinds
    assert ("code", 0, "    Not a heading\n    -------------") in kinds
    assert ("list", 1, "- Light it\n  slowly") in kinds
    assert ("code", 0, "   trim --now") in kinds
    assert ("table", 0, "+---+---+\n| a | b |\n+---+---+") in kinds


@given(st.text(st.sampled_from("ab=-~:. \n\t*1."), max_size=120))
@settings(deadline=None, max_examples=200)
def test_any_restructured_text_gives_sound_blocks(text: str) -> None:
    """Whatever the signs, blocks are in order, apart, and cover all that is not blank."""
    if not text.strip():
        return
    found = document("a.rst", text)
    at = 0
    for block in found.blocks:
        assert block.start >= at
        assert not text[at : block.start].strip()
        at = block.end
    assert not text[at:].strip()


def test_source_code_is_cut_at_what_stands_left() -> None:
    """Blocks of code begin at an unindented line after a blank one."""
    text = "import os\n\ndef a():\n    x = 1\n\n    return x\n\n\ndef b():\n    pass\n"
    assert [part for _, _, part in pieces(document("a.kt", text))] == [
        "import os",
        "def a():\n    x = 1\n\n    return x",
        "def b():\n    pass",
    ]


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("README", b"lamp", "text/plain"),
        ("Makefile", b"all:\n", "text/x-source"),
        ("UPPER.MD", b"# a", "text/markdown"),
        ("a.tar.gz.txt", b"lamp", "text/plain"),
        ("odd.zzz", b"lamp", "text/plain"),
        ("page", b"\n<!DOCTYPE html><p>x", "text/html"),
        ("feed", b"<?xml version='1.0'?><a/>", "application/xml"),
        ("run", b"#!/bin/awk\n", "text/x-source"),
        ("paper.txt", b"%PDF-1.4 ...", "application/pdf"),
        ("a.b/c", b"lamp", "text/plain"),
    ],
)
def test_the_registry_goes_by_content_then_name(name: str, data: bytes, kind: str) -> None:
    """Clear first bytes win over the extension, the extension over a guess."""
    assert media_type(name, data) == kind
    assert reader_version(kind) >= 1
    assert callable(load_reader(kind))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.mobi", b"PK\x03\x04", "format not read yet: .mobi"),
        ("a.txt", b"PK\x03\x04", "format not read yet: zip container"),
        ("a", b"7z\xbc\xaf\x27\x1c", "format not read yet: 7z; pack it as .zip"),
        ("a.rar", b"Rar!\x1a\x07", "format not read yet: .rar; pack it as .zip"),
        ("a.xlsb", b"PK\x03\x04", "format not read yet: .xlsb; save it as .xlsx"),
        ("a.bmp", b"BM\x00", "format not read yet: .bmp"),
        ("a", b"\x7fELF", "binary file: a program"),
    ],
)
def test_formats_of_later_are_skipped_by_name(name: str, data: bytes, reason: str) -> None:
    """The reason says which format it is, and what to do where that is a step away."""
    with pytest.raises(DocumentSkipped, match=f"^{reason}$"):
        media_type(name, data)


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.py", "a.rst", "a.json", "a.csv", "a.jsonl"])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
@settings(deadline=None, max_examples=40)
def test_text_formats_show_the_file_itself(name: str, text: str) -> None:
    """For text formats the document's text is the decoded file, character for character."""
    data = text.encode()
    try:
        reading: Reading = read_bytes(data, source=name)
    except DocumentSkipped:
        return
    if reading.document.media_type not in ("text/html", "application/xml", "application/pdf"):
        assert reading.document.text == text


def test_read_takes_a_path(tmp_path: Path) -> None:
    """The source is the file's name, the root is empty, and a link is followed."""
    (tmp_path / "lamp.md").write_text("# Lamp\n", encoding="utf-8")
    (tmp_path / "link.md").symlink_to("lamp.md")
    found = read(tmp_path / "lamp.md")
    assert (found.source, found.root, found.title) == ("lamp.md", "", "Lamp")
    assert read(str(tmp_path / "link.md")).source == "link.md"


def test_read_says_what_is_wrong(tmp_path: Path) -> None:
    """A missing file, a folder and an empty file are different things."""
    (tmp_path / "empty.md").write_bytes(b"")
    with pytest.raises(PathNotFound, match=r"gone.md' is not there: check the path"):
        read(tmp_path / "gone.md")
    with pytest.raises(PathNotFound, match="is a folder: name a file in it"):
        read(tmp_path)
    with pytest.raises(DocumentSkipped, match=r"^empty$"):
        read(tmp_path / "empty.md")
