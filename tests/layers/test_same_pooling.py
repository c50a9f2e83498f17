"""'Same' pooling: against loops over windows cut off at the border."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.layers.same_pooling import SameAvgPool2d, SameMaxPool2d

pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
LAYERS = [(SameMaxPool2d, np.max), (SameAvgPool2d, np.mean)]


def by_loops(x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], over: Callable[..., np.ndarray]) -> np.ndarray:
    outs = [math.ceil(size / step) for size, step in zip(x.shape[2:], stride, strict=True)]
    before = [
        max((out - 1) * step + f - size, 0) // 2 for out, step, f, size in zip(outs, stride, kernel, x.shape[2:], strict=True)
    ]
    y = np.empty((*x.shape[:2], *outs))
    for i in range(outs[0]):
        for j in range(outs[1]):
            top, left = i * stride[0] - before[0], j * stride[1] - before[1]
            window = x[:, :, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
            y[:, :, i, j] = over(window, axis=(2, 3))
    return y


@pytest.mark.parametrize(("layer", "over"), LAYERS)
@settings(max_examples=60)
@given(pairs, st.integers(1, 8), st.integers(1, 8), pairs, st.integers(0, 2**31))
def test_what_is_padded_does_not_count(
    layer: type[torch.nn.Module],
    over: Callable[..., np.ndarray],
    kernel: tuple[int, int],
    height: int,
    width: int,
    stride: tuple[int, int],
    seed: int,
) -> None:
    x = np.random.default_rng(seed).normal(-5, 1, (2, 3, height, width))  # below 0, so that a zero would win
    found = layer(kernel, stride=stride)(torch.from_numpy(x)).numpy()
    assert found == pytest.approx(by_loops(x, kernel, stride, over), abs=1e-12)


@pytest.mark.parametrize(("layer", "over"), LAYERS)
def test_the_stride_is_the_kernel_if_not_given(layer: type[torch.nn.Module], over: object) -> None:
    assert layer((2, 3))(torch.zeros(1, 1, 5, 7)).shape == (1, 1, 3, 3)


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize(("layer", "over"), LAYERS)
def test_gradients_match_differences(layer: type[torch.nn.Module], over: object, size: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 2, size, size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer(3, stride=2), x)


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_windows_of_two_are_torchs_with_its_gradients(size: int) -> None:
    # With a stride of its own size a window is cut off at the end only: what torch calls `ceil_mode`.
    draw = torch.Generator().manual_seed(size)
    x = torch.randint(-2, 3, (2, 3, size, 7), generator=draw).float()
    results = []
    for layer in (SameMaxPool2d(2), torch.nn.MaxPool2d(2, ceil_mode=True)):
        at = x.clone().requires_grad_()
        y = layer(at)
        y.backward(torch.arange(1.0, y.numel() + 1).reshape(y.shape))
        results.append((y, at.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])  # type: ignore[arg-type]
