"""Two small convolutional networks from textbooks: LeNet-5, and three convolutions for CIFAR-10."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import nn

from leadline.errors import ArgumentError, unknown
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening
from leadline.layers.arguments import check_dropped, check_whole
from leadline.layers.fast_pooling import MaxPool2x2
from leadline.layers.same_convolution import SameConv2d
from leadline.models.picture_sizes import check_pictures


def _average() -> nn.Module:
    return nn.AvgPool2d(2)


_POOLINGS: dict[str, Callable[[], nn.Module]] = {"average": _average, "maximum": MaxPool2x2}
LENET_SIDE = 32
"""The side that LeNet-5 was made for; smaller pictures get a border of two zeros, which makes 32 of MNIST's 28."""


def lenet5(
    shape: Sequence[int] = (1, 28, 28),
    outputs: int = 10,
    *,
    activation: str = "tanh",
    pooling: str = "average",
) -> nn.Module:
    """LeNet-5 with the sizes of 1998 and the simple parts of today: 61,706 parameters for 28 × 28 or 32 × 32 gray pictures.

    6 filters of 5×5, pool, 16 of 5×5, pool, then dense layers of 120, 84 and `outputs` units. The original has 60,000: its
    second convolution sees 60 of the 96 pairs of maps, its poolings have a weight and a bias a map, and its head measures
    distances to drawn digits; here all pairs count, poolings have no weights, and the head is linear.

    Shapes: [B, C, H, W] → [B, outputs], H and W of at least 12.

    Args:
        shape: (C, H, W) of one picture.
        outputs: logits or numbers to predict.
        activation: as `layers.activation` reads it, of one value at a time: "tanh", "relu", "sigmoid".
        pooling: "average" or "maximum".

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> sum(p.numel() for p in lenet5().parameters()), sum(p.numel() for p in lenet5((1, 32, 32)).parameters())
        (61706, 61706)

    Source: LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.
    """
    check_pictures("lenet5", shape, least=12)
    check_whole("lenet5", {"outputs": outputs})
    if pooling not in _POOLINGS:
        unknown("pooling", pooling, _POOLINGS)
    if widening(activation) != 1:
        raise ArgumentError(
            "lenet5 cannot be built: its activation leaves fewer maps", expected="one like tanh or relu", got=activation
        )
    padding = 2 if min(shape[1:]) < LENET_SIDE else 0
    rows, columns = (((size + 2 * padding - 4) // 2 - 4) // 2 for size in shape[1:])
    return nn.Sequential(
        nn.Conv2d(shape[0], 6, 5, padding=padding),
        activation_layer(activation, dim=1),
        _POOLINGS[pooling](),
        nn.Conv2d(6, 16, 5),
        activation_layer(activation, dim=1),
        _POOLINGS[pooling](),
        nn.Flatten(),
        nn.Linear(16 * rows * columns, 120),
        activation_layer(activation),
        nn.Linear(120, 84),
        activation_layer(activation),
        nn.Linear(84, outputs),
    )


def three_convolutions(
    shape: Sequence[int] = (3, 32, 32),
    outputs: int = 10,
    *,
    width: int = 16,
    hidden: int = 500,
    dropout: float = 0.3,
    hidden_dropout: float = 0.4,
) -> nn.Module:
    """The textbook's network for CIFAR-10: three 2×2 'same' convolutions, one dense layer; 528,054 parameters.

    16, 32 and 64 filters, each followed by ReLU and a 2×2 maximum; dropout, a dense layer of 500 units, dropout, the head.

    Shapes: [B, C, H, W] → [B, outputs], H and W of at least 8.

    Args:
        shape: (C, H, W) of one picture.
        outputs: logits or numbers to predict.
        width: filters of the first convolution; the next ones have twice and four times as many.
        hidden: units of the dense layer.
        dropout: before the dense layer, in [0, 1).
        hidden_dropout: behind it, in [0, 1).

    Errors: `ArgumentError` for an argument out of range, or pictures too small.

    Example:
        >>> network = three_convolutions()
        >>> [count for part in network if (count := sum(p.numel() for p in part.parameters()))]
        [208, 2080, 8256, 512500, 5010]
    """
    check_pictures("three_convolutions", shape, least=8)
    check_whole("three_convolutions", {"outputs": outputs, "width": width, "hidden": hidden})
    check_dropped("three_convolutions", dropout, name="dropout")
    check_dropped("three_convolutions", hidden_dropout, name="hidden_dropout")
    layers: list[nn.Module] = []
    channels = shape[0]
    for filters in (width, 2 * width, 4 * width):
        layers += [SameConv2d(channels, filters, 2), nn.ReLU(), MaxPool2x2()]
        channels = filters
    return nn.Sequential(
        *layers,
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(channels * (shape[1] // 8) * (shape[2] // 8), hidden),
        nn.ReLU(),
        nn.Dropout(hidden_dropout),
        nn.Linear(hidden, outputs),
    )
