"""How much a server permits in a second: given, stated by it, or learnt from its refusals."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Rate"]

# Below what was measured, so that the measurement's error does not bring the next refusal.
_SHARE: Final = 0.98
# From there it creeps up, since the limit may be higher by now: slowly near the last refusal and
# faster the longer there was none (as CUBIC does for TCP), by 2% after about 20 s and 75 requests.
# The slower of the two counts, so that where few are permitted hardly one in fifty is refused.
_CREEP_PER_S2: Final = 1e-4
_CREEP_PER_REQUEST2: Final = 7e-6
# A first measurement holds whatever delayed the client: it goes up quickly until it is refused.
_PROBES_PER_S: Final = 0.05
_BACK: Final = 0.9
# After so long without a refusal the limit is where the rate had crept up to, and not at what was
# accepted on the average meanwhile.
_QUIET_S: Final = 10.0
_LITTLE_LESS: Final = 0.96
# Refusals so soon after it belong to the burst in which it was measured.
_BURST_S: Final = 2.0
# What sleeping threads and a busy machine delay may be caught up with, and no more.
_SLACK_S: Final = 0.25
_LONGEST_MEASURE_S: Final = 120.0
# A measured rate that had to be lowered so far was none: refusals came at any rate.
_DOUBTFUL: Final = 0.7


class Rate:
    """A limit on requests or on tokens. Not safe for threads: its owner locks.

    What is sent is spread evenly. Servers that count by the minute and those whose allowance fills
    up steadily both permit that, and bursts are what the second kind refuses.

    The rate is learnt so: at a refusal with "wait so long", the allowance is empty, and it is again
    at the next one. What was accepted in between, over the time in between, is the rate, whichever
    way the server counts. An allowance that was full in between was lost in part, so the first rate
    that is measured goes up quickly until it is refused, and the measuring begins anew there.

    Args:
        per_minute: The rate, where it is known; None learns it.
        now_s: The monotonic clock.

    Attributes:
        per_s: What is kept to; None where no limit showed.
        accepted: What was sent and not refused, in all.
    """

    def __init__(self, per_minute: float | None, now_s: float) -> None:
        self._given = per_minute is not None
        self._stated_per_minute = per_minute
        self.per_s = None if per_minute is None else per_minute / 60.0 * 0.995
        self._next_s = now_s
        self.accepted = 0.0
        self._crept_s = now_s
        self._start: tuple[float, float] | None = (now_s, 0.0)
        self._first_per_s: float | None = None
        self._probes = True
        self._learnt_s = self._refused_s = now_s
        self._unrefused = 0
        # (when the allowance was empty, accepted until then)
        self._empty: deque[tuple[float, float]] = deque(maxlen=64)

    @property
    def is_given(self) -> bool:
        """Whether the user or the server's headers told it, so that it is not to be learnt."""
        return self._given

    @property
    def per_minute(self) -> float | None:
        """As it was told, or as it was learnt; None where no limit showed."""
        learnt = None if self.per_s is None else self.per_s * 60.0
        return learnt if self._stated_per_minute is None else self._stated_per_minute

    def state(self, per_minute: float) -> None:
        """Take the server's word for it."""
        self._given = True
        self._stated_per_minute = per_minute
        self.per_s = per_minute / 60.0 * 0.995

    def wait_s(self, now_s: float) -> float:
        """How long until the next may be sent; 0 for at once."""
        return 0.0 if self.per_s is None else max(0.0, self._next_s - now_s)

    def sent(self, amount: float, now_s: float) -> None:
        """So much is on its way."""
        self.accepted += amount
        if self.per_s is None:
            return
        if not self._given:
            self.per_s *= 1.0 + self._creep(now_s)
            self._crept_s = now_s
        self._next_s = max(self._next_s, now_s - _SLACK_S) + amount / self.per_s

    def corrected(self, amount: float) -> None:
        """What was sent turned out to be more, or less, by so much."""
        self.accepted += amount
        if self.per_s is not None:
            self._next_s += amount / self.per_s

    def refused(self, amount: float, free_at_s: float, *, is_first: bool, learns: bool) -> None:
        """A request of that amount was refused; the server takes the next at *free_at_s*.

        Args:
            amount: As it was sent.
            free_at_s: On the monotonic clock.
            is_first: Whether it is the first of those that were on their way together.
            learns: Whether refusals are so many that a limit of rate must be the cause.
        """
        self.accepted -= amount
        if self._given:
            return
        measured = self._measured(free_at_s, is_first=is_first)
        if not is_first and self._empty:
            self._empty[-1] = (max(free_at_s, self._empty[-1][0]), self.accepted)
            if self.per_s is None and learns and measured is not None:
                self._learn(measured, free_at_s, 0.0)
            return
        was_quiet_s = free_at_s - self._refused_s
        self._refused_s, self._unrefused = free_at_s, 0
        if self.per_s is not None and self._probes and free_at_s > self._learnt_s + _BURST_S:
            # Until now the allowance may have been full, so that some of it was lost.
            self._probes, measured = False, None
            self.per_s *= _BACK
            self._next_s = free_at_s
            self._empty.clear()
            self._start = None
        self._empty.append((free_at_s, self.accepted))
        if measured is not None and (learns or self.per_s is not None):
            self._learn(measured, free_at_s, was_quiet_s)

    def forget(self) -> None:
        """What was learnt does not hold."""
        if not self._given:
            self.per_s = self._first_per_s = None
            self._probes = True
            self._empty.clear()

    def _creep(self, now_s: float) -> float:
        elapsed_s = min(1.0, now_s - self._crept_s)
        if self._probes:
            return _PROBES_PER_S * elapsed_s
        self._unrefused += 1
        by_time = _CREEP_PER_S2 * max(0.0, now_s - self._refused_s) * elapsed_s
        return min(by_time, _CREEP_PER_REQUEST2 * self._unrefused)

    def _learn(self, measured: float, free_at_s: float, was_quiet_s: float) -> None:
        learnt = measured * _SHARE
        if self.per_s is None:
            self._learnt_s = free_at_s
        elif was_quiet_s >= _QUIET_S:
            learnt = max(learnt, self.per_s * _LITTLE_LESS)
        self.per_s = learnt
        self._next_s = free_at_s
        if self._first_per_s is None and len(self._empty) > 8:
            self._first_per_s = measured
        elif self._first_per_s is not None and measured < self._first_per_s * _DOUBTFUL:
            self.forget()

    def _measured(self, free_at_s: float, *, is_first: bool) -> float | None:
        """Accepted per second since the allowance was empty long enough ago."""
        while len(self._empty) > 1 and free_at_s - self._empty[0][0] > _LONGEST_MEASURE_S:
            self._empty.popleft()
        earlier = len(self._empty) > (0 if is_first else 1)
        # The allowance that a run starts with is counted only until there is something better.
        since = self._empty[0] if earlier else self._start
        if since is None:
            return None
        accepted, elapsed_s = self.accepted - since[1], free_at_s - since[0]
        if accepted <= 0 or elapsed_s <= 0:
            return None
        return accepted / elapsed_s
