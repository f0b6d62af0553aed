"""How long to wait: what a server asks for, and full jitter where it asks for nothing."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["Patience", "backoff_s", "spoken_s", "stated_wait_s"]

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_UNITS_S: Final[Mapping[str, float]] = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a client goes on trying.

    Attributes:
        first_s: Upper end of the first backoff; each further one doubles it.
        longest_s: Upper end of any backoff.
        attempts: Tries of a batch, before failures that are not a limit of rate end it.
        unreached_attempts: Tries of a server that has never answered.
        waiting_s: Longest that one batch waits in all; a longer stated wait ends it at once.
        run_s: Longest that a whole run may last: nothing is sent after it; None for no end.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    attempts: int = 6
    unreached_attempts: int = 3
    waiting_s: float = 900.0
    run_s: float | None = None


def backoff_s(attempt: int, patience: Patience, jitter: random.Random) -> float:
    """A random wait between 0 and a bound that doubles with each attempt.

    Full jitter spreads workers that failed together over the whole interval; equal jitter or none
    would have them all come back at once.
    """
    bound = min(patience.longest_s, patience.first_s * 2.0 ** min(attempt - 1, 32))
    return jitter.uniform(0.0, bound)


def spoken_s(seconds: float) -> str:
    """A length of time as people say it: 40 seconds, 12 minutes, 9 hours, 3 days."""
    for unit, length_s in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= 1.5 * length_s:
            return f"{round(seconds / length_s)} {unit}s"
    count = math.ceil(seconds)
    return f"{count} second{'' if count == 1 else 's'}"


def stated_wait_s(headers: Mapping[str, str], *, now_s: float) -> float | None:
    """The wait that the headers of a refusal ask for; None when they ask for none.

    Args:
        headers: Names in lower case.
        now_s: Seconds since the epoch, for dates.
    """
    return _first_known(
        _number(headers.get("retry-after-ms"), 0.001),
        _retry_after(headers.get("retry-after"), now_s),
        _used_up(headers, now_s),
        _reset(headers.get("x-ratelimit-reset"), now_s),
    )


def _first_known(*waits: float | None) -> float | None:
    return next((max(0.0, wait) for wait in waits if wait is not None), None)


def _number(value: str | None, unit_s: float) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except ValueError:
        return None
    return number * unit_s if math.isfinite(number) else None


def _retry_after(value: str | None, now_s: float) -> float | None:
    if value is None:
        return None
    seconds = _number(value, 1.0)
    if seconds is not None:
        return seconds
    try:
        return parsedate_to_datetime(value).timestamp() - now_s
    except (ValueError, OverflowError):
        return None


def _used_up(headers: Mapping[str, str], now_s: float) -> float | None:
    """OpenAI counts requests and tokens apart: only what is used up is worth waiting for."""
    waits = [
        _reset(headers.get(f"x-ratelimit-reset-{kind}"), now_s)
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
    ]
    return max((wait for wait in waits if wait is not None), default=None)


def _reset(value: str | None, now_s: float) -> float | None:
    # The unit is documented nowhere: milliseconds of the epoch, seconds of the epoch, seconds from
    # now, and durations such as 6m0s are all sent, and differ by orders of magnitude.
    if value is None:
        return None
    number = _number(value, 1.0)
    if number is not None:
        if number >= 1e11:
            return number / 1000.0 - now_s
        return number - now_s if number >= 1e9 else number
    parts = _DURATION.findall(value.strip())
    if not parts or "".join(amount + unit for amount, unit in parts) != value.strip():
        return None
    return sum(float(amount) * _UNITS_S[unit] for amount, unit in parts)
