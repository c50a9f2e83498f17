"""Gated units: one half of the values decides how much of the other half passes."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.layers.arguments import check_axis
from leadline.layers.pointwise import pointwise_activation


class Gated(nn.Module):
    """y = a ⊙ act(g) for x = [a, g]: GLU with "sigmoid", SwiGLU with "silu", GEGLU with "gelu", ReGLU with "relu".

    After a linear layer of 2·D outputs this is (xV) ⊙ act(xW), the two matrices being one.

    Shapes: [..., 2·D, ...] → [..., D, ...], along one axis.

    Args:
        activation: of the gate, one of `layers.POINTWISE`, such as "silu" or "leaky_relu(0.2)".
        dim: the axis.

    Errors: `ArgumentError` for an unknown activation, or an axis that is no multiple of 2.

    Example:
        >>> import torch
        >>> Gated("relu")(torch.tensor([2.0, 3.0, 10.0, -1.0]))
        tensor([20., 0.])

    Source: Dauphin et al. (2017), Language modeling with gated convolutional networks; Shazeer (2020), GLU variants improve
    transformer.
    """

    def __init__(self, activation: str = "silu", *, dim: int = -1) -> None:
        super().__init__()
        self.activation, self.dim = pointwise_activation(activation), dim

    def forward(self, x: Tensor) -> Tensor:
        check_axis("Gated", x, self.dim, 2)
        if isinstance(self.activation, nn.Sigmoid):  # torch has this one in a single kernel
            return nn.functional.glu(x, self.dim)
        values, gate = x.chunk(2, dim=self.dim)
        passed: Tensor = values * self.activation(gate)
        return passed

    def extra_repr(self) -> str:
        return f"dim={self.dim}"
