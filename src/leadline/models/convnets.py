"""A small convolutional network for small pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening


def convnet(
    shape: Sequence[int],
    outputs: int,
    *,
    width: int = 32,
    stages: int = 3,
    convolutions: int = 2,
    activation: str = "relu",
    dropout: float = 0.0,
) -> nn.Module:
    """`stages` of 3×3 convolutions with batch norm, each stage twice as wide and half as large as the one before.

    Stage s holds `convolutions` layers of width · 2ˢ filters; a 2×2 maximum stands between stages, and the average over the
    last map goes through a linear head. The very first convolution takes the picture's channels to `width`. Before an
    activation that narrows (maxout, gated units) a convolution has as many times more filters, so that the named number
    remains.

    Shapes: [B, C, H, W] → [B, outputs]; the map of the last stage is ⌊H / 2^(stages−1)⌋ × ⌊W / 2^(stages−1)⌋.

    Args:
        shape: (C, H, W) of one picture.
        outputs: logits or numbers to predict.
        width: filters of the first stage.
        stages: how often the width doubles, plus one; H and W must be at least 2^(stages−1).
        convolutions: 3×3 layers a stage.
        activation: as `layers.activation` reads it: "relu", "leaky_relu(0.2)", "maxout(pieces=3)", "swiglu".
        dropout: before the head, in [0, 1).

    Errors: `ArgumentError` when the picture is too small for the stages, or an argument is out of range.

    Example:
        >>> import torch
        >>> convnet((1, 28, 28), 10)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """
    if len(shape) != 3:
        raise ArgumentError(
            "A convolutional network needs pictures", expected="inputs of shape (channels, height, width)", got=tuple(shape)
        )
    for name, value in {"width": width, "stages": stages, "convolutions": convolutions}.items():
        if value < 1:
            raise ArgumentError("The convolutional network cannot be built", expected=f"{name} ≥ 1", got=f"{name} = {value}")
    if not 0 <= dropout < 1:
        raise ArgumentError(
            "The convolutional network cannot be built", expected="dropout in [0, 1)", got=f"dropout = {dropout}"
        )
    if min(shape[1:]) < 2 ** (stages - 1):
        raise ArgumentError(
            f"{stages} stages are too many for pictures of {shape[1]} × {shape[2]}",
            expected=f"a side of at least {2 ** (stages - 1)}",
            do="Take fewer stages.",
        )
    layers: list[nn.Module] = []
    channels, times = shape[0], widening(activation)
    for stage in range(stages):
        if stage:
            layers.append(nn.MaxPool2d(2))
        filters = width * 2**stage
        for _ in range(convolutions):
            layers += [
                nn.Conv2d(channels, times * filters, 3, padding=1, bias=False),
                nn.BatchNorm2d(times * filters),
                activation_layer(activation, dim=1),
            ]
            channels = filters
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(channels, outputs))
