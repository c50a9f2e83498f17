"""The largest dot products: each with each against numpy, and how many the buckets find of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from leadline.data import nearest_rows
from leadline.data.nearest_rows import best_in_buckets, best_rows


def unit(count: int, width: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("block", [7, 1024])
def test_the_best_is_that_of_the_whole_product(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_rows, "_BLOCK", block)
    queries, among = unit(50, 8, 0), unit(90, 8, 1)
    values, rows = best_rows(queries, among)
    product = queries.double().numpy() @ among.double().numpy().T
    np.testing.assert_array_equal(rows, product.argmax(1))
    np.testing.assert_allclose(values, product.max(1), atol=1e-6)


@pytest.mark.parametrize("search", [best_rows, best_in_buckets])
def test_a_row_is_not_its_own_best(search: object) -> None:
    among = unit(700, 8, 0)
    _, rows = search(among, among, torch.arange(700))  # type: ignore[operator]
    assert not bool((rows == torch.arange(700)).any())


def test_close_rows_meet_in_some_bucket() -> None:
    among = unit(6000, 48, 0)
    queries = F.normalize(among[::10] + 0.02 * unit(600, 48, 1) * 5, dim=1)  # cosine about 0.995
    values, rows = best_in_buckets(queries, among)
    found = rows == torch.arange(0, 6000, 10)
    assert float(found.float().mean()) >= 0.99
    np.testing.assert_allclose(values[found], (queries * among[::10]).sum(1)[found], atol=1e-5)


def test_buckets_of_few_rows_are_one_bucket() -> None:
    queries, among = unit(20, 8, 0), unit(30, 8, 1)
    exact, found = best_rows(queries, among), best_in_buckets(queries, among)
    np.testing.assert_array_equal(found[1], exact[1])
    np.testing.assert_allclose(found[0], exact[0], atol=1e-6)


def test_whoever_meets_nobody_has_no_value() -> None:
    values, _ = best_in_buckets(unit(1, 4, 0), unit(1, 4, 0), torch.tensor([0]))
    assert values.tolist() == [-float("inf")]
