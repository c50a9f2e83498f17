"""The general logistic unit: its formula in float64, its ends, and what it has to do with sigmoid and tanh."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers.logistic import Logistic

parameters = (st.floats(0.1, 10), st.floats(0.1, 5), st.floats(-3, 3))


@given(*parameters, st.floats(-20, 20))
def test_it_is_its_formula(limit: float, steepness: float, midpoint: float, x: float) -> None:
    found = Logistic(limit, steepness=steepness, midpoint=midpoint)(torch.tensor(x, dtype=torch.float64)).item()
    assert found == pytest.approx(limit / (1 + math.exp(-steepness * (x - midpoint))), rel=1e-12)


@given(*parameters)
def test_its_slope_at_the_midpoint(limit: float, steepness: float, midpoint: float) -> None:
    x = torch.tensor(midpoint, dtype=torch.float64, requires_grad=True)
    y = Logistic(limit, steepness=steepness, midpoint=midpoint)(x)
    (slope,) = torch.autograd.grad(y, x)
    assert y.item() == pytest.approx(limit / 2)
    assert slope.item() == pytest.approx(steepness * limit / 4)


def test_sigmoid_is_the_plainest() -> None:
    x = torch.linspace(-9, 9, 101)
    assert torch.equal(Logistic()(x), torch.sigmoid(x))


def test_tanh_is_twice_the_sigmoid_of_twice_x_less_one() -> None:
    x = torch.linspace(-9, 9, 101, dtype=torch.float64)
    assert torch.allclose(torch.tanh(x), 2 * torch.sigmoid(2 * x) - 1, atol=1e-15)
    assert torch.allclose(torch.tanh(x), Logistic(2.0, steepness=2.0)(x) - 1, atol=1e-15)


def test_far_out_it_is_flat_and_finite() -> None:
    x = torch.tensor([-1e4, 1e4, -3e38, 3e38], requires_grad=True)
    y = Logistic(3.0, steepness=100.0, midpoint=5.0)(x)
    y.sum().backward()
    assert y.tolist() == [0, 3, 0, 3]
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "arguments", [{"limit": 0.0}, {"steepness": -1.0}, {"midpoint": math.inf}, {"midpoint": math.nan}, {"limit": math.nan}]
)
def test_bad_arguments(arguments: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match=f"Logistic cannot be built: {next(iter(arguments))}"):
        Logistic(**arguments)
