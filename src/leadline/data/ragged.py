"""Ragged: rows of different lengths (texts, series) in one flat array, with the places where each begins."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from leadline.errors import ArgumentError

_PIECE = 1 << 22  # values moved at a time, so that the numbers of their places stay small beside the values


@dataclass(frozen=True, eq=False)
class Ragged:
    """N rows of different lengths T_i, one after the other in one array.

    `row(i) = values[offsets[i] : offsets[i + 1]]`

    Shapes: values [ΣT, …], offsets int64 [N + 1]; a row is [T_i, …]. The values may lie in a memory-mapped file.

    Args:
        values: the elements of all rows.
        offsets: where each row begins, and at last where the last one ends: 0 = offsets[0] ≤ … ≤ offsets[N] = ΣT.

    Errors: `ArgumentError` where the offsets do not fit the values.

    Example:
        >>> texts = Ragged.of([np.array([5, 2, 8]), np.array([7])])
        >>> len(texts), texts.lengths, texts.row(0), texts.padded(0)
        (2, array([3, 1]), array([5, 2, 8]), array([[5, 2, 8],
               [7, 0, 0]]))
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        offsets = np.asarray(self.offsets)
        if offsets.ndim != 1 or not len(offsets) or offsets.dtype.kind not in "iu":
            raise ArgumentError("The offsets are not a list of whole numbers", expected="[N + 1]", got=str(offsets.shape))
        object.__setattr__(self, "offsets", offsets.astype(np.int64, copy=False))
        if np.ndim(self.values) < 1 or offsets[0] != 0 or offsets[-1] != len(self.values) or (np.diff(self.offsets) < 0).any():
            raise ArgumentError(
                "The offsets do not divide the values into rows",
                expected=f"numbers that rise from 0 to {np.shape(self.values)[:1]}",
                got=f"{offsets[0]} … {offsets[-1]}",
            )

    @classmethod
    def of(cls, rows: Sequence[NDArray[Any]]) -> Ragged:
        """The rows one after the other; they agree in all but their length.

        Errors: `ArgumentError` where there is no row, or where rows differ in the shape of their elements.
        """
        shapes = {np.shape(row)[1:] for row in rows}
        if len(shapes) != 1 or any(np.ndim(row) < 1 for row in rows):
            raise ArgumentError(
                "These are not rows that differ in nothing but their length",
                expected="at least one array, all [T, …] with the same …",
                got=", ".join(str(shape) for shape in sorted(shapes)[:4]) or "none",
            )
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return cls(np.concatenate(list(rows)), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self.row(row) for row in range(len(self)))

    @overload
    def __getitem__(self, rows: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, rows: slice | Sequence[int] | NDArray[Any]) -> Ragged: ...
    def __getitem__(self, rows: int | slice | Sequence[int] | NDArray[Any]) -> NDArray[Any] | Ragged:
        """Some of the rows, by their numbers, a slice or a mask [N]; one row for one number.

        A slice of neighbors shares the values; the rest are copied.
        """
        if isinstance(rows, (int, np.integer)):
            return self.row(int(rows))
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                offsets = self.offsets[start : max(start, stop) + 1]
                return Ragged(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
            rows = np.arange(start, stop, step)
        rows = np.asarray(rows)
        rows = rows.astype(np.int64) if not rows.size and rows.dtype.kind == "f" else rows  # [] is float64 to NumPy
        starts, lengths = self.offsets[:-1][rows], self.lengths[rows]
        offsets = np.zeros(len(starts) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        values = np.empty((int(offsets[-1]), *self.values.shape[1:]), self.dtype)
        first = 0
        while first < len(starts):
            last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + _PIECE, side="right")) - 1)
            if last == first + 1:
                places: Any = slice(int(starts[first]), int(starts[first] + lengths[first]))
            else:
                places = np.arange(offsets[first], offsets[last])
                places += np.repeat(starts[first:last] - offsets[first:last], lengths[first:last])
            values[offsets[first] : offsets[last]] = self.values[places]
            first = last
        return Ragged(values, offsets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The length of each row, int64 [N]."""
        return np.diff(self.offsets)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the values."""
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """How many bytes the values and the offsets take."""
        return self.values.nbytes + self.offsets.nbytes

    def row(self, number: int) -> NDArray[Any]:
        """One row [T_i, …], sharing the values; a negative number counts from the end.

        Errors: `IndexError` where there is no such row.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(f"there are {len(self)} rows, and no row {number}")
        number %= len(self)
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def padded(self, fill: float, rows: slice | Sequence[int] | NDArray[Any] | None = None) -> NDArray[Any]:
        """The rows [n, T, …], each filled up behind its end with `fill` to the length T of the longest of them.

        Errors: `ArgumentError` where the type of the values cannot hold `fill`.
        """
        chosen = self if rows is None else self[rows]
        lengths = chosen.lengths
        longest = int(lengths.max(initial=0))
        if not _holds(self.dtype, fill):
            raise ArgumentError("The values cannot hold what fills up the rows", expected=f"{self.dtype}", got=fill)
        table = np.full((len(chosen), longest, *self.values.shape[1:]), fill, self.dtype)
        table[np.arange(longest) < lengths[:, None]] = chosen.values
        return table

    def digest(self) -> str:
        """SHA-256 of the type, the lengths and the values, the same wherever the values lie."""
        digest = hashlib.sha256(f"{self.dtype.str}{self.values.shape}".encode())
        digest.update(np.ascontiguousarray(self.offsets).view(np.uint8).data)
        for start in range(0, len(self.values), _PIECE):
            digest.update(np.ascontiguousarray(self.values[start : start + _PIECE]).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()


def _holds(dtype: np.dtype[Any], fill: float) -> bool:
    if dtype.kind not in "iub":
        return True
    least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return least <= fill <= most and fill == int(fill)
