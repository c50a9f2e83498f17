"""AlexNet as it was published in 2012, in two groups and with local response normalization, and as torchvision has it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.response_norm import LocalResponseNorm
from leadline.models.dense_headed import DenseHeaded
from leadline.models.picture_sizes import check_pictures

_FIRST_BIASES = (0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0)  # of the layers of the network of 2012, from the first to the head
LEAST = 63
"""The shortest side of a picture: the stride of 4 and three poolings leave one cell of it."""


def alexnet(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """AlexNet in its later form of one group, without normalization: 61,100,840 parameters, under torchvision's names.

    Five convolutions (64 filters of 11×11 at stride 4, 192 of 5×5, 384, 256 and 256 of 3×3), 3×3 maxima at stride 2 behind the
    first, second and fifth, then two dense layers of `hidden` units and the head.

    Shapes: [B, channels, H, W] → [B, classes], H and W of at least 63; made for 224.

    Args:
        classes: outputs.
        channels: of the pictures.
        shape: (C, H, W) of the pictures where it is known: they are then refused at once if they are too small.
        hidden: units of the dense layers; published weights have 4096.
        dropout: before each dense layer, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> sum(p.numel() for p in alexnet(10, hidden=64).parameters())
        3064394

    Source: Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks; the numbers of filters are
    torchvision's.
    """
    _check("alexnet", classes, channels, hidden, dropout, shape)
    features = nn.Sequential(
        nn.Conv2d(channels, 64, 11, 4, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
    )
    return _headed(features, "alexnet", classes, channels, hidden, dropout)


def alexnet_2012(
    classes: int = 1000,
    channels: int = 3,
    *,
    shape: Sequence[int] | None = None,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """AlexNet as it won in 2012: two groups, local response normalization, 60,965,224 parameters.

    Five convolutions (96 filters of 11×11 at stride 4, 256 of 5×5, 384, 384 and 256 of 3×3); the second, fourth and fifth see
    only the maps of their own half, which once sat on a GPU of its own. b_c = a_c / (2 + 10⁻⁴ Σ a_j²)^0.75 over five
    neighbouring maps follows the first two, before their maxima. Weights begin as N(0, 0.01²), and the biases of the second,
    fourth and fifth convolution and of the dense layers as 1, so that their ReLUs are alive.

    Shapes: [B, channels, H, W] → [B, classes], H and W of at least 63; made for 224.

    Args:
        classes: outputs.
        channels: of the pictures.
        shape: (C, H, W) of the pictures where it is known.
        hidden: units of the dense layers.
        dropout: before each dense layer, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> sum(p.numel() for p in alexnet_2012(10, hidden=64).parameters())
        2928778

    Source: Krizhevsky, Sutskever and Hinton (2012), ImageNet classification with deep convolutional neural networks.
    """
    _check("alexnet_2012", classes, channels, hidden, dropout, shape)
    features = nn.Sequential(
        nn.Conv2d(channels, 96, 11, 4, padding=2),
        nn.ReLU(inplace=True),
        _normalization(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(96, 256, 5, padding=2, groups=2),
        nn.ReLU(inplace=True),
        _normalization(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(256, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 384, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2),
    )
    network = _headed(features, "alexnet_2012", classes, channels, hidden, dropout)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer, bias in zip(layers, _FIRST_BIASES, strict=True):
        nn.init.normal_(layer.weight, std=0.01)
        nn.init.constant_(layer.bias, bias)  # type: ignore[arg-type]
    return network


def _normalization() -> LocalResponseNorm:
    # The paper does not divide its sum by the five maps, as the layer does.
    return LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def _headed(features: nn.Sequential, name: str, classes: int, channels: int, hidden: int, dropout: float) -> DenseHeaded:
    classifier = nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(256 * 6 * 6, hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(inplace=True),
        nn.Linear(hidden, classes),
    )
    return DenseHeaded(features, classifier, grid=6, name=name, channels=channels, least=LEAST)


def _check(name: str, classes: int, channels: int, hidden: int, dropout: float, shape: Sequence[int] | None) -> None:
    check_whole(name, {"classes": classes, "channels": channels, "hidden": hidden})
    check_dropped(name, dropout, name="dropout")
    check_pictures(name, shape, least=LEAST)
