"""The linear model: one weight an input and output."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn


def linear(shape: Sequence[int], outputs: int) -> nn.Module:
    """Outputs = W·x + b: logistic regression, softmax regression or linear regression, as the loss says.

    Shapes: [B, *shape] → [B, outputs]; (∏shape + 1) · outputs parameters.

    Example:
        >>> sum(p.numel() for p in linear((1, 8, 8), 10).parameters())
        650
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), outputs))
