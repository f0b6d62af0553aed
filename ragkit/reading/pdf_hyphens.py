"""Words that a hyphen breaks at a line's end, made whole without a dictionary.

Whether the hyphen belongs to the word (well-known) or only to the line (infor-mation) is told by
the rest of the document: the form that it has more often elsewhere is taken. Where it has neither,
the hyphen stays if both halves are words of the document on their own, or if the second begins with
a capital or a digit.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ragkit.reading.structure import word_set

__all__ = ["BreakableLine", "mend_hyphens"]

_COMPOUND = re.compile(r"[^\W_]+(?:[-‐][^\W_]+)*")
_LAST = re.compile(r"(?P<head>[^\W_]+(?:[-‐'’][^\W_]+)*)(?P<hyphen>[-‐\xad]?)$")
_FIRST = re.compile(r"(?P<tail>[^\W_]+)(?P<rest>\S*)")
_SHORTEST_WORD = 3
# "pre- and postwar": the hyphen stands for what comes later.
_AND = word_set("and or und oder bzw et ou y o e i en of och eller")


@dataclass(slots=True)
class BreakableLine:
    """A line of running text.

    Attributes:
        text: Its words; a hyphen at its end may break one.
        broken: Whether its last word is broken by a hyphen that is not in the text.
        flows: Whether it is running text, which goes on in the next such line.
    """

    text: str
    broken: bool = False
    flows: bool = True


def mend_hyphens(lines: Sequence[BreakableLine]) -> None:
    """Move the second half of each broken word up to the line where the first half stands."""
    flowing = [line for line in lines if line.flows and line.text]
    broken = [index for index in range(len(flowing) - 1) if _parts(flowing[index]) is not None]
    if flowing and flowing[-1].broken:
        flowing[-1].text += "-"
    if not broken:
        return
    words = _count(flowing, set(broken))
    for index in broken:
        line, following = flowing[index], flowing[index + 1]
        parts, second = _parts(line), _FIRST.match(following.text)
        if parts is None or second is None or second["tail"].casefold() in _AND:
            line.text += "-" if line.broken else ""
            line.broken = False
            continue
        before, head = parts
        hyphen = "-" if _keeps_hyphen(head, second["tail"], words) else ""
        line.text = f"{before}{head}{hyphen}{second['tail']}{second['rest']}"
        line.broken = following.broken and second.end() == len(following.text)
        following.text = following.text[second.end() :].lstrip()


def _parts(line: BreakableLine) -> tuple[str, str] | None:
    """What stands before the broken word, and its first half; None if no word is broken."""
    match = _LAST.search(line.text[-200:])
    if match is None or not (line.broken or match["hyphen"]):
        return None
    if not match["head"][-1].isalpha():
        return None
    end = len(line.text) - len(match.group())
    return line.text[:end], match["head"]


def _count(lines: Sequence[BreakableLine], broken: set[int]) -> Counter[str]:
    """How often each word and compound stands within a line."""
    words: Counter[str] = Counter()
    for index, line in enumerate(lines):
        found = [match.group().casefold() for match in _COMPOUND.finditer(line.text)]
        begin = 1 if index - 1 in broken else 0
        words.update(found[begin : len(found) - (index in broken)])
    parts = Counter[str]()
    for word, number in words.items():
        if "-" in word or "‐" in word:
            for part in re.split("[-‐]", word):
                parts[part] += number
    # A half of a compound is a word too, but a compound's own count stays its own.
    words.update(parts)
    return words


def _keeps_hyphen(head: str, tail: str, words: Counter[str]) -> bool:
    last = re.split("[-‐]", head)[-1]
    joined, hyphened = f"{head}{tail}".casefold(), f"{head}-{tail}".casefold()
    whole, apart = words[joined], words[hyphened]
    if whole != apart:
        return apart > whole
    if not tail[0].islower() or "-" in head:
        return not tail[0].islower() or last.casefold() in words
    halves: Iterable[str] = (head.casefold(), tail.casefold())
    return all(len(half) >= _SHORTEST_WORD and words[half] > 0 for half in halves)
