"""Scaling: bounded, monotone, and undone to the digit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leadline.data.tables.scaling import Scaling, skewness

columns = arrays(np.float64, st.integers(1, 60), elements=st.floats(allow_nan=True, allow_infinity=False))


@given(columns, columns)
def test_whatever_comes_is_finite_and_within_three(training: np.ndarray, later: np.ndarray) -> None:
    scaled = Scaling.learn(training)(later)
    assert np.isfinite(scaled).all()
    assert np.abs(scaled).max() <= 3
    assert (scaled[np.isnan(later)] == 0).all()


@given(arrays(np.float64, 40, elements=st.floats(-1e6, 1e6)))
def test_order_is_kept(values: np.ndarray) -> None:
    scaled = Scaling.learn(values)(np.sort(values))
    assert (np.diff(scaled) >= 0).all()


def test_a_normal_column_becomes_nearly_standard() -> None:
    values = np.random.default_rng(0).normal(50, 7, 20_000)
    scaled = Scaling.learn(values)(values)
    assert abs(scaled.mean()) < 0.02
    assert 0.85 < scaled.std() < 1.0


def test_one_outlier_does_not_move_the_others() -> None:
    values = np.random.default_rng(0).normal(size=1001)
    mended = np.append(values, 1e300)
    assert Scaling.learn(mended)(values) == pytest.approx(Scaling.learn(values)(values), abs=0.05)
    assert Scaling.learn(mended)(np.array([1e300]))[0] == 3


@given(arrays(np.float64, 30, elements=st.floats(-1e5, 1e5), unique=True))
def test_the_inverse_gives_the_units_back(values: np.ndarray) -> None:
    scaling = Scaling.learn(values)
    middle = values[np.abs(scaling(values)) < 2.5]
    assert scaling.inverse(scaling(middle)) == pytest.approx(middle, rel=1e-3, abs=1e-3 * scaling.scale)


def test_a_column_that_hardly_varies_is_scaled_by_what_varies() -> None:
    # More than half of the values are one and the same, so that the quartiles coincide.
    values = np.array([5.0] * 90 + [6.0] * 10)
    assert Scaling.learn(values).scale == pytest.approx(values.std())
    assert Scaling.learn(np.full(9, 7.0)) == Scaling(7.0, 1.0)
    assert Scaling.learn(np.array([np.nan])) == Scaling(0.0, 1.0)


@given(columns)
def test_edges_rise_and_hold_what_they_were_learned_from(values: np.ndarray) -> None:
    scaling = Scaling.learn(values)
    edges = np.array(scaling.edges)
    assert len(edges) in (0, *range(3, 34))
    assert (np.diff(edges) > 0).all()
    if len(edges):
        scaled = scaling(values[np.isfinite(values)])
        assert edges[0] - 1e-3 <= scaled.min()
        assert scaled.max() <= edges[-1] + 1e-3


def test_equally_many_rows_lie_between_two_edges() -> None:
    values = np.random.default_rng(0).exponential(size=33_000)
    scaling = Scaling.learn(values)
    counts, _ = np.histogram(scaling(values), bins=np.array(scaling.edges))
    assert len(scaling.edges) == 33
    assert counts == pytest.approx(np.full(32, 33_000 / 32), rel=0.02)


def test_skewness_is_that_of_scipy() -> None:
    from scipy.stats import skew

    values = np.random.default_rng(0).lognormal(size=500)
    assert skewness(values) == pytest.approx(skew(values))
    assert skewness(np.full(5, 2.0)) == 0
    assert skewness(np.array([])) == 0


def test_the_few_rows_that_differ_in_a_column_of_zeros_have_edges() -> None:
    draw = np.random.default_rng(0)
    values = np.where(draw.random(10_000) < 0.92, 0.0, draw.exponential(5000, 10_000))
    scaling = Scaling.learn(values)
    counts, _ = np.histogram(scaling(values[values > 0]), bins=np.array(scaling.edges))
    assert len(scaling.edges) == 33
    assert counts.max() < 0.05 * counts.sum()
