"""The rules of .gitignore and .ragignore, and of patterns given by hand in the same syntax."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["IGNORE_FILES", "Rules", "load_rules", "parse_rules"]

# In this order: what the second says about a name wins.
IGNORE_FILES = (".gitignore", ".ragignore")
_RULES_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one ignore file.

    Attributes:
        origin: Source of the file that holds them.
        base: Length of the prefix that paths have before its folder.
        patterns: (regular expression, whether it ignores), the last match wins.
        any_of: Matches what any of them matches: most names match none, and one search says so.
    """

    origin: str
    base: int
    patterns: tuple[tuple[re.Pattern[str], bool], ...]
    any_of: re.Pattern[str]

    def decide(self, path: str) -> bool | None:
        """Whether the path is ignored; None if no rule speaks of it. Folders end with ``/``."""
        local = path[self.base :]
        if not self.any_of.match(local):
            return None
        for pattern, ignores in reversed(self.patterns):
            if pattern.match(local):
                return ignores
        return None


def parse_rules(lines: Iterable[str], *, origin: str, base: int) -> Rules | None:
    """Compile the lines of an ignore file; None if they hold no rule.

    A line that is no valid pattern is no rule, as git has it.
    """
    # Only folders with ignore files pay for this import.
    from pathspec import GitIgnoreSpec  # noqa: PLC0415

    patterns: list[tuple[re.Pattern[str], bool]] = []
    for line in lines:
        try:
            spec = GitIgnoreSpec.from_lines([line])
        except (ValueError, re.error):
            continue
        for pattern in spec.patterns:
            regex, include = pattern.regex, pattern.include
            if isinstance(regex, re.Pattern) and include is not None:
                patterns.append((regex, include))
    if not patterns:
        return None
    # Group names may not repeat within one expression.
    joined = "|".join(re.sub(r"\(\?P<\w+>", "(?:", regex.pattern) for regex, _ in patterns)
    return Rules(origin, base, tuple(patterns), re.compile(joined))


def load_rules(path: str, *, origin: str, base: int) -> Rules | None:
    """The rules of an ignore file; None if it holds none.

    Args:
        path: Where the file lies.
        origin: Its source.
        base: Length of its folder's path below the root, with a final ``/``.

    Raises:
        OSError: It cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(_RULES_LIMIT_BYTES)
    lines = data.decode("utf-8", errors="surrogateescape").removeprefix("\ufeff").splitlines()
    return parse_rules(lines, origin=origin, base=base)
