"""Sign: two answers forward, a straight line backward."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.layers.sign import Sign

numbers = st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=20)


@given(numbers, st.floats(0.1, 4))
def test_forward_has_two_answers_and_backward_is_the_identity_within_the_limit(values: list[float], limit: float) -> None:
    x = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = Sign(limit)(x)
    assert y.tolist() == [1.0 if value >= 0 else -1.0 for value in values]
    passed = torch.arange(1.0, len(values) + 1, dtype=torch.float64)
    y.backward(passed)
    assert x.grad is not None
    assert x.grad.tolist() == [p if abs(value) <= limit else 0.0 for p, value in zip(passed.tolist(), values, strict=True)]


def test_without_a_limit_every_gradient_passes() -> None:
    x = torch.tensor([-1e30, 1e30], requires_grad=True)
    Sign(math.inf)(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0]


def test_a_nan_is_not_made_an_answer() -> None:
    assert Sign()(torch.tensor([math.nan, -0.0])).isnan().tolist() == [True, False]


def test_many_networks_at_once() -> None:
    x = torch.tensor([[-2.0, -0.5], [0.5, 3.0]])
    gradients = torch.func.vmap(torch.func.grad(lambda row: (Sign()(row) * torch.tensor([2.0, 3.0])).sum()))(x)
    assert gradients.tolist() == [[0.0, 3.0], [2.0, 0.0]]


def test_a_sum_of_signs_learns_by_descent() -> None:
    # The true derivative is 0 everywhere: only the straight line moves the weight at all.
    weight = torch.tensor([-0.3, 0.4], requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    wanted = torch.tensor([1.0, -1.0])

    def loss() -> Tensor:
        return (Sign()(weight) - wanted).square().sum()

    for _ in range(5):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() == 0


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_bad_limits(limit: float) -> None:
    with pytest.raises(ArgumentError, match="Sign cannot be built: limit"):
        Sign(limit)
