"""The effective field against closed forms, and the picture of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from leadline.errors import ArgumentError
from leadline.explain.field_drawing import draw_receptive_field, effective_field
from leadline.models import mlp


def plain(depth: int) -> nn.Sequential:
    """Linear convolutions whose weights are all 1."""
    network = nn.Sequential(*(nn.Conv1d(1, 1, 3, padding=1, bias=False) for _ in range(depth)))
    for each in network.parameters():
        nn.init.ones_(each)
    return network


def test_ones_give_the_coefficients_of_their_polynomial() -> None:
    # (1 + z + z²)⁵, as in Luo et al.: the repeated convolution of a box with itself.
    expected = np.array([1.0])
    for _ in range(5):
        expected = np.convolve(expected, np.ones(3))
    weights = effective_field(plain(5), (1, 41), samples=1)
    assert weights[20 - 5 : 20 + 6].numpy() == pytest.approx(expected / expected.sum(), rel=1e-5)
    assert weights.sum().item() == pytest.approx(1)
    assert int((weights > 0).sum()) == 11


def test_it_narrows_against_the_theoretical_field_as_the_square_root_of_depth() -> None:
    def spread(depth: int) -> float:
        weights = effective_field(plain(depth), (1, 161), samples=1).double()
        place = torch.arange(161) - 80
        return float((weights * place**2).sum().sqrt())

    # The variance of a sum of independent steps −1, 0, 1: 2/3 each.
    assert spread(9) == pytest.approx((9 * 2 / 3) ** 0.5, rel=1e-4)
    assert spread(36) == pytest.approx(2 * spread(9), rel=1e-4)


def test_channels_of_the_input_count_together_and_modes_stay() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    state = {name: each.clone() for name, each in network.state_dict().items()}
    weights = effective_field(network, (3, 9, 9), layer="0", unit=(0, 6))
    assert (weights > 0).nonzero().tolist() == [[row, column] for row in range(3) for column in range(6, 9)]
    assert network.training
    assert all(torch.equal(state[name], each) for name, each in network.state_dict().items())
    assert all(each.grad is None for each in network.parameters())


@pytest.mark.parametrize("shape", [(1, 24), (1, 14, 15), (1, 8, 9, 10)], ids=["curve", "map", "volume"])
def test_a_picture_for_each_number_of_axes(shape: tuple[int, ...], tmp_path: Path) -> None:
    kind = {2: nn.Conv1d, 3: nn.Conv2d, 4: nn.Conv3d}[len(shape)]
    network = nn.Sequential(kind(1, 2, 3), nn.ReLU(), kind(2, 2, 3))
    drawn = draw_receptive_field(network, shape, tmp_path / "field.png", samples=2)
    pixels = np.asarray(Image.open(drawn).convert("RGB"), dtype=int)
    assert pixels.shape[0] > 300
    # The frame, or the band with its curve.
    frame = (11, 114, 133) if len(shape) == 2 else (47, 198, 220)
    assert (np.abs(pixels - frame).max(axis=2) < 12).sum() > 100


def test_the_picture_says_layer_size_and_share(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2 * 36, 3))
    text = draw_receptive_field(network, (1, 10, 10), tmp_path / "field.svg", samples=2).read_text(encoding="utf-8")
    assert "layer 2 sees 5×5," in text
    assert re.search("90 % of the gradient in [0-9]+ places", text)
    again = draw_receptive_field(network, (1, 10, 10), tmp_path / "again.svg", samples=2).read_text(encoding="utf-8")
    assert text == again


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"layer": "1.conv"}, "no layer '1.conv'"),
        ({"layer": "3"}, "has no map"),
        ({"unit": (9, 9)}, "has no such unit"),
        ({"unit": (1,)}, "has no such unit"),
        ({"samples": 0}, "needs samples"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: dict[str, Any], says: str) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2))
    with pytest.raises(ArgumentError, match=says):
        effective_field(network, (1, 10, 10), **arguments)


def test_no_map_and_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="No layer of the network has a map"):
        effective_field(mlp((1, 4, 4), 2), (1, 4, 4))
    with pytest.raises(ArgumentError, match="cannot be written to this file"):
        draw_receptive_field(plain(1), (1, 9), tmp_path / "field.txt")
    with pytest.raises(ArgumentError, match="no space"):
        draw_receptive_field(nn.Linear(3, 3), (3,), tmp_path / "field.svg")
