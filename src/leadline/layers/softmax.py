"""Softmax with a temperature: from certain to undecided."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leadline.layers.arguments import check_above_zero, check_axis

# Above it, values up to 10¹⁹ stay finite in float32 and bfloat16.
_COLD = 2.0**-64


class Softmax(nn.Module):
    """pₖ = e^(xₖ/T) / Σⱼ e^(xⱼ/T): T → ∞ makes all alike, T → 0 leaves the largest alone.

    For a network's last layer use logits and a loss that contains the softmax.

    Shapes: [..., K, ...] → the same, summing to 1 along one axis.

    Args:
        temperature: T, above 0.
        dim: the axis of the K choices.

    Errors: `ArgumentError` for a temperature that is not above 0, inputs without that axis or no floating-point numbers.

    Example:
        >>> Softmax(1e-30)(torch.tensor([1e4, 0.0, -1e4])).tolist()
        [1.0, 0.0, 0.0]

    Source: Boltzmann (1868); in networks: Bridle (1990), Training stochastic model recognition algorithms as networks.
    """

    def __init__(self, temperature: float = 1.0, *, dim: int = -1) -> None:
        super().__init__()
        check_above_zero("Softmax", {"temperature": temperature})
        self.temperature, self.dim = temperature, dim

    def forward(self, x: Tensor) -> Tensor:
        check_axis("Softmax", x, self.dim, 1)
        if self.temperature < _COLD or (x.dtype == torch.float16 and self.temperature < 1):
            # The division may overflow, and ∞ − ∞ is no number; after the subtraction only −∞ can come of it.
            x = x - x.detach().amax(self.dim, keepdim=True)
        # A temperature that the arithmetic would round to 0 makes 0/0 of the largest; half precision divides in float32.
        coldest = torch.finfo(torch.float64 if x.dtype == torch.float64 else torch.float32).tiny
        return torch.softmax(x if self.temperature == 1 else x / max(self.temperature, coldest), self.dim)

    def extra_repr(self) -> str:
        return f"temperature={self.temperature:g}, dim={self.dim}"
