"""Times of change that cannot be trusted yet."""

from __future__ import annotations

from typing import Final

__all__ = ["UNSETTLED", "is_fresh"]

# A time that no file has: it is compared by content at the next sync.
UNSETTLED: Final = -1
_TICK_NS: Final = 20_000_000
_COARSE_TICK_NS: Final = 2_000_000_000


def is_fresh(mtime_ns: int, now_ns: int) -> bool:
    """Whether another write after the reading could leave the same time behind.

    Kernels count time in ticks of 1 to 10 ms, and some file systems in whole seconds, FAT in two.
    """
    tick_ns = _COARSE_TICK_NS if mtime_ns % 1_000_000_000 == 0 else _TICK_NS
    return abs(now_ns - mtime_ns) < tick_ns
