"""Super-resolution by sub-pixel convolution: all work is done on the small picture, and channels become pixels at the end."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening
from leadline.layers.arguments import check_whole
from leadline.models.picture_sizes import check_pictures


def espcn(
    shape: Sequence[int] = (1, 17, 17),
    *,
    upscale: int = 3,
    width: int = 64,
    activation: str = "tanh",
) -> nn.Module:
    """ESPCN: three convolutions, then r² maps a channel become r × r pixels; 22,729 parameters for one channel at r = 3.

    5×5 of `width` filters, 3×3 of `width`/2, 3×3 of C·r²; borders are padded with zeros, so that each pixel becomes r × r.
    y[c, r·i + u, r·j + v] = map[c·r² + r·u + v, i, j]. The r² filters of a channel begin alike, so that the first answer has no
    chequered pattern.

    Shapes: [B, C, H, W] → [B, C, r·H, r·W], for pictures of any size.

    Args:
        shape: (C, H, W) of one small picture; only its channels count.
        upscale: r, at least 1.
        width: filters of the first convolution, at least 2.
        activation: as `layers.activation` reads it: "tanh" as published, "relu".

    Errors: `ArgumentError` for an argument out of range, or inputs that are no pictures.

    Example:
        >>> import torch
        >>> espcn((3, 17, 17), upscale=2)(torch.zeros(1, 3, 20, 30)).shape
        torch.Size([1, 3, 40, 60])

    Source: Shi et al. (2016), Real-time single image and video super-resolution using an efficient sub-pixel convolutional
    neural network; the equal start: Aitken et al. (2017), Checkerboard artifact free sub-pixel convolution.
    """
    check_pictures("espcn", shape, least=1)
    check_whole("espcn", {"upscale": upscale})
    check_whole("espcn", {"width": width}, least=2)
    times, narrow = widening(activation), width // 2
    last = nn.Conv2d(narrow, shape[0] * upscale**2, 3, padding=1)
    _begin_alike(last, upscale**2)
    return nn.Sequential(
        nn.Conv2d(shape[0], times * width, 5, padding=2),
        activation_layer(activation, dim=1),
        nn.Conv2d(width, times * narrow, 3, padding=1),
        activation_layer(activation, dim=1),
        last,
        nn.PixelShuffle(upscale),
    )


def _begin_alike(layer: nn.Conv2d, together: int) -> None:
    """Give each group of filters that lie together the weights of its first."""
    assert layer.bias is not None
    for value in (layer.weight.detach(), layer.bias.detach()):
        value.copy_(value[::together].repeat_interleave(together, dim=0))
