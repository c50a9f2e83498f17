"""Batches of plain arrays or tensors, for `leadline.fit` without a loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadline.errors import ArgumentError

_ARRAYS = (Tensor, np.ndarray)


class ArrayBatches:
    """Batches (inputs, targets) of two arrays or tensors with a row for each example, shuffled anew each epoch.

    The order of an epoch is `torch.randperm(N, generator=manual_seed(seed · 1_000_003 + epoch))`, so that it can be entered at
    any batch.

    Shapes: inputs [N, …] and targets [N, …] → pairs [B, …]; the last batch is shorter.

    Errors: `ArgumentError` for arrays of different lengths, no rows, or a batch of less than one.

    Example:
        >>> batches = ArrayBatches(np.zeros((5, 2), np.float32), np.arange(5), batch_size=2, shuffle=False)
        >>> [targets.tolist() for _, targets in batches]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, inputs: Any, targets: Any, *, batch_size: int = 32, shuffle: bool = True, seed: int = 0) -> None:
        self.inputs, self.targets = _tensor(inputs, "inputs"), _tensor(targets, "targets")
        if len(self.inputs) != len(self.targets) or not len(self.inputs):
            raise ArgumentError(
                "Inputs and targets do not fit together",
                expected="as many targets as inputs, at least one",
                got=f"{len(self.inputs):,} inputs and {len(self.targets):,} targets",
            )
        if batch_size < 1:
            raise ArgumentError("The batch is too small", expected="a batch_size of at least 1", got=batch_size)
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch, from one of them on."""
        order = torch.arange(len(self.inputs))
        if self.shuffle:
            random = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
            order = torch.randperm(len(self.inputs), generator=random)
        for chosen in order.split(self.batch_size)[first:]:  # type: ignore[no-untyped-call]
            yield self.inputs[chosen], self.targets[chosen]


def is_pair_of_arrays(given: Any) -> bool:
    """Whether this is (inputs, targets) as arrays, tensors or lists of rows and of numbers, rather than batches."""
    if not isinstance(given, tuple) or len(given) != 2:
        return False
    inputs, targets = given
    listed = isinstance(inputs, list) and bool(inputs) and all(isinstance(row, _ARRAYS) for row in inputs)
    numbers = isinstance(targets, list) and all(map(_is_number, targets))
    return (isinstance(inputs, _ARRAYS) or listed) and (isinstance(targets, _ARRAYS) or numbers)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) or getattr(value, "shape", None) == ()


def _tensor(values: Any, what: str) -> Tensor:
    """As a tensor; float64, which numpy makes by itself and no layer takes, as float32."""
    values = _stacked(values, what) if isinstance(values, list) else values
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    if tensor.dim() == 0:
        raise ArgumentError(f"The {what} have no rows", expected="an array with a row for each example")
    return tensor.float() if tensor.dtype == torch.float64 and not isinstance(values, Tensor) else tensor


def _stacked(rows: list[Any], what: str) -> Any:
    try:
        return torch.stack(rows) if rows and all(isinstance(row, Tensor) for row in rows) else np.array(rows)
    except (RuntimeError, ValueError) as error:
        raise ArgumentError(
            f"The {what} are not all of one shape",
            expected="rows of one shape",
            got=", ".join(sorted({str(list(np.shape(row))) for row in rows})[:4]),
            do="Pad them, or give leadline.train the list: it takes series of different lengths.",
        ) from error
