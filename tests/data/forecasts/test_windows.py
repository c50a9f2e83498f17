import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.forecast_tables import Columns, Covariate
from leadline.data.forecasts.time_columns import TimeReading
from leadline.data.forecasts.time_steps import TimeStep
from leadline.data.forecasts.window_rows import WindowRows, WindowSplit
from leadline.data.forecasts.windows import Windows
from leadline.errors import DataError


def windows(**changes):
    columns = Columns(
        TimeReading("dates", ("day",), ("%Y-%m-%d",)), ("shop",), ("sold", "lost"), (".", ","), ("holiday",), ("warm",)
    )
    made = Windows(
        lookback=6,
        horizon=3,
        season=2,
        step=TimeStep("duration", 86_400_000_000, 5),
        columns=columns,
        logs=(True, False),
        series=("a", "b"),
        centre=((2.0, 5.0), (4.0, -1.0)),
        scale=((0.5, 2.0), (1.0, 3.0)),
        naive_error=((1.0, 1.0), (2.0, 2.0)),
        covariates=(Covariate("warm", "number", False, (), ".", 1.0, 2.0), Covariate("holiday", "yes/no", True, ("no", "yes"))),
        calendar=("weekday",),
        seen=40,
    )
    return replace(made, **changes)


def rows(count=30, channels=4, lookback=5, horizon=3, hidden=2):
    steps = np.random.default_rng(0).normal(size=(count, channels)).astype(np.float32)
    starts = np.array([0, 7, 3, count - lookback - horizon])
    return WindowRows(steps, starts, lookback=lookback, horizon=horizon, hidden=hidden)


def test_windows_are_slices_of_the_steps_without_what_is_unknown():
    made = rows()
    for number, start in enumerate(made.starts):
        expected = made.steps[start : start + 8].copy()
        expected[5:, :2] = np.nan
        np.testing.assert_array_equal(made[number], expected)
        np.testing.assert_array_equal(made[np.array([number])][0], expected)
    assert np.asarray(made).shape == made.shape == (4, 8, 4)
    assert made[1:3].shape == made[np.array([False, True, True, False])].shape == (2, 8, 4)
    assert np.isfinite(made.steps).all()


def test_a_window_is_a_copy_and_the_steps_are_shared():
    made = rows()
    made[0][:] = 9
    assert (made.steps != 9).all()
    taken = made.take(np.array([2, 0]))
    assert taken.steps is made.steps
    np.testing.assert_array_equal(taken[0], made[2])
    assert made.nbytes == made.steps.nbytes + 4 * 8


@given(st.lists(st.integers(0, 3), max_size=10))
def test_the_tensor_answers_as_the_array_does(chosen):
    made = rows()
    selected = made.tensor().to(torch.device("cpu")).index_select(0, torch.tensor(chosen, dtype=torch.int64))
    np.testing.assert_array_equal(selected.numpy(), made[np.array(chosen, np.int64)])


def test_memory_mapped_steps_are_enough(tmp_path):
    path = tmp_path / "steps.npy"
    np.save(path, rows().steps)
    mapped = WindowRows(np.load(path, mmap_mode="r"), rows().starts, lookback=5, horizon=3, hidden=2)
    np.testing.assert_array_equal(mapped[:], rows()[:])
    np.testing.assert_array_equal(mapped.tensor().index_select(0, torch.tensor([1])).numpy(), rows()[1:2])
    assert mapped.digest() == rows().digest() != rows(hidden=1).digest()


def test_a_split_of_windows_is_taken_apart_by_rows():
    made = rows()
    split = WindowSplit(made, np.arange(12.0).reshape(4, 3, 1), list("abcd"), (), np.array([0, 0, 1, 1]), np.arange(4))
    part = split.take(np.array([3, 1]))
    assert (part.ids, part.series.tolist(), part.origins.tolist()) == (["d", "b"], [1, 0], [3, 1])
    np.testing.assert_array_equal(part.inputs[:], made[np.array([3, 1])])


@given(st.integers(0, 1), st.floats(0.02, 1e6), st.floats(-1e6, 1e6))
def test_scaling_is_undone(series, positive, any_number):
    made, which = windows(), np.array([series])
    values = np.array([[[positive, any_number]]])
    again = made.in_units(made.scaled(values, which), which)
    np.testing.assert_allclose(again, values, rtol=1e-9, atol=1e-6)


def test_scales_are_those_of_the_series():
    made = windows(logs=(False, False))
    values = np.array([[2.0, 5.0], [4.0, -1.0], [2.5, 7.0]])
    np.testing.assert_allclose(made.scaled(values, np.array([0, 1, 0])), [[0, 0], [0, 0], [1, 1]])
    logged = windows()
    assert logged.scaled(np.array([[np.exp(3.0), 5.0]]), np.array([0])).tolist() == [[2.0, 0.0]]


def test_values_without_a_logarithm_and_outputs_beyond_floats_stay_finite():
    made = windows()
    assert np.isfinite(made.scaled(np.array([[0.0, 1.0], [-3.0, 1.0]]), np.array([0, 1]))).all()
    assert np.isfinite(made.in_units(np.array([[1e6, 1.0], [-1e6, 1.0]]), np.array([0, 1]))).all()


def test_the_channels_and_what_is_hidden_of_the_future():
    made = windows()
    assert (made.targets, made.hidden, made.known, made.shape) == (2, 3, 7, (9, 10))
    assert made.describe() == "2 series, daily: 3 steps to come from 6"


def test_the_schema_side_survives_json():
    made = windows()
    assert Windows.from_json(json.loads(json.dumps(asdict(made)))) == made
    answers = Forecasts(("sold", "lost"), 3, spread=((1.0, 2.0),) * 3)
    assert Forecasts(**json.loads(json.dumps(asdict(answers)))) == answers


@given(st.integers(5, 60), st.integers(0, 1000))
def test_the_spread_holds_for_new_errors_as_often_as_promised(count, seed):
    errors = torch.from_numpy(np.random.default_rng(seed).normal(size=(count, 2, 1))).float()
    spread = Forecasts(("y",), 2).calibrated(torch.zeros_like(errors), errors).spread
    # By the definition: the ⌈0.8 (N + 1)⌉-th smallest, which exists from four errors on.
    place = int(np.ceil(np.round(0.8 * (count + 1), 9)))
    expected = np.sort(np.abs(errors.numpy()), axis=0)[place - 1, :, 0]
    np.testing.assert_allclose([step[0] for step in spread], expected)


def test_bounds_need_a_spread():
    with pytest.raises(DataError, match="no spread"):
        Forecasts(("y",), 2).bounds(torch.zeros(1, 2, 1))
    low, high = Forecasts(("y",), 2, spread=((1.0,), (2.0,))).bounds(torch.ones(1, 2, 1))
    assert (low.flatten().tolist(), high.flatten().tolist()) == ([0.0, -1.0], [2.0, 3.0])


def test_targets_of_another_shape_are_refused():
    answers = Forecasts(("y",), 2)
    assert answers.encode(np.zeros((3, 2, 1))).dtype == np.float32
    with pytest.raises(DataError, match="targets do not fit"):
        answers.encode(np.zeros((3, 3, 1)))
