"""Jupyter notebooks: Markdown cells as they are, code and short text outputs as fenced code."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from ragkit.errors import DocumentUnreadable
from ragkit.reading.content import RawFile, Reading
from ragkit.reading.decoding import decode
from ragkit.reading.front_matter import plain_json
from ragkit.reading.markdown import scan_markdown
from ragkit.reading.structure import nest_sections, only_top_title
from ragkit.records import Document, JsonValue

__all__ = ["read_notebook"]

_LONGEST_OUTPUT_CHARACTERS = 2000
_FENCE_RUN = re.compile("`{3,}")
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def read_notebook(raw: RawFile) -> Reading:
    """Read a notebook; pictures and other rich outputs are left out.

    Raises:
        DocumentUnreadable: It is no notebook.
    """
    decoded = decode(raw.data)
    try:
        content = msgspec.json.decode(decoded.text)
    except RecursionError as error:
        raise DocumentUnreadable("notebook nested too deeply") from error
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise DocumentUnreadable(f"not a notebook: {error}") from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list):
        raise DocumentUnreadable("not a notebook of format 4: it has no list of cells")
    language = _language(content)
    parts: list[str] = []
    odd = 0
    for cell in cells:
        pieces = list(_cell(cell, language)) if isinstance(cell, dict) else None
        if pieces is None or not isinstance(cell.get("source", ""), (str, list)):
            odd += 1
        parts.extend(pieces or ())
    text = "\n\n".join(parts)
    if odd and not text:
        raise DocumentUnreadable("damaged notebook: its cells hold no text")
    headings, blocks = scan_markdown(text)
    document = Document(
        source=raw.source,
        root=raw.root,
        media_type=raw.media_type,
        text=text,
        title=only_top_title(headings),
        sections=nest_sections(headings, len(text)),
        blocks=tuple(blocks),
        metadata={"programming_language": language} if language else {},
    )
    plural = "" if odd == 1 else "s"
    warnings = (f"{odd} cell{plural} without text in it",) if odd else ()
    return Reading(document=document, warnings=(*decoded.warnings, *warnings))


def _language(content: dict[str, object]) -> str:
    metadata = content.get("metadata")
    for key in ("kernelspec", "language_info"):
        entry = metadata.get(key) if isinstance(metadata, dict) else None
        value = entry.get("language", entry.get("name")) if isinstance(entry, dict) else None
        if isinstance(value, str) and value.isalnum():
            return str(plain_json(value, [1]))
    return ""


def _cell(cell: dict[str, JsonValue], language: str) -> Iterator[str]:
    source = _joined(cell.get("source"))
    if cell.get("cell_type") != "code":
        if source.strip():
            yield source.strip("\n")
        return
    if source.strip():
        yield _fenced(source, language)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        said = _output(output) if isinstance(output, dict) else ""
        if said.strip():
            yield _fenced(said, "")


def _output(output: dict[str, JsonValue]) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        text = _joined(output.get("text"))
    elif kind == "error":
        text = f"{output.get('ename')}: {output.get('evalue')}"
    else:
        data = output.get("data")
        text = _joined(data.get("text/plain")) if isinstance(data, dict) else ""
    text = _TERMINAL_COLOUR.sub("", text)
    if len(text) > _LONGEST_OUTPUT_CHARACTERS:
        return text[:_LONGEST_OUTPUT_CHARACTERS] + "…"
    return text


def _fenced(source: str, language: str) -> str:
    """Fenced by more backticks than the source has in a row."""
    longest = max((len(run) for run in _FENCE_RUN.findall(source)), default=2)
    fence = "`" * (longest + 1)
    body = source.strip("\n")
    return f"{fence}{language}\n{body}\n{fence}"


def _joined(source: JsonValue) -> str:
    """Nbformat keeps text as one string or as a list of lines."""
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""
