"""Front matter: the YAML or TOML block at the head of a Markdown file."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import Any

import yaml

from ragkit.records import JsonValue

__all__ = ["FrontMatter", "plain_json", "split_front_matter"]

_OPENING = re.compile(r"(---|\+\+\+)[ \t]*(?:\r\n|\r|\n)")
_CLOSING = {
    "---": re.compile(r"^(?:---|\.\.\.)[ \t]*$", re.MULTILINE),
    "+++": re.compile(r"^\+\+\+[ \t]*$", re.MULTILINE),
}
# Beyond this it is no front matter but a document of its own; YAML parses about 1 MB/s.
_LIMIT_CHARACTERS = 64 * 1024
_LIMIT_VALUES = 10_000
_LIMIT_DEPTH = 20


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe tags only, and dates as they are written: a filter compares text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if not tag.endswith((":timestamp", ":merge"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _TooMuch(ValueError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontMatter:
    """What stands at the head of a text.

    Attributes:
        end: Offset just past the closing line; 0 where there is no front matter.
        metadata: Its values as plain JSON; empty if they cannot be read.
        warnings: Why they cannot be read.
    """

    end: int = 0
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def title(self) -> str | None:
        """The title that it states."""
        title = self.metadata.get("title")
        if not isinstance(title, str):
            return None
        return " ".join(title.split()) or None


def split_front_matter(text: str) -> FrontMatter:
    """Find and read front matter; one that is never closed is ordinary text."""
    opening = _OPENING.match(text)
    if opening is None:
        return FrontMatter()
    fence = opening.group(1)
    head = text[: opening.end() + _LIMIT_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    begin = len(fence) + head[len(fence) :].index("\n") + 1
    closing = _CLOSING[fence].search(head, begin)
    if closing is None or not head[begin : closing.start()].strip():
        return FrontMatter()
    lines = head.count("\n", 0, closing.end())
    end = _end_of_line(text, lines)
    body = head[begin : closing.start()]
    try:
        values = tomllib.loads(body) if fence == "+++" else _yaml(body)
        if not isinstance(values, dict):
            # Two rules around a paragraph look the same as front matter.
            return FrontMatter()
        budget = [_LIMIT_VALUES]
        metadata = {str(key): plain_json(value, budget) for key, value in values.items()}
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        return FrontMatter(end=end, warnings=(f"front matter not understood: {_brief(error)}",))
    return FrontMatter(end=end, metadata=metadata)


def plain_json(value: object, budget: list[int], depth: int = 0) -> JsonValue:
    """A value as plain JSON that any later stage can store.

    Args:
        value: From a parser.
        budget: How many values are still allowed; counted down.
        depth: How deep this one lies.

    Raises:
        ValueError: Too many values, or nested too deeply.
    """
    budget[0] -= 1
    if budget[0] < 0 or depth > _LIMIT_DEPTH:
        raise _TooMuch("too many values")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else float(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {
            _clean(str(key)): plain_json(item, budget, depth + 1) for key, item in value.items()
        }
    if isinstance(value, (list, tuple, set)):
        return [plain_json(item, budget, depth + 1) for item in value]
    return _clean(str(value))


def _clean(text: str) -> str:
    return text.encode("utf-8", errors="replace").decode("utf-8")


def _yaml(body: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    if "*" in body:
        for event in yaml.parse(body, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                # Nine lines of aliases are enough for a billion values.
                raise _TooMuch("aliases are not followed")
    return yaml.load(body, Loader=_Loader)  # noqa: S506 - derived from SafeLoader


def _end_of_line(text: str, lines: int) -> int:
    """Offset just past the given number of line ends and the closing line."""
    at = 0
    for match in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n|\Z)", text):
        at = match.end()
        if lines == 0:
            break
        lines -= 1
    return at


def _brief(error: Exception) -> str:
    first = str(getattr(error, "problem", None) or error).strip().splitlines()
    return first[0][:120] if first else type(error).__name__
