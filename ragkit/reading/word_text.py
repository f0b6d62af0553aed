"""The words of a Word paragraph, and what hangs on them: notes, comments, text boxes, formulas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from types import MappingProxyType

from ragkit.reading.structure import word_set
from ragkit.reading.xml_tree import Element, child

__all__ = ["Aside", "Words", "paragraph_words"]

_SIGNS = MappingProxyType(
    {
        "w:tab": "\t",
        "w:ptab": "\t",
        "w:cr": "\n",
        "w:noBreakHyphen": "-",
        "w:softHyphen": "",
        # By their attributes.
        "w:br": "",
        "w:sym": "",
        "wp:docPr": "",
    }
)
# Formulas on a line: <part> in brackets where it is long, <!part> as it is.
_SHAPES = MappingProxyType(
    {
        "m:f": "<num>/<den>",
        "m:sSup": "<e>^<sup>",
        "m:sSub": "<e>_<sub>",
        "m:sSubSup": "<e>_<sub>^<sup>",
        "m:rad": "<!deg>√(<!e>)",
        "m:nary": "<!sign>_<sub>^<sup> <!e>",
        "m:d": "(<!e>)",
    }
)
_PLACE = re.compile(r"<(!?)(\w+)>")
# Deleted, moved away, instructions to fields, or read elsewhere.
_LEFT_OUT = word_set(
    "w:del w:moveFrom w:instrText w:delText w:rPr w:pPr w:sdtPr mc:Fallback w:footnoteRef"
    " w:endnoteRef w:annotationRef"
)
_NOTES = MappingProxyType(
    {
        "w:footnoteReference": "footnote",
        "w:endnoteReference": "endnote",
        "w:commentReference": "comment",
    }
)


@dataclass(frozen=True, slots=True)
class Aside:
    """Something that is read after the paragraph: a note by its key, or a text box."""

    kind: str
    key: str = ""
    mark: str = ""
    box: Element | None = None


@dataclass(slots=True)
class Words:
    """A paragraph's text and its asides."""

    text: str = ""
    asides: list[Aside] = field(default_factory=list)


def paragraph_words(paragraph: Element) -> Words:
    """Read a paragraph (``w:p``)."""
    words = Words()
    parts: list[str] = []
    _read(paragraph, parts, words)
    words.text = "".join(parts)
    return words


def _read(parent: Element, parts: list[str], words: Words) -> None:
    for item in parent:
        tag = item.tag
        if tag == "w:t":
            parts.append(item.text or "")
        elif tag == "w:txbxContent":
            words.asides.append(Aside("box", box=item))
        elif tag in _NOTES:
            _note(item, parts, words)
        elif tag in _SIGNS:
            parts.append(_sign(item))
        elif tag == "m:oMath":
            parts.append(_formula(item))
        elif tag not in _LEFT_OUT:
            _read(item, parts, words)


def _note(item: Element, parts: list[str], words: Words) -> None:
    kind, key = _NOTES[item.tag], item.get("w:id", "")
    mark = "" if kind == "comment" else f"[{key}]"
    parts.append(mark)
    words.asides.append(Aside(kind, key, mark))


def _sign(item: Element) -> str:
    """What stands for a single sign, and for a picture the words that describe it."""
    if item.tag == "w:br":
        return "\n" if item.get("w:type", "textWrapping") == "textWrapping" else " "
    if item.tag == "w:sym":
        return _symbol(item.get("w:char", ""))
    if item.tag == "wp:docPr":
        described = item.get("descr", "")
        return f" {described} " if described else ""
    return _SIGNS[item.tag]


def _symbol(code: str) -> str:
    """A character by its code; those of symbol fonts have no meaning without the font."""
    try:
        value = int(code, 16)
    except ValueError:
        return ""
    return chr(value) if 0x20 <= value < 0xD800 or 0xF900 <= value < 0x10000 else ""


def _formula(item: Element) -> str:
    """A formula on one line, as it would be typed."""
    if item.tag == "m:t":
        return item.text or ""
    shape = _SHAPES.get(item.tag)
    if shape is None:
        return "" if item.tag.endswith("Pr") else _inside(item)
    parts = {inner.tag.removeprefix("m:"): _inside(inner) for inner in item}
    if item.tag == "m:nary":
        parts["sign"] = _sum_sign(item)

    def filled(match: re.Match[str]) -> str:
        text = parts.get(match.group(2), "")
        bare = match.group(1) == "!" or len(text) <= 1 or text.isalnum()
        return text if bare else f"({text})"

    return _PLACE.sub(filled, shape)


def _inside(item: Element) -> str:
    return "".join(_formula(inner) for inner in item)


def _sum_sign(item: Element) -> str:
    sign = child(item, "m:naryPr", "m:chr")
    return sign.get("m:val", "∫") if sign is not None else "∫"
