"""Bicubic enlargement as a convolution against Pillow, torch and parabolas; a network beside it begins as bicubic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from leadline.errors import ArgumentError
from leadline.models.enlarging import BesideBicubic, bicubic_filters, enlarged_by


def shuffled(channels: int, upscale: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels * upscale**2, 3, padding=1), nn.PixelShuffle(upscale))


@pytest.mark.parametrize("upscale", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_filters_enlarge_as_torch_and_pillow_do(upscale: int, channels: int) -> None:
    x = torch.rand(2, channels, 9, 12, generator=torch.Generator().manual_seed(0))
    ours = enlarged_by(bicubic_filters(upscale), x)
    inner = np.s_[..., 2 * upscale : -2 * upscale, 2 * upscale : -2 * upscale]  # at the border conventions differ
    theirs = F.interpolate(x, scale_factor=upscale, mode="bicubic", antialias=True)
    torch.testing.assert_close(ours[inner], theirs[inner], atol=3e-6, rtol=0)
    image = Image.fromarray(x[1, -1].numpy()).resize((12 * upscale, 9 * upscale), Image.Resampling.BICUBIC)
    np.testing.assert_allclose(ours[1, -1].numpy()[inner], np.asarray(image)[inner], atol=3e-6)


@pytest.mark.parametrize("upscale", [2, 3, 7])
def test_a_parabola_is_enlarged_exactly(upscale: int) -> None:
    def parabola(x: torch.Tensor) -> torch.Tensor:
        return 0.3 * x**2 - x + 2

    small = parabola(torch.arange(10.0))
    places = (torch.arange(10.0 * upscale) + 0.5) / upscale - 0.5
    ours = enlarged_by(bicubic_filters(upscale), small.expand(1, 1, 10, 10))[0, 0, 0]
    inner = slice(2 * upscale, -2 * upscale)
    torch.testing.assert_close(ours[inner], parabola(places)[inner], atol=1e-4, rtol=1e-5)


def test_a_flat_picture_stays_flat_up_to_its_corners() -> None:
    torch.testing.assert_close(enlarged_by(bicubic_filters(3), torch.full((1, 2, 2, 5), 0.7)), torch.full((1, 2, 6, 15), 0.7))


def test_a_network_beside_bicubic_begins_as_bicubic_and_learns_all_its_weights() -> None:
    network = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 4, 3, padding=1), nn.PixelShuffle(2))
    model = BesideBicubic(network, 2)
    x = torch.rand(2, 1, 6, 7)
    torch.testing.assert_close(model(x), enlarged_by(bicubic_filters(2), x))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):  # while the last layer is 0 the others have no gradient
        optimizer.zero_grad()
        (model(x) - 1).square().mean().backward()
        optimizer.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_in_bfloat16_the_picture_itself_keeps_its_digits() -> None:
    model, x = BesideBicubic(shuffled(1, 2), 2), torch.rand(1, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y = model(x)
    torch.testing.assert_close(y, enlarged_by(bicubic_filters(2), x))


def test_its_weights_are_those_of_the_network_alone() -> None:
    model = BesideBicubic(shuffled(3, 4), 4)
    assert set(model.state_dict()) == {"network.0.weight", "network.0.bias"}
    assert model(torch.zeros(1, 3, 5, 6)).shape == (1, 3, 20, 24)
    assert "upscale=4" in repr(model)


@pytest.mark.parametrize("upscale", [1, 0, 9, 2.0, True])
def test_no_other_upscale(upscale: object) -> None:
    with pytest.raises(ArgumentError, match="2 to 8"):
        bicubic_filters(upscale)  # type: ignore[arg-type]
