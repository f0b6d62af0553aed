"""Finds what opens doors: keys, tokens, passwords."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from ragkit.screening.findings import Finding, apart
from ragkit.screening.rules import (
    SECRET_NAMES,
    Rule,
    encoded_line,
    key_begins,
    secret_rules,
    setting,
)

__all__ = ["find_secrets"]

# The longest keys in use, with the headers of their block, have 13,000 characters.
_LONGEST_KEY = 20_000
_KEY_ENDS = "PRIVATE KEY"
# Headers, and lines of base64 with what strings in code put around them.
_KEY_LINES = re.compile(
    r"(?:(?:\\n|[\s\"'+]){0,40}(?:(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): [^\n]{0,100}"
    r"|[A-Za-z0-9+/=]{20,100}(?![^\s\"'\\])))*"
)

# What stands where the manual wants a secret to be put in.
_PLACEHOLDER = re.compile(
    r"your|example|sample|change.?me|placeholder|redacted|dummy|insert|replace|hidden|removed|todo"
    r"|pass(?:word|wd|wort|phrase)?$|secret$|token$|^(?:null|none|nil|true|false|undefined|empty)$"
    r"|(.)\1{3}|\.\.\.|…|[<>{}\[\]()]|^[$%(*&@]|environ|getenv|\benv[.\[]|config[.\[]"
    r"|^\w+(?:\.[a-zA-Z_]\w*)+$|^[/~.]",
    re.IGNORECASE,
)
# What a word does not have; without quotation marks a digit is the only sign.
_TELLING, _TELLING_PLAIN = re.compile(r"[0-9]|[^\w\-.:/+]"), re.compile("[0-9]")
# Bits for each character, below which a long value is a word or a pattern.
_LEAST_ENTROPY = 2.6


def find_secrets(text: str, *, is_fragment: bool = False) -> list[Finding]:
    """Secrets of a text, in order and apart.

    Most are known by their shape alone; a password is known by what it is set to or where it
    stands in an address, so that values of examples are passed over.

    Args:
        text: A whole document, so that a key is seen from its first line to its last.
        is_fragment: The text may begin inside of a key: lines that look like one are taken for one.
    """
    found = [*_private_keys(text), *_settings(text)]
    for rule in secret_rules():
        if any(anchor in text for anchor in rule.anchors):
            found += _of_rule(rule, text)
    if is_fragment:
        found += [
            Finding(start=line.start(), end=line.end(), kind="private key")
            for line in encoded_line().finditer(text)
        ]
    return apart(found)


def _of_rule(rule: Rule, text: str) -> Iterator[Finding]:
    for match in rule.pattern.finditer(text):
        start, end = match.span(match.lastgroup or 0)
        if not rule.is_guess or _is_value(text[start:end]):
            yield Finding(start=start, end=end, kind=rule.kind)


def _settings(text: str) -> Iterator[Finding]:
    """Values that names like ``DB_PASSWORD`` and ``apiKey`` are set to.

    Names are looked for one by one: one expression for all takes thirty times as long.
    """
    lowered = _lower(text)
    for name in SECRET_NAMES:
        place = lowered.find(name)
        while place >= 0:
            match = setting().match(text, place + len(name))
            if match and _is_value(match[match.lastgroup or 0], is_plain=bool(match["plain"])):
                start, end = match.span(match.lastgroup or 0)
                yield Finding(start=start, end=end, kind="password")
            place = lowered.find(name, place + len(name))


def _lower(text: str) -> str:
    """In lower case, character by character where that would change the length."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)


def _private_keys(text: str) -> Iterator[Finding]:
    """Blocks from their first line to their last; one that was cut off, to its last key line."""
    place = 0
    while begins := key_begins().search(text, place):
        ends = text.find("-----END", begins.end(), begins.end() + _LONGEST_KEY)
        closes = text.find("-----", ends + 8, ends + 60) if ends >= 0 else -1
        lines = _KEY_LINES.match(text, begins.end())
        place = closes + 5 if closes >= 0 else (lines.end() if lines else begins.end())
        yield Finding(start=begins.start(), end=place, kind="private key")


def _is_value(value: str, *, is_plain: bool = False) -> bool:
    """Whether a value is a secret rather than an example, a name or a call.

    Args:
        value: What something is set to.
        is_plain: It has no quotation marks, so that it may be code, or a word of a sentence.
    """
    if _PLACEHOLDER.search(value) or not (_TELLING_PLAIN if is_plain else _TELLING).search(value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in ("[a-z]", "[A-Z]", "[0-9]", r"[^\w\s]"))
    return kinds >= 2 and (len(value) < 12 or _entropy(value) >= _LEAST_ENTROPY)


def _entropy(value: str) -> float:
    """Bits for each character, by how often each stands in the value."""
    counts = Counter(value).values()
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts)
