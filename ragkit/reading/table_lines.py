"""Tables in markup, line by line: where their rows begin, and whether the first is a header."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ragkit.reading.structure import split_lines
from ragkit.records import Block

__all__ = ["TableStyle", "asciidoc_rows", "grid_rows", "latex_rows", "simple_rows", "table_blocks"]

_WORD = re.compile(r"\w")
_LATEX_RULE = re.compile(
    r"[ \t]*\\(?:hline|toprule|midrule|bottomrule|cline|cmidrule|begin|end|endhead|endfirsthead"
    r"|caption|label|centering)\b"
)
_GRID_RULE = re.compile(r"[ \t]*(?:\+[-=+]*\+?|\|-[-+|]*)[ \t]*$")
_SIMPLE_RULE = re.compile(r"[ \t]*[=-]{2,}(?: +[=-]{2,})*[ \t]*$")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Indexes of the lines that begin a row, and whether the first row names the columns."""

    begins: tuple[int, ...]
    headed: bool


TableStyle = Callable[[Sequence[str]], _Rows]


def table_blocks(text: str, start: int, end: int, style: TableStyle) -> list[Block]:
    """The rows of a table as blocks, its header as ``table``; one block where it has no two rows.

    Args:
        text: The document.
        start: Where the table begins.
        end: Where it ends.
        style: Finds the rows.
    """
    lines = split_lines(text[start:end])
    rows = style(lines)
    if len(rows.begins) < 2:
        return [Block(start=start, end=end, kind="table")]
    offsets = [start]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    begins = [offsets[index] for index in rows.begins]
    blocks: list[Block] = []
    if _WORD.search(text, start, begins[0]):
        blocks.append(_block(text, start, begins[0], "paragraph"))
    else:
        begins[0] = start
    for number, (begin, stop) in enumerate(zip(begins, [*begins[1:], end], strict=True)):
        kind = "table" if number == 0 and rows.headed else "row"
        blocks.append(_block(text, begin, stop, kind))
    return blocks


def _block(text: str, start: int, end: int, kind: str) -> Block:
    return Block(start=start, end=start + len(text[start:end].rstrip()), kind=kind)


def grid_rows(lines: Sequence[str]) -> _Rows:
    """Rows between rules, or each a line of its own: grids of reStructuredText, tables of Org.

    A rule of ``=``, or the only rule of all, parts the header from the rest.
    """
    rules = [index for index, line in enumerate(lines) if _GRID_RULE.match(line)]
    bars = [index for index, line in enumerate(lines) if line.lstrip().startswith("|")]
    rows = [index for index in bars if index not in set(rules)]
    if any(lines[index].lstrip().startswith("+") for index in rules):
        ruled = set(rules)
        rows = [index for index in rows if index == 0 or index - 1 in ruled]
        double = [index for index in rules if "=" in lines[index]]
        headed = bool(double) and sum(index < double[0] for index in rows) == 1
        return _Rows(tuple(rows), headed)
    inner = [index for index in rules if rows and rows[0] < index < rows[-1]]
    return _Rows(tuple(rows), bool(inner) and sum(index < inner[0] for index in rows) == 1)


def simple_rows(lines: Sequence[str]) -> _Rows:
    """A simple table of reStructuredText: a row begins where the first column is not blank."""
    rules = [index for index, line in enumerate(lines) if _SIMPLE_RULE.match(line)]
    indent = min((len(lines[index]) - len(lines[index].lstrip()) for index in rules), default=0)
    rows = [
        index
        for index, line in enumerate(lines)
        if index not in set(rules) and line[indent : indent + 1].strip()
    ]
    headed = len(rules) >= 3 and sum(index < rules[1] for index in rows) == 1
    return _Rows(tuple(rows), headed)


def asciidoc_rows(lines: Sequence[str]) -> _Rows:
    """A table of AsciiDoc: lines that begin with a bar, or groups of such lines.

    The first row is the header if a blank line follows it and none stands before it.
    """
    begins = [index for index, line in enumerate(lines[1:-1], 1) if line.startswith("|")]
    groups = [index for index in begins if not lines[index - 1].strip() or index == 1]
    single = all(lines[index].count("|") == 1 for index in begins)
    if single and len(groups) > 1:
        return _Rows(tuple(groups), headed=groups[0] == 1)
    headed = len(begins) > 1 and begins[0] == 1 and not lines[begins[0] + 1].strip()
    return _Rows(tuple(begins), headed)


def latex_rows(lines: Sequence[str]) -> _Rows:
    r"""A table of LaTeX: a row ends with ``\\``; a rule after the first makes it the header."""
    begins: list[int] = []
    rules: list[int] = []
    ended = True
    for index, line in enumerate(lines):
        bare = line.strip()
        if not bare:
            continue
        if _LATEX_RULE.match(line) and "&" not in line:
            rules.append(index)
            ended = True
            continue
        if ended:
            begins.append(index)
        ended = bare.split("\\hline")[0].rstrip().endswith("\\\\")
    if len(begins) < 2:
        return _Rows((), headed=False)
    ruled = "\\hline" in lines[begins[1] - 1]
    return _Rows(tuple(begins), ruled or any(begins[0] < index < begins[1] for index in rules))
