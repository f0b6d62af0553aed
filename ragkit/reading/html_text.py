"""From the events of a walk through HTML to text with blocks and headings."""

from __future__ import annotations

from dataclasses import replace

from ragkit.reading.structure import Heading, word_set
from ragkit.records import Block, Figure, Image

__all__ = ["TextBuilder"]

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_APART = word_set("p pre blockquote table ul ol dl hr figure article section main")
_OWN_LINE = word_set(
    "div li dt dd tr caption thead tbody tfoot header address details summary figcaption form"
    " fieldset legend label td th body html center menu hgroup"
)
_LONGEST_CAPTION = 500
_PERMALINKS = frozenset({"¶", "#", "§", "🔗", "\u200b"})


class TextBuilder:
    """Collects words; elements tell it where lines and blocks end.

    List items begin with ``- `` or their number, indented by two blanks a level. A table's row is a
    line with its cells joined by `` | ``. Paragraphs, lists and tables stand apart by a blank line.
    """

    def __init__(self) -> None:
        self.text = ""
        self.headings: list[Heading] = []
        self.blocks: list[Block] = []
        self.figures: list[Figure] = []
        self._frames: list[int] = []
        self._caption, self._caption_part = -1, 0
        self._parts: list[str] = []
        self._length = 0
        self._newlines = 0
        self._space = False
        # Start of the block being written; -1 between blocks.
        self._begin = -1
        self._kind, self._level = "paragraph", 0
        self._heading = 0
        self._heading_part = 0
        self._quotes = 0
        self._lists: list[int] = []
        self._marker = ""
        self._pre: list[str] | None = None
        self._tables = 0
        self._cells = 0
        self._head_row = False
        # Cells at the start of a row that hold nothing: written once the row has a word.
        self._blank_cells = 0

    def first_heading(self, level: int) -> str | None:
        """Words of the first heading of a rank."""
        return next((item.title for item in self.headings if item.level == level), None)

    def enter(self, tag: str) -> None:
        """An element begins."""
        if tag == "br":
            self._line_end()
        elif tag in _HEADINGS:
            self._break(2)
            self._heading, self._heading_part = _HEADINGS[tag], len(self._parts)
        elif tag in _APART:
            self._enter_apart(tag)
        elif tag in ("td", "th") and self._tables:
            self._enter_cell(tag)
        elif tag in _OWN_LINE:
            if tag == "tr":
                self._row_end()
            self._break(1)
            if tag == "li":
                self._enter_item()

        if tag == "figure":
            self._frames.append(len(self.figures))
        elif tag == "figcaption":
            self._caption, self._caption_part = self._length, len(self._parts)

    def picture(self, words: str, image: Image | None) -> None:
        """A picture with its alternative text; None for one that is left out."""
        written = " ".join(words.split())
        self.add_text(f" {written} ")
        if image is not None and self._pre is None:
            is_written = bool(written) and self._parts[-1:] == [written]
            start = self._length - len(written) if is_written else self._length
            self.figures.append(Figure(start=start, end=self._length, image=image))

    def leave(self, tag: str) -> None:
        """An element ends."""
        if tag == "figcaption":
            self._leave_caption()
        elif tag == "figure" and self._frames:
            self._frames.pop()
        if tag in _HEADINGS:
            self._leave_heading()
        elif tag in _APART:
            self._leave_apart(tag)
        elif tag in ("td", "th") and self._tables:
            self._space = False
        elif tag in _OWN_LINE:
            if tag == "tr":
                self._row_end()
            self._break(1)
            if tag == "li":
                self._marker = ""

    def add_text(self, raw: str) -> None:
        """Character data; white space folds, except in ``pre``."""
        if self._pre is not None:
            self._pre.append(raw)
            return
        words = raw.split()
        if not words:
            self._space = self._space or bool(raw)
            return
        if self._heading and len(words) == 1 and words[0] in _PERMALINKS:
            return
        if raw[0].isspace():
            self._space = True
        self._write(" ".join(words))
        self._space = raw[-1].isspace()

    def finish(self) -> None:
        """Close what is open and join the text."""
        if self._pre is not None:
            self._flush_pre()
        self._end_block()
        self.text = "".join(self._parts)

    def _leave_caption(self) -> None:
        """What is written under a figure's pictures describes them, beside what they say."""
        begin, self._caption = self._caption, -1
        if begin < 0 or not self._frames:
            return
        words = "".join(self._parts[self._caption_part :])
        start = begin + len(words) - len(words.lstrip())
        for place in range(self._frames[-1], len(self.figures)):
            figure = self.figures[place]
            follows = figure.start < figure.end <= start <= figure.end + 2
            first = figure.start if follows else start
            if figure.start < figure.end and not follows:
                continue
            if first < self._length <= first + _LONGEST_CAPTION:
                self.figures[place] = replace(figure, start=first, end=self._length)

    def _enter_apart(self, tag: str) -> None:
        self._break(1 if self._lists else 2)
        if tag == "pre":
            self._pre = []
        elif tag == "blockquote":
            self._quotes += 1
        elif tag == "table":
            self._tables += 1
            self._cells = 0
        elif tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else -1)

    def _leave_apart(self, tag: str) -> None:
        if tag == "pre" and self._pre is not None:
            self._flush_pre()
        elif tag == "blockquote":
            self._quotes -= 1
        elif tag == "table":
            self._row_end()
            self._tables -= 1
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        self._break(1 if self._lists else 2)

    def _enter_item(self) -> None:
        if not self._lists:
            self._marker = "- "
            return
        if self._lists[-1] >= 0:
            self._lists[-1] += 1
            self._marker = f"{self._lists[-1]}. "
        else:
            self._marker = "- "
        # Deeper than any page means, the indentation alone would grow quadratically.
        self._marker = "  " * (min(len(self._lists), 20) - 1) + self._marker

    def _enter_cell(self, tag: str) -> None:
        if self._cells == 0:
            self._head_row = tag == "th"
            self._blank_cells = 0
        elif self._begin >= 0:
            self._raw(" |")
            self._space = True
        else:
            self._blank_cells += 1
        self._cells += 1

    def _row_end(self) -> None:
        if self._tables and self._cells:
            self._cells = 0
            self._end_block()
            self._newlines = max(self._newlines, 1)
            self._space = False

    def _break(self, newlines: int) -> None:
        if self._cells:
            # Within a row everything stays on its line.
            self._space = True
            return
        self._end_block()
        self._newlines = max(self._newlines, newlines)
        self._space = False

    def _line_end(self) -> None:
        if self._pre is not None:
            self._pre.append("\n")
        elif self._cells or self._heading:
            self._space = True
        elif self._begin >= 0:
            self._raw("\n")
            self._space = False

    def _leave_heading(self) -> None:
        title = " ".join("".join(self._parts[self._heading_part :]).split())
        if title and self._begin >= 0:
            self.headings.append(Heading(self._begin, self._heading, title))
        self._break(2)
        self._heading = 0

    def _flush_pre(self) -> None:
        code = "".join(self._pre or ()).replace("\r\n", "\n").replace("\r", "\n")
        self._pre = None
        if self._cells:
            self.add_text(code)
        elif code.strip():
            self._write(code.strip("\n").rstrip(), kind="code")

    def _write(self, words: str, kind: str | None = None) -> None:
        if self._begin < 0:
            self._begin_block(kind)
        elif self._space and not self._parts[-1].endswith("\n"):
            self._raw(" ")
        self._raw(words)

    def _begin_block(self, kind: str | None) -> None:
        if self._parts and self._newlines:
            self._raw("\n" * self._newlines)
        self._newlines = 0
        self._begin = self._length
        self._level = 0
        if kind is not None:
            self._kind = kind
        elif self._heading:
            self._kind, self._level = "heading", self._heading
        elif self._cells:
            self._kind = "table" if self._head_row else "row"
        elif self._lists or self._marker:
            self._kind, self._level = "list", max(1, len(self._lists))
        else:
            self._kind = "quote" if self._quotes else "paragraph"
        if self._cells and self._blank_cells:
            self._raw("| " * self._blank_cells)
        if self._marker and kind is None and not self._cells:
            self._raw(self._marker)
            self._marker = ""

    def _end_block(self) -> None:
        if self._begin >= 0:
            block = Block(start=self._begin, end=self._length, kind=self._kind, level=self._level)
            self.blocks.append(block)
            self._begin = -1

    def _raw(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)
