"""How a spreadsheet shows a number: as a date, a time, a share, or in plain digits."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from types import MappingProxyType

from ragkit.reading.xml_tree import Element, child, children

__all__ = ["Formats", "format_kind", "plain_number", "shown"]

_DATES = frozenset({*range(14, 18), *range(27, 32), 36, *range(50, 59)})
_TIMES = frozenset({18, 19, 20, 21, 45, 46, 47, 32, 33, 34, 35})
_BUILT_IN = MappingProxyType(
    {
        **dict.fromkeys(_DATES, "date"),
        **dict.fromkeys(_TIMES, "time"),
        22: "moment",
        9: "percent",
        10: "percent",
    }
)
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
_LAST_DAY = 2_958_465


class Formats:
    """Which kind of number each cell style shows."""

    def __init__(self, root: Element | None, *, since_1904: bool = False) -> None:
        self.since_1904 = since_1904
        custom = {
            item.get("numFmtId", ""): _kind(item.get("formatCode", ""))
            for item in children(child(root, "s:numFmts"), "s:numFmt")
        }
        self._kinds: list[str] = []
        for item in children(child(root, "s:cellXfs"), "s:xf"):
            key = item.get("numFmtId", "0")
            number = int(key) if key.isascii() and key.isdigit() else 0
            self._kinds.append(custom.get(key) or _BUILT_IN.get(number, ""))

    def of(self, style: str) -> str:
        """``date``, ``time``, ``moment``, ``percent`` or ``""``."""
        index = int(style) if style.isascii() and style.isdigit() else 0
        return self._kinds[index] if index < len(self._kinds) else ""


def format_kind(number: int, code: str | None) -> str:
    """What a format shows: ``date``, ``time``, ``moment``, ``percent`` or ``""``.

    Args:
        number: Of the format; those below 164 are built in.
        code: Its code, where the file states one.
    """
    return _kind(code) if code else _BUILT_IN.get(number, "")


def _kind(code: str) -> str:
    """What a format's code makes of a number."""
    bare = _LITERAL.sub("", code.split(";", maxsplit=1)[0]).lower()
    if "%" in bare:
        return "percent"
    if "general" in bare or "0" in bare.replace("ss.0", "ss") or "#" in bare:
        return ""
    has_date = "y" in bare or "d" in bare or "mmm" in bare
    has_time = "h" in bare or "s" in bare
    if has_date:
        return "moment" if has_time else "date"
    return "time" if has_time else ""


def plain_number(number: float) -> str:
    """A number in plain digits, without the noise of binary fractions."""
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.15g}"


def shown(value: str, kind: str, *, since_1904: bool = False) -> str:
    """A stored number as the sheet shows it; text that is no number stays as it is."""
    try:
        number = float(value)
    except ValueError:
        return value
    if not math.isfinite(number):
        return value
    if kind == "percent":
        return f"{plain_number(round(number * 100, 10))}%"
    if kind in ("date", "moment", "time") and 0 <= number <= _LAST_DAY:
        return _moment(number, kind, since_1904=since_1904)
    return plain_number(number)


def _moment(number: float, kind: str, *, since_1904: bool) -> str:
    seconds = round(number * 86_400)
    if kind == "time":
        minutes, second = divmod(seconds, 60)
        clock = f"{minutes // 60:02d}:{minutes % 60:02d}"
        return f"{clock}:{second:02d}" if second else clock
    # Day 60 is the 29 February 1900 that never was.
    first = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30 + (number < 60))
    day = first + timedelta(seconds=seconds)
    if kind == "date" or seconds % 86_400 == 0:
        return day.strftime("%Y-%m-%d")
    return day.strftime("%Y-%m-%d %H:%M:%S" if seconds % 60 else "%Y-%m-%d %H:%M")
