"""Embedding of categories: each value of each category column has a vector of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


class CategoryEmbedding(nn.Module):
    """A code of category c becomes row `code` of that category's table of D columns.

    Code 0 stands for what is unknown and its row starts at zero, the middle of the others. A code that is none of the
    category's (below 0, too large, NaN) counts as 0 too.

    Shapes: [B, C] of codes, as floats or integers → [B, C, D].

    Args:
        categories: the cardinality of each of the C categories; its codes are 0 … cardinality − 1.
        width: D.

    Errors: `ArgumentError` for no categories, a cardinality below 1 or a width below 1.

    Example:
        >>> embed = CategoryEmbedding((2, 3), 4)
        >>> embed(torch.tensor([[1.0, 2.0]])).shape
        torch.Size([1, 2, 4])
        >>> torch.equal(embed(torch.tensor([[9.0, 0.0]])), torch.zeros(1, 2, 4))
        True

    Source: Guo and Berkhahn (2016), Entity embeddings of categorical variables.
    """

    size: Tensor
    first: Tensor

    def __init__(self, categories: Sequence[int], width: int) -> None:
        super().__init__()
        if not categories or min(categories) < 1 or width < 1:
            raise ArgumentError(
                "The categories cannot be embedded",
                expected="at least 1 category, cardinalities ≥ 1 and width ≥ 1",
                got=(tuple(categories), width),
            )
        self.categories, self.width = tuple(categories), width
        # One table for all columns is one lookup, however many there are; `first` is where each category's rows begin.
        sizes = torch.tensor(self.categories, dtype=torch.int64)
        self.register_buffer("size", sizes, persistent=False)
        self.register_buffer("first", sizes.cumsum(0) - sizes, persistent=False)
        self.weight = nn.Parameter(torch.empty(sum(self.categories), width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.width)
        nn.init.uniform_(self.weight, -bound, bound)
        with torch.no_grad():
            self.weight[self.first] = 0.0

    def forward(self, codes: Tensor) -> Tensor:
        known = (codes >= 0) & (codes < self.size)
        rows = self.first + torch.where(known, codes, 0).long()
        return nn.functional.embedding(rows, self.weight)

    def extra_repr(self) -> str:
        return f"categories={self.categories}, width={self.width}"
