"""Gated units: one half of the values decides how much of the other half passes."""

from __future__ import annotations

from torch import Tensor, nn

from leadline.layers.activations import activation as activation_layer


class Gated(nn.Module):
    """y = a ⊙ act(g) for x = [a, g]: GLU with "sigmoid", SwiGLU with "silu", GEGLU with "gelu", ReGLU with "relu".

    After a linear layer of 2·D outputs this is (xV) ⊙ act(xW), the two matrices being one.

    Shapes: [..., 2·D] → [..., D].

    Args:
        activation: of the gate, one of `layers.ACTIVATIONS`.

    Errors: `ArgumentError` for an unknown activation.

    Example:
        >>> import torch
        >>> Gated("relu")(torch.tensor([2.0, 3.0, 10.0, -1.0]))
        tensor([20., 0.])

    Source: Dauphin et al. (2017), Language modeling with gated convolutional networks; Shazeer (2020), GLU variants improve
    transformer.
    """

    def __init__(self, activation: str = "silu") -> None:
        super().__init__()
        self.activation = activation_layer(activation)

    def forward(self, x: Tensor) -> Tensor:
        values, gate = x.chunk(2, dim=-1)
        passed: Tensor = values * self.activation(gate)
        return passed
