"""Batches of plain arrays or tensors, for `leadline.fit` without a loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leadline.errors import ArgumentError


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
    """Whether this is (inputs, targets) as arrays or tensors, rather than an iterable of batches."""
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(part, (Tensor, np.ndarray)) for part in given)


def _tensor(values: Any, what: str) -> Tensor:
    """As a tensor; float64, which numpy makes by itself and no layer takes, as float32."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    if tensor.dim() == 0:
        raise ArgumentError(f"The {what} have no rows", expected="an array with a row for each example")
    return tensor.float() if tensor.dtype == torch.float64 and not isinstance(values, Tensor) else tensor
