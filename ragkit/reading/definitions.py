"""Classes, functions and methods of source code, found by tree-sitter.

The parser takes any bytes, repairs what does not parse, and is linear in them; no tree is walked
here by recursion. What it finds are places in the text; the text itself stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ragkit.reading.grammars import ATTACHED, WRAPPERS, grammar_of

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Tree

__all__ = ["Definition", "find_definitions"]

# Files beyond this are generated. A tree takes about 100 bytes for each byte of the file.
_MOST_BYTES = 1024 * 1024
# Code takes at most three steps of the parser a byte; what is ambiguous all through, hundreds.
_STEPS_PER_CALL = 100
_MOST_STEPS_PER_BYTE = 4
_STEPS_TO_BEGIN_WITH = 50_000
# Nested so deeply, what may be generics or comparisons takes memory that grows with the square.
_MOST_ANGLES_OPEN = 200
_STATEMENT_ENDS = re.compile(rb"[;{}]")
_MOST_DEFINITIONS = 20_000
_DEEPEST = 6
_MOST_SIGNS_GIVEN_UP = 5_000
_MOST_NODES_LOOKED_AT = 200_000
_MOST_ATTACHED = 200
_LONGEST_SIGNATURE = 240
_SIGNATURE_WITHIN_BYTES = 4096
_CLOSING = re.compile(rb"[ \t]*[;,)]+(?=[ \t]*(?:\r|\n|$))")
_UNFINISHED = re.compile(r"(?:[\s{:;]|[=-]>|(?<=\s)=)+$")
_COMMENTS = frozenset({"comment", "line_comment", "block_comment"})
_ANNOTATIONS = ATTACHED - _COMMENTS
# Comments about the file, not about what stands below them.
_OF_THE_FILE = (b"#!", b"//!", b"/*!")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A class, function or the like; offsets in code points.

    Attributes:
        start: Where it begins, with its comments and decorators.
        body: Where its signature is over.
        end: One past its last character.
        level: 1 for the outermost.
        signature: What it is called and takes, on one line.
    """

    start: int
    body: int
    end: int
    level: int
    signature: str


@dataclass(frozen=True, slots=True)
class _Span:
    """As ``Definition``, in bytes, its level still unknown."""

    start: int
    body: int
    end: int
    signature: str


def find_definitions(text: str, media_type: str) -> list[Definition]:
    """The definitions of a text in order, an inner one after its outer one.

    Those that do not begin their line (callbacks and the like) and those more than six deep are
    part of what stands around them. A text of more than 1 MiB has none.

    Args:
        text: Source code.
        media_type: Its language; one without a grammar has no definitions.
    """
    data = text.encode("utf-8", "replace")
    if len(data) > _MOST_BYTES:
        return []
    spans = sorted(_spans(data, media_type), key=lambda span: (span.start, -span.end))
    if len(spans) > _MOST_DEFINITIONS:
        return []
    place = _code_points(data, spans, is_ascii=len(data) == len(text))
    found: list[Definition] = []
    around: list[int] = []
    for span in spans:
        while around and around[-1] <= span.start:
            around.pop()
        doubled = bool(found) and found[-1].start == place[span.start]
        if doubled or len(around) >= _DEEPEST or (around and span.end > around[-1]):
            continue
        around.append(span.end)
        found.append(
            Definition(
                start=place[span.start],
                body=place[span.body],
                end=place[span.end],
                level=len(around),
                signature=span.signature,
            )
        )
    return found


def _spans(data: bytes, media_type: str) -> Iterator[_Span]:
    grammar = grammar_of(media_type)
    if grammar is None:
        return
    from tree_sitter import QueryCursor  # noqa: PLC0415 - loaded with the grammar

    tree = _parse(data, grammar.language)
    if tree is None or _is_noise(tree.root_node):
        return
    cursor = QueryCursor(grammar.definitions)
    for node in cursor.captures(tree.root_node).get("definition", ()):
        outer = _outermost(node)
        start = _start(outer, data)
        if start is None:
            continue
        begin, body = _signature_span(node, outer, data)
        signature = _one_line(_without_comments(node, begin, body, data))
        if signature:
            closing = _CLOSING.match(data, outer.end_byte)
            end = closing.end() if closing else outer.end_byte
            yield _Span(start, max(start, body), max(end, body), signature)


def _parse(data: bytes, language: Language) -> Tree | None:
    """The tree of a text; None where that takes more steps or memory than any code does."""
    from tree_sitter import Parser  # noqa: PLC0415 - loaded with the grammar

    parts = _STATEMENT_ENDS.split(data)
    if any(part.count(b"<") - part.count(b">") > _MOST_ANGLES_OPEN for part in parts):
        return None
    left = (_STEPS_TO_BEGIN_WITH + _MOST_STEPS_PER_BYTE * len(data)) // _STEPS_PER_CALL

    def is_over(_offset: int, _has_error: bool) -> bool:
        nonlocal left
        left -= 1
        return left < 0

    def read(offset: int, _point: object) -> bytes:
        return data[offset:]

    try:
        # Counted in steps, not in seconds, so that every machine finds the same.
        return Parser(language).parse(read, progress_callback=is_over)
    except ValueError:
        return None


def _is_noise(root: Node) -> bool:
    """Whether the parser gave up on thousands of signs in a row, which no code has.

    A query's time grows with the square of such a run: 24 s for 100,000 opening braces.
    """
    waiting, looked_at = [root], 0
    while waiting:
        node = waiting.pop()
        if node.is_error and node.child_count > _MOST_SIGNS_GIVEN_UP:
            return True
        inner = [part for part in node.children if part.has_error] if node.has_error else []
        looked_at += node.child_count
        if looked_at > _MOST_NODES_LOOKED_AT:
            return True
        waiting += inner
    return False


def _outermost(node: Node) -> Node:
    """The node with the wrappers that hold nothing else."""
    while (parent := node.parent) is not None and parent.type in WRAPPERS:
        if parent.type == "type_declaration" and parent.named_child_count > 1:
            break
        node = parent
    return node


def _start(outer: Node, data: bytes) -> int | None:
    """Where it begins with what belongs to it; None where it does not begin its line."""
    first = outer
    for _ in range(_MOST_ATTACHED):
        before = first.prev_sibling
        if before is None and first.parent is not None:
            # The comment above the first definition of a block stands before the block.
            parent = first.parent
            same = parent.start_byte == first.start_byte and parent.parent is not None
            before = parent.prev_sibling if same else None
        if before is None or before.type not in ATTACHED:
            break
        if data.startswith(_OF_THE_FILE, before.start_byte):
            break
        between = data[before.start_byte : first.start_byte]
        gap = between[len(between.rstrip()) :]
        if gap.count(b"\n") > 1 or not _begins_line(before.start_byte, data):
            break
        first = before
    return first.start_byte if _begins_line(first.start_byte, data) else None


def _begins_line(start: int, data: bytes) -> bool:
    begin = data.rfind(b"\n", 0, start) + 1
    return start - begin <= _SIGNATURE_WITHIN_BYTES and not data[begin:start].strip()


def _signature_span(node: Node, outer: Node, data: bytes) -> tuple[int, int]:
    """From the first word that is no annotation to where the body begins."""
    begin = outer.start_byte if outer.type != "decorated_definition" else node.start_byte
    for part in _first_parts(outer if outer.type != "decorated_definition" else node):
        if part.type not in _ANNOTATIONS:
            begin = part.start_byte
            break
    body = _body(node)
    if body is not None and body.start_byte > begin:
        return begin, body.start_byte
    line = data[begin : min(outer.end_byte, begin + _SIGNATURE_WITHIN_BYTES)]
    ends = [at for sign in (b"{", b"\n", b"\r", b";") if (at := line.find(sign)) > 0]
    return begin, begin + min(ends, default=len(line))


def _first_parts(node: Node) -> Iterator[Node]:
    """The parts that may be annotations, those of a list of modifiers among them."""
    for part in node.children[:_MOST_ATTACHED]:
        if part.type == "modifiers":
            yield from part.children[:_MOST_ATTACHED]
        else:
            yield part


def _body(node: Node) -> Node | None:
    """What stands in the braces of a definition, or of the function that it gives a name to."""
    for _ in range(4):
        body = node.child_by_field_name("body") or node.child_by_field_name("accessors")
        if body is not None:
            return body
        inner = next(
            (
                found
                for field in ("value", "right", "type")
                if (found := node.child_by_field_name(field)) is not None
            ),
            None,
        )
        if inner is None:
            wanted = ("variable_declarator", "assignment_expression", "field_declaration_list")
            inner = next((part for part in node.named_children[:8] if part.type in wanted), None)
        if inner is None or inner.type == "field_declaration_list":
            return inner
        node = inner
    return None


def _without_comments(node: Node, begin: int, body: int, data: bytes) -> bytes:
    pieces: list[bytes] = []
    for part in node.children[:_MOST_ATTACHED]:
        if part.type in _COMMENTS and begin <= part.start_byte < body:
            pieces.append(data[begin : part.start_byte])
            begin = part.end_byte
    return b" ".join([*pieces, data[begin:body]])


def _one_line(signature: bytes) -> str:
    words = " ".join(signature[:_SIGNATURE_WITHIN_BYTES].decode("utf-8", "replace").split())
    return _UNFINISHED.sub("", words)[:_LONGEST_SIGNATURE].strip()


def _code_points(data: bytes, spans: list[_Span], *, is_ascii: bool) -> dict[int, int]:
    """For each offset in bytes the one in code points."""
    offsets = sorted({at for span in spans for at in (span.start, span.body, span.end)})
    if is_ascii:
        return dict(zip(offsets, offsets, strict=True))
    found: dict[int, int] = {}
    before = count = 0
    for offset in offsets:
        count += len(data[before:offset].decode("utf-8", "ignore"))
        before = offset
        found[offset] = count
    return found
