"""Grey values as probabilities: each time a row is seen, its units are drawn anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.models.boltzmann.boltzmann_machines import drawn


class BinarizedRows:
    """Batches whose inputs, numbers in [0, 1], become units that are on with that probability, and else off.

    What is drawn depends on (seed, epoch, number of the batch) and on nothing else, so an epoch can be entered anywhere. A
    machine that learns from such rows has a log-likelihood that can be compared with published ones.

    Args:
        batches: inputs, or pairs of inputs and targets; with a method `epoch(number, first)` they can be entered anywhere, and
            without it every epoch draws the same.
        seed: of the draws.

    Example:
        >>> from leadline.models.boltzmann.boltzmann_machines import RestrictedBoltzmannMachine
        >>> rows = BinarizedRows([torch.tensor([[0.0, 1.0]])])
        >>> next(iter(rows)), len(rows)
        (tensor([[0., 1.]]), 1)

    Source: Salakhutdinov and Murray (2008), On the quantitative analysis of deep belief networks, section 6.
    """

    def __init__(self, batches: Iterable[Any], seed: int = 0) -> None:
        if seed < 0:
            raise ArgumentError("The rows cannot be drawn", expected="a seed of 0 or more", got=seed)
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
        generator = torch.Generator(rows.device).manual_seed(((self.seed * 1_000_003 + epoch) * 1_000_003 + batch) % 2**63)
        return drawn(rows, generator)
