"""Units drawn from grey values: their probabilities, and the same draws wherever an epoch is entered."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from leadline.models.boltzmann.binarized_rows import BinarizedRows


class Batches:
    def __init__(self) -> None:
        self.rows = torch.linspace(0, 1, 60).view(12, 5)

    def __len__(self) -> int:
        return 3

    def epoch(self, number: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        return iter([(self.rows[4 * at : 4 * at + 4], torch.tensor(at)) for at in range(first, 3)])


def test_an_epoch_can_be_entered_anywhere() -> None:
    rows = BinarizedRows(Batches(), seed=3)
    whole = list(rows.epoch(5))
    assert len(rows) == len(whole) == 3
    for first in range(3):
        for (inputs, target), (again, same) in zip(whole[first:], rows.epoch(5, first), strict=True):
            assert torch.equal(inputs, again)
            assert target == same
    plain = BinarizedRows([torch.full((4, 9), 0.5)] * 3)
    assert all(torch.equal(one, two) for one, two in zip(list(plain)[1:], plain.epoch(0, 1), strict=True))


def test_epochs_batches_and_seeds_differ() -> None:
    same = [(torch.full((20, 20), 0.5), None)] * 2
    found = [
        next(iter(BinarizedRows(same, seed=seed).epoch(epoch, batch)))[0]
        for seed, epoch, batch in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (2**32, 0, 0), (2**32 + 1, 0, 0))
    ]
    assert all(not torch.equal(one, two) for at, one in enumerate(found) for two in found[:at])


def test_units_have_the_probabilities_that_the_values_are() -> None:
    rows = BinarizedRows([torch.linspace(0, 1, 5).expand(40_000, -1)])
    (drawn,) = rows
    assert set(drawn.flatten().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(0), torch.linspace(0, 1, 5), rtol=0, atol=0.0125)
