"""Drop path: whole samples, with the right probability, and nothing in evaluation."""

from __future__ import annotations

import math

import pytest
import torch

from leadline.errors import ArgumentError
from leadline.layers.drop_path import DropPath


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4)])
def test_a_sample_is_dropped_as_a_whole_and_the_mean_stays(p: float, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    samples = 20_000
    y = DropPath(p)(torch.ones(samples, *shape, dtype=torch.float64)).reshape(samples, -1)
    assert bool((y == y[:, :1]).all())
    assert set(y.flatten().tolist()) == {0.0, 1 / (1 - p)}
    dropped = (y[:, 0] == 0).double().mean().item()
    assert abs(dropped - p) < 5 * math.sqrt(p * (1 - p) / samples)


def test_the_gradient_is_dropped_with_the_sample() -> None:
    torch.manual_seed(0)
    x = torch.ones(50, 3, requires_grad=True)
    y = DropPath(0.5)(x)
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_in_evaluation_nothing_happens() -> None:
    x = torch.randn(4, 3)
    assert DropPath(0.9).eval()(x) is x
    assert DropPath(0.0)(x) is x


def test_a_number_has_no_samples() -> None:
    with pytest.raises(ArgumentError, match=r"DropPath cannot take.*\[B, ...\]; got float32 of shape \[\]"):
        DropPath()(torch.tensor(1.0))
