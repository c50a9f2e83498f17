"""Grey values as probabilities: each time a row is seen, its units are drawn anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor

from leadline.models.boltzmann.boltzmann_machines import drawn
from leadline.models.step_noise import step_generator

_MOST_BATCHES = 2**32  # of an epoch: below it no two batches of a training draw alike


class BinarizedRows:
    """Batches whose inputs, numbers in [0, 1], become units that are on with that probability, and else off.

    What is drawn depends on (seed, epoch, number of the batch) and on nothing else, so an epoch can be entered anywhere. A
    machine that learns from such rows has a log-likelihood that can be compared with published ones.

    Args:
        batches: inputs, or pairs of inputs and targets; with a method `epoch(number, first)` they can be entered anywhere, and
            without it every epoch draws the same.
        seed: of the draws.

    Example:
        >>> import torch
        >>> rows = BinarizedRows([torch.tensor([[0.0, 1.0]])])
        >>> next(iter(rows)), len(rows)
        (tensor([[0., 1.]]), 1)

    Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep belief networks, section 6.
    """

    def __init__(self, batches: Iterable[Any], seed: int = 0) -> None:
        self.batches: Any = batches
        self.seed = seed

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        return self.epoch(0)

    def epoch(self, number: int, first: int = 0) -> Iterator[Any]:
        """The batches of one epoch from number `first` on."""
        enters = hasattr(self.batches, "epoch")
        batches = self.batches.epoch(number, first) if enters else itertools.islice(self.batches, first, None)
        for at, batch in enumerate(batches, first):
            if isinstance(batch, (tuple, list)):
                yield self._drawn(batch[0], number, at), *batch[1:]
            else:
                yield self._drawn(batch, number, at)

    def _drawn(self, rows: Tensor, epoch: int, batch: int) -> Tensor:
        return drawn(rows, step_generator(self.seed, epoch * _MOST_BATCHES + batch, rows.device))
