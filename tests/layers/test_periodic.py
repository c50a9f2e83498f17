"""Periodic embedding: its formula, its period, and where its frequencies start."""

from __future__ import annotations

import math

import pytest
import torch

from leadline.errors import ArgumentError
from leadline.layers import Periodic


def test_it_is_its_formula() -> None:
    layer = Periodic(2, 3, frequencies=4, sigma=0.5).double()
    x = torch.tensor([[0.3, -1.2], [2.0, 0.0]], dtype=torch.float64)
    found = layer(x)
    for row in range(2):
        for number in range(2):
            angle = 2 * math.pi * layer.frequency[number] * x[row, number]
            waves = torch.cat([angle.sin(), angle.cos()])
            expected = (waves @ layer.weight[number] + layer.bias[number]).clamp_min(0)
            assert torch.allclose(found[row, number], expected)


def test_a_frequency_of_one_repeats_at_every_whole_number() -> None:
    layer = Periodic(1, 8).double()
    with torch.no_grad():
        layer.frequency.fill_(1.0)
    x = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None]
    assert torch.allclose(layer(x), layer(x + 3))
    assert not torch.allclose(layer(x), layer(x + 0.5))


def test_the_frequencies_start_at_the_scale_asked_for() -> None:
    torch.manual_seed(0)
    frequency = Periodic(100, 1, frequencies=64, sigma=0.2).frequency
    assert frequency.std().item() == pytest.approx(0.2, rel=0.05)
    assert frequency.abs().max().item() <= 0.6


def test_gradients_match_differences_and_reach_the_frequencies() -> None:
    torch.manual_seed(1)
    layer = Periodic(2, 3, frequencies=4, sigma=0.5).double()
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, x)
    layer(x).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in layer.parameters())


@pytest.mark.parametrize(("numbers", "width", "frequencies", "sigma"), [(0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, 1), (1, 1, 1, 0)])
def test_bad_arguments(numbers: int, width: int, frequencies: int, sigma: float) -> None:
    with pytest.raises(ArgumentError, match="cannot be embedded"):
        Periodic(numbers, width, frequencies=frequencies, sigma=sigma)
