"""Law 2 of the matrix: each row is the one that was stored, and of unit length."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["check_vectors"]

_BLOCK_BYTES = 4 * 2**20
# Rows are stored as they were received and normalised in float32.
_LENGTH_ERROR = 1e-3


def check_vectors(
    rows: npt.NDArray[np.float32],
    slots: npt.NDArray[np.int64],
    checksums: npt.NDArray[np.int64],
    told: Callable[[int], None],
) -> Iterator[tuple[int, str]]:
    """Check every stored row against its checksum; a row that nothing names is not looked at.

    The checksum of each row is the sum of one block of the matrix, so that what is damaged is
    known to the vector.

    Args:
        rows: float32 (rows, d), mapped; as many as the database names.
        slots: Sorted.
        checksums: crc32 of the row of each slot.
        told: Called with the bytes that were looked at since the last call.

    Yields:
        (slot, what is wrong).
    """
    twice = slots[1:][slots[1:] == slots[:-1]]
    for slot in np.unique(twice).tolist():
        yield slot, "two texts share it"
    width = rows.shape[1] if rows.ndim == 2 else 0
    step = max(1, _BLOCK_BYTES // max(1, 4 * width))
    for start in range(0, len(rows), step):
        first, last = np.searchsorted(slots, (start, start + step))
        block = np.ascontiguousarray(rows[start : start + step])
        told(block.nbytes)
        if last > first:
            places = slots[first:last]
            yield from _check_block(block[places - start], places, checksums[first:last])


def _check_block(
    block: npt.NDArray[np.float32],
    slots: npt.NDArray[np.int64],
    checksums: npt.NDArray[np.int64],
) -> Iterator[tuple[int, str]]:
    """(slot, what is wrong) of the rows of a block."""
    sums = np.fromiter(map(zlib.crc32, block), np.int64, len(block))
    changed = sums != checksums
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->i", block, block, dtype=np.float64)
        # Turned round, so that what is no number is wrong too.
        wrong = ~(np.abs(np.sqrt(squares) - 1) < _LENGTH_ERROR)
    for index in np.flatnonzero(changed | wrong).tolist():
        what = "it is not what was stored" if changed[index] else "it is not of unit length"
        yield int(slots[index]), what
