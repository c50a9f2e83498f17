"""Conditional batch norm against torch's, class by class."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.conditional_norm import ConditionalBatchNorm2d


@pytest.mark.parametrize("training", [True, False])
def test_each_row_is_what_batch_norm_with_its_class_gives(training: bool) -> None:
    torch.manual_seed(0)
    ours = ConditionalBatchNorm2d(3, 4, momentum=0.2).double()
    nn.init.normal_(ours.scale.weight)
    nn.init.normal_(ours.shift.weight)
    x, classes = torch.randn(6, 3, 5, 2, dtype=torch.float64), torch.tensor([0, 3, 1, 1, 2, 0])
    theirs = nn.BatchNorm2d(3, momentum=0.2).double()
    for layer in (ours, theirs):
        layer.train()
    ours(x, classes), theirs(x)
    torch.testing.assert_close(ours.norm.running_var, theirs.running_var)
    for layer in (ours, theirs):
        layer.train(training)
    found = ours(x, classes)
    for number in range(4):
        with torch.no_grad():
            theirs.weight.copy_(ours.scale.weight[number])
            theirs.bias.copy_(ours.shift.weight[number])
        rows = classes == number
        # In training the statistics are of the whole batch, so the reference sees it whole too.
        torch.testing.assert_close(found[rows], theirs(x)[rows])


def test_it_begins_as_a_norm_that_knows_no_classes() -> None:
    layer = ConditionalBatchNorm2d(3, 4)
    x = torch.randn(6, 3, 5, 2)
    torch.testing.assert_close(layer(x, torch.randint(4, (6,))), nn.BatchNorm2d(3)(x))


def test_only_the_classes_of_the_batch_get_a_gradient() -> None:
    layer = ConditionalBatchNorm2d(3, 4)
    layer(torch.randn(6, 3, 5, 2), torch.tensor([0, 0, 2, 2, 2, 0])).square().sum().backward()
    for table in (layer.scale, layer.shift):
        assert table.weight.grad.abs().sum(1).gt(0).tolist() == [True, False, True, False]


def test_channels_last_and_bfloat16_stay_what_they_are() -> None:
    layer = ConditionalBatchNorm2d(8, 2)
    x = torch.randn(4, 8, 3, 3).to(memory_format=torch.channels_last)
    assert layer(x, torch.zeros(4, dtype=torch.int64)).is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x.bfloat16(), torch.zeros(4, dtype=torch.int64)).dtype == torch.bfloat16


def test_what_does_not_fit_is_refused() -> None:
    layer = ConditionalBatchNorm2d(3, 4)
    x = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ArgumentError, match="got numbers from 0 to 4"):
        layer(x, torch.tensor([0, 4]))
    with pytest.raises(ArgumentError, match="int64"):
        layer(x, torch.tensor([0.0, 1.0]))
    with pytest.raises(ArgumentError, match=r"\[B, 3, H, W\]"):
        layer(torch.zeros(2, 5, 4, 4), torch.tensor([0, 1]))
    with pytest.raises(ArgumentError, match="classes is out of range"):
        ConditionalBatchNorm2d(3, 0)
    with pytest.raises(ArgumentError, match="momentum"):
        ConditionalBatchNorm2d(3, 2, momentum=0.0)
