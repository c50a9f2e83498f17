"""Whitening filters: uncorrelated outputs of variance 1 over the patches, against an eigendecomposition by numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor, nn

from leadline.errors import ArgumentError
from leadline.initialize import whiten_patches


def pictures(seed: int = 0, channels: int = 2, count: int = 40) -> Tensor:
    """Neighbours alike, channels alike, and a mean far from 0, as in photographs."""
    noise = torch.randn(count, channels, 8, 8, generator=Generator().manual_seed(seed))
    return noise.cumsum(2).cumsum(3) + noise.sum(1, keepdim=True) + 5.0


def patches(x: Tensor, kernel: tuple[int, int]) -> np.ndarray:
    """Every patch as a row, cut out one by one."""
    height, width = kernel
    rows = [
        x[:, :, i : i + height, j : j + width].reshape(len(x), -1)
        for i in range(x.shape[2] - height + 1)
        for j in range(x.shape[3] - width + 1)
    ]
    return torch.cat(rows).double().numpy()


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.integers(1, 3), st.sampled_from([(2, 2), (1, 3), (3, 2)]))
def test_outputs_are_white(seed: int, channels: int, kernel: tuple[int, int]) -> None:
    x, directions = pictures(seed, channels), channels * kernel[0] * kernel[1]
    convolution = nn.Conv2d(channels, 2 * directions, kernel).double()
    values = whiten_patches(convolution, x, epsilon=1e-9)
    outputs = convolution(x.double()).transpose(0, 1).flatten(1).detach()
    assert torch.allclose(outputs[:directions].cov(correction=0), torch.eye(directions, dtype=torch.float64), atol=1e-5)
    assert outputs.mean(1).abs().max() < 1e-6
    torch.testing.assert_close(outputs[directions:], -outputs[:directions])
    expected = np.linalg.eigvalsh(np.cov(patches(x, kernel).T, bias=True).reshape(directions, directions))[::-1]
    assert values.numpy() == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_epsilon_holds_weak_directions_down() -> None:
    x = pictures()
    x[:, 1] = x[:, 0]  # half of the directions have no variance at all
    convolution = nn.Conv2d(2, 8, 2)
    values = whiten_patches(convolution, x, epsilon=0.01)
    assert values[4:].max() < 1e-6
    outputs = convolution(x).transpose(0, 1).flatten(1).detach().double()
    expected = values / (values + 0.01)
    assert outputs.var(1, correction=0).tolist() == pytest.approx(expected.tolist(), abs=1e-3)
    assert convolution.weight.detach().flatten(1).norm(dim=1).max() == pytest.approx(10, rel=1e-3)  # 1/√ε


@pytest.mark.parametrize("filters", [3, 8, 11, 20])
def test_as_many_filters_as_there_are(filters: int) -> None:
    x = pictures()
    torch.manual_seed(0)
    convolution, full = nn.Conv2d(2, filters, 2), nn.Conv2d(2, 16, 2)
    before = convolution.weight.detach().clone()
    whiten_patches(full, x)
    whiten_patches(convolution, x)
    weight, shared = convolution.weight.detach(), min(filters, 16)
    assert weight[:shared].equal(full.weight[:shared])
    assert weight[16:].equal(before[16:])
    assert not weight[:shared].equal(before[:shared])
    assert full.weight[8:].equal(-full.weight[:8])
    assert convolution.weight.requires_grad


def test_without_a_bias_and_with_padding_the_filters_are_the_same() -> None:
    x = pictures()
    plain, other = nn.Conv2d(2, 8, 2), nn.Conv2d(2, 8, 2, padding=1, stride=2, bias=False)
    whiten_patches(plain, x)
    whiten_patches(other, x)
    assert plain.weight.equal(other.weight)


def test_dilated_patches_are_dilated() -> None:
    x = pictures()
    convolution = nn.Conv2d(2, 8, 2, dilation=3)
    whiten_patches(convolution, x, epsilon=1e-6)
    assert torch.allclose(convolution(x).transpose(0, 1).flatten(1).cov(), torch.eye(8), atol=0.02)


def test_many_pictures_are_taken_a_few_at_a_time() -> None:
    x = pictures(count=600)
    values = whiten_patches(nn.Conv2d(2, 8, 2), x)
    expected = np.linalg.eigvalsh(np.cov(patches(x, (2, 2)).T, bias=True))[::-1]
    assert values.numpy() == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize(
    ("convolution", "images", "words"),
    [
        (nn.Conv2d(2, 8, 2), torch.zeros(4, 3, 8, 8), r"\[N, 2, at least 2, at least 2\]; got torch.float32 \[4, 3, 8, 8\]"),
        (nn.Conv2d(2, 8, 3, dilation=4), torch.zeros(4, 2, 8, 8), "at least 9"),
        (nn.Conv2d(2, 8, 2), torch.zeros(4, 2, 8, 8, dtype=torch.uint8), "got torch.uint8"),
        (nn.Conv2d(2, 8, 2), torch.zeros(0, 2, 8, 8), r"got torch.float32 \[0, 2, 8, 8\]"),
        (nn.Conv2d(2, 8, 2), torch.zeros(2, 8, 8), "got torch.float32"),
        (nn.Conv2d(2, 8, 2, groups=2), torch.zeros(4, 2, 8, 8), "groups=1"),
        (nn.Linear(2, 8), torch.zeros(4, 2, 8, 8), "expected nn.Conv2d|Expected nn.Conv2d"),
    ],
    ids=lambda value: None,
)
def test_what_does_not_fit_is_refused(convolution: nn.Conv2d, images: Tensor, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        whiten_patches(convolution, images)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan")])
def test_an_epsilon_of_nothing_is_refused(epsilon: float) -> None:
    with pytest.raises(ArgumentError, match="epsilon of the whitening"):
        whiten_patches(nn.Conv2d(2, 8, 2), pictures(), epsilon=epsilon)
