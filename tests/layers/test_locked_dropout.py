"""Locked dropout: one mask a sequence, the right share of it, and nothing in evaluation."""

from __future__ import annotations

import math

import pytest
import torch

from leadline.layers.locked_dropout import LockedDropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("batch_first", [True, False])
def test_one_mask_for_all_steps_of_a_sequence(p: float, batch_first: bool) -> None:
    torch.manual_seed(0)
    x = torch.ones(60, 5, 400, dtype=torch.float64)
    y = LockedDropout(p, batch_first=batch_first)(x if batch_first else x.transpose(0, 1))
    y = y if batch_first else y.transpose(0, 1)
    assert bool((y == y[:, :1]).all())
    assert set(y.flatten().tolist()) == {0.0, 1 / (1 - p)}
    masks = y[:, 0] == 0
    assert abs(masks.double().mean().item() - p) < 5 * math.sqrt(p * (1 - p) / masks.numel())
    assert len({tuple(row) for row in masks.tolist()}) == 60, "each sequence has a mask of its own"


def test_the_gradient_has_the_same_mask() -> None:
    torch.manual_seed(0)
    x = torch.ones(3, 4, 5, requires_grad=True)
    y = LockedDropout(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_in_evaluation_nothing_happens() -> None:
    x = torch.randn(4, 3, 2)
    assert LockedDropout(0.9).eval()(x) is x
    assert LockedDropout(0.0)(x) is x
