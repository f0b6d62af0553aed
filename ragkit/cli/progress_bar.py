"""The progress of a sync as one line that is redrawn in place."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from ragkit.cli.looks import Looks, looks_of, shortened
from ragkit.sync.progress import Progress, ProgressListener

__all__ = ["ProgressBar", "bar_line", "shown_progress"]

_REDRAWS_PER_S = 10
_WIDEST_BAR = 30
_TO_START_OF_LINE = "\r\x1b[K"
# Before that a rate is a guess from one batch, and the time left one from that.
_RATE_SETTLED_S = 1.0
_SHARE_SETTLED = 0.03
_SHARE_SETTLED_S = 15.0


@contextlib.contextmanager
def shown_progress(
    *, quiet: bool, first: str = "looking for changes"
) -> Iterator[ProgressListener | None]:
    """A bar on stderr, where somebody looks and it can be taken back; else None.

    Args:
        quiet: Nobody looks.
        first: What is said before the first moment.
    """
    looks = looks_of(sys.stderr)
    # A terminal that only types cannot take a line back.
    if quiet or not looks.links:
        yield None
        return
    bar = ProgressBar(sys.stderr, looks, first=first)
    try:
        yield bar
    finally:
        bar.clear()


class ProgressBar:
    """A ``ProgressListener`` that draws; the total is fixed and the bar never goes back.

    Args:
        stream: A terminal.
        looks: What it can show.
        clock: Seconds, for tests.
        first: What is said before the first moment.
    """

    def __init__(
        self,
        stream: TextIO,
        looks: Looks,
        clock: Callable[[], float] = time.monotonic,
        *,
        first: str = "looking for changes",
    ) -> None:
        self._stream = stream
        self._looks = looks
        self._clock = clock
        self._started_s = clock()
        self._drawn_s = float("-inf")
        self._write(looks.dim(f"{first}{looks.ellipsis}"))

    def __call__(self, progress: Progress) -> None:
        """Redraw, at most ten times a second."""
        now_s = self._clock()
        if progress.total_bytes == 0 or now_s - self._drawn_s < 1 / _REDRAWS_PER_S:
            return
        if self._drawn_s < 0:
            # Looking for changes is over: rates count from here.
            self._started_s = now_s
        self._drawn_s = now_s
        self._write(bar_line(progress, now_s - self._started_s, self._looks))

    def clear(self) -> None:
        """Leave the line as it was before."""
        self._write("")

    def _write(self, line: str) -> None:
        self._stream.write(_TO_START_OF_LINE + line)
        self._stream.flush()


def bar_line(progress: Progress, elapsed_s: float, looks: Looks) -> str:
    """One moment: share of the bytes, time left, and what was done.

    Args:
        progress: The moment.
        elapsed_s: Seconds since the first one.
        looks: Its width is never reached, so that no terminal wraps the line.
    """
    width = (looks.width or 80) - 1
    share = min(1.0, progress.done_bytes / max(1, progress.total_bytes))
    facts = [f"{int(share * 100):>3}%"]
    if share > 0 and elapsed_s >= _RATE_SETTLED_S:
        if share >= _SHARE_SETTLED or elapsed_s >= _SHARE_SETTLED_S:
            # The first requests of a limited rate go out at once, and the others do not.
            left_s = max(elapsed_s * (1 - share) / share, progress.seconds_left or 0.0)
            facts.append(f"ETA {_clock_time(left_s)}")
        if progress.texts:
            facts.append(f"{_short(progress.texts / elapsed_s)} texts/s")
    if progress.tokens:
        facts.append(f"{_short(progress.tokens)} tokens")
    if progress.cost_usd > 0:
        facts.append(f"${progress.cost_usd:.4f}")
    said = "  ".join(facts)
    room = min(_WIDEST_BAR, width - len(said) - 2)
    if room < 5:
        return shortened(said, width, looks.ellipsis)
    full, empty = ("━", "─") if looks.unicode else ("#", "-")
    done = int(share * room)
    return f"{looks.tinted(full * done)}{looks.dim(empty * (room - done))}  {said}"


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _short(number: float) -> str:
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f}{unit}"
    return f"{number:.0f}"
