"""Batches for many networks at once, each network in its own order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from leadline.data.batches import Batches
from leadline.errors import ArgumentError
from leadline.training.population.step import Population


class PopulationBatch(NamedTuple):
    """What the active networks learn from in one step.

    Args:
        rows: row numbers of the split, [B, A]; B comes first because the loop weighs logs by it.
        inputs: [A, B, …].
        targets: [A, B, …].

    Example:
        >>> batch = PopulationBatch(torch.zeros(5, 2), torch.zeros(2, 5, 3), torch.zeros(2, 5))
        >>> len(batch.rows), batch.inputs.shape
        (5, torch.Size([2, 5, 3]))
    """

    rows: Tensor
    inputs: Tensor
    targets: Tensor


class PopulationBatches:
    """The batches of a training alone, side by side: network i sees exactly what `batches[i]` would give it.

    The networks that are active when an epoch starts are served; an epoch can be entered at any batch.

    Args:
        batches: one for each network, of the same split and batch size; order and augmentation may differ by seed.
        population: says which networks are active.

    Errors: `ArgumentError` for another number of batches than of networks, or batches that differ in rows or size.

    Example:
        >>> import numpy as np
        >>> from leadline.data import Classes, Schema, Split, Vectors
        >>> from leadline.training.population import Candidate
        >>> numbers = np.arange(10, dtype=np.float32).reshape(5, 2)
        >>> split = Split(numbers, np.array([0, 1, 0, 1, 1]), ids=list("abcde"))
        >>> schema = Schema(Vectors.learn(numbers), Classes(("no", "yes")))
        >>> population = Population([Candidate(torch.nn.Linear(2, 2)) for _ in range(3)], torch.nn.functional.cross_entropy)
        >>> singles = [Batches(split, schema, 2, seed=seed, shuffle=True) for seed in range(3)]
        >>> first = next(iter(PopulationBatches(singles, population)))
        >>> first.inputs.shape, torch.equal(first.inputs[1], next(iter(singles[1]))[0])
        (torch.Size([3, 2, 2]), True)
    """

    def __init__(self, batches: Sequence[Batches], population: Population) -> None:
        if len(batches) != population.count:
            raise ArgumentError("Each network needs batches", expected=f"{population.count} of them", got=len(batches))
        kinds = {(each.rows, each.batch_size, each.shuffle) for each in batches}
        if len(kinds) > 1:
            raise ArgumentError(
                "The batches of the networks differ", expected="the same rows, batch size and shuffling", got=sorted(kinds)
            )
        self.batches, self.population = list(batches), population

    @property
    def ids(self) -> Sequence[str]:
        """The names of the rows of the split."""
        return self.batches[0].ids

    def __len__(self) -> int:
        return len(self.batches[0])

    def __iter__(self) -> Iterator[PopulationBatch]:
        return self.epoch(0)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[PopulationBatch]:
        """The batches of one epoch from number `first` on."""
        active = [self.batches[network] for network in self.population.active]
        orders = torch.stack([each.order(epoch) for each in active])  # A, N
        size = active[0].batch_size
        if _share_rows(active):
            return self._gathered(active, orders.to(active[0].device), epoch, first)
        singles = zip(*(each.epoch(epoch, first) for each in active), strict=True)
        return (
            PopulationBatch(orders[:, at * size : (at + 1) * size].T, *(torch.stack(part) for part in zip(*parts, strict=True)))
            for at, parts in enumerate(singles, first)
        )

    def _gathered(self, active: list[Batches], orders: Tensor, epoch: int, first: int) -> Iterator[PopulationBatch]:
        """All networks' rows with one look-up and one preparation."""
        shared = active[0]
        for at in range(first, len(self)):
            rows = orders[:, at * shared.batch_size : (at + 1) * shared.batch_size]
            together = rows.flatten()
            inputs = shared.prepare(shared.stored.index_select(0, together))
            inputs = inputs.view(*rows.shape, *inputs.shape[1:])
            targets = shared.targets.index_select(0, together)
            targets = targets.view(*rows.shape, *targets.shape[1:])
            if any(each.augment is not None for each in active):
                parts = zip(active, inputs, targets, rows, strict=True)
                varied = [each.varied(x, y, epoch, own) for each, x, y, own in parts]
                inputs, targets = (torch.stack(part) for part in zip(*varied, strict=True))
            yield PopulationBatch(rows.T, inputs, targets)


def _share_rows(batches: list[Batches]) -> bool:
    """Whether the rows lie on the device, the same for all; otherwise each network's own batches are stacked."""
    first = batches[0]
    return first.resident and all(each.stored.data_ptr() == first.stored.data_ptr() for each in batches)
