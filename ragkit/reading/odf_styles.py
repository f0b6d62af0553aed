"""What the styles of an Open Document file say: which paragraphs are titles, how lists count."""

from __future__ import annotations

from dataclasses import dataclass

from ragkit.reading.word_styles import spelled
from ragkit.reading.xml_tree import Element

__all__ = ["OdfStyles", "Shape"]

_LONGEST_CHAIN = 20
_FORMS = {"a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How one level of a list is labelled: ``form`` is ``""`` for a bullet or no number."""

    form: str = ""
    prefix: str = ""
    suffix: str = ""
    start: int = 1
    levels_shown: int = 1

    def label(self, counts: list[int]) -> str:
        """The label of an item, given the counts of its level and those around it."""
        shown = counts[-self.levels_shown :]
        form = _FORMS.get(self.form, "decimal")
        return self.prefix + ".".join(spelled(count, form) for count in shown) + self.suffix


class OdfStyles:
    """The named and automatic styles of a file."""

    def __init__(self, *roots: Element | None) -> None:
        self._parents: dict[str, str] = {}
        self._lists: dict[str, dict[int, Shape]] = {}
        self.outline: dict[int, Shape] = {}
        for root in roots:
            for item in root.iter() if root is not None else ():
                if item.tag == "style:style" and item.get("style:family") == "paragraph":
                    self._parents[item.get("style:name", "")] = item.get(
                        "style:parent-style-name", ""
                    )
                elif item.tag == "text:list-style":
                    self._lists[item.get("style:name", "")] = _shapes(item)
                elif item.tag == "text:outline-style":
                    self.outline = _shapes(item)

    def is_named(self, style: str, *names: str) -> bool:
        """Whether a paragraph style, or one that it is based on, has one of these names."""
        for _ in range(_LONGEST_CHAIN):
            if style.replace("_20_", " ").lower() in names:
                return True
            style = self._parents.get(style, "")
        return False

    def list_shape(self, style: str, depth: int) -> Shape:
        """How a level of a list is labelled; depth 1 is the outermost."""
        return self._lists.get(style, {}).get(depth, Shape())


def _shapes(parent: Element) -> dict[int, Shape]:
    found: dict[int, Shape] = {}
    for item in parent:
        if item.tag in ("text:list-level-style-number", "text:outline-level-style"):
            found[_number(item.get("text:level"), 1)] = Shape(
                form=item.get("style:num-format", ""),
                prefix=item.get("style:num-prefix", ""),
                suffix=item.get("style:num-suffix", ""),
                start=_number(item.get("text:start-value"), 1),
                levels_shown=max(1, _number(item.get("text:display-levels"), 1)),
            )
    return found


def _number(text: str | None, otherwise: int) -> int:
    known = text is not None and len(text) < 10 and text.isascii() and text.isdigit()
    return int(text) if known and text is not None else otherwise
