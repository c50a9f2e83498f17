"""Local response normalization: torch's values and gradients, of first and second order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.response_norm import LocalResponseNorm


@settings(max_examples=60)
@given(
    st.integers(1, 9),
    st.integers(1, 7),
    st.sampled_from([0.75, 0.5, 1.0, 0.3]),
    st.floats(0, 3),
    st.floats(0.5, 2),
    st.integers(0, 9),
)
def test_it_is_torchs_layer(size: int, channels: int, beta: float, alpha: float, k: float, seed: int) -> None:
    torch.manual_seed(seed)
    x = torch.randn(2, channels, 3, 2, dtype=torch.float64)
    passed = torch.randn_like(x)
    both = []
    for layer in (LocalResponseNorm(size, alpha, beta=beta, k=k), nn.LocalResponseNorm(size, alpha, beta, k)):
        at = x.clone().requires_grad_()
        y = layer(at)
        y.backward(passed)
        both.append((y, at.grad))
    assert torch.allclose(both[0][0], both[1][0], rtol=1e-12)
    assert torch.allclose(both[0][1], both[1][1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("beta", [0.75, 0.6])
def test_first_and_second_derivatives_match_differences(size: int, beta: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True)
    layer = LocalResponseNorm(size, 0.8, beta=beta)
    assert torch.autograd.gradcheck(layer, x)
    assert torch.autograd.gradgradcheck(layer, x)


def test_many_networks_at_once() -> None:
    torch.manual_seed(1)
    x = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    layer, torchs = LocalResponseNorm(3, 2.0), nn.LocalResponseNorm(3, 2.0)

    def gradients(of: nn.Module) -> torch.Tensor:
        return torch.func.vmap(torch.func.grad(lambda at: of(at).sin().sum()))(x)

    assert torch.allclose(gradients(layer), gradients(torchs))


def test_inputs_without_channels() -> None:
    with pytest.raises(ArgumentError, match=r"LocalResponseNorm cannot take.*\[B, C, ...\]; got float32 of shape \[2, 3\]"):
        LocalResponseNorm(2)(torch.zeros(2, 3))
