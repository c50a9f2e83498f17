"""ESPCN: sizes, the order of sub-pixels against the published formula, and a start without a chequered pattern."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from leadline.errors import ArgumentError
from leadline.models.subpixel_networks import espcn


@settings(max_examples=20)
@given(channels=st.integers(1, 3), upscale=st.integers(1, 4), height=st.integers(1, 12), width=st.integers(1, 12))
def test_every_pixel_becomes_r_by_r(channels: int, upscale: int, height: int, width: int) -> None:
    x = torch.randn(2, channels, height, width)
    assert espcn((channels, 17, 17), upscale=upscale, width=4)(x).shape == (2, channels, height * upscale, width * upscale)


def test_sub_pixels_lie_where_the_paper_puts_them() -> None:
    """I[x, y, c] = T[⌊x/r⌋, ⌊y/r⌋, C·r·mod(y, r) + C·mod(x, r) + c] up to the order of maps; torch's is c·r² + r·u + v."""
    r, channels = 3, 2
    network = espcn((channels, 4, 5), upscale=r, width=4)
    nn.init.normal_(network.get_parameter("4.weight"))  # the r² maps of a channel differ
    x = torch.randn(1, channels, 4, 5)
    inner = nn.Sequential(*list(network.children())[:-1])(x)
    y = network(x)
    for c in range(channels):
        for u in range(r):
            for v in range(r):
                assert torch.equal(y[:, c, u::r, v::r], inner[:, c * r * r + r * u + v])


def test_the_first_answer_has_no_chequered_pattern_and_the_first_step_tells_sub_pixels_apart() -> None:
    torch.manual_seed(0)
    network = espcn((1, 9, 9), upscale=2, width=8)
    x = torch.randn(4, 1, 9, 9)
    y = network(x)
    assert torch.equal(y[:, :, ::2, ::2], y[:, :, 1::2, ::2])
    assert torch.equal(y[:, :, ::2, ::2], y[:, :, ::2, 1::2])
    (y - torch.randn(4, 1, 18, 18)).square().mean().backward()
    gradient = network.get_parameter("4.weight").grad
    assert gradient is not None
    assert not torch.allclose(gradient[0], gradient[1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"upscale": 0}, "upscale is out of range"),
        ({"width": 1}, "width is out of range. Expected a whole number ≥ 2"),
        ({"activation": "tahn"}, "Did you mean 'tanh'"),
        ({"shape": (4,)}, "espcn needs pictures"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        espcn(**arguments)  # type: ignore[arg-type]
