"""Evaluation gives every row its own output, whatever the order and the lengths."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from leadline.data.answers import Classes
from leadline.data.batches import Batches
from leadline.data.dataset import Split
from leadline.data.ragged import Ragged
from leadline.data.schema import Schema
from leadline.data.series.series import Series
from leadline.training.evaluation import Evaluation, outputs_of

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 30, 50)
ROWS = Ragged.of([RANDOM.normal(size=(length, 1)).astype(np.float32) for length in LENGTHS])
KIND = Series(("value",), (0.0,), (1.0,), 1, 29)


class Sums(nn.Module):
    """The sum of each row, and the sum up to each step."""

    def __init__(self, *, each_step: bool = False) -> None:
        super().__init__()
        self.each_step = each_step
        self.shapes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(x.shape[1])
        sums = x.nan_to_num().cumsum(1)
        return sums if self.each_step else sums[:, -1]


def batches_of(targets: object, size: int = 8) -> Batches:
    split = Split(ROWS, targets, [str(row) for row in range(50)])  # type: ignore[arg-type]
    return Batches(split, Schema(KIND, Classes(("a", "b"))), size)  # type: ignore[arg-type]


def test_outputs_come_back_in_the_order_of_the_rows() -> None:
    network = Sums()
    outputs, targets = outputs_of(network, batches_of(np.arange(50)))
    assert targets.tolist() == list(range(50))
    np.testing.assert_allclose(outputs[:, 0].numpy(), [row.sum() for row in ROWS], rtol=1e-4, atol=1e-5)
    assert network.shapes == sorted(network.shapes, reverse=True)
    assert outputs.requires_grad_().is_leaf  # outputs are ordinary tensors: a temperature is fitted on them


def test_each_step_has_its_output_and_padding_has_no_target() -> None:
    tags = Ragged.of([RANDOM.integers(0, 2, length) for length in LENGTHS])
    outputs, targets = outputs_of(Sums(each_step=True), batches_of(tags))
    assert outputs.shape == (50, max(LENGTHS), 1)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(outputs[row, :length, 0].numpy(), ROWS.row(row)[:, 0].cumsum(), rtol=1e-4, atol=1e-5)
        assert targets[row, :length].tolist() == tags.row(row).tolist()
        assert (targets[row, length:] == -100).all()


def test_foreign_batches_are_taken_as_they_come() -> None:
    given = [(torch.ones(2, 3), torch.tensor([0, 1])), (torch.zeros(1, 3), torch.tensor([1]))]
    outputs, targets = outputs_of(nn.Identity(), given)
    assert torch.equal(outputs, torch.cat([given[0][0], given[1][0]]))
    assert targets.tolist() == [0, 1, 1]


def test_evaluation_is_that_of_rows_alone() -> None:
    told = Evaluation(
        Sums(), batches_of(np.zeros(50, np.int64)), lambda y, t: y.abs().mean(), {"rows": lambda y, t: y.new_tensor(len(y))}
    )()
    assert told["valid_rows"] == 50
    np.testing.assert_allclose(told["valid_loss"], np.mean([abs(row.sum()) for row in ROWS]), rtol=1e-4)
