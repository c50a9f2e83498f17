"""One-hot: a category as one column for each of its values."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from leadline.errors import ArgumentError


class OneHot(nn.Module):
    """Numbers stay as they are; each category becomes a 1 in the column of its value and 0 in those of the others.

    What a linear model or a plain perceptron needs: to them the code 3 would be three times the code 1. A code outside
    0 … cardinality − 1 becomes zeros alone.

    Shapes: [B, numbers + C] → [B, numbers + Σ categories], for C categories.

    Args:
        numbers: columns of numbers, which come first.
        categories: the cardinality of each category column; its codes are 0 … cardinality − 1, held as floats.

    Errors: `ArgumentError` for fewer than 0 numbers or a cardinality below 1.

    Example:
        >>> OneHot(1, (2, 3))(torch.tensor([[0.5, 1.0, 2.0]]))
        tensor([[0.5000, 0.0000, 1.0000, 0.0000, 0.0000, 1.0000]])
    """

    column: Tensor
    code: Tensor

    def __init__(self, numbers: int, categories: Sequence[int]) -> None:
        super().__init__()
        if numbers < 0 or any(size < 1 for size in categories):
            raise ArgumentError(
                "The columns cannot be made one-hot",
                expected="numbers ≥ 0 and cardinalities ≥ 1",
                got=(numbers, tuple(categories)),
            )
        self.numbers, self.categories = numbers, tuple(categories)
        # Output column j is 1 where input column `column[j]` holds `code[j]`: one comparison, whatever the cardinalities.
        columns = [numbers + index for index, size in enumerate(categories) for _ in range(size)]
        codes = [float(code) for size in categories for code in range(size)]
        self.register_buffer("column", torch.tensor(columns, dtype=torch.int64), persistent=False)
        self.register_buffer("code", torch.tensor(codes, dtype=torch.float32), persistent=False)

    @property
    def width(self) -> int:
        """Columns that come out: numbers + Σ categories."""
        return self.numbers + sum(self.categories)

    def forward(self, x: Tensor) -> Tensor:
        held = x.index_select(1, self.column) == self.code  # [B, Σ categories]
        return torch.cat([x[:, : self.numbers], held.to(x.dtype)], dim=1)

    def extra_repr(self) -> str:
        return f"numbers={self.numbers}, categories={self.categories}"
