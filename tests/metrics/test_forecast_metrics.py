import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.errors import ArgumentError
from leadline.metrics.forecasts import (
    coverage,
    errors_by_step,
    forecast_absolute_error,
    forecast_metrics,
    forecast_squared_error,
    mean_absolute_scaled_error,
    symmetric_percentage_error,
)

FUNCTIONS = {
    "mae": (forecast_absolute_error, lambda v, t: np.abs(v - t).mean()),
    "rmse": (forecast_squared_error, lambda v, t: np.sqrt(np.square(v - t).mean((0, 1))).mean()),
    "smape": (symmetric_percentage_error, lambda v, t: (2 * np.abs(v - t) / (np.abs(v) + np.abs(t))).mean()),
}


def pair(seed, rows=5, steps=3, numbers=2):
    rng = np.random.default_rng(seed)
    return rng.normal(3, 2, (rows, steps, numbers)), rng.normal(3, 2, (rows, steps, numbers))


@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.integers(0, 1000))
def test_each_is_its_definition(name, seed):
    function, definition = FUNCTIONS[name]
    v, t = pair(seed)
    assert function(torch.from_numpy(v), torch.from_numpy(t)).item() == pytest.approx(definition(v, t))


@given(st.integers(0, 1000))
def test_weights_are_counts_of_rows(seed):
    v, t = map(torch.from_numpy, pair(seed))
    counts = torch.tensor([[1, 0, 2, 0, 3], [1, 1, 1, 1, 1]])
    scale = torch.rand(5, 2) + 0.5
    rows = torch.tensor([0, 2, 2, 4, 4, 4])
    for function, _ in FUNCTIONS.values():
        both = function(v, t, weights=counts)
        torch.testing.assert_close(both, torch.stack([function(v[rows], t[rows]), function(v, t)]))
    both = mean_absolute_scaled_error(v, t, scale=scale, weights=counts)
    assert both[0].item() == pytest.approx(mean_absolute_scaled_error(v[rows], t[rows], scale=scale[rows]).item())


def test_the_scaled_error_of_the_naive_forecast_in_training_is_one():
    series = np.random.default_rng(0).normal(size=200).cumsum()
    season = 4
    scale = np.abs(series[season:] - series[:-season]).mean()
    v, t = series[:-season].reshape(-1, 1, 1), series[season:].reshape(-1, 1, 1)
    found = mean_absolute_scaled_error(torch.from_numpy(v), torch.from_numpy(t), scale=torch.tensor([scale]))
    assert found.item() == pytest.approx(1)


@given(st.integers(0, 1000), st.floats(0.01, 100))
def test_the_scaled_error_knows_no_unit(seed, unit):
    v, t = map(torch.from_numpy, pair(seed))
    scale = torch.rand(5, 2).double() + 0.5
    plain = mean_absolute_scaled_error(v, t, scale=scale)
    assert mean_absolute_scaled_error(unit * v, unit * t, scale=unit * scale).item() == pytest.approx(plain.item())


def test_percentages_of_nothing_are_nothing():
    zero = torch.zeros(1, 2, 1)
    assert symmetric_percentage_error(zero, zero).item() == 0
    assert symmetric_percentage_error(zero, zero + 1).item() == 2


def test_errors_step_by_step_have_the_whole_as_their_mean():
    v, t = map(torch.from_numpy, pair(0))
    by_step = errors_by_step(v, t)
    assert np.mean(by_step["mae"]) == pytest.approx(forecast_absolute_error(v, t).item())
    assert by_step["rmse"][1] == pytest.approx(np.sqrt(np.square((v - t)[:, 1].numpy()).mean(0)).mean())


def test_not_a_number_stays_one():
    v, t = map(torch.from_numpy, pair(0))
    v[1, 2, 0] = torch.nan
    for function, _ in FUNCTIONS.values():
        assert function(v, t).isnan()


def test_the_table_has_the_headline_first():
    assert [metric.higher_is_better for metric in forecast_metrics(torch.ones(2)).values()] == [False] * 4
    v, t = map(torch.from_numpy, pair(0))
    table = forecast_metrics(torch.full((5, 2), 2.0), one_unit=False)
    assert next(iter(table)) == "mase"
    assert table["mase"].function(v, t).item() == pytest.approx(table["mae"].function(v, t).item() / 2)


def test_coverage_counts_what_lies_within():
    t = torch.arange(10.0).view(5, 2, 1)
    assert coverage(t - 1, torch.full_like(t, 4.0), t).item() == 0.5
    with pytest.raises(ArgumentError):
        coverage(t, t[:, :1], t)


@pytest.mark.parametrize("scale", [torch.ones(3), torch.zeros(2), torch.tensor([1.0, torch.nan]), torch.ones(4, 2)])
def test_a_scale_that_does_not_fit(scale):
    v, t = map(torch.from_numpy, pair(0))
    with pytest.raises(ArgumentError, match="scale of the errors"):
        mean_absolute_scaled_error(v, t, scale=scale)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ArgumentError, match="differ in shape"):
        forecast_absolute_error(torch.zeros(3, 2, 1), torch.zeros(3, 2))
    with pytest.raises(ArgumentError, match="differ in shape"):
        errors_by_step(torch.zeros(3, 2), torch.zeros(3, 2))
