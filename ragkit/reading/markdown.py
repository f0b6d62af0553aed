"""Markdown: the decoded file unchanged, with sections and blocks from one pass over its lines.

A block scanner of our own, not a full parser: inline markup costs a parser nine tenths of its time
and all of its pathological cases, and no offset depends on it. The tests hold headings and fences
against markdown-it-py.
"""

from __future__ import annotations

import html
import re

from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.front_matter import split_front_matter
from ragkit.reading.structure import (
    WIKI_HEADING,
    Heading,
    nest_sections,
    only_top_title,
    split_lines,
)
from ragkit.records import Block, Document

__all__ = ["heading_words", "read_markdown", "scan_markdown"]

# Quantifiers that would give back are possessive: a line may be a megabyte of one character.
_ATX = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_FENCE = re.compile(r"[ \t]*+(`{3,}+(?!.*`)|~{3,}+)")
_ITEM = re.compile(r"([ \t]*)([-*+]|\d{1,9}[.)])([ \t]+|$)")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_SETEXT = re.compile(r" {0,3}(=+|-+)[ \t]*$")
# HTML that runs to its own end mark, blank lines included, and hides headings.
_HTML = re.compile(r" {0,3}<(?:(!--)|(\?)|(script|pre|style|textarea)(?=[\s>]|$))", re.IGNORECASE)
# HTML that runs to the next blank line.
_HTML_BLOCK = re.compile(
    r" {0,3}</?(?:address|article|aside|base|blockquote|body|caption|center|col|colgroup|dd|details"
    r"|dialog|dir|div|dl|dt|fieldset|figcaption|figure|footer|form|frame|h[1-6]|head|header|hr|html"
    r"|iframe|legend|li|link|main|menu|nav|ol|optgroup|option|p|param|search|section|summary|table"
    r"|tbody|td|tfoot|th|thead|title|tr|track|ul)(?=[\s/>]|$)",
    re.IGNORECASE,
)
_HTML_ENDS = {1: ("-->",), 2: ("?>",), 3: ("</script>", "</pre>", "</style>", "</textarea>")}
_TABLE_CHARACTERS = frozenset("|:- \t")
_WIDEST_HEADING = 1000
# CommonMark makes a heading of whatever paragraph stands above a line of = or -; a longer one is a
# paragraph all the same, and must not become the title of all that follows.
_LONGEST_UNDERLINED = 200
_CODE_SPAN = re.compile(r"(?<![\\`])(`++)(.+?)(?<!`)\1(?!`)")
_SET_ASIDE = re.compile("\ue000(\\d{1,3})\ue001")
_INLINE = (
    (re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])"), r"\1"),
    (re.compile(r"\{[#.:][^{}]*\}\s*$"), ""),
    (re.compile(r"(?<![\\\w])(\*\*\*|\*\*|\*|___|__|_)(?=\S)(.*?\S)\1(?!\w)"), r"\2"),
    (re.compile(r"</?[A-Za-z][^<>]*>"), ""),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)


def read_markdown(raw: RawFile) -> Reading:
    """Read Markdown; the title is the front matter's, else the one top heading's."""
    decoded = decode(raw.data)
    text = decoded.text
    front = split_front_matter(text)
    headings, blocks = scan_markdown(text, front.end)
    if front.end:
        closing = len(text[: front.end].rstrip("\r\n"))
        blocks.insert(0, Block(start=0, end=closing, kind="front_matter"))
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        title=front.title or only_top_title(headings),
        sections=nest_sections(headings, len(text)),
        blocks=tuple(blocks),
        metadata=front.metadata,
    )
    return Reading(document=document, warnings=(*decoded.warnings, *front.warnings))


def scan_markdown(text: str, start: int = 0) -> tuple[list[Heading], list[Block]]:
    """Headings and blocks of a text from an offset on, in order, without overlap."""
    scan = _Scan(text, start)
    scan.run()
    return scan.headings, scan.blocks


def heading_words(markup: str) -> str:
    """A heading's words, without the markup of emphasis, code, links and anchors."""
    words = markup[:_WIDEST_HEADING]
    spans: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        spans.append(match.group(2))
        return f"\ue000{len(spans) - 1}\ue001"

    # Code comes out first and goes back last: `Rc<T>` holds no tag, and `*` no emphasis.
    if "`" in words:
        words = _CODE_SPAN.sub(set_aside, words)
    for pattern, replacement in _INLINE:
        words = pattern.sub(replacement, words)
    if "&" in words:
        words = html.unescape(words)
    if spans:
        # Modulo, since a text may hold such signs of its own.
        words = _SET_ASIDE.sub(lambda match: spans[int(match.group(1)) % len(spans)], words)
    return " ".join(words.split())


def _without_closing_marks(markup: str) -> str:
    """``# Title ##`` closes with marks; in ``# C#`` the sign belongs to the word."""
    rest = markup.rstrip("#")
    return rest.rstrip(" \t") if not rest or rest[-1] in " \t" else markup


def _indent(line: str) -> int:
    """Columns of white space before the first character; a tab goes to the next multiple of 4."""
    stripped = line.lstrip(" \t")
    blank = line[: len(line) - len(stripped)]
    return len(blank.expandtabs(4)) if "\t" in blank else len(blank)


class _Scan:
    """One pass over the lines; every line is looked at a bounded number of times."""

    def __init__(self, text: str, start: int) -> None:
        self.length = len(text)
        self.lines = split_lines(text[start:] if start else text)
        self.at = start
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []
        # The block that the next line may continue.
        self.kind = ""
        self.begin = self.end = 0
        self.level = 0
        # Content columns of the list items that are open, outermost first.
        self.items: list[int] = []

    def run(self) -> None:
        """Scan all lines."""
        index, count, lines = 0, len(self.lines), self.lines
        while index < count:
            line = lines[index]
            bare = line.rstrip("\r\n")
            first = bare[:1]
            # The common case, decided without a regular expression: a paragraph goes on.
            if (
                first.isalpha()
                and self.kind == "paragraph"
                and not self.items
                and not self._heads_table(index)
            ):
                self._extend(line, bare)
                index += 1
            else:
                index = self._line(index, bare)
        self._close()

    def _line(self, index: int, bare: str) -> int:
        """Deal with the line at an index; returns the index of the next one."""
        stripped = bare.lstrip(" \t")
        if not stripped:
            self._close()
            self.at += len(self.lines[index])
            return index + 1
        indent = _indent(bare) if bare[0] in " \t" else 0
        if self.items and indent < self.items[-1]:
            self._leave_items(bare, indent)
        inner = indent - (self.items[-1] if self.items else 0)
        if inner >= 4 and self.kind not in ("paragraph", "list", "quote"):
            return self._continue(index, bare, "code")
        after = self._marked(index, bare, stripped, inner)
        if after:
            return after
        if self._heads_table(index):
            return self._table(index)
        if self.kind in ("list", "quote"):
            return self._continue(index, bare, self.kind)
        return self._continue(index, bare, "list" if self.items else "paragraph")

    def _marked(  # noqa: PLR0911 - one return for each kind of line
        self, index: int, bare: str, stripped: str, inner: int
    ) -> int:
        """Deal with a line whose first sign makes it more than text; 0 if it does not."""
        mark = stripped[0]
        if mark in "`~" and inner < 4 and (fence := _FENCE.match(bare)):
            return self._fence(index, fence.group(1))
        if mark == "#" and inner < 4 and (atx := _ATX.match(stripped)):
            return self._heading(index, len(atx.group(1)), stripped[atx.end() :])
        if (
            mark in "=-"
            and self.kind == "paragraph"
            and self.end - self.begin <= _LONGEST_UNDERLINED
            and _SETEXT.match(bare)
        ):
            return self._underlined(index, 1 if mark == "=" else 2)
        if mark == "=" and inner < 4 and (wiki := WIKI_HEADING.match(stripped[:_WIDEST_HEADING])):
            return self._heading(index, wiki["marks"].count("="), wiki["title"])
        if mark in "-*_" and _RULE.match(bare):
            self._close()
            self.items.clear()
            return self._continue(index, bare, "paragraph", closes=True)
        if (mark in "-*+" or mark.isdigit()) and (item := _ITEM.match(bare)):
            return self._item(index, item)
        if mark == "<" and inner < 4 and (opening := _HTML.match(bare)):
            return self._markup(index, _HTML_ENDS[opening.lastindex or 1])
        if mark == "<" and inner < 4 and _HTML_BLOCK.match(bare):
            return self._markup(index, ())
        return self._continue(index, bare, "quote") if mark == ">" and inner < 4 else 0

    def _continue(self, index: int, bare: str, kind: str, *, closes: bool = False) -> int:
        line = self.lines[index]
        if self.kind != kind:
            self._close()
            self.kind, self.begin = kind, self.at
            self.level = len(self.items) if kind == "list" else 0
        self._extend(line, bare)
        if closes:
            self._close()
        return index + 1

    def _extend(self, line: str, bare: str) -> None:
        self.end = self.at + len(bare)
        self.at += len(line)

    def _close(self) -> None:
        if self.kind:
            self._add(self.begin, self.end, self.kind, self.level)
            self.kind, self.level = "", 0

    def _add(self, begin: int, end: int, kind: str, level: int = 0) -> None:
        self.blocks.append(Block(start=begin, end=end, kind=kind, level=level))

    def _leave_items(self, bare: str, indent: int) -> None:
        """A line further left ends the items it is left of, unless it lazily goes on in one."""
        if self.kind == "list" and not self._interrupts(bare):
            return
        while self.items and indent < self.items[-1]:
            self.items.pop()
        if self.kind in ("list", "code"):
            self._close()

    def _interrupts(self, bare: str) -> bool:
        """Whether a line begins something new where a paragraph could go on."""
        return bool(
            _ITEM.match(bare)
            or _ATX.match(bare)
            or _FENCE.match(bare)
            or _RULE.match(bare)
            or bare.lstrip().startswith(">")
        )

    def _item(self, index: int, match: re.Match[str]) -> int:
        marker, gap = match.group(2), match.group(3)
        indent = _indent(match.group(1) + marker)
        bare = self.lines[index].rstrip("\r\n")
        begins_list = self.kind == "paragraph" and not self.items
        if begins_list and (match.end() == len(bare) or marker[:-1] not in ("", "1")):
            # CommonMark: within a paragraph, "1986. A great year." is no list.
            return self._continue(index, bare, "paragraph")
        self._close()
        while self.items and indent < self.items[-1]:
            self.items.pop()
        width = len(gap.expandtabs(4))
        self.items.append(indent + len(marker) + (width if 1 <= width <= 4 else 1))
        # Nothing goes on lazily in an item that is empty.
        return self._continue(index, bare, "list", closes=match.end() == len(bare))

    def _heading(self, index: int, level: int, markup: str) -> int:
        line = self.lines[index]
        self._close()
        words = heading_words(_without_closing_marks(markup.strip(" \t")))
        self._add(self.at, self.at + len(line.rstrip("\r\n")), "heading", level)
        if words and not self.items:
            self.headings.append(Heading(self.at, level, words))
        self.at += len(line)
        return index + 1

    def _underlined(self, index: int, level: int) -> int:
        line = self.lines[index]
        begin, end = self.begin, self.at + len(line.rstrip("\r\n"))
        above: list[str] = []
        back, at = index, self.at
        while at > begin and sum(map(len, above)) < _WIDEST_HEADING:
            back -= 1
            above.append(self.lines[back])
            at -= len(self.lines[back])
        words = heading_words(" ".join(part.strip() for part in reversed(above)))
        self.kind, self.level = "", 0
        self._add(begin, end, "heading", level)
        if words:
            self.headings.append(Heading(begin, level, words))
        self.at += len(line)
        return index + 1

    def _fence(self, index: int, mark: str) -> int:
        """A fenced block runs to its closing fence, the end of its list item, or the text's."""
        self._close()
        begin, end = self.at, self.at
        closing = re.compile(rf"[ \t]*{re.escape(mark[0])}{{{len(mark)},}}[ \t]*$")
        within = self.items[-1] if self.items else 0
        first = index
        while index < len(self.lines):
            line = self.lines[index]
            bare = line.rstrip("\r\n")
            if index > first and within and bare.strip() and _indent(bare) < within:
                break
            end = self.at + len(bare) if bare else end
            self.at += len(line)
            index += 1
            if index - 1 > first and closing.match(bare):
                break
        self._add(begin, end, "code")
        return index

    def _markup(self, index: int, ends: tuple[str, ...]) -> int:
        """HTML up to the line with one of its end marks; without any, up to a blank line."""
        self._close()
        begin, end = self.at, self.at
        while index < len(self.lines):
            line = self.lines[index]
            if not ends and line.isspace():
                break
            end = self.at + len(line.rstrip("\r\n")) if line.strip() else end
            self.at += len(line)
            index += 1
            lowered = line.lower()
            if any(mark in lowered for mark in ends):
                break
        self._add(begin, end, "paragraph")
        return index

    def _heads_table(self, index: int) -> bool:
        """Whether this line is a table's head: a delimiter row of as many cells stands below it."""
        if index + 1 >= len(self.lines) or "|" not in self.lines[index]:
            return False
        below = self.lines[index + 1].strip()
        if "-" not in below or not _TABLE_CHARACTERS.issuperset(below):
            return False
        cells = below.strip("|").split("|")
        if not all("-" in cell for cell in cells):
            return False
        head = self.lines[index].strip().replace("\\|", "")
        return len(head.removeprefix("|").removesuffix("|").split("|")) == len(cells)

    def _table(self, index: int) -> int:
        """The head with its delimiter row is a ``table`` block, each row below it a ``row``."""
        self._close()
        begin = self.at
        for line in self.lines[index : index + 2]:
            self._extend(line, line.rstrip("\r\n"))
        self._add(begin, self.end, "table")
        index += 2
        while index < len(self.lines):
            line = self.lines[index]
            bare = line.rstrip("\r\n")
            if not bare.strip() or (bare[0] != "|" and self._interrupts(bare)):
                break
            begin = self.at
            self._extend(line, bare)
            self._add(begin, self.end, "row")
            index += 1
        return index
