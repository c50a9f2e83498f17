"""Maxout: the largest of its affine pieces, dense and convolutional."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.maxout import Maxout, MaxoutConv2d, MaxoutLinear


@given(st.integers(1, 5), st.integers(1, 4), st.sampled_from([-1, 1, 0, -2]), st.integers(0, 2**31))
def test_each_unit_is_the_largest_of_its_pieces(pieces: int, units: int, dim: int, seed: int) -> None:
    shape = [2, 3, 4]
    shape[dim] = pieces * units
    x = np.random.default_rng(seed).normal(size=shape)
    found = Maxout(pieces, dim=dim)(torch.from_numpy(x)).numpy()
    along = np.moveaxis(x, dim, -1)
    expected = [np.max([along[..., piece * units + unit] for piece in range(pieces)], axis=0) for unit in range(units)]
    assert np.array_equal(np.moveaxis(found, dim, -1), np.stack(expected, axis=-1))


@given(st.integers(1, 5), st.booleans(), st.integers(0, 2**31))
def test_a_dense_layer_of_pieces(pieces: int, bias: bool, seed: int) -> None:
    torch.manual_seed(seed)
    layer = MaxoutLinear(4, 3, pieces=pieces, bias=bias).double()
    x = torch.randn(5, 2, 4, dtype=torch.float64)
    offset = layer.linear.bias if bias else torch.zeros(3 * pieces, dtype=torch.float64)
    one_by_one = [x @ w.T + b for w, b in zip(layer.linear.weight.split(3), offset.split(3), strict=True)]
    assert torch.allclose(layer(x), torch.stack(one_by_one).max(dim=0).values)


@pytest.mark.parametrize(("padding", "side"), [("same", 4), ("valid", 3)])
def test_a_convolution_of_pieces(padding: str, side: int) -> None:
    torch.manual_seed(0)
    layer = MaxoutConv2d(2, 3, 2, pieces=4, stride=2, padding=padding).double()
    x = torch.randn(2, 2, 7, 7, dtype=torch.float64)
    padded = nn.functional.pad(x, (0, 1, 0, 1)) if padding == "same" else x
    weight, bias = layer.convolution.weight, layer.convolution.bias
    assert bias is not None
    maps = [
        nn.functional.conv2d(padded, w, b, stride=2) for w, b in zip(weight.split(3), bias.split(3), strict=True)
    ]  # fmt: skip
    found = layer(x)
    assert found.shape == (2, 3, side, side)
    assert torch.allclose(found, torch.stack(maps).max(dim=0).values)


def test_two_pieces_are_a_relu_or_an_absolute_value() -> None:
    x = torch.linspace(-3, 3, 13)[:, None]
    layer = MaxoutLinear(1, 2, bias=False)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.tensor([[1.0], [1.0], [0.0], [-1.0]]))
    assert torch.equal(layer(x), torch.cat([x.relu(), x.abs()], dim=1))


def test_the_gradient_goes_to_the_largest_and_is_shared_by_equals() -> None:
    x = torch.tensor([1.0, 2.0, 3.0, 2.0], requires_grad=True)
    Maxout(2)(x).backward(torch.tensor([5.0, 8.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 4.0, 5.0, 4.0]


@pytest.mark.parametrize("layer", [lambda: Maxout(3), lambda: MaxoutLinear(3, 3, pieces=3)])
def test_gradients_match_differences(layer: object) -> None:
    torch.manual_seed(1)
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer().double(), x)  # type: ignore[operator]


def test_an_axis_that_does_not_divide() -> None:
    with pytest.raises(
        ArgumentError, match=r"Maxout cannot take.*multiple of 2 along axis 1; got float32 of shape \[2, 7, 2\]"
    ):
        Maxout(2, dim=1)(torch.zeros(2, 7, 2))
    with pytest.raises(ArgumentError, match=r"axis 3.*shape \[2, 4\]"):
        Maxout(2, dim=3)(torch.zeros(2, 4))
    with pytest.raises(ArgumentError, match="padding is unknown"):
        MaxoutConv2d(1, 1, 1, padding="full")


def test_an_empty_batch_stays_empty() -> None:
    assert Maxout(2)(torch.zeros(0, 6)).shape == (0, 3)
    assert Maxout(2, dim=1)(torch.zeros(0, 4, 2, 2)).shape == (0, 2, 2, 2)
