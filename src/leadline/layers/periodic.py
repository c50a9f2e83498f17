"""Periodic embedding of numbers: sines and cosines whose frequencies are learnt."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


class Periodic(nn.Module):
    """A number becomes D values: its sines and cosines at J learnt frequencies, mixed by a matrix of its own, then ReLU.

    e(x) = relu(W·[sin 2πω₁x … sin 2πω_J x, cos 2πω₁x … cos 2πω_J x] + b), with ω, W and b learnt for each number apart. The
    frequencies start normal with deviation `sigma`, cut off at 3 σ: a larger one begins with finer detail.

    Shapes: [B, F] → [B, F, D].

    Args:
        numbers: F, at least 1.
        width: D, at least 1.
        frequencies: J, at least 1.
        sigma: deviation of the frequencies at the start, above 0, in periods a unit of the input.

    Errors: `ArgumentError` for an argument out of range.

    Example:
        >>> Periodic(3, 8)(torch.zeros(2, 3)).shape
        torch.Size([2, 3, 8])

    Source: Gorishniy, Rubachev and Babenko (2022), On embeddings for numerical features in tabular deep learning ("PLR").
    """

    def __init__(self, numbers: int, width: int, *, frequencies: int = 16, sigma: float = 0.1) -> None:
        super().__init__()
        if min(numbers, width, frequencies) < 1 or not sigma > 0:
            raise ArgumentError(
                "The numbers cannot be embedded",
                expected="numbers, width and frequencies ≥ 1 and sigma above 0",
                got=(numbers, width, frequencies, sigma),
            )
        self.width, self.sigma = width, sigma
        self.frequency = nn.Parameter(torch.empty(numbers, frequencies))  # F, J
        self.weight = nn.Parameter(torch.empty(numbers, 2 * frequencies, width))
        self.bias = nn.Parameter(torch.empty(numbers, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.trunc_normal_(self.frequency, 0.0, self.sigma, -3 * self.sigma, 3 * self.sigma)
        bound = 1 / math.sqrt(self.weight.shape[1])
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        angle = 2 * math.pi * x[:, :, None] * self.frequency  # B, F, J
        waves = torch.cat([angle.sin(), angle.cos()], dim=2)
        return torch.relu(torch.einsum("bfj,fjd->bfd", waves, self.weight) + self.bias)

    def extra_repr(self) -> str:
        numbers, frequencies = self.frequency.shape
        return f"numbers={numbers}, frequencies={frequencies}, width={self.width}, sigma={self.sigma:g}"
