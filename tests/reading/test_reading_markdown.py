from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ragkit.reading.files import read_bytes
from ragkit.reading.markdown import heading_words, scan_markdown
from ragkit.records import Document

HANDBOOK = """\
Lamps
=====

A lamp has a *wick*, a burner
and a font.

## Lighting `Lamp<T>` ##

1. Fill the font.
2. Light the wick:
   ```sh
   # not a heading
   light --now
   ```

   Wait a minute.
   - Turn it up.
10. Enjoy.

> Never leave it alone.
> ## not a section

| Part | Price |
|:-----|------:|
| wick | 2     |
| font | 30    |

    # indented code

<!--
# hidden
-->

~~~~
```
# still code
~~~~

Second rank
-----------

- [x] done
* other list

***

Text with a | bar.
#hashtag is no heading
### [Links](http://x) and &amp; **signs** {#anchor}
#### C#
"""


def read(text: str) -> Document:
    return read_bytes(text.encode(), source="a.md").document


def kinds(text: str) -> list[tuple[str, str]]:
    document = read(text)
    return [(block.kind, text[block.start : block.end]) for block in document.blocks]


def test_sections_have_levels_titles_and_extents() -> None:
    """Each section runs from its heading to the next of its rank or above."""
    document = read(HANDBOOK)
    assert document.text == HANDBOOK
    assert document.title == "Lamps"
    assert [(section.level, section.title) for section in document.sections] == [
        (1, "Lamps"),
        (2, "Lighting Lamp<T>"),
        (2, "Second rank"),
        (3, "Links and & signs"),
        (4, "C#"),
    ]
    starts = [HANDBOOK.index(words) for words in ("Lamps", "## Li", "Second", "### [", "#### C")]
    assert [section.start for section in document.sections] == starts
    end = len(HANDBOOK)
    assert [s.end for s in document.sections] == [end, starts[2], end, end, end]


def test_wiki_headings_are_headings_too() -> None:
    """As MediaWiki marks them, also with blanks between the signs; no sign on one side alone."""
    text = (
        "= Tower =\nA house.\n == Use ==\nPlenty.\n = = = Later = = = \nGone.\n==== Front\na = b\n"
    )
    sections = [(one.level, one.title) for one in read(text).sections]
    assert sections == [(1, "Tower"), (2, "Use"), (3, "Later")]


def test_a_long_paragraph_is_no_heading_whatever_underlines_it() -> None:
    """A line of = under a paragraph does not make it the title of the document."""
    caption = "Figure 1 shows the concentration of the protein over time. " * 5
    assert read(f"{caption}\n=\n0.1\n").title is None
    assert read("Figure 1\n=\n0.1\n").title == "Figure 1"


def test_blocks_are_what_a_chunker_would_not_cut() -> None:
    """Lists, tables, code, quotes and paragraphs are found in order, without overlap."""
    found = kinds(HANDBOOK)
    assert found[0] == ("heading", "Lamps\n=====")
    assert found[1] == ("paragraph", "A lamp has a *wick*, a burner\nand a font.")
    assert ("list", "1. Fill the font.") in found
    assert ("code", "   ```sh\n   # not a heading\n   light --now\n   ```") in found
    assert ("list", "   Wait a minute.") in found
    assert ("quote", "> Never leave it alone.\n> ## not a section") in found
    assert ("table", "| Part | Price |\n|:-----|------:|") in found
    assert ("row", "| font | 30    |") in found
    assert ("code", "    # indented code") in found
    assert ("paragraph", "<!--\n# hidden\n-->") in found
    assert ("code", "~~~~\n```\n# still code\n~~~~") in found
    assert ("list", "- [x] done") in found
    assert ("paragraph", "Text with a | bar.\n#hashtag is no heading") in found
    levels = [b.level for b in read(HANDBOOK).blocks if b.kind == "list"]
    assert levels == [1, 1, 1, 2, 1, 1, 1]


def test_front_matter_is_metadata_and_stays_in_the_text() -> None:
    """YAML becomes plain JSON, dates stay as written, and the block is marked."""
    text = (
        "---\r\ntitle: The  Lamp\r\ndate: 2024-05-01\r\ntags: [oil, light]\r\n"
        "draft: true\r\nbig: 99999999999999999999\r\n---\r\n# Other\r\n"
    )
    document = read(text)
    assert document.text == text
    assert document.title == "The Lamp"
    assert document.metadata == {
        "title": "The  Lamp",
        "date": "2024-05-01",
        "tags": ["oil", "light"],
        "draft": True,
        "big": 1e20,
    }
    first = document.blocks[0]
    assert (first.kind, text[first.start : first.end][-5:]) == ("front_matter", "\r\n---")
    assert [s.title for s in document.sections] == ["Other"]
    assert document.sections[0].start == text.index("# Other")


def test_toml_front_matter_is_read_too() -> None:
    """Plus signs fence TOML."""
    document = read('+++\ntitle = "Lamp"\nweight = 3\n+++\ntext\n')
    assert (document.title, document.metadata) == ("Lamp", {"title": "Lamp", "weight": 3})


@pytest.mark.parametrize(
    "text",
    ["---\ntext\n---\nmore\n", "---\n\n---\nmore\n", "----\na: b\n----\n", "---\na: b\nmore\n"],
)
def test_rules_are_no_front_matter(text: str) -> None:
    """Two rules around a paragraph, or one that is never closed, are ordinary text."""
    document = read(text)
    assert document.metadata == {}
    assert all(block.kind != "front_matter" for block in document.blocks)


def test_a_title_needs_to_be_the_only_one() -> None:
    """Two top headings, or a first one of lower rank, state no title."""
    assert read("# A\n\n# B\n").title is None
    assert read("## A\n\n# B\n").title is None
    assert read("text\n\n# A\n\n## B\n").title == "A"


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("`Rc<T>`, the *pointer*", "Rc<T>, the pointer"),
        ("[a `b`](url) and [c][d]", "a b and c"),
        ("snake_case_name and __init__", "snake_case_name and init"),
        ('<a id="x"></a>Title', "Title"),
        (r"\*stars\*", "*stars*"),
        ("\ue0007\ue001 `x`", "x x"),
    ],
)
def test_headings_lose_their_markup(markup: str, words: str) -> None:
    """The words of a heading are those that a page would show."""
    assert heading_words(markup) == words


def oracle(text: str) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """(line, level) of headings, lines of fences, lines of tables, outside all quotes."""
    headings, fences, tables = [], [], []
    quotes = 0
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        quotes += (token.type == "blockquote_open") - (token.type == "blockquote_close")
        if quotes or token.map is None:
            continue
        if token.type == "heading_open" and token.level == 0:
            headings.append((token.map[0], int(token.tag[1])))
        elif token.type == "fence":
            fences.append(token.map[0])
        elif token.type == "table_open":
            tables.append(token.map[0])
    return headings, fences, tables


def agrees(text: str) -> None:
    headings, blocks = scan_markdown(text)

    def line(offset: int) -> int:
        return text.count("\n", 0, offset)

    code = [b for b in blocks if b.kind == "code"]
    fenced = [b for b in code if re.match(r"[ \t]*(```|~~~)", text[b.start : b.end])]
    wanted_headings, wanted_fences, wanted_tables = oracle(text)
    assert [(line(h.start), h.level) for h in headings] == wanted_headings
    assert [line(b.start) for b in fenced] == wanted_fences
    assert [line(b.start) for b in blocks if b.kind == "table"] == wanted_tables


def test_the_scanner_agrees_with_a_full_parser_on_the_handbook() -> None:
    """Headings, fences and tables stand on the lines where CommonMark has them."""
    agrees(HANDBOOK)


# Pieces of ordinary documents; each is a block of its own.
PIECES = st.sampled_from(
    [
        "# One", "## Two ##", "Three\n---", "Four\nlong\n===", "plain text\nover lines",
        "```py\n# no\n\n```", "~~~\n## no\n~~~", "- item\n  more\n- item", "1. a\n2. b",
        "- a\n\n  ```\n  # no\n  ```", "| a | b |\n|---|---|\n| 1 | 2 |", "> quote\n> # no",
        "***", "    # code", "<!-- x\n# no\n-->", "<div>\n# no\n</div>", "-\n\ntext",
        "text with `# code`", "1986. A year",
        "- a\n  - b\n    - c", "#no heading", "a | b\nplain",
    ]
)  # fmt: skip


@given(st.lists(PIECES, min_size=1, max_size=8))
@settings(deadline=None, max_examples=150)
def test_the_scanner_agrees_with_a_full_parser(pieces: list[str]) -> None:
    """Any sequence of ordinary blocks is scanned as CommonMark has it."""
    agrees("\n\n".join(pieces) + "\n")


@given(st.text(st.sampled_from("ab #`~->*|:\n\t1.=<!_\r"), max_size=120))
@settings(deadline=None, max_examples=300)
def test_blocks_hold_every_word_once(text: str) -> None:
    """Whatever the signs, blocks are in order, apart, and cover all that is not blank."""
    _, blocks = scan_markdown(text)
    at = 0
    for block in blocks:
        assert block.start >= at
        assert not text[at : block.start].strip()
        assert text[block.start : block.end].strip()
        at = block.end
    assert not text[at:].strip()


def test_megabytes_are_read_in_a_moment() -> None:
    """Ordinary Markdown is scanned at 8 MB/s and more (best of three; full parsers: 1 to 2)."""
    prose = "A lamp has a *wick*, a burner and a font, and `lamp.light()` lights all of them.\n" * 6
    text = f"## Heading\n\n{prose}\n{prose}\n```sh\n{prose}```\n\n- {prose}\n" * 1000
    best_s = 60.0
    for _ in range(3):
        began = time.process_time()
        scan_markdown(text)
        best_s = min(best_s, time.process_time() - began)
    assert len(text) / best_s > 8e6, f"{len(text) / best_s / 1e6:.1f} MB/s"
