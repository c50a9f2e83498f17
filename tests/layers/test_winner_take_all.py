"""Winner-take-all: against a loop over the groups, with ties, and what reaches the gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers.winner_take_all import WinnerTakeAll


def by_loop(x: np.ndarray, group: int) -> np.ndarray:
    """Over the last axis: the first of the largest of each group stays."""
    y, apart = np.zeros_like(x), x.shape[-1] // group
    for row, out in zip(x.reshape(-1, x.shape[-1]), y.reshape(-1, x.shape[-1]), strict=True):
        for first in range(apart):
            rivals = [first + apart * number for number in range(group)]
            winner = max(rivals, key=lambda place: (row[place], -place))
            out[winner] = row[winner]
    return y


@given(st.integers(1, 4), st.integers(1, 3), st.sampled_from([-1, 1, -2]), st.integers(0, 2**31))
def test_only_the_first_strongest_of_each_group_stays(group: int, groups: int, dim: int, seed: int) -> None:
    shape = [2, 3, 4]
    shape[dim] = group * groups
    values = np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float64)  # few values, so that many are equal
    x = torch.tensor(values, requires_grad=True)
    y = WinnerTakeAll(group, dim=dim)(x)
    expected = np.moveaxis(by_loop(np.ascontiguousarray(np.moveaxis(values, dim, -1)), group), -1, dim)
    assert np.array_equal(y.detach().numpy(), expected)
    # Add a large number, and the winners are what is not zero.
    won = np.moveaxis(by_loop(np.ascontiguousarray(np.moveaxis(values, dim, -1)) + 10, group), -1, dim) != 0
    y.sum().backward()
    assert x.grad is not None
    assert np.array_equal(x.grad.numpy() != 0, won)
    assert won.sum() == won.size // group


def test_a_group_of_one_is_the_identity() -> None:
    x = torch.randn(3, 4)
    assert torch.equal(WinnerTakeAll(1)(x), x)


def test_a_nan_is_seen_and_infinities_are_values() -> None:
    found = WinnerTakeAll(2)(torch.tensor([[1.0, math.nan, -math.inf, 2.0, 3.0, 5.0]]))
    assert found[0, 1].isnan()  # against 3
    assert found[0, [0, 2, 3, 5]].tolist() == [0.0, 0.0, 2.0, 5.0]
    assert WinnerTakeAll(2)(torch.tensor([3.0, math.nan])).isnan().any()


@pytest.mark.parametrize("shape", [(4, 5), (5,)])
def test_groups_that_do_not_fit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="WinnerTakeAll cannot take.*multiple of 2 along axis -1"):
        WinnerTakeAll(2)(torch.zeros(shape))
