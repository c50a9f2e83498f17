import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.baselines.forecasts import drift, naive, naive_forecasts, seasonal_naive
from leadline.data.forecasts.forecasting import load_forecast

PAST = np.random.default_rng(0).normal(size=(4, 12, 2))


@given(st.integers(1, 15), st.integers(1, 30))
def test_the_formulas(season, horizon):
    s = season if season <= 12 else 1
    for h in range(horizon):
        np.testing.assert_array_equal(seasonal_naive(PAST, horizon, season)[:, h], PAST[:, 12 + h - s * -(-(h + 1) // s)])
        np.testing.assert_array_equal(naive(PAST, horizon)[:, h], PAST[:, -1])
        line = np.array([[np.polyval(np.polyfit([0, 11], series[[0, 11]], 1), 12 + h) for series in row.T] for row in PAST])
        np.testing.assert_allclose(drift(PAST, horizon)[:, h], line, atol=1e-9)


def test_each_is_perfect_where_it_should_be():
    line = np.arange(20.0)[None, :, None]
    np.testing.assert_allclose(drift(line[:, :15], 5), line[:, 15:])
    wave = np.tile([1.0, 5.0, 2.0], 6)[None, :, None]
    np.testing.assert_allclose(seasonal_naive(wave[:, :12], 6, 3), wave[:, 12:])


def dataset(count=120, **options):
    values = [10 + 0.1 * at + [3, 1, 4, 1, 5, 9][at % 6] for at in range(count)]
    return load_forecast(pl.DataFrame({"t": range(count), "y": values}), horizon=4, **options)


def test_answers_are_those_of_the_rows_in_their_units():
    made = dataset()
    found = {baseline.name: baseline for baseline in naive_forecasts(made)}
    assert list(found) == ["seasonal naive", "naive", "drift"]
    truth = made.schema.inputs.in_units(made.test.targets, made.test.series)
    # A season of 6 on a line that rises by 0.1 a step: 0.6 too low.
    np.testing.assert_allclose(truth - found["seasonal naive"].probabilities, 0.6, atol=1e-4)
    assert found["seasonal naive"].detail == "the value of 6 steps before"
    first = made.test.origins[0]
    expected = 10 + 0.1 * (first - 1) + [3, 1, 4, 1, 5, 9][(first - 1) % 6]
    np.testing.assert_allclose(found["naive"].probabilities[0], expected, atol=1e-4)
    assert all(baseline.probabilities.shape == truth.shape and baseline.seconds >= 0 for baseline in found.values())


def test_any_split_and_no_season_without_one(monkeypatch):
    from leadline.baselines import forecasts

    made = dataset()
    whole = naive_forecasts(made, part="train")[0].probabilities
    monkeypatch.setattr(forecasts, "_ROWS", 7)
    np.testing.assert_array_equal(naive_forecasts(made, part="train")[0].probabilities, whole)
    assert [each.name for each in naive_forecasts(dataset(lookback=4))] == ["naive", "drift"]


@pytest.mark.parametrize("transform", ["log", "none"])
def test_the_scale_that_is_learned_makes_no_difference(transform):
    values = naive_forecasts(dataset(transform=transform))[0].probabilities
    np.testing.assert_allclose(values, naive_forecasts(dataset())[0].probabilities, rtol=1e-5)
