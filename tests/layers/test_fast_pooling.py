"""The fast 2×2 maximum: torch's values and gradients to the bit, equals and odd sides included."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.layers.fast_pooling import MaxPool2x2

sizes = st.integers(2, 9)


def both_ways(layer: nn.Module, x: Tensor, passed: Tensor) -> tuple[Tensor, Tensor | None]:
    at = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = layer(at)
    y.backward(passed)
    return y.detach(), at.grad


@settings(max_examples=100)
@given(sizes, sizes, st.sampled_from([torch.float32, torch.float64, torch.bfloat16]), st.booleans(), st.integers(0, 2**31))
def test_it_is_torchs_pooling_to_the_bit(height: int, width: int, dtype: torch.dtype, last: bool, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randint(-2, 3, (2, 3, height, width), generator=draw).to(dtype)  # few values, so that many are equal
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    passed = torch.randn(2, 3, height // 2, width // 2, generator=draw).to(dtype)
    ours, theirs = both_ways(MaxPool2x2(), x, passed), both_ways(nn.MaxPool2d(2), x, passed)
    assert torch.equal(ours[0], theirs[0])
    assert ours[1] is not None
    assert theirs[1] is not None
    assert torch.equal(ours[1], theirs[1])
    assert torch.equal(MaxPool2x2()(x), theirs[0])  # and without gradients


def test_all_ways_of_being_equal() -> None:
    windows = torch.cartesian_prod(*[torch.arange(3.0)] * 4).reshape(-1, 1, 2, 2)
    passed = torch.arange(1.0, len(windows) + 1).reshape(-1, 1, 1, 1)
    ours, theirs = both_ways(MaxPool2x2(), windows, passed), both_ways(nn.MaxPool2d(2), windows, passed)
    assert torch.equal(ours[1], theirs[1])  # type: ignore[arg-type]


def test_second_derivatives_match_differences() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda at: MaxPool2x2()(at).pow(3), x)
    assert torch.autograd.gradgradcheck(lambda at: MaxPool2x2()(at).pow(3), x)


@pytest.mark.parametrize("axis", [0, 2])
def test_many_networks_at_once(axis: int) -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 3, 4, 4).unsqueeze(axis).repeat_interleave(3, axis) + torch.randn(3).reshape(
        [3 if a == axis else 1 for a in range(5)]
    )
    weight = torch.randn(2, 3, 2, 2)

    def gradients(of: nn.Module) -> Tensor:
        return torch.func.vmap(torch.func.grad(lambda at: (of(at) * weight).sin().sum()), in_dims=axis)(x)

    assert torch.equal(gradients(MaxPool2x2()), gradients(nn.MaxPool2d(2)))


def test_a_nan_stays_one() -> None:
    x = torch.zeros(1, 1, 2, 4)
    x[0, 0, 1, 0] = torch.nan
    assert MaxPool2x2()(x).isnan().flatten().tolist() == [True, False]
