import datetime

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline.data.batches import Batches
from leadline.data.forecasts.forecast_ahead import latest_windows
from leadline.data.forecasts.forecasting import load_forecast, read_forecast
from leadline.data.forecasts.window_making import proposed_lookback, steps_needed
from leadline.errors import ArgumentError, DataError, SourceNotFoundError


def monthly(count=144, start=1949, seed=0, name="passengers"):
    """A season that grows with its level, as those of airlines do."""
    rng = np.random.default_rng(seed)
    months = [f"{start + at // 12}-{at % 12 + 1:02}" for at in range(count)]
    level = 100 * np.exp(0.01 * np.arange(count) + 0.02 * rng.normal(size=count))
    values = level * (1 + 0.3 * np.sin(2 * np.pi * np.arange(count) / 12))
    return pl.DataFrame({"month": months, name: [f"{value:.1f}" for value in values]})


def counting(count, values=None, **more):
    values = [str(at % 7) for at in range(count)] if values is None else values
    return pl.DataFrame({"t": [str(at) for at in range(count)], "y": values} | more)


def test_a_csv_of_months(tmp_path):
    path = tmp_path / "airline.csv"
    monthly().write_csv(path)
    dataset = load_forecast(path, horizon=12)
    windows = dataset.schema.inputs
    assert (dataset.task, dataset.name, windows.season, windows.lookback) == ("forecast", "airline", 12, 24)
    assert (windows.logs, windows.calendar) == ((True,), ("year",))
    assert len(dataset.test) == 12
    assert dataset.test.ids[0] == "1959-02"
    assert dataset.test.ids[-1] == "1960-01"
    assert any("The season is 12 steps" in note for note in dataset.notes)
    assert dataset.origin.options["forecast"] == 12
    with pytest.raises(SourceNotFoundError, match=r"airlines.csv"):
        load_forecast(tmp_path / "airlines.csv", horizon=12)


@settings(max_examples=40)
@given(st.integers(1, 10), st.integers(60, 160), st.floats(0.1, 0.25), st.integers(1, 12))
def test_no_training_window_has_a_step_of_validation_or_test(horizon, count, share, lookback):
    dataset = load_forecast(counting(count), horizon=horizon, lookback=lookback, valid=share, test=share)
    forecast = {
        part: {int(origin) + step for origin in getattr(dataset, part).origins for step in range(horizon)}
        for part in ("train", "valid", "test")
    }
    assert max(forecast["train"]) < min(forecast["valid"])
    assert max(forecast["valid"]) < min(forecast["test"])
    assert max(forecast["test"]) == count - 1
    # Every step of each part is forecast, and from every moment whose horizon lies in the part.
    for part in ("valid", "test"):
        steps = forecast[part]
        assert steps == set(range(min(steps), max(steps) + 1))
        assert len(getattr(dataset, part)) == len(steps) - horizon + 1
    assert dataset.train.origins[0] == lookback
    assert len(dataset.train) == min(forecast["valid"]) - lookback - horizon + 1


def test_windows_hold_what_the_table_says():
    values = np.random.default_rng(0).normal(5, 2, 80)
    dataset = load_forecast(counting(80, [f"{value:.6f}" for value in values]), horizon=3, lookback=5, transform="none")
    windows = dataset.schema.inputs
    for part in (dataset.train, dataset.valid, dataset.test):
        seen = windows.in_units(part.inputs[:][:, :5, :1], part.series)
        came = windows.in_units(part.targets, part.series)
        for row, origin in enumerate(part.origins.tolist()):
            np.testing.assert_allclose(seen[row, :, 0], values[origin - 5 : origin], atol=1e-5)
            np.testing.assert_allclose(came[row, :, 0], values[origin : origin + 3], atol=1e-5)
        assert np.isnan(part.inputs[:][:, 5:, 0]).all()


def test_nothing_is_learned_from_what_comes_after_training():
    plain = monthly()
    dataset = load_forecast(plain, horizon=6)
    at = 12 * (dataset.valid.origins[0].astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970 - 1949)
    at += int(str(dataset.valid.origins[0].astype("datetime64[us]"))[5:7]) - 1
    changed = plain.with_columns(
        pl.Series("passengers", [*plain["passengers"].to_list()[:at], *(["1.0", "900.0"] * 144)[: 144 - at]])
    )
    other = load_forecast(changed, horizon=6)
    assert other.schema == dataset.schema
    assert other.train.ids == dataset.train.ids
    np.testing.assert_array_equal(other.train.inputs[:], dataset.train.inputs[:])
    assert not np.array_equal(other.valid.targets, dataset.valid.targets)


@pytest.mark.parametrize("horizon", [1, 4, 12])
def test_too_short_a_series_is_told_how_many_steps_it_needs(horizon):
    with pytest.raises(DataError, match=r"too short to forecast .* Expected at least (\d+) steps; got 12\.") as caught:
        load_forecast(counting(12), horizon=horizon)
    needed = int(str(caught.value).split("at least ")[1].split(" ")[0])
    dataset = load_forecast(counting(needed), horizon=horizon)
    assert min(len(dataset.train), len(dataset.valid), len(dataset.test)) >= 1
    with pytest.raises(DataError, match="too short"):
        load_forecast(counting(needed - 1), horizon=horizon)


def test_a_shorter_horizon_that_would_do_is_named():
    with pytest.raises(DataError, match=r"Forecast fewer: --forecast (\d+)\.") as caught:
        load_forecast(counting(40), horizon=12)
    fits = int(str(caught.value).split("--forecast ")[1].rstrip("."))
    assert load_forecast(counting(40), horizon=fits).schema.inputs.horizon == fits
    with pytest.raises(DataError):
        load_forecast(counting(40), horizon=fits + 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon is no number of steps"),
        ({"horizon": 2.5}, "horizon is no number of steps"),
        ({"horizon": 3, "lookback": -1}, "lookback is no number of steps"),
        ({"horizon": 3, "transform": "sqrt"}, "no such transform"),
        ({"horizon": 3, "valid": 0.6, "test": 0.6}, "leave no rows"),
        ({"horizon": 3, "transform": "log"}, "0 or below"),
        ({"horizon": 3, "lookback": 90}, "too short"),
    ],
)
def test_careless_arguments(options, message):
    with pytest.raises((ArgumentError, DataError), match=message):
        load_forecast(counting(80), **options)


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match="stands in a table"):
        load_forecast(tmp_path / "notes.txt", horizon=3)


def test_a_constant_series_is_said_and_stays_harmless():
    dataset = load_forecast(counting(80, ["7"] * 80), horizon=3)
    assert any("never varied in the training part" in note for note in dataset.notes)
    assert any("No season was found" in note for note in dataset.notes)
    assert np.isfinite(dataset.train.targets).all()
    assert dataset.schema.inputs.naive_error == ((1.0,),)


def shops(count=90):
    """A large and a small shop with the same week, a third that opened late, and what is known and not known of them."""
    days = [str(datetime.date(2024, 1, 1) + datetime.timedelta(at)) for at in range(count)]
    rows = {name: [] for name in ("day", "shop", "warm", "holiday", "sold")}
    for shop, scale, first in (("big", 100.0, 0), ("small", 1.0, 0), ("new", 10.0, count - 20)):
        for at in range(first, count):
            values = (
                days[at],
                shop,
                f"{20 + 5 * np.sin(at / 9):.3f}",
                "yes" if at % 10 == 3 else "no",
                f"{scale * (at % 7 + 1):.1f}",
            )
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
    return pl.DataFrame(rows)


def test_several_series_are_scaled_by_themselves_and_late_ones_left_out():
    dataset = load_forecast(shops(), horizon=3, known=["holiday"], transform="none")
    windows = dataset.schema.inputs
    assert windows.series == ("big", "new", "small")
    assert set(np.unique(dataset.train.series)) == {0, 2}
    assert windows.centre[0][0] == pytest.approx(100 * windows.centre[2][0])
    big, small = (dataset.train.targets[dataset.train.series == number] for number in (0, 2))
    np.testing.assert_allclose(big, small, atol=1e-5)
    assert any("1 series has too few steps" in note for note in dataset.notes)
    assert [covariate.name for covariate in windows.covariates] == ["warm", "holiday"]
    assert dataset.test.ids[0].startswith("big 2024-03-")


def test_the_known_future_is_told_and_the_unknown_is_not():
    dataset = load_forecast(shops(), horizon=3, known=["holiday"])
    windows = dataset.schema.inputs
    future = dataset.test.inputs[:][:, windows.lookback :]
    assert np.isnan(future[..., : windows.hidden]).all()
    assert np.isfinite(future[..., windows.hidden :]).all()
    holiday = windows.covariates[1]
    days = dataset.test.origins[0] // 86_400_000_000 + np.arange(3) - 19723  # since the first of January
    np.testing.assert_allclose(
        future[0, :, windows.hidden], (np.where(days % 10 == 3, 1, 0) - holiday.centre) / holiday.scale, rtol=1e-5
    )


def test_batches_of_windows_are_the_rows_in_the_order_of_the_epoch():
    dataset = load_forecast(monthly(), horizon=6)
    batches = Batches(dataset.train, dataset.schema, 8, seed=3, shuffle=True)
    order = batches.order(0).numpy()
    for number, (inputs, targets) in enumerate(batches.epoch(0)):
        rows = order[8 * number : 8 * number + 8]
        np.testing.assert_array_equal(inputs.numpy(), dataset.train.inputs[rows])
        np.testing.assert_array_equal(targets.numpy(), dataset.train.targets[rows])


def test_only_what_is_new_is_judged_in_a_table_that_goes_on():
    whole = monthly(180)
    dataset = load_forecast(whole.head(144), horizon=6)
    split = read_forecast(whole, dataset.schema)
    assert split.ids[0] == dataset.test.ids[0]
    assert split.ids[-1] == "1963-07"
    np.testing.assert_allclose(split.targets[: len(dataset.test)], dataset.test.targets, rtol=1e-5, atol=1e-5)
    with pytest.raises(DataError, match="enough steps that the training has not seen"):
        read_forecast(whole.head(100), dataset.schema)


def test_a_series_that_training_did_not_have_is_scaled_by_itself():
    dataset = load_forecast(shops(), horizon=3, transform="none")
    strange = shops().filter(pl.col("shop") == "big").with_columns(pl.lit("other").alias("shop"))
    strange = strange.with_columns((pl.col("sold").cast(pl.Float64) * 1000).alias("sold"))
    split = read_forecast(strange, dataset.schema)
    assert np.abs(split.targets).max() < 3
    assert any("'other'" in note for note in split.notes)
    with pytest.raises(DataError, match="lack the column 'warm'"):
        read_forecast(strange.drop("warm"), dataset.schema)


def test_what_comes_after_the_end_has_dates():
    frame = monthly()
    dataset = load_forecast(frame, horizon=12)
    latest = latest_windows(frame, dataset.schema.inputs)
    assert latest.inputs.shape == (1, 36, 5)
    last = dataset.test.inputs.steps[-24:, 0]
    np.testing.assert_allclose(latest.inputs[0, :24, 0], last, rtol=1e-5)
    rows = latest.told(dataset.schema.answers, np.zeros((1, 12, 1)))
    assert [row["month"] for row in rows] == [f"1961-{month:02}" for month in range(1, 13)]
    assert rows[0]["passengers"] == pytest.approx(np.exp(dataset.schema.inputs.centre[0][0]))
    np.testing.assert_allclose(latest.past[0, :, 0], frame["passengers"].cast(pl.Float64).to_numpy()[-24:])
    errors = torch.full((9, 12, 1), 0.5)
    banded = latest.told(dataset.schema.answers.calibrated(torch.zeros_like(errors), errors), np.zeros((1, 12, 1)))
    ratio = np.exp(0.5 * dataset.schema.inputs.scale[0][0])
    assert banded[0]["passengers high"] == pytest.approx(rows[0]["passengers"] * ratio)
    assert banded[0]["passengers low"] == pytest.approx(rows[0]["passengers"] / ratio)


def test_each_series_goes_on_by_itself_with_what_is_known():
    frame = shops()
    dataset = load_forecast(frame, horizon=3, known=["holiday"])
    with pytest.raises(DataError, match=r"not there for the 3 steps to come: 'holiday'.* 3 more rows"):
        latest_windows(frame, dataset.schema.inputs)
    last = datetime.date(2024, 1, 1) + datetime.timedelta(89)
    more = pl.DataFrame(
        [
            {"day": str(last + datetime.timedelta(at)), "shop": shop, "warm": None, "holiday": "yes", "sold": None}
            for shop in ("big", "small", "new")
            for at in (1, 2, 3)
        ],
        schema=frame.schema,
    )
    latest = latest_windows(pl.concat([frame, more]), dataset.schema.inputs)
    assert latest.names == ("big", "new", "small")
    lookback, holiday = dataset.schema.inputs.lookback, dataset.schema.inputs.covariates[1]
    place = dataset.schema.inputs.hidden
    np.testing.assert_allclose(latest.inputs[:, lookback:, place], (1 - holiday.centre) / holiday.scale, rtol=1e-5)
    rows = latest.told(dataset.schema.answers, np.zeros((3, 3, 1)))
    assert [(row["day"], row["shop"]) for row in rows[:2]] == [("2024-03-31", "big"), ("2024-04-01", "big")]


def test_one_table_is_encoded_as_its_latest_window():
    frame = monthly()
    dataset = load_forecast(frame, horizon=12)
    raw = {name: frame[name].to_list() for name in frame.columns}
    assert dataset.schema.inputs.is_one(raw)
    np.testing.assert_array_equal(dataset.schema.inputs.encode(raw), latest_windows(frame, dataset.schema.inputs).inputs[0])
    for broken in ({"month": "1949-01", "passengers": 3}, {"month": ["1949-01"], "passengers": [3, 4]}, {}):
        with pytest.raises(ArgumentError, match="no columns of one length"):
            dataset.schema.inputs.encode(broken)
    with pytest.raises(ArgumentError, match="several series"):
        load_forecast(shops(), horizon=3).schema.inputs.encode({name: shops()[name].to_list() for name in shops().columns})
    with pytest.raises(DataError, match="at least 24 steps"):
        latest_windows(frame.head(20), dataset.schema.inputs)


def test_rows_without_a_moment_are_set_aside():
    frame = monthly()
    broken = frame.with_columns(
        pl.when(pl.col("month") == "1950-03").then(pl.lit("?")).otherwise(pl.col("month")).alias("month")
    )
    dataset = load_forecast(broken, horizon=6)
    assert [row.reason for row in dataset.excluded] == ["it tells no moment"]
    assert any("1 of 144 steps had no value" in note for note in dataset.notes)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(20, 3000))
def test_the_lookback_leaves_windows_to_learn_from(horizon, season, steps):
    lookback = proposed_lookback(steps, horizon, season)
    assert lookback >= 1
    if steps >= steps_needed(horizon):
        assert steps - lookback - horizon + 1 >= min(8, (steps - horizon + 1) // 2)
    if season > 1 and steps >= 4 * (2 * season + horizon):
        assert lookback == max(2 * season, horizon)


def test_many_windows_are_thinned_and_it_is_said(monkeypatch):
    from leadline.data.forecasts import window_making

    monkeypatch.setattr(window_making, "_MOST_WINDOWS", 50)
    dataset = load_forecast(counting(400), horizon=3)
    assert 25 <= len(dataset.train) <= 50
    assert len(np.unique(np.diff(dataset.train.origins))) == 1
    assert any("th window is learned from" in note for note in dataset.notes)
    assert len(dataset.test) > 50


def test_the_cut_is_at_one_moment_for_all_series():
    dataset = load_forecast(shops(), horizon=3, known=["holiday"])
    for earlier, later in ((dataset.train, dataset.valid), (dataset.valid, dataset.test)):
        assert earlier.origins.max() + 2 * 86_400_000_000 < later.origins.min()
