"""Rows of different lengths come out of the device's store as NumPy's own padding has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.padding import RaggedRows, as_tensor, joined_rows, no_target, picked
from leadline.data.ragged import Ragged
from leadline.errors import ArgumentError


def ragged(lengths: list[int], channels: int | None = None, dtype: type = np.float32) -> Ragged:
    generator = np.random.default_rng(sum(lengths))
    shape = () if channels is None else (channels,)
    return Ragged.of([generator.integers(1, 100, (length, *shape)).astype(dtype) for length in lengths])


def by_hand(rows: Ragged, chosen: list[int], fill: float) -> np.ndarray:
    steps = max(1, *(len(rows.row(row)) for row in chosen))
    padded = np.full((len(chosen), steps, *rows.values.shape[1:]), fill, rows.dtype)
    for place, row in enumerate(chosen):
        padded[place, : len(rows.row(row))] = rows.row(row)
    return padded


@given(st.lists(st.integers(0, 7), min_size=1, max_size=9), st.data())
def test_a_batch_is_its_rows_and_nothing_else(lengths: list[int], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6))
    for rows, fill in ((ragged(lengths, 3), math.nan), (ragged(lengths, None, np.int64), 0), (ragged(lengths, 1), -1.0)):
        store, expected = RaggedRows.of(rows, fill), by_hand(rows, chosen, fill)
        np.testing.assert_array_equal(store.padded(torch.tensor(chosen)).numpy(), expected)
        # The way of an accelerator, here on the CPU.
        np.testing.assert_array_equal(store._gathered(torch.tensor(chosen), expected.shape[1]).numpy(), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64])
def test_every_type_that_is_stored_keeps_its_type(dtype: type) -> None:
    rows = ragged([2, 5, 1], None, dtype)
    batch = RaggedRows.of(rows, 0).index_select(0, torch.tensor([2, 1]))
    assert batch.dtype == as_tensor(rows.values).dtype
    np.testing.assert_array_equal(batch.numpy(), by_hand(rows, [2, 1], 0))


def test_the_values_are_not_copied(tmp_path: object) -> None:
    path = f"{tmp_path}/values.npy"
    np.save(path, np.arange(10, dtype=np.int32))
    mapped = np.load(path, mmap_mode="r")
    rows = RaggedRows.of(Ragged(mapped, np.array([0, 4, 10])), 0)
    assert rows.data_ptr() == mapped.__array_interface__["data"][0]
    assert rows.to(torch.device("cpu")).data_ptr() == rows.data_ptr()
    assert rows.padded(torch.tensor([0])).tolist() == [[0, 1, 2, 3]]


def test_nothing_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of the accelerator asks no tensor for a number, a list or a truth."""
    rows, chosen = RaggedRows.of(ragged([2, 5, 1], 3), math.nan), torch.tensor([2, 0])

    def asked(*arguments: object) -> None:
        raise AssertionError("a tensor was asked")

    for name in ("__int__", "__bool__", "__index__", "__float__", "item", "tolist", "cpu", "numpy", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, asked)
    batch = rows._gathered(chosen, 2)
    monkeypatch.undo()
    assert batch.shape == (2, 2, 3)


def test_changed_values_are_padded_after_the_change() -> None:
    batch = RaggedRows.of(ragged([1, 2], 1), prepare=lambda values: values * 0 + 7).padded(torch.tensor([0, 1]))
    np.testing.assert_array_equal(batch[..., 0].numpy(), [[7, math.nan], [7, 7]])


def test_careless_stores_are_refused() -> None:
    with pytest.raises(ArgumentError, match="do not add up"):
        RaggedRows(torch.zeros(4), torch.tensor([1, 2]), 0)
    with pytest.raises(ArgumentError, match="cannot hold"):
        RaggedRows(torch.zeros(3, dtype=torch.int64), torch.tensor([1, 2]), math.nan)


def test_a_batch_of_what_is_stored_is_the_same_either_way() -> None:
    order = torch.tensor([1, 2, 0])
    even = ragged([3, 3, 3], 2)
    stored = as_tensor(even.values).view(3, 3, 2)
    for place in (slice(0, 2), slice(2, 3)):
        expected = picked(stored, order, order, place)
        assert torch.equal(picked(RaggedRows.of(even, math.nan), order, order, place), expected)
        assert torch.equal(expected, stored[order[place]])


def test_batches_of_different_lengths_are_joined() -> None:
    parts = [torch.arange(4.0).view(1, 2, 2), torch.arange(6.0).view(1, 3, 2) + 10, torch.zeros(2, 1, 2)]
    whole = joined_rows(parts, -1.0)
    assert whole.shape == (4, 3, 2)
    assert whole[0].tolist() == [[0, 1], [2, 3], [-1, -1]]
    assert whole[1].tolist() == parts[1][0].tolist()
    assert torch.equal(
        joined_rows([torch.ones(2, 3), torch.zeros(1, 3)], 5.0), torch.cat([torch.ones(2, 3), torch.zeros(1, 3)])
    )


def test_what_stands_for_no_target_depends_on_the_type() -> None:
    assert no_target(torch.int64) == -100
    assert math.isnan(no_target(torch.float32))
