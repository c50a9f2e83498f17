import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.forecasts.seasonality import autocorrelation, find_season


def wave(length, season, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=season)
    return np.tile(shape, length // season + 1)[:length] + noise * rng.normal(size=length)


@given(st.integers(8, 60), st.integers(0, 100))
def test_the_autocorrelation_is_that_of_the_definition(length, seed):
    series = np.random.default_rng(seed).normal(size=length).cumsum()
    time = np.arange(length)
    rest = series - np.polyval(np.polyfit(time, series, 2), time)
    power = np.mean(rest**2)
    lags = length // 2
    expected = [np.mean(rest[lag:] * rest[: length - lag]) / power for lag in range(lags + 1)]
    np.testing.assert_allclose(autocorrelation(series, lags), np.clip(expected, -1, 1), atol=1e-8)


def test_what_a_parabola_describes_is_not_like_itself():
    assert (autocorrelation(3.0 + 2 * np.arange(50.0) - 0.1 * np.arange(50.0) ** 2, 20) == 0).all()
    assert find_season([np.full(100, 7.0)], (12,)).length == 1


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_a_usual_season_is_found_under_trend_and_noise(season):
    series = wave(20 * season, season, noise=0.3) + 0.05 * np.arange(20 * season)
    assert find_season([series], (season, 2 * season + 1)).length == season


def test_of_two_usual_seasons_the_one_that_repeats_better():
    hours = np.arange(24 * 7 * 8)
    daily = np.sin(2 * np.pi * hours / 24)
    weekend = ((hours // 24) % 7 >= 5) * 1.5
    noise = 0.1 * np.random.default_rng(0).normal(size=len(hours))
    assert find_season([daily + noise], (24, 168)).length == 24
    assert find_season([daily * (1 - weekend / 1.5) + noise], (24, 168)).length == 168


def test_a_season_of_any_length_is_found_where_the_calendar_knows_none():
    assert find_season([wave(300, 17)], ()).length == 17
    assert find_season([wave(300, 17)], (12,)).length == 17


@pytest.mark.parametrize("seed", range(12))
def test_random_walks_and_noise_have_no_season(seed):
    rng = np.random.default_rng(seed)
    assert find_season([rng.normal(size=300).cumsum()], (12,)).length == 1
    assert find_season([rng.normal(size=1500).cumsum()], (5, 261)).length == 1
    assert find_season([rng.normal(size=300)], (12,)).length == 1


def test_a_season_must_be_seen_twice():
    assert find_season([wave(20, 12, noise=0.0)], (12,)).length == 1
    assert find_season([np.zeros(2)], (12,)).length == 1
    assert find_season([], (12,)).length == 1


def test_short_series_are_outvoted_by_long_ones():
    assert find_season([wave(400, 7), np.random.default_rng(0).normal(size=40)], (7, 12)).length == 7
