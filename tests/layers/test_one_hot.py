"""One-hot columns: against torch's own, and what lies outside the codes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.layers import OneHot


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 3), st.lists(st.integers(1, 9), max_size=4), st.integers(0, 2**31))
def test_it_is_torchs_one_hot_beside_the_numbers(numbers: int, categories: list[int], seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(5, numbers, generator=draw)
    codes = [torch.randint(size, (5,), generator=draw) for size in categories]
    layer = OneHot(numbers, categories)
    found = layer(torch.cat([values, *(code[:, None].float() for code in codes)], dim=1))
    columns = [torch.nn.functional.one_hot(code, size).float() for code, size in zip(codes, categories, strict=True)]
    assert torch.equal(found, torch.cat([values, *columns], dim=1))
    assert found.shape == (5, layer.width) == (5, numbers + sum(categories))


def test_a_code_outside_the_category_is_none_of_its_values() -> None:
    found = OneHot(0, (2, 3))(torch.tensor([[2.0, -1.0], [float("nan"), 0.0]]))
    assert found.tolist() == [[0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]


def test_a_linear_layer_behind_it_learns_one_weight_a_value() -> None:
    model = torch.nn.Sequential(OneHot(1, (3,)), torch.nn.Linear(4, 1, bias=False))
    model(torch.tensor([[0.5, 2.0]])).sum().backward()
    assert model[1].weight.grad.tolist() == [[0.5, 0, 0, 1]]  # type: ignore[union-attr]


def test_there_is_nothing_to_save() -> None:
    assert OneHot(2, (3, 4)).state_dict() == {}


@pytest.mark.parametrize(("numbers", "categories"), [(-1, (2,)), (1, (0,))])
def test_impossible_columns_are_refused(numbers: int, categories: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="cannot be made one-hot"):
        OneHot(numbers, categories)
