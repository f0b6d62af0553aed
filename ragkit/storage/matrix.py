"""The matrices: float32 little-endian rows, appended and never changed.

Row i stands at ``i * dimensions * 4``. Rows past those that the database names are left over from
an interrupted write, and are overwritten. Vectors of different fingerprints lie in different files:
the first is ``vectors.f32``, the n-th ``vectors-n.f32``. A name is made from its number and never
read from the database, so that no database can point elsewhere.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ragkit.errors import CollectionDamaged, CollectionError, remedy
from ragkit.storage.files import open_plain, sync_directory

__all__ = ["FIRST_MATRIX", "MatrixWriter", "map_rows", "matrix_files", "matrix_name", "write_rows"]

FIRST_MATRIX = 1
FloatMatrix = npt.NDArray[np.float32]
_PIECE_ROWS = 1024
_NAME = re.compile(r"vectors(-[1-9][0-9]*)?\.f32")


def matrix_name(number: int) -> str:
    """The file of a matrix."""
    return "vectors.f32" if number == FIRST_MATRIX else f"vectors-{int(number)}.f32"


def matrix_files(directory: Path) -> list[Path]:
    """Every matrix that lies in a collection, whether or not its database knows it."""
    return sorted(path for path in directory.glob("vectors*.f32") if _NAME.fullmatch(path.name))


class MatrixWriter:
    """Appends rows; the caller commits their slots only after ``append`` has returned."""

    def __init__(self, directory: Path, *, number: int = FIRST_MATRIX, next_slot: int) -> None:
        self._path = directory / matrix_name(number)
        self._next_slot = next_slot
        self._file: int | None = None

    def append(self, rows: FloatMatrix) -> list[tuple[int, int]]:
        """Write rows of unit length durably.

        Args:
            rows: float32, shape (n, d).

        Returns:
            (slot, crc32 of the row's bytes) for each row.

        Raises:
            CollectionError: The disk is full or refuses; nothing of it counts as written.
        """
        little = np.ascontiguousarray(rows, dtype="<f4")
        width_bytes = little.shape[1] * 4
        try:
            if self._file is None:
                self._file = open_plain(self._path, os.O_RDWR | os.O_CREAT)
                if not os.fstat(self._file).st_size:
                    # A new file's name is no part of what its own fsync makes durable.
                    sync_directory(self._path.parent)
            _write_all(self._file, memoryview(little.tobytes()), self._next_slot * width_bytes)
            os.fsync(self._file)
        except OSError as error:
            raise CollectionError(
                f"{self._path} cannot be written: {error.strerror}; what was embedded before is"
                f" kept, {remedy(error)}"
            ) from error
        written = [(self._next_slot + i, zlib.crc32(row.tobytes())) for i, row in enumerate(little)]
        self._next_slot += len(little)
        return written

    @property
    def next_slot(self) -> int:
        """Number of rows that are written."""
        return self._next_slot

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def map_rows(directory: Path, *, number: int = FIRST_MATRIX, width: int, rows: int) -> FloatMatrix:
    """The first *rows* rows of a matrix, mapped and not read: float32 (rows, width).

    Raises:
        CollectionDamaged: The file is shorter than the database says, or no plain file.
    """
    path = directory / matrix_name(number)
    if rows == 0:
        return np.empty((0, width), np.float32)
    try:
        handle = open_plain(path, os.O_RDONLY)
    except FileNotFoundError as error:
        raise CollectionDamaged(
            f"{path} is gone: restore it from a copy, or delete the collection and index again"
        ) from error
    except OSError as error:
        raise CollectionError(
            f"{path} cannot be read: {error.strerror}; {remedy(error)}"
        ) from error
    with os.fdopen(handle, "rb") as file:
        size = os.fstat(handle).st_size
        if size < rows * width * 4:
            raise CollectionDamaged(
                f"{path} holds {size:,} bytes where {rows * width * 4:,} belong: restore it from a"
                " copy, or delete the collection and index again"
            )
        return np.memmap(file, dtype="<f4", mode="r", shape=(rows, width))


def write_rows(path: Path, rows: FloatMatrix, used: npt.NDArray[np.bool_]) -> None:
    """Write those of the rows that are used to a file that is not there yet, durably.

    Args:
        path: The file.
        rows: float32 (n, d), mapped; read a piece at a time.
        used: bool (n,).

    Raises:
        OSError: The disk is full or refuses.
    """
    with path.open("xb") as file:
        for start in range(0, len(rows), _PIECE_ROWS):
            piece = rows[start : start + _PIECE_ROWS]
            file.write(np.ascontiguousarray(piece[used[start : start + _PIECE_ROWS]]).tobytes())
        file.flush()
        os.fsync(file.fileno())


def _write_all(file: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written
