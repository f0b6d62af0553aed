"""LaTeX, AsciiDoc and Org: the decoded file unchanged, with sections and blocks from its lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import Decoded, decode
from ragkit.reading.structure import Heading, nest_sections, split_lines
from ragkit.reading.table_lines import (
    TableStyle,
    asciidoc_rows,
    grid_rows,
    latex_rows,
    table_blocks,
)
from ragkit.records import Block, Document, Metadata

__all__ = ["read_asciidoc", "read_latex", "read_org"]

_LONGEST_TITLE = 500


@dataclass(frozen=True, slots=True)
class _Rules:
    """How a markup is told, line by line.

    Attributes:
        heading: Matches a heading; its groups are the rank's mark and the words.
        item: Matches the beginning of a list's item.
        fence: Matches the line that opens a block; its group is the name of it.
        closed_by: Pattern of the line that closes the block NAME.
        tables: What fences that begin with one of these hold is a table, else code.
        rows: Finds the rows of a table.
        barred: Whether a paragraph whose lines begin with a bar is a table.
    """

    heading: re.Pattern[str]
    item: re.Pattern[str]
    fence: re.Pattern[str]
    closed_by: str
    tables: tuple[str, ...] = ()
    rows: TableStyle = grid_rows
    barred: bool = False

    def closing(self, opened: str) -> re.Pattern[str]:
        """What the line matches that closes a fence."""
        return re.compile(self.closed_by.replace("NAME", re.escape(opened)), re.IGNORECASE)


_ASCIIDOC = _Rules(
    heading=re.compile(r"(={1,6}|#{1,6})[ \t]+(\S.*)"),
    item=re.compile(r"[ \t]*(?:\*{1,5}|-|\.{1,5}|\d{1,4}\.)[ \t]+\S"),
    fence=re.compile(r"(-{4,}|\.{4,}|\+{4,}|`{3,}|\|===|,===|/{4,})[\w,-]*[ \t]*$"),
    closed_by=r"NAME[ \t]*$",
    tables=("|===", ",==="),
    rows=asciidoc_rows,
)
_ORG = _Rules(
    heading=re.compile(r"(\*{1,20})[ \t]+(\S.*)"),
    item=re.compile(r"[ \t]*(?:[-+]|\d{1,4}[.)])[ \t]+\S|[ \t]+\*[ \t]+\S"),
    fence=re.compile(r"[ \t]*#\+begin_(\w+)", re.IGNORECASE),
    closed_by=r"[ \t]*#\+end_NAME\b",
    barred=True,
)
_LATEX = _Rules(
    heading=re.compile(
        r"[ \t]*\\(part|chapter|section|subsection|subsubsection|paragraph)\*?[ \t]*"
        r"(?:\[[^\[\]]{0,200}\])?\{(.*)"
    ),
    item=re.compile(r"[ \t]*\\item\b"),
    fence=re.compile(
        r"[ \t]*\\begin\{((?:verbatim|lstlisting|minted|equation|align|tabular|longtable)\*?x?)\}"
    ),
    closed_by=r".*\\end\{NAME\}",
    tables=("tabular", "longtable"),
    rows=latex_rows,
)
_LATEX_RANKS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_COMMAND = re.compile(r"\\[a-zA-Z]+\*?|[{}$]")
_ORG_STATE = re.compile(r"^(?:TODO|DONE|NEXT|WAIT(?:ING)?|CANCELL?ED)[ \t]+|^\[#\w\][ \t]+")
_ORG_TAGS = re.compile(r"[ \t]+:[\w@#%:]{1,200}:[ \t]*$")
_ORG_KEYWORD = re.compile(r"#\+(title|author|date|language|description):[ \t]*(.*)", re.IGNORECASE)
_ASCIIDOC_ATTRIBUTE = re.compile(r":(author|description|keywords|revdate|lang):[ \t]+(.*)")
_LATEX_STATED = re.compile(r"\\(title|author|date)\*?(?:\[[^\[\]]{0,200}\])?\{")
_HEAD_CHARACTERS = 20_000


@dataclass(slots=True)
class _Scan:
    headings: list[Heading] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def read_asciidoc(raw: RawFile) -> Reading:
    """Read AsciiDoc; the title is its heading of rank 0."""
    decoded = decode(raw.data)
    scan = _Scanner(decoded.text, _ASCIIDOC, _asciidoc_rank).run()
    first = scan.headings[0] if scan.headings else None
    title = first.title if first is not None and first.level == 1 else None
    head = decoded.text[:_HEAD_CHARACTERS]
    metadata = {key: words.strip() for line in split_lines(head)
                if (match := _ASCIIDOC_ATTRIBUTE.match(line))
                for key, words in [match.groups()]}  # fmt: skip
    return _reading(raw, decoded, scan, title, metadata)


def read_org(raw: RawFile) -> Reading:
    """Read Org; keywords at its head are title and metadata, to-do states and tags no words."""
    decoded = decode(raw.data)

    def heading(mark: str, words: str) -> tuple[int, str]:
        for _ in range(2):
            words = _ORG_STATE.sub("", words)
        return len(mark), _ORG_TAGS.sub("", words)

    scan = _Scanner(decoded.text, _ORG, heading).run()
    said = {
        match.group(1).lower(): match.group(2).strip()
        for line in split_lines(decoded.text[:_HEAD_CHARACTERS])
        if (match := _ORG_KEYWORD.match(line)) and match.group(2).strip()
    }
    return _reading(raw, decoded, scan, said.pop("title", None), said)


def read_latex(raw: RawFile) -> Reading:
    """Read LaTeX; its commands for title, author and date are title and metadata."""
    decoded = decode(raw.data)

    def heading(mark: str, words: str) -> tuple[int, str]:
        return _LATEX_RANKS.index(mark) + 1, _plain(_braced(words))

    scan = _Scanner(decoded.text, _LATEX, heading).run()
    # An article's sections are its outermost.
    highest = min((item.level for item in scan.headings), default=1) - 1
    scan.headings = [Heading(h.start, h.level - highest, h.title) for h in scan.headings]
    scan.blocks = [
        Block(start=b.start, end=b.end, kind=b.kind, level=b.level - highest)
        if b.kind == "heading"
        else b
        for b in scan.blocks
    ]
    said: dict[str, str] = {}
    head = decoded.text[:_HEAD_CHARACTERS]
    for match in _LATEX_STATED.finditer(head):
        words = _plain(_braced(head[match.end() : match.end() + _LONGEST_TITLE]))
        if words:
            said.setdefault(match.group(1), words)
    return _reading(raw, decoded, scan, said.pop("title", None), said)


def _asciidoc_rank(mark: str, words: str) -> tuple[int, str]:
    return len(mark), words.rstrip("= \t")


def _reading(
    raw: RawFile, decoded: Decoded, scan: _Scan, title: str | None, metadata: Metadata
) -> Reading:
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=decoded.text,
        title=title or None,
        sections=nest_sections(scan.headings, len(decoded.text)),
        blocks=tuple(scan.blocks),
        metadata=metadata,
    )
    return Reading(document=document, warnings=decoded.warnings)


def _braced(words: str) -> str:
    """What stands before the brace that closes the one already open."""
    depth = 1
    for at, sign in enumerate(words[:_LONGEST_TITLE]):
        depth += (sign == "{") - (sign == "}")
        if depth == 0:
            return words[:at]
    return words[:_LONGEST_TITLE]


def _plain(words: str) -> str:
    """A heading without its commands."""
    return " ".join(_COMMAND.sub(" ", words.replace("~", " ").replace("\\\\", " ")).split())


class _Scanner:
    """One pass over the lines: headings, fenced blocks, items, and paragraphs between."""

    def __init__(
        self, text: str, rules: _Rules, rank: Callable[[str, str], tuple[int, str]]
    ) -> None:
        self.scan = _Scan()
        self._text = text
        self._lines = split_lines(text)
        self._rules = rules
        self._rank = rank
        # Fences that nothing closes, so that each kind is looked for once.
        self._unclosed: set[str] = set()
        # The paragraph or item that is open: its start, end and kind.
        self._open: tuple[int, int, str] | None = None

    def run(self) -> _Scan:
        """Find everything, in order."""
        index = at = 0
        while index < len(self._lines):
            count = self._fenced(index, at) or self._line(index, at)
            at += sum(map(len, self._lines[index : index + count]))
            index += count
        self._flush()
        return self.scan

    def _flush(self) -> None:
        if self._open is not None:
            start, end, kind = self._open
            self._open = None
            if self._rules.barred and self._text[start:end].lstrip().startswith("|"):
                self.scan.blocks += table_blocks(self._text, start, end, self._rules.rows)
                return
            self.scan.blocks.append(
                Block(start=start, end=end, kind=kind, level=int(kind == "list"))
            )

    def _line(self, index: int, at: int) -> int:
        """Take a line that is in no fence; returns 1."""
        line = self._lines[index].rstrip()
        end = at + len(line)
        heading = self._rules.heading.match(line)
        if heading is not None:
            self._flush()
            level, title = self._rank(heading.group(1), heading.group(2))
            title = " ".join(title.split())[:_LONGEST_TITLE]
            if title:
                self.scan.headings.append(Heading(at, level, title))
                self.scan.blocks.append(Block(start=at, end=end, kind="heading", level=level))
        elif not line:
            self._flush()
        elif self._open is None or self._rules.item.match(line):
            self._flush()
            self._open = (at, end, "list" if self._rules.item.match(line) else "paragraph")
        else:
            self._open = (self._open[0], end, self._open[2])
        return 1

    def _fenced(self, index: int, at: int) -> int:
        """Take a fenced block; returns how many lines it has, 0 if none begins here."""
        match = self._rules.fence.match(self._lines[index])
        if match is None or match.group(1) in self._unclosed:
            return 0
        closing = self._rules.closing(match.group(1))
        for last in range(index + 1, len(self._lines)):
            if closing.match(self._lines[last]):
                break
        else:
            self._unclosed.add(match.group(1))
            return 0
        self._flush()
        text = "".join(self._lines[index : last + 1])
        end = at + len(text.rstrip())
        if self._rules.tables and match.group(1).startswith(self._rules.tables):
            self.scan.blocks += table_blocks(self._text, at, end, self._rules.rows)
        else:
            self.scan.blocks.append(Block(start=at, end=end, kind="code"))
        return last + 1 - index
