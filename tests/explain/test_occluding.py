"""Occlusion and saliency against closed forms, and the planted patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.explain.boxes import Box, box_of
from leadline.explain.occluding import edge_color, log_odds, occlusion
from leadline.explain.saliencies import saliency
from leadline.models import convnet


class Bright(nn.Module):
    """How much light there is in one corner of a picture, and in the whole."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([x[:, :, 2:8, 10:16].sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3))], dim=1)


def test_a_planted_patch_is_found() -> None:
    x = torch.zeros(1, 3, 20, 24)
    x[:, :, 2:8, 10:16] = 1.0
    heat = occlusion(Bright(), x, [[0, 1]], patch=4, stride=1)[0]
    for each in heat:
        found = box_of(each, share=0.5)
        assert found is not None
        assert found.overlap(Box(2, 10, 8, 16)) > 0.6
    assert heat[0, 15:].max() == 0
    # Patches over (4, 12) begin at 1 … 4 and 9 … 12; the first of each hangs over the edge of the light by one.
    assert heat[0, 4, 12] == pytest.approx(3 * 3.75**2)


@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 5), st.floats(-2, 2))
def test_of_a_linear_model_it_is_the_mean_over_patches_in_closed_form(seed: int, patch: int, stride: int, fill: float) -> None:
    stride = min(stride, patch)
    torch.manual_seed(seed)
    network, x = nn.Sequential(nn.Flatten(), nn.Linear(2 * 5 * 7, 3)).double(), torch.randn(2, 2, 5, 7, dtype=torch.float64)
    part = (network[1].weight.detach()[2].reshape(2, 5, 7) * (x - fill)).sum(1).numpy()  # what each place adds: B, H, W
    total, count = np.zeros((2, 5, 7)), np.zeros((5, 7))
    for top in sorted({*range(0, 5 - patch + 1, stride), 5 - patch}):
        for left in sorted({*range(0, 7 - patch + 1, stride), 7 - patch}):
            place = np.s_[..., top : top + patch, left : left + patch]
            total[place] += part[place].sum(axis=(1, 2), keepdims=True)
            count[place] += 1
    found = occlusion(network, x, [2, 2], patch=patch, stride=stride, fill=fill, batch=3)
    assert found == pytest.approx(total / count, abs=1e-4)


def test_the_cover_may_differ_from_picture_to_picture_and_the_edge_is_a_good_one() -> None:
    x = torch.full((2, 1, 9, 9), 0.25)
    x[1] = 0.75
    x[:, :, 3:6, 3:6] = 1.0
    assert edge_color(x).flatten().tolist() == [0.25, 0.75]
    network = nn.Sequential(nn.Flatten(), nn.Linear(81, 1, bias=False))
    nn.init.ones_(network[1].weight)
    heat = occlusion(network, x, [0, 0], patch=3, stride=3, fill=edge_color(x))
    assert (heat > 1e-5).sum(axis=(1, 2)).tolist() == [9, 9]  # on the ground nothing is taken away
    assert heat[:, 4, 4] == pytest.approx([9 * 0.75, 9 * 0.25])


@given(st.lists(st.floats(-80, 80), min_size=2, max_size=6))
def test_log_odds_are_those_of_the_softmax(logits: list[float]) -> None:
    z = torch.tensor([logits], dtype=torch.float64)
    others = [torch.cat([z[0, :k], z[0, k + 1 :]]).logsumexp(0) for k in range(len(logits))]
    expected = z[0] - torch.stack(others)
    assert log_odds(z)[0].numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    assert log_odds(z.float()).isfinite().all()


def test_the_saliency_of_a_linear_model_is_its_weights_with_or_without_noise() -> None:
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 5, 4)), torch.randn(2, 3, 4, 5)
    weights = network[1].weight.detach().reshape(4, 3, 4, 5).numpy()
    for samples in (1, 7):
        signed = saliency(network, x, [[1, 3], [0, 1]], samples=samples, signed=True)
        assert signed == pytest.approx(weights[np.array([[1, 3], [0, 1]])], abs=1e-6)
    assert saliency(network, x, [1, 0]) == pytest.approx(np.abs(weights[[1, 0]]).max(axis=1), abs=1e-6)


def test_smoothing_is_the_gradient_of_the_blurred_answer() -> None:
    # y = x²: its gradient under noise stays 2x in the mean; y = |x|: it becomes 2Φ(x/σ) − 1.
    class Bend(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([x.square().sum(dim=(1, 2, 3)), x.abs().sum(dim=(1, 2, 3))], dim=1)

    x = torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)
    found = saliency(Bend(), x, [[0, 1]], samples=4000, noise=0.2, signed=True)[0, :, 0]
    sigma = 0.2 * 2.0
    assert found[0] == pytest.approx(2 * x[0, 0].numpy(), abs=0.06)
    assert found[1] == pytest.approx(torch.erf(x[0, 0] / sigma / 2**0.5).numpy(), abs=0.06)


def test_the_gradient_is_that_of_finite_differences_and_the_seed_decides() -> None:
    torch.manual_seed(0)
    network, x = (
        convnet((1, 8, 8), 3, width=4, stages=2, activation="silu").double().eval(),
        torch.randn(1, 1, 8, 8, dtype=torch.float64),
    )
    found = saliency(network, x, [1], samples=1, signed=True)[0, 0]
    for place in [(0, 0), (3, 5), (7, 7)]:
        up, down = x.clone(), x.clone()
        up[0, 0][place] += 1e-5
        down[0, 0][place] -= 1e-5
        assert found[place] == pytest.approx(((network(up) - network(down))[0, 1] / 2e-5).item(), rel=1e-4, abs=1e-7)
    assert np.array_equal(saliency(network, x, [1]), saliency(network, x, [1]))
    assert not np.array_equal(saliency(network, x, [1]), saliency(network, x, [1], seed=1))


def test_bad_arguments_are_said() -> None:
    network, x = convnet((1, 8, 8), 3, width=4, stages=2), torch.zeros(1, 1, 8, 8)
    for words, call in {
        "Patches cannot be laid over a picture of 8 × 8": lambda: occlusion(network, x, [0], patch=9),
        "1 ≤ stride ≤ patch": lambda: occlusion(network, x, [0], patch=2, stride=3),
        "fill does not fit": lambda: occlusion(network, x, [0], fill=torch.zeros(3)),
        "no output 3": lambda: occlusion(network, x, [3]),
        "at least 2 classes": lambda: log_odds(torch.zeros(1, 1)),
        "saliency map needs samples": lambda: saliency(network, x, [0], samples=0),
        "cannot take": lambda: saliency(network, torch.zeros(1, 2, 8, 8), [0]),
        "no gradient": lambda: saliency(nn.Sequential(nn.Flatten(), Counted()), x, [0]),
    }.items():
        with pytest.raises(ArgumentError, match=words):
            call()


class Counted(nn.Module):
    """An answer that autograd cannot follow."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0).sum(dim=1, keepdim=True).float()
