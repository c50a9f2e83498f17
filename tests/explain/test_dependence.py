"""Partial dependence against closed forms: additive models, interactions, and the spread over the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from leadline.errors import ArgumentError
from leadline.explain import partial_dependence

Array = NDArray[Any]
GRID = np.linspace(-2, 2, 9)


def normal(rows: int, columns: int) -> Array:
    return np.random.default_rng(0).normal(size=(rows, columns))


def test_an_additive_model_shows_its_own_term_and_the_mean_of_the_rest() -> None:
    x = normal(300, 2)
    found = partial_dependence(lambda rows: np.sin(rows[:, :1]) + 3 * rows[:, 1:], x, [0], GRID)
    assert found.mean[:, 0] == pytest.approx(np.sin(GRID) + 3 * x[:, 1].mean())
    # The others' spread, the same at each point.
    assert found.low[:, 0] == pytest.approx(np.sin(GRID) + 3 * np.quantile(x[:, 1], 0.1))
    assert found.high[:, 0] == pytest.approx(np.sin(GRID) + 3 * np.quantile(x[:, 1], 0.9))


def test_an_interaction_shows_in_the_spread_where_the_mean_is_flat() -> None:
    x = normal(20_000, 2)
    found = partial_dependence(lambda rows: rows[:, :1] * rows[:, 1:], x, [0], GRID, rows=20_000)
    assert found.mean[:, 0] == pytest.approx(np.zeros(9), abs=0.05)
    assert (found.high - found.low)[:, 0] == pytest.approx(2 * np.abs(GRID) * norm.ppf(0.9), abs=0.1)


def test_an_unused_column_is_flat() -> None:
    found = partial_dependence(lambda rows: rows[:, 1:], normal(50, 2), [0], GRID)
    assert np.ptp(found.mean, axis=0) == pytest.approx(0)


def test_several_columns_are_set_together_and_several_outputs_told() -> None:
    grid = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]])
    found = partial_dependence(lambda rows: np.stack([rows[:, 0] + rows[:, 2], rows[:, 1]], 1), normal(40, 3), (0, 2), grid)
    assert found.mean.shape == found.low.shape == found.high.shape == (3, 2)
    assert found.mean[:, 0] == pytest.approx([1, 1, 10])
    assert found.mean[:, 1] == pytest.approx(np.full(3, normal(40, 3)[:, 1].mean()))


def test_at_most_so_many_rows_are_asked_about_and_they_are_a_random_choice() -> None:
    asked: list[Array] = []

    def answer(rows: Array) -> Array:
        asked.append(rows[:, 1].copy())
        return rows[:, 0]  # [N] will do for one output

    x = np.stack([np.zeros(1000), np.arange(1000.0)], axis=1)
    found = partial_dependence(answer, x, [0], GRID, rows=100, seed=1)
    assert found.mean[:, 0] == pytest.approx(GRID)
    assert [len(rows) for rows in asked] == [100] * len(GRID)
    assert len(set(asked[0])) == 100
    assert 350 < asked[0].mean() < 650
    assert all(np.array_equal(rows, asked[0]) for rows in asked)
    partial_dependence(answer, x, [0], GRID[:1], rows=100, seed=2)
    assert not np.array_equal(asked[-1], asked[0])


def test_the_callers_array_is_left_alone() -> None:
    x = normal(50, 2)
    kept = x.copy()
    x.setflags(write=False)
    partial_dependence(lambda rows: rows, x, [1], GRID)
    assert np.array_equal(x, kept)


def test_float32_stays_float32_on_the_way_to_the_model() -> None:
    kinds: set[Any] = set()

    def answer(rows: Array) -> Array:
        kinds.add(rows.dtype)
        return rows

    found = partial_dependence(answer, normal(5, 2).astype(np.float32), [0], GRID)
    assert kinds == {np.dtype(np.float32)}
    assert found.mean.dtype == np.float64


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"inputs": np.zeros((0, 2))}, "nothing to explain"),
        ({"columns": [2]}, "no such encoded column"),
        ({"grid": np.zeros((3, 2))}, "The grid does not fit"),
        ({"grid": np.zeros(0)}, "The grid does not fit"),
        ({"columns": [0, 1]}, "The grid does not fit"),
        ({"rows": 0}, "needs rows"),
    ],
)
def test_what_cannot_be_asked_is_refused(wrong: dict[str, Any], says: str) -> None:
    arguments: dict[str, Any] = {"inputs": normal(5, 2), "columns": [0], "grid": GRID, **wrong}
    with pytest.raises(ArgumentError, match=says):
        partial_dependence(lambda rows: rows, **arguments)
