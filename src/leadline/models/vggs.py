"""VGG: nothing but 3×3 convolutions and 2×2 maxima (Simonyan and Zisserman 2014); parameter names are torchvision's."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.fast_pooling import MaxPool2x2
from leadline.models.dense_headed import DenseHeaded
from leadline.models.picture_sizes import check_pictures

LEAST = 32
"""The shortest side of a picture: five maxima halve it to one pixel."""

# Name → 3×3 convolutions in each of the five stages.
SIZES: dict[str, tuple[int, ...]] = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
_TIMES = (1, 2, 4, 8, 8)  # filters of a stage, in those of the first


def vgg11(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    batch_norm: bool = False,
    width: int = 64,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-11: 1, 1, 2, 2 and 2 convolutions a stage, 132,863,336 parameters; otherwise as `vgg16`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in vgg11(10, width=8, hidden=64).parameters())
        350138
    """
    return _made("vgg11", classes, channels, shape, batch_norm, width, hidden, dropout)


def vgg13(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    batch_norm: bool = False,
    width: int = 64,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-13: two convolutions in each of five stages, 133,047,848 parameters; otherwise as `vgg16`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in vgg13(10, width=8, hidden=64).parameters())
        353042
    """
    return _made("vgg13", classes, channels, shape, batch_norm, width, hidden, dropout)


def vgg16(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    batch_norm: bool = False,
    width: int = 64,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-16: 2, 2, 3, 3 and 3 convolutions a stage, 138,357,544 parameters for 1,000 classes of colour pictures.

    Stages of 64, 128, 256, 512 and 512 filters of 3×3, a 2×2 maximum behind each; three 3×3 convolutions see as far as one of
    7×7 with 27 C² weights in place of 49 C². Then two dense layers of `hidden` units and the head, which hold 9 of 10 weights.

    Shapes: [B, channels, H, W] → [B, classes], H and W of at least 32; made for 224.

    Args:
        classes: outputs.
        channels: of the pictures.
        shape: (C, H, W) of the pictures where it is known: they are then refused at once if they are too small.
        batch_norm: normalize behind each convolution; without it deep ones hardly begin to learn.
        width: filters of the first stage; published weights have 64.
        hidden: units of the dense layers; published weights have 4096.
        dropout: behind each dense layer, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> sum(p.numel() for p in vgg16(10, width=8, hidden=64).parameters())
        436146

    Source: Simonyan and Zisserman (2014), Very deep convolutional networks for large-scale image recognition, columns A, B, D
    and E.
    """
    return _made("vgg16", classes, channels, shape, batch_norm, width, hidden, dropout)


def vgg19(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    batch_norm: bool = False,
    width: int = 64,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """VGG-19: 2, 2, 4, 4 and 4 convolutions a stage, 143,667,240 parameters; otherwise as `vgg16`.

    Shapes: [B, channels, H, W] → [B, classes].

    Example:
        >>> sum(p.numel() for p in vgg19(10, width=8, hidden=64).parameters())
        519250
    """
    return _made("vgg19", classes, channels, shape, batch_norm, width, hidden, dropout)


def _made(
    name: str,
    classes: int,
    channels: int,
    shape: Sequence[int] | None,
    batch_norm: bool,
    width: int,
    hidden: int,
    dropout: float,
) -> DenseHeaded:
    check_whole(name, {"classes": classes, "channels": channels, "width": width, "hidden": hidden})
    check_dropped(name, dropout, name="dropout")
    check_pictures(name, shape, least=LEAST)
    classifier = nn.Sequential(
        nn.Linear(8 * width * 7 * 7, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, classes),
    )
    network = DenseHeaded(
        _features(name, channels, width, batch_norm), classifier, grid=7, name=name, channels=channels, least=LEAST
    )
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    return network


def _features(name: str, channels: int, width: int, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for times, convolutions in zip(_TIMES, SIZES[name], strict=True):
        filters = times * width
        for _ in range(convolutions):
            layers.append(nn.Conv2d(channels, filters, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(filters))
            layers.append(nn.ReLU(inplace=True))
            channels = filters
        layers.append(MaxPool2x2())
    return nn.Sequential(*layers)
