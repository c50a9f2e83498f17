"""Multilayer perceptrons."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from leadline.errors import ArgumentError
from leadline.layers.activations import activation as activation_layer
from leadline.layers.activations import widening


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

    Before an activation that narrows (maxout, gated units) the linear layer is as many times wider, so `width` units remain.

    Shapes: [B, *shape] → [B, outputs].

    Args:
        shape: of one input; flattened.
        outputs: logits or numbers to predict.
        width: units a hidden layer.
        depth: hidden layers; 0 is the linear model.
        activation: as `layers.activation` reads it: "relu", "leaky_relu(0.2)", "maxout(pieces=3)", "swiglu".
        batch_norm: normalize before each activation (the linear layer then needs no bias).
        dropout: share of hidden units dropped in training, in [0, 1).

    Example:
        >>> sum(p.numel() for p in mlp((784,), 10, width=128, depth=1, batch_norm=False).parameters())
        101770
    """
    for name, value, least in (("width", width, 1), ("depth", depth, 0)):
        if value < least:
            raise ArgumentError(
                "The multilayer perceptron cannot be built", expected=f"{name} ≥ {least}", got=f"{name} = {value}"
            )
    if not 0 <= dropout < 1:
        raise ArgumentError(
            "The multilayer perceptron cannot be built", expected="dropout in [0, 1)", got=f"dropout = {dropout}"
        )
    layers: list[nn.Module] = [nn.Flatten()]
    features, affine = math.prod(shape), width * widening(activation)
    for _ in range(depth):
        layers.append(nn.Linear(features, affine, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(affine))
        layers.append(activation_layer(activation))
        if dropout:
            layers.append(nn.Dropout(dropout))
        features = width
    return nn.Sequential(*layers, nn.Linear(features, outputs))
