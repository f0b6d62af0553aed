"""One pace for all workers: cool-downs, limits of rate, and as much at once as the server bears."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Literal

from ragkit.embedding.rates import Rate
from ragkit.embedding.unnamed import UnnamedLimit

__all__ = ["Pace"]

# Of so many requests, so many refused: a limit of rate rather than a passing overload.
_RECENT: Final = 16
_MANY_REFUSED: Final = 6
# A server in trouble, as a part of so many recent requests that it refused or was late for: of half
# as many, two in a hundred of each mishap would look like it now and then.
_MANY_STRAINS: Final = 5 / 16
_STRAINS_SEEN: Final = 32
# What more at once must bring, as a part of what it would bring if the server bore it well.
_WORTH: Final = 0.3
# Rounds until more at once is tried again after it brought nothing.
_HOLD_ROUNDS: Final = 16
_TRIED: Final = 1.25
_MEASURABLE_S: Final = 0.001


class Pace:
    """Shared by all calls of an embedder, from any thread.

    The number of requests at once doubles with each round of answers until the server refuses or
    answers no faster, then halves when refusals or delays are frequent and grows by a sixteenth of
    the most with each round (additive increase, multiplicative decrease). Where more at once brings
    no more answers it goes back: such requests would only wait in line at the server, towards their
    timeout.

    Args:
        most_at_once: Most requests in flight.
        begins_at: Requests in flight at first; None for the most.
        requests_per_minute: What the server permits, where that is known.
        tokens_per_minute: The same for tokens.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        most_at_once: int,
        *,
        begins_at: int | None = None,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_at_once = most_at_once
        self._clock = clock
        self._at_once = float(min(most_at_once, begins_at or most_at_once))
        self._doubles = True
        self._ready_at_s = self._closed_until_s = 0.0
        now_s = clock()
        self._requests = Rate(requests_per_minute, now_s)
        self._tokens = Rate(tokens_per_minute, now_s)
        self._unnamed = UnnamedLimit()
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._strains: deque[bool] = deque(maxlen=_STRAINS_SEEN)
        self._episode_s = -1.0
        self._round = _Round(began_s=now_s)
        self._before: tuple[float, float] | None = None
        self._hold = 0
        self._lock = threading.Lock()

    @property
    def at_once(self) -> int:
        """Most requests in flight now."""
        return int(self._at_once)

    @property
    def requests_per_minute(self) -> float | None:
        """What is kept to, known or learnt; None where no limit showed."""
        return self._requests.per_minute

    @property
    def tokens_per_minute(self) -> float | None:
        """What is kept to, known or learnt; None where no limit showed."""
        return self._tokens.per_minute

    @property
    def tokens_per_s(self) -> float | None:
        """The rate of tokens that is kept to; None where no limit showed."""
        return self._tokens.per_s

    def wait_s(self) -> float:
        """How long nobody may send; 0 when anybody may."""
        now_s = self._clock()
        rates = max(self._requests.wait_s(now_s), self._tokens.wait_s(now_s))
        return max(0.0, self._ready_at_s - now_s, self._closed_until_s - now_s, rates)

    def seconds_for(self, requests: float, tokens: float) -> float | None:
        """How long so much takes at the limits of rate; None where no limit is known."""
        waits = [
            amount / rate.per_s
            for amount, rate in ((requests, self._requests), (tokens, self._tokens))
            if rate.per_s is not None
        ]
        return max(waits, default=None)

    def sent(self, tokens: float) -> float:
        """A request with about so many tokens goes out now; the moment, for ``refused``."""
        with self._lock:
            now_s = self._clock()
            self._requests.sent(1.0, now_s)
            self._tokens.sent(tokens, now_s)
            return now_s

    def close(self, seconds: float) -> None:
        """Nobody sends for so long, since the server said so: at once, before it is looked into."""
        with self._lock:
            self._closed_until_s = max(self._closed_until_s, self._clock() + seconds)

    def refused(
        self,
        wait_s: float,
        *,
        sent_s: float | None = None,
        tokens: float = 0.0,
        about: Literal["requests", "tokens"] | None = "requests",
        stated_s: float | None = None,
    ) -> None:
        """The server refused for the rate: nobody sends for so long, and then fewer at once.

        Args:
            wait_s: How long.
            sent_s: When the request went out; None for before all others.
            tokens: As given to ``sent``.
            about: What the limit counts; None where nothing says so.
            stated_s: The wait that the server asked for; None when it asked for none.
        """
        with self._lock:
            now_s = self._clock()
            sent_s = now_s if sent_s is None else sent_s
            # Requests that were on their way together belong to the same overload.
            is_first = sent_s >= self._episode_s
            waited = now_s >= self._ready_at_s
            self._recent.append(True)
            self._strains.append(True)
            if is_first:
                self._episode_s = now_s
                if waited:
                    self._strained(now_s)
            # A wait that nobody asked for is as long as refusals are frequent: one by chance does
            # not hold up the others.
            share = 1.0 if stated_s is not None else sum(self._recent) / len(self._recent)
            self._ready_at_s = max(self._ready_at_s, now_s + wait_s * share)
            learns = sum(self._recent) >= _MANY_REFUSED
            free_at_s = now_s + (stated_s or 0.0)
            about = about or self._guess(free_at_s, tokens, is_first=is_first)
            for rate, amount, counts in (
                (self._requests, 1.0, about == "requests"),
                (self._tokens, tokens, about == "tokens"),
            ):
                if counts:
                    rate.refused(amount, free_at_s, is_first=is_first, learns=learns)
                else:
                    rate.corrected(-amount)

    def slowed(self) -> None:
        """The server did not answer in time: half as many at once, when it is not by chance."""
        with self._lock:
            self._strains.append(True)
            self._strained(self._clock())

    def answered(self, *, amount: float = 1.0, full: bool = True, tokens: float = 0.0) -> None:
        """The server answered in full.

        Args:
            amount: Work that was answered, in any unit.
            full: Whether as many requests were in flight as may be.
            tokens: Billed, above what was given to ``sent``; below 0 for fewer.
        """
        with self._lock:
            self._recent.append(False)
            self._strains.append(False)
            self._tokens.corrected(tokens)
            current = self._round
            current.answers += 1
            current.amount += amount
            current.full &= full
            if current.answers >= max(8, self._at_once):
                self._end_round()

    def told(self, headers: Mapping[str, str]) -> None:
        """Read the limits that OpenAI and others put into each answer, by the minute."""
        for kind, rate in (("requests", self._requests), ("tokens", self._tokens)):
            stated = headers.get(f"x-ratelimit-limit-{kind}")
            if stated is None or rate.is_given or not stated.strip().isdecimal():
                continue
            with self._lock:
                if int(stated) > 0:
                    rate.state(float(stated))

    def _guess(
        self, free_at_s: float, tokens: float, *, is_first: bool
    ) -> Literal["requests", "tokens"]:
        """What a limit counts that was not named; a rate that was learnt for the other is void."""
        unnamed, before = self._unnamed, self._unnamed.counts
        requests = self._requests.accepted - 1.0
        unnamed.refused(free_at_s, requests, self._tokens.accepted - tokens, is_first=is_first)
        if unnamed.counts != before:
            (self._requests if before == "requests" else self._tokens).forget()
        return unnamed.counts

    def _end_round(self) -> None:
        now_s = self._clock()
        done, self._round = self._round, _Round(began_s=now_s)
        if not done.full:
            return
        elapsed_s = now_s - done.began_s
        if elapsed_s < _MEASURABLE_S:
            self._at_once = min(self.most_at_once, self._at_once + 1.0)
            return
        speed = done.amount / elapsed_s
        if self._hold:
            self._hold -= 1
            return
        if self._before is not None and self._at_once >= self._before[0] * _TRIED:
            at_once, speed_then = self._before
            if speed < speed_then * (1.0 + _WORTH * (self._at_once / at_once - 1.0)):
                self._at_once, self._before = at_once, None
                self._doubles, self._hold = False, _HOLD_ROUNDS
                return
            self._before = None
        if self._before is None:
            self._before = (self._at_once, speed)
        more = self._at_once if self._doubles else max(1.0, self.most_at_once / 16)
        self._at_once = min(self.most_at_once, self._at_once + more)

    def _strained(self, now_s: float) -> None:
        """Half as many at once, where trouble is so frequent that it is no chance."""
        if sum(self._strains) >= _MANY_STRAINS * len(self._strains):
            self._at_once = max(1.0, self._at_once / 2)
            self._began_anew(now_s)

    def _began_anew(self, now_s: float) -> None:
        self._doubles, self._before, self._hold = False, None, 0
        self._round = _Round(began_s=now_s)
        # One overload is answered to once: what is in flight belongs to it.
        self._strains.extend([False] * int(self._at_once))


class _Round:
    """As many answers as were in flight together."""

    __slots__ = ("amount", "answers", "began_s", "full")

    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.answers = 0
        self.amount = 0.0
        self.full = True
