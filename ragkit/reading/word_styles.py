"""What a Word paragraph is by its style and numbering: a heading, an item, or plain text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ragkit.reading.xml_tree import Element, child, children

__all__ = ["Numbering", "Styles", "spelled"]

_HEADING = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_LONGEST_CHAIN = 20
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
          (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_LEVELS = 9


@dataclass(frozen=True, slots=True)
class _Style:
    name: str
    based_on: str
    outline: int | None
    numbering: tuple[str | None, str | None]


def _value(parent: Element | None, *path: str) -> str | None:
    found = child(parent, *path)
    return found.get("w:val") if found is not None else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None


class Styles:
    """The paragraph styles of a document."""

    def __init__(self, root: Element | None) -> None:
        self._styles: dict[str, _Style] = {}
        for item in children(root, "w:style"):
            properties = child(item, "w:pPr")
            self._styles[item.get("w:styleId", "")] = _Style(
                name=(_value(item, "w:name") or "").strip(),
                based_on=_value(item, "w:basedOn") or "",
                outline=_number(_value(properties, "w:outlineLvl")),
                numbering=(
                    _value(properties, "w:numPr", "w:numId"),
                    _value(properties, "w:numPr", "w:ilvl"),
                ),
            )

    def _chain(self, key: str) -> list[_Style]:
        """A style and those it is based on."""
        chain: list[_Style] = []
        while key in self._styles and len(chain) < _LONGEST_CHAIN:
            chain.append(self._styles[key])
            key = chain[-1].based_on
        return chain

    def is_named(self, properties: Element | None, *names: str) -> bool:
        """Whether a paragraph's style, or one that it is based on, has one of these names."""
        key = _value(properties, "w:pStyle") or ""
        if not self._styles:
            return key.lower() in names
        return any(style.name.lower() in names for style in self._chain(key))

    def heading_level(self, properties: Element | None) -> int | None:
        """Rank of a heading from 1; None for what is none."""
        own = _number(_value(properties, "w:outlineLvl"))
        if own is not None:
            return own + 1 if own < _LEVELS else None
        key = _value(properties, "w:pStyle") or ""
        for style in self._chain(key):
            if style.outline is not None:
                return style.outline + 1 if style.outline < _LEVELS else None
            match = _HEADING.match(style.name)
            if match:
                return int(match.group(1))
        match = re.match(r"heading([1-9])$", key, re.IGNORECASE)
        return int(match.group(1)) if match and key not in self._styles else None

    def numbering(self, properties: Element | None) -> tuple[str | None, int]:
        """Number list and level of a paragraph, its own or its style's."""
        list_id = _value(properties, "w:numPr", "w:numId")
        level = _value(properties, "w:numPr", "w:ilvl")
        for style in self._chain(_value(properties, "w:pStyle") or ""):
            list_id = style.numbering[0] if list_id is None else list_id
            level = style.numbering[1] if level is None else level
        return (None if list_id == "0" else list_id), min(_number(level) or 0, _LEVELS - 1)


@dataclass(slots=True)
class _Level:
    form: str = "decimal"
    text: str = ""
    start: int = 1
    style: str = ""


@dataclass(slots=True)
class _List:
    levels: dict[int, _Level] = field(default_factory=dict)
    counts: list[int | None] = field(default_factory=lambda: [None] * _LEVELS)


class Numbering:
    """Counts the numbered paragraphs, as Word does when it shows them."""

    def __init__(self, root: Element | None) -> None:
        self._lists: dict[str, _List] = {}
        if root is None:
            return
        abstract: dict[str | None, _List] = {}
        for item in children(root, "w:abstractNum"):
            levels = {_number(entry.get("w:ilvl")) or 0: _level(entry)
                      for entry in children(item, "w:lvl")}  # fmt: skip
            abstract[item.get("w:abstractNumId")] = _List(levels)
        for item in children(root, "w:num"):
            base = abstract.get(_value(item, "w:abstractNumId"), _List())
            overrides = list(children(item, "w:lvlOverride"))
            if overrides:
                # An overridden list counts on its own; others of one kind count together.
                base = _List(dict(base.levels))
                for entry in overrides:
                    self._override(base, entry)
            self._lists[item.get("w:numId", "")] = base

    @staticmethod
    def _override(numbered: _List, entry: Element) -> None:
        index = _number(entry.get("w:ilvl")) or 0
        whole, start = child(entry, "w:lvl"), _number(_value(entry, "w:startOverride"))
        level = _level(whole) if whole is not None else numbered.levels.get(index, _Level())
        if start is not None:
            level = _Level(level.form, level.text, start, level.style)
        numbered.levels[index] = level

    def label(self, list_id: str, level: int) -> str:
        """Count a paragraph and give its label: a bullet is ``-``, no label is ``""``."""
        numbered = self._lists.get(list_id)
        if numbered is None:
            return "-"
        counts = numbered.counts
        shape = numbered.levels.get(level, _Level(text=f"%{level + 1}."))
        before = counts[level]
        counts[level] = shape.start if before is None else before + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        if shape.form == "bullet":
            return "-"
        if shape.form == "none":
            return ""

        def count(match: re.Match[str]) -> str:
            at = int(match.group(1)) - 1
            place = numbered.levels.get(at, _Level())
            value = counts[at]
            return spelled(place.start if value is None else value, place.form)

        return re.sub(r"%([1-9])", count, shape.text).strip()


def _level(entry: Element) -> _Level:
    start = _number(_value(entry, "w:start"))
    return _Level(
        form=_value(entry, "w:numFmt") or "decimal",
        text=_value(entry, "w:lvlText") or "",
        start=1 if start is None else start,
    )


def spelled(value: int, form: str) -> str:
    """A count as Word writes it: ``4``, ``d``, ``iv``."""
    if form.endswith("Letter") and value > 0:
        letter = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 % 20 + 1)
        return letter.upper() if form.startswith("upper") else letter
    if form.endswith("Roman") and 0 < value < 4000:
        roman = ""
        for size, sign in _ROMAN:
            roman += sign * (value // size)
            value %= size
        return roman.upper() if form.startswith("upper") else roman
    if form == "decimalZero":
        return f"{value:02d}"
    return str(value)
