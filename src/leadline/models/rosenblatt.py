"""The perceptron: the linear model before it has learnt anything."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from leadline.models.linear_models import linear


def perceptron(shape: Sequence[int], outputs: int) -> nn.Module:
    """Outputs = W·x + b with W = 0 and b = 0: with the loss `perceptron`, sgd and batches of 1, Rosenblatt's learning rule.

    Its first step then is a mistake by definition (all scores tie), and every step of rate η adds η·x to the weights of the
    right class and takes η·x from those of its strongest rivals.

    Shapes: [B, *shape] → [B, outputs]; (∏shape + 1) · outputs parameters.

    Example:
        >>> import torch
        >>> perceptron((2,), 2)(torch.ones(1, 2))
        tensor([[0., 0.]], grad_fn=<AddmmBackward0>)

    Source: Rosenblatt (1958), The perceptron.
    """
    model = linear(shape, outputs)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model
