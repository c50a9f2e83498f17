"""What becomes of a signal in fifty layers of width 512: kept where theory says so over twenty seeds, lost where it says so."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from leadline.initialize import get

LAYERS, WIDTH, ROWS = 50, 512, 16


def linear(x: Tensor) -> Tensor:
    return x


def ratio(text: str, activation: Callable[[Tensor], Tensor], seeds: int) -> float:
    """The mean square after the last layer over that of the input, the mean over seeds."""
    rule, weight = get(text), torch.empty(WIDTH, WIDTH)
    found = []
    for seed in range(seeds):
        draw = Generator().manual_seed(seed)
        x = torch.randn(ROWS, WIDTH, generator=draw)
        before = x.square().mean().item()
        for _ in range(LAYERS):
            rule(weight, generator=draw)
            x = activation(x @ weight.T)
        found.append(x.double().square().mean().item() / before)
    return sum(found) / seeds


@pytest.mark.parametrize(
    ("text", "activation"),
    [
        ("he", torch.relu),
        ("xavier", linear),
        ("lecun('uniform')", linear),
        ("lecun", torch.selu),
    ],
    ids=["he-relu", "xavier-linear", "lecun-linear", "lecun-selu"],
)
def test_the_signal_is_kept(text: str, activation: Callable[[Tensor], Tensor]) -> None:
    assert 0.5 <= ratio(text, activation, seeds=20) <= 2


def test_rotations_keep_it_exactly() -> None:
    assert ratio("orthogonal", linear, seeds=2) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "activation", "factor"),
    [
        ("xavier", torch.relu, 0.5),  # ReLU halves the mean square
        ("lecun('uniform')", torch.relu, 0.5),
        ("normal(0.01)", linear, WIDTH * 0.01**2),  # each output adds up 512 inputs
        ("he(distribution='uniform')", linear, 2.0),  # doubled for an activation that is not there
    ],
    ids=["xavier-relu", "lecun-relu", "small", "he-linear"],
)
def test_the_signal_dies_or_explodes_as_theory_says(text: str, activation: Callable[[Tensor], Tensor], factor: float) -> None:
    each = math.exp(math.log(ratio(text, activation, seeds=3)) / LAYERS)
    assert each == pytest.approx(factor, rel=0.05)


def test_large_weights_saturate() -> None:
    rule, weight = get("normal(1.0)"), torch.empty(WIDTH, WIDTH)
    draw = Generator().manual_seed(0)
    x = torch.randn(ROWS, WIDTH, generator=draw)
    for _ in range(3):
        rule(weight, generator=draw)
        x = torch.tanh(x @ weight.T)
    assert (x.abs() > 0.99).float().mean() > 0.85
