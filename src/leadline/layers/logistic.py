"""The general logistic unit, of which the sigmoid is the plainest."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError
from leadline.layers.arguments import check_above_zero, check_float


class Logistic(nn.Module):
    """y = L / (1 + e^(−k·(x − x₀))): from 0 to L, steepest at x₀. L = 1, k = 1, x₀ = 0 is the sigmoid.

    Shapes: [...] → [...].

    Args:
        limit: L, above 0: what large x come to.
        steepness: k, above 0; the slope at x₀ is k·L/4.
        midpoint: x₀, where y = L/2.

    Errors: `ArgumentError` for an argument out of range, or inputs that are no floating-point numbers.

    Example:
        >>> Logistic(2.0, midpoint=1.0)(torch.tensor([-200.0, 1.0, 200.0])).tolist()
        [0.0, 1.0, 2.0]

    Source: Verhulst (1838), Notice sur la loi que la population suit dans son accroissement.
    """

    def __init__(self, limit: float = 1.0, *, steepness: float = 1.0, midpoint: float = 0.0) -> None:
        super().__init__()
        check_above_zero("Logistic", {"limit": limit, "steepness": steepness})
        if not abs(midpoint) < float("inf"):
            raise ArgumentError("Logistic cannot be built: midpoint is out of range", expected="a finite number", got=midpoint)
        self.limit, self.steepness, self.midpoint = limit, steepness, midpoint

    def forward(self, x: Tensor) -> Tensor:
        check_float("Logistic", x)
        # torch's sigmoid never overflows. A factor of 1 is a pass over memory for nothing.
        x = x if self.midpoint == 0 else x - self.midpoint
        x = x if self.steepness == 1 else x * self.steepness
        return torch.sigmoid(x) if self.limit == 1 else torch.sigmoid(x) * self.limit

    def extra_repr(self) -> str:
        return f"limit={self.limit:g}, steepness={self.steepness:g}, midpoint={self.midpoint:g}"
