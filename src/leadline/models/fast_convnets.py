"""A convolutional network for small pictures that learns in few passes: whitened patches first, wide maps, no dense layers."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.initialize import dirac
from leadline.layers.arguments import check_above_zero, check_whole
from leadline.layers.fast_pooling import MaxPool2x2
from leadline.models.picture_sizes import check_pictures
from leadline.models.row_residuals import Residual

# What ratios of filters the stages have: those with which the published nets reach 94 % and 96 % on CIFAR-10.
_STAGES = {2: (1, 4, 4), 3: (1, 3, 4)}
_SMALLEST_HALVED = 4  # a map of 3 × 3 pixels is better left whole than cut to one


def fast_convnet(
    shape: Sequence[int],
    outputs: int,
    *,
    width: int = 64,
    convolutions: int = 2,
    kernel_size: int = 0,
    scale: float = 1 / 9,
) -> nn.Module:
    """A frozen first convolution over small patches, three stages of wide 3×3 ones, the maximum over the map, a linear head.

    first: 2·C·k² filters of k×k without padding, whose weights do not train and whose biases do. They are random until
    `initialize.whiten_patches` (in a Plan `start.initialize = "whiten_patches"`) makes them whiten the training pictures.
    stage: conv 3×3 → maximum 2×2 → norm → GELU → conv 3×3 → norm → GELU, of `width`, 4·`width` and 4·`width` filters. The norm
    is batch norm with scale 1 and a bias that trains. Each convolution begins as the identity on its input maps, with its
    further filters drawn as usual. A map of less than 4 pixels is not halved any more, so that pictures of 8 to 64 pixels fit.
    With three convolutions a stage the last two are residual, and the widths are `width`, 3·`width` and 4·`width`.
    head: logits = W (scale · max over the map) + b; the scale keeps the first logits small, however many maps there are.

    Shapes: [B, C, H, W] → [B, outputs].

    Args:
        shape: (C, H, W) of one picture, H and W of at least 6.
        outputs: logits or numbers to predict.
        width: filters of the first stage.
        convolutions: of a stage, 2 or 3.
        kernel_size: k of the first convolution, 2 or 3; 0 takes 2 for pictures with colours and 3 for gray ones, of which 2×2
            pixels would give 8 filters.
        scale: of what the head sees, above 0.

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> import torch
        >>> network = fast_convnet((3, 32, 32), 10)
        >>> network(torch.zeros(2, 3, 32, 32)).shape, sum(p.numel() for p in network.parameters() if p.requires_grad)
        (torch.Size([2, 10]), 1971362)

    Source: Jordan (2024), 94 % on CIFAR-10 in 3.29 seconds on a single GPU; the whitening and the scale are from Page (2018),
    How to train your ResNet.
    """
    check_pictures("fast_convnet", shape, least=6)
    check_whole("fast_convnet", {"outputs": outputs, "width": width})
    check_whole("fast_convnet", {"kernel_size": kernel_size}, least=0)
    check_above_zero("fast_convnet", {"scale": scale})
    size = kernel_size or (2 if shape[0] > 1 else 3)
    if convolutions not in _STAGES or size not in (2, 3):
        raise ArgumentError(
            "fast_convnet cannot be built",
            expected="2 or 3 convolutions a stage, and a kernel_size of 0, 2 or 3",
            got=(convolutions, kernel_size),
        )
    channels, side = 2 * shape[0] * size**2, min(shape[1:]) - size + 1
    first = nn.Conv2d(shape[0], channels, size)
    first.weight.requires_grad_(False)
    layers: list[nn.Module] = [first, nn.GELU()]
    for times in _STAGES[convolutions]:
        halved = side >= _SMALLEST_HALVED
        layers += _stage(channels, times * width, convolutions, halved)
        channels, side = times * width, side // 2 if halved else side
    return nn.Sequential(*layers, GlobalMax(), Scaled(scale), nn.Linear(channels, outputs))


class GlobalMax(nn.Module):
    """The maximum over the map of each channel; of equals the first one gets the gradient.

    Shapes: [B, C, H, W] → [B, C].

    Example:
        >>> import torch
        >>> GlobalMax()(torch.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[3.0, 7.0]]
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2).max(dim=2).values


class Scaled(nn.Module):
    """y = scale · x.

    Shapes: [...] → the same.

    Args:
        scale: a number.

    Example:
        >>> import torch
        >>> Scaled(0.5)(torch.ones(2)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale

    def extra_repr(self) -> str:
        return f"{self.scale:g}"


def _stage(channels: int, filters: int, convolutions: int, halved: bool) -> list[nn.Module]:
    pool = [MaxPool2x2()] if halved else []
    layers = [_convolution(channels, filters), *pool, _normalization(filters), nn.GELU()]
    if convolutions == 2:
        return [*layers, _convolution(filters, filters), _normalization(filters), nn.GELU()]
    inner = nn.Sequential(
        _convolution(filters, filters),
        _normalization(filters),
        nn.GELU(),
        _convolution(filters, filters),
        _normalization(filters),
    )
    return [*layers, Residual(inner, nn.Identity(), activation=nn.GELU())]


def _convolution(channels: int, filters: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
    dirac(layer.weight[:channels])
    return layer


def _normalization(filters: int) -> nn.BatchNorm2d:
    layer = nn.BatchNorm2d(filters)
    layer.weight.requires_grad_(False)
    return layer
