"""Multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from leadline.errors import ArgumentError
from leadline.layers import activation as activation_layer


def mlp(
    shape: Sequence[int],
    outputs: int,
    *,
    width: int = 256,
    depth: int = 2,
    activation: str = "relu",
    batch_norm: bool = True,
    dropout: float = 0.0,
) -> nn.Module:
    """`depth` hidden layers of `width` units, each linear → batch norm → activation → dropout, then a linear head.

    Shapes: [B, *shape] → [B, outputs].

    Args:
        shape: of one input; flattened.
        outputs: logits or numbers to predict.
        width: units a hidden layer.
        depth: hidden layers; 0 is the linear model.
        activation: one of `layers.ACTIVATIONS`.
        batch_norm: normalize before each activation (the linear layer then needs no bias).
        dropout: share of hidden units dropped in training, in [0, 1).

    Example:
        >>> sum(p.numel() for p in mlp((784,), 10, width=128, depth=1, batch_norm=False).parameters())
        101770
    """
    if width < 1 or depth < 0 or not 0 <= dropout < 1:
        raise ArgumentError(
            "The perceptron cannot be built", expected="width ≥ 1, depth ≥ 0, dropout in [0, 1)", got=(width, depth, dropout)
        )
    layers: list[nn.Module] = [nn.Flatten()]
    features = math.prod(shape)
    for _ in range(depth):
        layers.append(nn.Linear(features, width, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(activation_layer(activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
        features = width
    return nn.Sequential(*layers, nn.Linear(features, outputs))
