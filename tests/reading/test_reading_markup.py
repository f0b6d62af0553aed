from __future__ import annotations

import pytest

from ragkit.reading.files import read_bytes
from ragkit.records import Document


def read(name: str, text: str) -> Document:
    found = read_bytes(text.encode(), source=name).document
    ordered = zip(found.blocks, found.blocks[1:], strict=False)
    assert all(before.end <= after.start for before, after in ordered)
    return found


def sections(found: Document) -> list[tuple[int, str]]:
    return [(section.level, section.title) for section in found.sections]


def pieces(found: Document) -> list[tuple[str, str]]:
    return [(block.kind, found.text[block.start : block.end]) for block in found.blocks]


LATEX = r"""\documentclass{article}
\title[Short]{The \emph{Lamp}~Book}
\author{Ida Berg}
\begin{document}
\section{Parts}\label{sec:parts}
A lamp has a wick.

\subsection*{The {\bf wick}}
\begin{itemize}
  \item cotton
  \item linen
\end{itemize}
\begin{tabular}{ll}
Part & Price \\
\section{no}
\end{tabular}
\begin{verbatim}
open
\section{Care}
"""


def test_latex_has_sections_items_and_tables() -> None:
    """The text is unchanged; commands give sections, title and author; open fences hide nothing."""
    found = read("a.tex", LATEX)
    assert found.text == LATEX
    assert sections(found) == [(1, "Parts"), (2, "The wick"), (1, "Care")]
    assert found.title == "The Lamp Book"
    assert found.metadata == {"author": "Ida Berg"}
    kinds = [kind for kind, _ in pieces(found)]
    assert kinds == [
        "paragraph", "heading", "paragraph", "heading", "paragraph", "list", "list", "paragraph",
        "row", "row", "paragraph", "heading",
    ]  # fmt: skip


ADOC = """= The Lamp Book
:author: Ida Berg

== Parts ==

* wick
* oil

----
== no heading
----

|===
|Part |Price
|===

=== Care
Slowly.
"""


def test_asciidoc_has_sections_items_and_tables() -> None:
    """Headings by their marks, listings and tables by their fences."""
    found = read("a.adoc", ADOC)
    assert found.text == ADOC
    assert sections(found) == [(1, "The Lamp Book"), (2, "Parts"), (3, "Care")]
    assert found.title == "The Lamp Book"
    assert found.metadata == {"author": "Ida Berg"}
    assert pieces(found)[3:7] == [
        ("list", "* wick"),
        ("list", "* oil"),
        ("code", "----\n== no heading\n----"),
        ("table", "|===\n|Part |Price\n|==="),
    ]


ORG = """#+TITLE: The Lamp Book
#+AUTHOR: Ida

* TODO [#A] Parts :brass:tin:
- wick
** Care
#+begin_src sh
* no heading
#+END_SRC
"""


def test_org_has_sections_without_states_and_tags() -> None:
    """Stars make headings; to-do states, priorities and tags are no words of theirs."""
    found = read("a.org", ORG)
    assert found.text == ORG
    assert sections(found) == [(1, "Parts"), (2, "Care")]
    assert found.title == "The Lamp Book"
    assert found.metadata == {"author": "Ida"}
    assert pieces(found)[-1] == ("code", "#+begin_src sh\n* no heading\n#+END_SRC")


VTT = """WEBVTT

NOTE made by hand

1
00:00:01.000 --> 00:00:03.000 align:start
<v Ida>Turn the <b>lamp</b> off

00:00:03.000 --> 00:00:05.000
<v Ida>Turn the <b>lamp</b> off
before you change the wick.

01:00:09.500 --> 01:00:11.000
<v Bo>Why &amp; how?
"""
SRT = """1
00:00:01,000 --> 00:00:02,000
{\\an8}<i>One.</i>

2
00:00:02,500 --> 00:00:04,000
Two.

3
00:01:30,000 --> 00:01:32,000
After a pause.
"""


def test_subtitles_read_as_speech() -> None:
    """Cues join to paragraphs with their time and speaker; rolling lines are said once."""
    assert read("a.vtt", VTT).text == (
        "[00:00:01] Ida: Turn the lamp off before you change the wick.\n\n[01:00:09] Bo: Why & how?"
    )
    assert read("a.srt", SRT).text == "[00:00:01] One. Two.\n\n[00:01:30] After a pause."
    assert read("b.srt", "no cue in it").text == "no cue in it"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tex", "\\begin{verbatim}\n" * 30_000),
        ("a.tex", "\\section{" + "{" * 50_000),
        ("a.tex", "\\section[" * 20_000),
        ("a.adoc", "----a\n" * 20_000 + "|===\n" * 20_001),
        ("a.adoc", "= " + " " * 50_000 + "x" + "=" * 50_000),
        ("a.org", "* " + ":a" * 50_000 + "\n#+begin_a\n" * 10_000),
        ("a.vtt", "00:00:01.000 --> 00:00:02.000\n" * 20_000 + "<v" * 30_000),
        ("a.srt", "00:00:01,0 --> 00:00:02,0\n" + "<a" * 30_000 + "{\\a" * 30_000),
    ],
)
def test_hostile_markup_takes_linear_time(name: str, text: str) -> None:
    """Fences never closed and marks without end are read in moments."""
    import time

    started = time.monotonic()
    assert read(name, text).text
    assert time.monotonic() - started < 5
