"""Rows of different lengths as one padded tensor: gathered on the device they lie on, without waiting for it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from leadline.data.ragged import Ragged
from leadline.errors import ArgumentError

if TYPE_CHECKING:
    from leadline.data.forecasts.window_rows import WindowTensor

NO_CLASS = -100
"""What stands for a class number behind the end of a row: the number that torch's losses pass over."""


def no_target(dtype: torch.dtype) -> float:
    """What fills up the targets of the steps of a row behind its end: −100 for class numbers, NaN for numbers.

    Args:
        dtype: of the targets.

    Example:
        >>> no_target(torch.int64), no_target(torch.float32)
        (-100, nan)
    """
    return math.nan if dtype.is_floating_point else NO_CLASS


class RaggedRows:
    """N rows of different lengths T_i on a device, of which some are gathered into one padded tensor.

    The batch is values[start_b + t] where t < T_b and `fill` elsewhere, t from 0 to the largest T_b − 1. The lengths are known
    on the host as well, so that the shape of a batch is known without asking the device.

    Shapes: values [ΣT, …] and lengths [N] → a batch [B, max T_b, …].

    Args:
        values: the elements of all rows, one after the other.
        lengths: of the rows, int64 [N], on the CPU.
        fill: what stands behind the end of a row.

    Errors: `ArgumentError` where the lengths do not add up to the values, or where the type of the values cannot hold `fill`.

    Example:
        >>> rows = RaggedRows(torch.tensor([5, 2, 8, 7]), torch.tensor([3, 1]), fill=0)
        >>> rows.index_select(0, torch.tensor([1, 0, 1]))
        tensor([[7, 0, 0],
                [5, 2, 8],
                [7, 0, 0]])
    """

    def __init__(self, values: Tensor, lengths: Tensor, fill: float) -> None:
        if int(lengths.sum()) != len(values):
            raise ArgumentError("The lengths do not add up to the values", expected=len(values), got=int(lengths.sum()))
        if not values.dtype.is_floating_point and not math.isfinite(fill):
            raise ArgumentError("The values cannot hold what fills up the rows", expected=values.dtype, got=fill)
        self.values, self.lengths, self.fill = values, lengths.cpu(), fill
        self._there = self.lengths.to(values.device)
        self._starts = (self.lengths.cumsum(0) - self.lengths).to(values.device)

    @classmethod
    def of(cls, rows: Ragged, fill: float | None = None, prepare: Callable[[Tensor], Tensor] | None = None) -> RaggedRows:
        """The rows of a Ragged, on its own memory.

        Args:
            rows: as a Split holds them.
            fill: what stands behind the end of a row; that of targets when None.
            prepare: changes all values [ΣT, …] at once.
        """
        values = as_tensor(rows.values)
        values = values if prepare is None else prepare(values)
        return cls(values, torch.from_numpy(rows.lengths), no_target(values.dtype) if fill is None else fill)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def device(self) -> torch.device:
        return self.values.device

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the values and of what tells where each row is."""
        return self.values.nbytes + 2 * self._starts.nbytes

    def data_ptr(self) -> int:
        """Where the values lie: the same for two that share them."""
        return self.values.data_ptr()

    def to(self, device: torch.device) -> RaggedRows:
        """The same rows on a device."""
        return RaggedRows(self.values.to(device), self.lengths, self.fill)

    def index_select(self, dim: int, rows: Tensor) -> Tensor:
        """Some rows [B], padded: as a tensor's `index_select`, of the rows alone. On CUDA it waits for the device."""
        assert dim == 0
        return self.padded(rows.cpu(), rows)

    def padded(self, rows: Tensor, there: Tensor | None = None) -> Tensor:
        """Some rows, each filled up to the length of the longest of them, at least 1; nothing here waits for the device.

        Args:
            rows: their numbers, int64 [B], on the CPU.
            there: the same on the device, where they lie there already.

        Returns:
            [B, T, …].
        """
        steps = max(1, int(self.lengths[rows].max())) if len(rows) else 1
        if self.device.type == "cpu":
            return self._copied(rows, steps)
        return self._gathered(rows.to(self.device) if there is None else there, steps)

    def _copied(self, rows: Tensor, steps: int) -> Tensor:
        """Row by row: on the CPU many times as fast as numbering every step, and a mapped file is read in stretches."""
        batch = self.values.new_full((len(rows), steps, *self.values.shape[1:]), self.fill)
        table, values = batch.numpy(), self.values.numpy()
        starts, lengths = self._starts[rows].tolist(), self.lengths[rows].tolist()
        for row, start, length in zip(table, starts, lengths, strict=True):
            row[:length] = values[start : start + length]
        return batch

    def _gathered(self, rows: Tensor, steps: int) -> Tensor:
        """By the numbers of all steps at once, without knowing on the host what they are."""
        batch = (len(rows), steps, *self.values.shape[1:])
        if not len(self.values):
            return self.values.new_full(batch, self.fill)
        times = torch.arange(steps, device=self.device)
        places = (self._starts[rows][:, None] + times).clamp_(max=len(self.values) - 1)  # B, T
        behind = times >= self._there[rows][:, None]
        gathered = self.values.index_select(0, places.flatten()).view(batch)
        return gathered.masked_fill_(behind.view(len(rows), steps, *(1 for _ in batch[2:])), self.fill)


def picked(stored: Tensor | RaggedRows | WindowTensor, order: Tensor, there: Tensor, place: slice) -> Tensor:
    """One batch [B, …] of what is stored, padded where rows differ in length.

    Args:
        stored: rows [N, …], or rows of different lengths.
        order: row numbers of a whole epoch, int64 [N], on the CPU.
        there: the same on the device that the batch goes to.
        place: of the batch in that order.

    Example:
        >>> order = torch.tensor([1, 0])
        >>> picked(torch.tensor([[1, 2], [3, 4]]), order, order, slice(0, 1))
        tensor([[3, 4]])
    """
    if isinstance(stored, RaggedRows):
        return stored.padded(order[place], there[place])
    return stored.index_select(0, (there if stored.device == there.device else order)[place])


def joined_rows(parts: Sequence[Tensor], fill: float) -> Tensor:
    """Batches [B, …] one below the other; where they differ in T of [B, T, …], each is filled up to the longest.

    Args:
        parts: at least one batch.
        fill: what stands behind the end.

    Example:
        >>> joined_rows([torch.tensor([[1, 2]]), torch.tensor([[3]])], fill=-100)
        tensor([[   1,    2],
                [   3, -100]])
    """
    if len({part.shape[1:] for part in parts}) == 1:
        return torch.cat(list(parts))
    steps = max(part.shape[1] for part in parts)
    whole = parts[0].new_full((sum(map(len, parts)), steps, *parts[0].shape[2:]), fill)
    start = 0
    for part in parts:
        whole[start : start + len(part), : part.shape[1]] = part
        start += len(part)
    return whole


def as_tensor(array: NDArray[Any]) -> Tensor:
    """A tensor on the array's own memory: a memory-mapped array is not read before its rows are asked for.

    Args:
        array: of any type that torch knows.

    Example:
        >>> as_tensor(np.arange(3))
        tensor([0, 1, 2])
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(array))
