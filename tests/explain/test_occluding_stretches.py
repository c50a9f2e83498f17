"""Which stretches decided: exact for networks whose answer is a sum over steps, whatever is covered with what."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.occluding_stretches import stretch_importance


class Weighted(nn.Module):
    """Outputs = a weighted sum over steps and channels, [T, C, K]."""

    def __init__(self, steps: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(steps, channels, 2, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("btc,tck->bk", x, self.weight)


@given(st.integers(1, 12), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_a_sum_over_steps_is_explained_exactly(steps: int, channels: int, window: int, stride: int, apart: bool) -> None:
    window = min(window, steps)
    stride = min(stride, window)
    network = Weighted(steps, channels)
    x = torch.randn(steps, channels, generator=torch.Generator().manual_seed(1))
    found = stretch_importance(network, x, [1, 0], window=window, stride=stride, fill=0.5, apart=apart)
    starts = sorted({*range(0, steps - window + 1, stride), steps - window})
    lost = ((x - 0.5)[:, :, None] * network.weight.detach()).numpy()[:, :, [1, 0]]  # T, C, K
    expected = np.zeros((2, steps, channels))
    for step in range(steps):
        on_it = [start for start in starts if start <= step < start + window]
        expected[:, step] = np.mean([lost[start : start + window].sum(axis=0) for start in on_it], axis=0).T
    assert found.shape == ((2, steps, channels) if apart else (2, steps))
    assert np.allclose(found, expected if apart else expected.sum(axis=2), atol=1e-4)


def test_a_straight_line_covers_and_takes_nothing_from_a_straight_line() -> None:
    network, x = Weighted(20, 1), torch.linspace(-1, 3, 20)[:, None]
    found = stretch_importance(network, x, [0], window=4, stride=2)[0]
    assert np.abs(found[4:16]).max() < 1e-5
    assert np.abs(found[:2]).max() > 1e-3, "beyond the ends there is no line to go on"
    bump = x.clone()
    bump[9] += 5
    found = stretch_importance(network, bump, [0], window=3, stride=3)[0]
    assert found[9] == pytest.approx(5 * float(network.weight.detach()[9, 0, 0]), abs=1e-4)


def test_a_whole_series_may_be_covered_and_one_step_suffices() -> None:
    network, x = Weighted(3, 2), torch.ones(3, 2)
    found = stretch_importance(network, x, [0], window=3)
    assert found[0] == pytest.approx(np.full(3, float(network.weight.detach()[:, :, 0].sum())), abs=1e-5)
    assert stretch_importance(Weighted(1, 1), torch.ones(1, 1), [0]).shape == (1, 1)


def test_scores_are_finished_and_the_mode_is_put_back() -> None:
    network = nn.Sequential(Weighted(9, 1), nn.Dropout(0.9)).train()
    found = stretch_importance(network, torch.randn(9, 1), [0], finish=lambda outputs: outputs.softmax(1))
    assert np.abs(found).max() <= 1
    assert network.training


@pytest.mark.parametrize(
    ("series", "more", "words"),
    [
        (torch.zeros(2, 9, 1), {}, "no one series"),
        (torch.full((9, 1), torch.nan), {}, "finite numbers"),
        (torch.zeros(0, 1), {}, "no one series"),
        (torch.zeros(9, 1, dtype=torch.int64), {}, "no one series"),
        (torch.zeros(9, 1), {"window": 10}, "do not fit.*window 10"),
        (torch.zeros(9, 1), {"window": 2, "stride": 3}, "do not fit.*stride 3"),
        (torch.zeros(9, 1), {"outputs": [2]}, "no such output"),
        (torch.zeros(9, 1), {"outputs": []}, "no such output"),
    ],
)
def test_what_cannot_be_explained_is_refused(series: Tensor, more: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        stretch_importance(Weighted(9, 1), series, **({"outputs": [0]} | more))
