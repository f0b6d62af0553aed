"""Which of the gaps are cut: decided by what stands near each, so that an edit changes little.

A gap is cut when nothing within half a passage of it would be cut more gladly: first its level
decides, then a number made of the text on both sides of it. Each such cut depends on its
neighbourhood alone, and what stays longer than a passage may be is parted by itself. So an edit
changes the passages near it and no others, in a megabyte without a heading as well. Packing from
the left, or optimally over the whole text, fills passages as well but carries an edit on.
"""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from ragkit.chunking.characters import Positions

__all__ = ["choose_cuts"]

Levels = npt.NDArray[np.int8]
Mixed = npt.NDArray[np.uint64]

_FIRST = (0,)
_NOTHING = (np.uint64(0),)


def choose_cuts(
    tokens_before: Positions,
    levels: Levels,
    contents: Positions,
    total_tokens: int,
    *,
    target_tokens: int,
    heading_from: int,
) -> Positions:
    """Choose the gaps that are cut.

    Args:
        tokens_before: For each gap the tokens before it, not decreasing; the first is the start.
        levels: How gladly each is cut.
        contents: For each gap a number that tells the text up to the next one.
        total_tokens: Tokens of the whole text.
        target_tokens: Size that passages aim at.
        heading_from: Gaps of this level and above are before a heading: sections may be smaller.

    Returns:
        Indexes into the gaps, in order, beginning with 0.
    """
    priority = _priorities(levels, contents)
    near, nearest = max(target_tokens * 11 // 20, 1), max(target_tokens // 4, 1)
    reach = np.where(levels >= heading_from, nearest, near)
    chosen = _highest_within(tokens_before, priority, reach, total_tokens)
    return _part_long(chosen, tokens_before, levels, total_tokens, target_tokens)


def _priorities(levels: Levels, contents: Positions) -> Mixed:
    """Level first, then a number made of the units on both sides of the gap."""
    unit = contents.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    unit ^= unit >> np.uint64(29)
    mixed = unit.copy()
    mixed[1:] += unit[:-1] * np.uint64(0xC2B2AE3D27D4EB4F)
    mixed ^= mixed >> np.uint64(31)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed >>= np.uint64(6)
    mixed |= levels.astype(np.uint64) << np.uint64(58)
    return mixed


def _highest_within(
    tokens_before: Positions, priority: Mixed, reach: Positions, total_tokens: int
) -> Positions:
    """Gaps that are not outdone within their reach; the text's two ends outdo every gap.

    Of equals the first is taken.
    """
    lowest, highest = tokens_before - reach, tokens_before + reach
    rises = priority[1:] > priority[:-1]
    able = (lowest >= 0) & (highest <= total_tokens)
    # A neighbour outdoes most gaps: the others alone are compared with all that are near.
    able[1:] &= rises | (tokens_before[:-1] <= lowest[1:])
    able[:-1] &= ~rises | (tokens_before[1:] >= highest[:-1])
    gaps = able.nonzero()[0]
    near = np.zeros((gaps.size, 4), np.int64)
    near[:, 0] = tokens_before.searchsorted(lowest[gaps], "right")
    near[:, 1] = near[:, 2] = gaps
    near[:, 3] = tokens_before.searchsorted(highest[gaps])
    most = np.maximum.reduceat(np.concatenate([priority, _NOTHING]), near.ravel())
    here = priority[gaps]
    kept = (most[::4] < here) | (near[:, 0] == gaps)
    kept &= most[2::4] <= here
    return np.concatenate([_FIRST, gaps[kept]])


def _part_long(
    chosen: Positions,
    tokens_before: Positions,
    levels: Levels,
    total_tokens: int,
    target_tokens: int,
) -> Positions:
    """Part the stretches that are longer than a passage may be, each by itself."""
    longest = longest_tokens(target_tokens)
    starts = tokens_before[chosen]
    stops = np.concatenate([starts[1:], (total_tokens,)])
    long = (stops - starts > longest).nonzero()[0]
    if not long.size:
        return chosen
    limits = np.concatenate([chosen[1:], (tokens_before.size,)])
    added: list[int] = []
    for index in long.tolist():
        first, limit = int(chosen[index]), int(limits[index])
        places = [*tokens_before[first:limit].tolist(), int(stops[index])]
        ranks = levels[first:limit].tolist()
        added += [first + cut for cut in _cuts_inside(places, ranks, target_tokens, longest)]
    return np.sort(np.concatenate([chosen, np.array(added, np.int64)]))


def longest_tokens(target_tokens: int) -> int:
    """A longer stretch is parted wherever it has a gap."""
    return target_tokens * 8 // 5


def _cuts_inside(places: list[int], ranks: list[int], target: int, longest: int) -> list[int]:
    """Cut one stretch from the left, its end in two equal parts.

    Args:
        places: Tokens before each gap of the stretch, its own start first and its end last.
        ranks: Levels of the gaps, the start's first.
        target: Size that parts aim at.
        longest: Size up to which a part is left whole.
    """
    cuts: list[int] = []
    start = 0
    while places[-1] - places[start] > longest:
        left = places[-1] - places[start]
        wish = places[start] + (left // 2 if left <= 2 * longest else target)
        lowest = bisect_left(places, wish - target * 2 // 5, start + 1)
        highest = bisect_left(places, wish + target * 2 // 5 + 1, lowest)
        highest = min(highest, len(ranks))
        if lowest >= highest:
            lowest = max(min(lowest, len(ranks)) - 1, start + 1)
            highest = min(lowest + 2, len(ranks))
        if lowest >= highest:
            break
        start = max(
            range(lowest, highest), key=lambda gap: (ranks[gap], -abs(places[gap] - wish), -gap)
        )
        cuts.append(start)
    return cuts
