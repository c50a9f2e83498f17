"""Eight numbers at a time in compiled code: each instruction against NumPy in float64."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from leadline.language.words.vector_lanes import (
    WIDTH,
    load,
    minus,
    multiply_add,
    plus,
    sigmoid,
    six_sums,
    splat,
    store,
    times,
)

Numbers = NDArray[np.float32]


@numba.njit
def sigmoids(x: Numbers, out: Numbers) -> None:
    for at in range(0, x.size, WIDTH):
        store(out, at, sigmoid(load(x, at)))


@numba.njit
def summed(rows: Numbers, out: Numbers) -> None:
    lanes = six_sums(load(rows, 0), load(rows, 8), load(rows, 16), load(rows, 24), load(rows, 32), load(rows, 40))
    store(out, 0, lanes)


@numba.njit
def computed(a: Numbers, b: Numbers, by: np.float32, out: Numbers) -> None:
    store(out, 0, multiply_add(splat(by), load(a, 1), load(b, 3)))
    store(out, 8, plus(load(a, 1), load(b, 3)))
    store(out, 16, minus(load(a, 1), load(b, 3)))
    store(out, 24, times(load(a, 1), load(b, 3)))


def test_the_sigmoid_is_right_to_four_digits_everywhere() -> None:
    x = np.concatenate([np.linspace(-30, 30, 8000), [0, 1e-8, -1e-8, 1e30, -1e30, np.inf, -np.inf, 10]]).astype(np.float32)
    out = np.empty_like(x)
    sigmoids(x, out)
    with np.errstate(over="ignore"):
        assert np.abs(out - 1 / (1 + np.exp(-x.astype(np.float64)))).max() <= 2e-4
    assert out[x == 0].tolist() == [0.5]
    assert (np.diff(out[:8000]) >= -1e-6).all()


def test_six_sums_stand_in_their_places() -> None:
    rows = np.random.default_rng(0).normal(size=48).astype(np.float32)
    out = np.empty(8, np.float32)
    summed(rows, out)
    assert out[:6] == pytest.approx(rows.reshape(6, 8).astype(np.float64).sum(axis=1), abs=1e-5)


def test_numbers_are_read_from_any_place() -> None:
    rng: Any = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 11)).astype(np.float32)
    out = np.empty(32, np.float32)
    computed(a, b, np.float32(1.7), out)
    x, y = a[1:9], b[3:11]
    exact = (np.float64(np.float32(1.7)) * x + y).astype(np.float32)  # rounded once
    assert out[:8] == pytest.approx(exact, rel=1e-7)
    assert out[8:].tolist() == np.concatenate([x + y, x - y, x * y]).tolist()
