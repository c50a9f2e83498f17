"""Softmax with a temperature: its formula, its two limits, and nothing that overflows."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers.softmax import Softmax


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.floats(0.05, 50))
def test_it_is_its_formula(values: list[float], temperature: float) -> None:
    found = Softmax(temperature)(torch.tensor(values, dtype=torch.float64)).tolist()
    powers = [math.exp(value / temperature) for value in values]
    assert found == pytest.approx([power / sum(powers) for power in powers], rel=1e-10)


def test_the_limits_are_uniform_and_the_largest_alone() -> None:
    x = torch.tensor([[1.0, 3.0, 2.0, -4.0]])
    assert torch.allclose(Softmax(1e9)(x), torch.full((1, 4), 0.25))
    assert Softmax(1e-9)(x).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("temperature", [1e-38, 1e-19, 1e-3, 1.0, 1e3])
def test_large_values_do_not_overflow(temperature: float) -> None:
    x = torch.tensor([[1e4, -1e4, 1e4]], requires_grad=True)
    y = Softmax(temperature)(x)
    (y * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert y.sum().item() == pytest.approx(1)
    assert y[0, 0] == y[0, 2]
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_half_precision_does_not_overflow() -> None:
    found = Softmax(0.25)(torch.tensor([6e4, 5e4, -6e4], dtype=torch.float16))
    assert found.tolist() == [1, 0, 0]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("dim", [-1, 1])
def test_gradients_match_differences(temperature: float, dim: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    layer = Softmax(temperature, dim=dim)
    assert torch.allclose(layer(x).sum(dim), torch.ones((), dtype=torch.float64))
    assert torch.autograd.gradcheck(layer, x)


def test_what_is_ruled_out_stays_ruled_out() -> None:
    assert Softmax(0.5)(torch.tensor([0.0, -math.inf])).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("temperature", [0, 0.0, -1.0, math.inf, math.nan])
def test_a_temperature_must_be_above_zero(temperature: float) -> None:
    with pytest.raises(ArgumentError, match="Softmax cannot be built: temperature.*a number above 0"):
        Softmax(temperature)


@pytest.mark.parametrize("temperature", [1e-50, 1e-320])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_temperature_that_the_type_rounds_to_zero_leaves_the_largest(temperature: float, dtype: torch.dtype) -> None:
    x = torch.tensor([1.0, 3.0, 2.0], dtype=dtype, requires_grad=True)
    y = Softmax(temperature)(x)
    y[1].backward()
    assert y.tolist() == [0, 1, 0]
    assert x.grad is not None
    assert x.grad.isfinite().all()
