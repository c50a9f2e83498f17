"""Enlarging: the bicubic one as a layer of known weights, and a network that learns what is to be added to it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leadline.errors import ArgumentError

_REACH = 2  # pixels: what a bicubic enlargement looks at on each side of a pixel
_SHARPNESS = -0.5  # of Keys' cubic: that of Pillow and Matlab, and exact for parabolas


class BesideBicubic(nn.Module):
    """A network for enlarging that learns only what bicubic enlargement lacks: edges and texture, which is little, and near 0.

    y = bicubic(x) + network(x), the last convolution of the network beginning at 0, so training begins with bicubic alone.

    Shapes: [B, C, H, W] → [B, C, H·upscale, W·upscale].

    Args:
        network: with these shapes itself.
        upscale: how many times as high and as wide the result is, at least 2.

    Errors: `ArgumentError` for another upscale.

    Example:
        >>> shuffled = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.PixelShuffle(2))
        >>> BesideBicubic(shuffled, 2)(torch.ones(1, 1, 3, 3)).detach().unique()
        tensor([1.])

    Source: Kim, Lee and Lee (2016), Accurate image super-resolution using very deep convolutional networks, for learning the
    difference.
    """

    def __init__(self, network: nn.Module, upscale: int) -> None:
        super().__init__()
        self.network, self.upscale = network, upscale
        self.register_buffer("filters", bicubic_filters(upscale), persistent=False)
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        if convolutions:
            nn.init.zeros_(convolutions[-1].weight)
            if convolutions[-1].bias is not None:
                nn.init.zeros_(convolutions[-1].bias)

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self.filters, Tensor)
        learned: Tensor = self.network(x)
        if torch.is_autocast_enabled(x.device.type):
            # Eight bits of precision are enough for what is added, and not for a whole picture.
            with torch.autocast(x.device.type, enabled=False):
                return enlarged_by(self.filters, x.float()) + learned.float()
        return enlarged_by(self.filters, x) + learned

    def extra_repr(self) -> str:
        return f"upscale={self.upscale}"


def bicubic_filters(upscale: int) -> Tensor:
    """Bicubic enlargement as a sub-pixel convolution: a filter for each of the upscale² places within a pixel.

    The place p of r lies d = (p + ½)/r − ½ pixels from the middle; the weight of a pixel at a distance x is Keys' cubic,
    1.5|x|³ − 2.5|x|² + 1 up to 1, −0.5|x|³ + 2.5|x|² − 4|x| + 2 up to 2.

    Args:
        upscale: r, a whole number from 2 to 8.

    Returns:
        float32 [r², 1, 5, 5], each of sum 1.

    Errors: `ArgumentError` for another upscale.

    Example:
        >>> bicubic_filters(2).shape, bicubic_filters(2).sum((1, 2, 3))
        (torch.Size([4, 1, 5, 5]), tensor([1., 1., 1., 1.]))

    Source: Keys (1981), Cubic convolution interpolation for digital image processing.
    """
    if isinstance(upscale, bool) or not isinstance(upscale, int) or not 2 <= upscale <= 8:
        raise ArgumentError("Pictures cannot be enlarged so many times", expected="a whole number from 2 to 8", got=upscale)
    places = (torch.arange(upscale, dtype=torch.float64) + 0.5) / upscale - 0.5
    away = (torch.arange(-_REACH, _REACH + 1) - places.unsqueeze(1)).abs()
    a = _SHARPNESS
    near = (a + 2) * away**3 - (a + 3) * away**2 + 1
    far = a * away**3 - 5 * a * away**2 + 8 * a * away - 4 * a
    lines = torch.where(away <= 1, near, torch.where(away < 2, far, 0.0))  # [r, 5]
    return torch.einsum("pi,qj->pqij", lines, lines).flatten(0, 1).unsqueeze(1).float()


def enlarged_by(filters: Tensor, x: Tensor) -> Tensor:
    """Pictures enlarged by the filters of `bicubic_filters`; beyond its edge a picture goes on as it ends.

    Shapes: filters [r², 1, 5, 5], x [B, C, H, W] → [B, C, H·r, W·r].

    Example:
        >>> enlarged_by(bicubic_filters(2), torch.tensor([[[[0.0, 1.0]]]])).shape
        torch.Size([1, 1, 2, 4])
    """
    channels = x.shape[1]
    padded = F.pad(x, (_REACH,) * 4, mode="replicate")
    # Channel by channel, in the order that the shuffle takes: all places of the first channel, then of the next.
    placed = F.conv2d(padded, filters.to(x.dtype).repeat(channels, 1, 1, 1), groups=channels)
    return F.pixel_shuffle(placed, round(len(filters) ** 0.5))
