"""Rows of numbers: what is learned from them and how they are prepared, against NumPy on the whole array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from leadline.data import vectors
from leadline.data.arrays import understand
from leadline.data.vectors import Vectors
from leadline.errors import ArgumentError, DataError


@pytest.mark.parametrize("count", [1, 5, 1000])
def test_mean_and_deviation(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_CHUNK", 64)
    rows = (np.random.default_rng(0).standard_normal((count, 3)) * [1, 1e-3, 1e4] + [0, 5, 1e6]).astype(np.float32)
    learned = Vectors.learn(rows)
    np.testing.assert_allclose(learned.mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-12)
    std = rows.std(axis=0, dtype=np.float64)
    np.testing.assert_allclose(learned.std, np.where(std == 0, 1, std), rtol=1e-9)


def test_prepared_rows_are_standardized() -> None:
    rows = np.random.default_rng(0).uniform(5, 9, (500, 4)).astype(np.float32)
    prepared = Vectors.learn(rows).preparer(torch.device("cpu"))(torch.from_numpy(rows))
    torch.testing.assert_close(prepared.mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(prepared.std(dim=0, correction=0), torch.ones(4))


def test_a_feature_that_never_varies_becomes_zero() -> None:
    rows = np.full((10, 2), 0.1, dtype=np.float32)
    rows[:, 1] = np.arange(10)
    learned = Vectors.learn(rows)
    assert learned.std[0] == 1.0
    assert not learned.preparer(torch.device("cpu"))(torch.from_numpy(rows))[:, 0].abs().gt(1e-6).any()


def test_one_row_is_encoded_as_in_training() -> None:
    learned = Vectors((0.0, 0.0), (1.0, 1.0))
    assert learned.encode([1, 2]).dtype == np.float32
    assert learned.is_one([1, 2])
    assert not learned.is_one([[1, 2]])
    cases: list[tuple[Any, type[Exception], str]] = [
        ([1, 2, 3], ArgumentError, "expected 2 numbers; got 3|Expected 2 numbers; got 3"),
        (["x", "y"], ArgumentError, "not numbers"),
        ([1, float("nan")], DataError, "not finite"),
    ]
    for raw, error, words in cases:
        with pytest.raises(error, match=words):
            learned.encode(raw)


@pytest.mark.parametrize("shape", [(7, 7, 40), (40, 7, 7), (2, 2, 20), (20, 2, 2)])
def test_one_map_is_encoded_as_the_file_of_maps_was(shape: tuple[int, ...]) -> None:
    maps = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    stored, _ = understand(maps)
    learned = Vectors.learn(stored)
    assert not learned.is_one(maps)
    assert learned.is_one(maps[0])
    for row in range(6):
        np.testing.assert_allclose(learned.encode(maps[row]), stored[row], rtol=1e-6, atol=1e-7)
    with pytest.raises(ArgumentError, match="wrong length"):
        learned.encode(np.ones((7, 7, 41), np.float32))
