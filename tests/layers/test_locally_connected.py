"""Locally connected layers: against loops over places, against a convolution, and their number of parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.locally_connected import LocallyConnected2d
from leadline.layers.same_convolution import SameConv2d

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def by_loops(x: np.ndarray, layer: LocallyConnected2d) -> np.ndarray:
    """Each place by itself: its patch, zeros where it leaves the map, times its own filters."""
    weight, (fh, fw), (sh, sw) = layer.weight.detach().numpy(), layer.kernel_size, layer.stride
    left, _, top, _ = layer.pads
    padded = np.zeros((*x.shape[:2], x.shape[2] + 20, x.shape[3] + 20))
    padded[:, :, top : top + x.shape[2], left : left + x.shape[3]] = x
    y = np.zeros((len(x), weight.shape[2], *weight.shape[:2]))
    for i in range(weight.shape[0]):
        for j in range(weight.shape[1]):
            patch = padded[:, :, i * sh : i * sh + fh, j * sw : j * sw + fw]
            y[:, :, i, j] = np.einsum("bcuv,kcuv->bk", patch, weight[i, j])
    if layer.bias is not None:
        bias = layer.bias.detach().numpy()
        y += bias[:, None, None] if bias.ndim == 1 else bias
    return y


@settings(max_examples=60)
@given(
    pairs,
    st.integers(3, 7),
    st.integers(3, 7),
    pairs,
    st.sampled_from(["valid", "same"]),
    st.sampled_from(["filter", "unit", "none"]),
)
def test_every_place_has_its_own_filters(
    kernel: tuple[int, int], height: int, width: int, stride: tuple[int, int], padding: str, bias: str
) -> None:
    torch.manual_seed(height + 10 * width)
    layer = LocallyConnected2d(2, 3, kernel, size=(height, width), stride=stride, padding=padding, bias=bias).double()
    x = torch.randn(2, 2, height, width, dtype=torch.float64)
    found = layer(x).detach().numpy()
    if padding == "same":
        assert found.shape[2:] == (math.ceil(height / stride[0]), math.ceil(width / stride[1]))
    else:
        assert found.shape[2:] == tuple(
            math.ceil((size - f + 1) / s) for size, f, s in zip((height, width), kernel, stride, strict=True)
        )
    assert found == pytest.approx(by_loops(x.numpy(), layer), abs=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [2, 3])
def test_with_the_same_filters_everywhere_it_is_a_convolution(kernel: int, stride: int) -> None:
    torch.manual_seed(1)
    layer = LocallyConnected2d(3, 4, kernel, size=(6, 5), stride=stride, padding="same")
    convolution = SameConv2d(3, 4, kernel, stride=stride)
    with torch.no_grad():
        layer.weight.copy_(convolution.weight.expand_as(layer.weight))
        assert layer.bias is not None
        assert convolution.bias is not None
        layer.bias.copy_(convolution.bias)
    x = torch.randn(2, 3, 6, 5)
    assert torch.allclose(layer(x), convolution(x), atol=1e-5)


@pytest.mark.parametrize(("bias", "parameters"), [("filter", 10), ("unit", 10 * 32 * 32), ("none", 0)])
def test_the_parameters_of_the_textbook(bias: str, parameters: int) -> None:
    layer = LocallyConnected2d(3, 10, 5, size=(32, 32), padding="same", bias=bias)
    assert sum(p.numel() for p in layer.parameters()) == 75 * 32 * 32 * 10 + parameters
    assert sum(p.numel() for p in nn.Conv2d(3, 10, 5).parameters()) == 75 * 10 + 10


def test_it_starts_as_a_convolution_does() -> None:
    torch.manual_seed(0)
    weight = LocallyConnected2d(8, 16, 3, size=(9, 9)).weight
    bound = 1 / math.sqrt(8 * 9)
    assert weight.abs().max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("bias", ["filter", "unit", "none"])
def test_gradients_match_differences(bias: str) -> None:
    torch.manual_seed(2)
    layer = LocallyConnected2d(2, 2, 2, size=(3, 4), stride=(1, 2), bias=bias).double()
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]
    parameters = [parameter.detach().requires_grad_() for parameter in layer.parameters()]

    def run(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, values, strict=True)), (x,))

    assert torch.autograd.gradcheck(run, (x, *parameters))


def test_bad_arguments() -> None:
    with pytest.raises(
        ArgumentError, match=r"LocallyConnected2d cannot be built: the kernel is larger.*\(3, 3\); got \(4, 4\)"
    ):
        LocallyConnected2d(1, 1, 4, size=(3, 3))
    with pytest.raises(ArgumentError, match="Did you mean 'same'"):
        LocallyConnected2d(1, 1, 2, size=(3, 3), padding="sme")
    with pytest.raises(ArgumentError, match="kind of bias 'units'.*Did you mean 'unit'"):
        LocallyConnected2d(1, 1, 2, size=(3, 3), bias="units")
