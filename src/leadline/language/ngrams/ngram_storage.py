"""Where counts of n-grams lie while they are made: in memory, or in files of a folder where there are too many for it."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from leadline import files

MEMORY = 2 << 30
"""Bytes that counting takes at most, unless told otherwise."""
_BYTES_A_TOKEN = 128  # where all counts stay in memory: 121 were measured at the peak of an order of 5 in varied text
_BYTES_A_ROW = 64  # of a token or an n-gram that is at work: codes, their sorted copy, numbers and probabilities
_FEWEST_ROWS = 16


class Room:
    """Arrays for counting: of any length, read and written a slice at a time.

    Args:
        tokens: of the text; up to as many as `memory` has room for everything stays in memory.
        memory: bytes.
        folder: where files go, if there have to be any; the system's folder for temporary files when None.

    Example:
        >>> room = Room(1000, memory=6400)
        >>> room.in_memory, [part.stop - part.start for part in room.slices(250)]
        (False, [100, 100, 50])
        >>> numbers = room.zeros(5, np.int32)
        >>> type(numbers).__name__, numbers.tolist()
        ('memmap', [0, 0, 0, 0, 0])
    """

    def __init__(self, tokens: int, *, memory: int = MEMORY, folder: Path | str | None = None) -> None:
        self.rows = max(_FEWEST_ROWS, memory // _BYTES_A_ROW)
        self.in_memory = tokens <= max(_FEWEST_ROWS, memory // _BYTES_A_TOKEN)
        self._folder: Path | None = None
        self._made = 0
        if not self.in_memory:
            place = Path(folder or tempfile.gettempdir())
            with files.storage(place / "ngrams"):
                self._folder = Path(tempfile.mkdtemp(prefix="leadline-ngrams-", dir=place))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def empty(self, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of this length whose numbers are to be written yet; its file goes when nothing has hold of it any more.

        Args:
            size: its length.
            dtype: of its numbers.
        """
        if self._folder is None or not size:  # a file of no bytes cannot be mapped
            return np.empty(size, dtype)
        self._made += 1
        path = self._folder / f"{self._made}.bin"
        with files.storage(path):
            array = np.memmap(path, dtype, "w+", shape=(size,))
        weakref.finalize(array, _remove, path)
        return array

    def zeros(self, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """An array of zeros; a new file is full of them.

        Args:
            size: its length.
            dtype: of its numbers.
        """
        return np.zeros(size, dtype) if self._folder is None else self.empty(size, dtype)

    def slices(self, size: int) -> Iterator[slice]:
        """The rows of an array, as many at a time as memory has room for.

        Args:
            size: of the array.
        """
        step = size if self.in_memory else self.rows
        return (slice(start, min(start + step, size)) for start in range(0, size, max(1, step)))


def _remove(path: Path) -> None:
    with suppress(OSError):  # of a system that keeps what is mapped; it goes with the folder
        path.unlink()
