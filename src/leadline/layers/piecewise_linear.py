"""Piecewise-linear embedding of numbers: each bin between two quantiles has a slope of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError

_NARROWEST = 1e-12  # of a bin; float32 may make two edges one, and 0 / 0 is no number


class PiecewiseLinear(nn.Module):
    """A number becomes D values, each a continuous function of it that bends at the edges of its bins.

    e(x) = a·x + c + Σₜ vₜ·clip((x − edgeₜ) / (edgeₜ₊₁ − edgeₜ), 0, 1), with a, c and vₜ in ℝᴰ learnt for each number apart. The
    slopes vₜ start at zero, so that at first the embedding is linear. Beyond its first and last edge a number counts as at them
    in the sum (the paper lets the outer bins run on), so a value like none in training cannot become a large one.

    Shapes: [B, F] → [B, F, D].

    Args:
        edges: for each of the F numbers its bin edges, at least two, strictly increasing; how many may differ.
        width: D.

    Errors: `ArgumentError` for no numbers, edges that do not increase, or a width below 1.

    Example:
        >>> layer = PiecewiseLinear([(0.0, 1.0, 3.0)], 1)
        >>> with torch.no_grad():
        ...     _ = (layer.slope.zero_(), layer.bias.zero_(), layer.weight.copy_(torch.tensor([[[10.0], [20.0]]])))
        >>> layer(torch.tensor([[0.5], [2.0], [9.0]])).flatten().tolist()
        [5.0, 20.0, 30.0]

    Source: Gorishniy, Rubachev and Babenko (2022), On embeddings for numerical features in tabular deep learning; starting
    linear: Gorishniy, Kotelnikov and Babenko (2024), TabM.
    """

    left: Tensor
    inverse: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], width: int) -> None:
        super().__init__()
        if not edges or width < 1:
            raise ArgumentError(
                "The numbers cannot be embedded",
                expected="edges for at least 1 number and width ≥ 1",
                got=f"{len(edges)} numbers and width {width}",
            )
        for row in edges:
            _check(row)
        self.bins, self.width = [len(row) - 1 for row in edges], width
        left, inverse = torch.zeros(2, len(edges), max(self.bins), dtype=torch.float64)
        for number, row in enumerate(edges):
            points = torch.tensor(row, dtype=torch.float64)
            left[number, : len(row) - 1] = points[:-1]
            # Where a number has fewer bins than another, 1 / width stays 0 and the bin always gives 0.
            inverse[number, : len(row) - 1] = 1 / points.diff().clamp_min(_NARROWEST)
        self.register_buffer("left", left.float(), persistent=False)
        self.register_buffer("inverse", inverse.float(), persistent=False)
        self.weight = nn.Parameter(torch.empty(len(edges), max(self.bins), width))  # F, T, D
        self.slope = nn.Parameter(torch.empty(len(edges), width))
        self.bias = nn.Parameter(torch.empty(len(edges), width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.width)
        nn.init.zeros_(self.weight)
        nn.init.uniform_(self.slope, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def encode(self, x: Tensor) -> Tensor:
        """How far x has come through each of the T bins, 0 … 1: [B, F] → [B, F, T]."""
        return ((x[:, :, None] - self.left) * self.inverse).clamp(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        bent = torch.einsum("bft,ftd->bfd", self.encode(x), self.weight)
        return bent + x[:, :, None] * self.slope + self.bias

    def extra_repr(self) -> str:
        return f"numbers={len(self.bins)}, bins={max(self.bins)}, width={self.width}"


def _check(edges: Sequence[float]) -> None:
    if len(edges) < 2 or not all(left < right for left, right in itertools.pairwise(edges)):
        raise ArgumentError(
            "The edges of a number's bins do not increase", expected="two or more strictly increasing numbers", got=tuple(edges)
        )
