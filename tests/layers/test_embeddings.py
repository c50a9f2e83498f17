"""Category embedding: each column reads its own rows of the table, and what is unknown reads row 0."""

from __future__ import annotations

import pytest
import torch

from leadline.errors import ArgumentError
from leadline.layers import CategoryEmbedding

CATEGORIES = (3, 2, 4)


def test_each_column_reads_its_own_rows() -> None:
    layer = CategoryEmbedding(CATEGORIES, 5)
    tables = layer.weight.split(CATEGORIES)
    codes = torch.tensor([[0, 1, 3], [2, 0, 1]])
    expected = torch.stack([torch.stack([table[code] for table, code in zip(tables, row, strict=True)]) for row in codes])
    assert torch.equal(layer(codes), expected)
    assert torch.equal(layer(codes.float()), expected)


@pytest.mark.parametrize("code", [3.0, 99.0, -1.0, float("nan"), float("inf")])
def test_a_code_that_is_none_counts_as_unknown(code: float) -> None:
    layer = CategoryEmbedding(CATEGORIES, 5)
    with torch.no_grad():
        layer.weight.normal_()
    assert torch.equal(layer(torch.tensor([[code, 1.0, 1.0]])), layer(torch.tensor([[0.0, 1.0, 1.0]])))


def test_the_unknown_starts_in_the_middle_of_the_others() -> None:
    layer = CategoryEmbedding(CATEGORIES, 5)
    assert torch.equal(layer(torch.zeros(1, 3)), torch.zeros(1, 3, 5))
    assert layer(torch.ones(1, 3)).abs().min() > 0


def test_only_the_rows_that_were_read_learn() -> None:
    layer = CategoryEmbedding(CATEGORIES, 2)
    layer(torch.tensor([[1, 0, 3]])).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad[:, 0].tolist() == [0, 1, 0, 1, 0, 0, 0, 0, 1]


def test_the_table_is_all_there_is_to_save() -> None:
    assert {name: tuple(tensor.shape) for name, tensor in CategoryEmbedding(CATEGORIES, 2).state_dict().items()} == {
        "weight": (9, 2)
    }


@pytest.mark.parametrize(("categories", "width"), [((), 3), ((2, 0), 3), ((2,), 0)])
def test_bad_arguments(categories: tuple[int, ...], width: int) -> None:
    with pytest.raises(ArgumentError, match="cannot be embedded"):
        CategoryEmbedding(categories, width)
