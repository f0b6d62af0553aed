"""How long work at a server takes at least, by the limits of rate that are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ragkit.embedding.waits import spoken_s

if TYPE_CHECKING:
    from ragkit.embedding.pace import Pace

__all__ = ["FREE_A_DAY", "PAID_A_DAY", "Forecast", "foretell"]

# OpenRouter's documented allowance of requests to free models: of accounts that never bought
# credit for ten dollars, and of others.
FREE_A_DAY: Final = 50
PAID_A_DAY: Final = 1000
_DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What so much work takes.

    Attributes:
        requests: About how many; 0 for the embedded model.
        seconds: At least so long; None where no limit is known: then it takes as long as the server
            takes.
        said: For people; empty where no limit is known.
    """

    requests: int = 0
    seconds: float | None = None
    said: str = ""


def foretell(pace: Pace, requests: int, tokens: int, *, a_day: int | None) -> Forecast:
    """What so many requests with so many tokens in all take.

    Args:
        pace: Of the server.
        requests: About how many.
        tokens: In all of them.
        a_day: Requests that are permitted in a day; None where there is no such limit.
    """
    seconds = pace.seconds_for(requests, tokens)
    if seconds is None:
        return Forecast(requests=requests)
    plural = "" if requests == 1 else "s"
    said = f"about {requests:,} request{plural} at {_rates(pace)}"
    if a_day is not None:
        said += f" and {a_day:,} a day"
        seconds = max(seconds, (math.ceil(requests / a_day) - 1) * _DAY_S)
    return Forecast(
        requests=requests, seconds=seconds, said=f"{said}: at least {spoken_s(seconds)}"
    )


def _rates(pace: Pace) -> str:
    rates = (
        (pace.requests_per_minute, "requests"),
        (pace.tokens_per_minute, "tokens"),
    )
    return " and ".join(f"{rate:,.0f} {what} a minute" for rate, what in rates if rate is not None)
