"""Series in time from a csv to a Run that is judged beside naive forecasts, reported, opened, forecast with and resumed."""

from __future__ import annotations

import datetime
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from small_trainings import AtStep

import leadline
from leadline import data
from leadline.baselines.forecasts import naive_forecasts
from leadline.data.forecasts.windows import Windows
from leadline.errors import ArgumentError, DataError, Interrupted, LeadlineError, PlanError
from leadline.runs import DatedForecasts, Run
from leadline.runs.forecasts import judge_forecasts

QUICK = {"training.epochs": 3, "training.threads": 1, "training.device": "cpu", "training.step": "plain", "model.width": 16}
HORIZON = 6


def months(count: int = 150, *, more: int = 0, holidays: bool = False) -> pl.DataFrame:
    """A season of 12 months, whose heights differ from year to year; `more` months have no value yet."""
    random = np.random.default_rng(0)
    names = [f"{2000 + at // 12}-{at % 12 + 1:02}" for at in range(count + more)]
    heights = np.repeat(random.normal(10, 2, (count + more) // 12 + 1), 12)[: count + more]
    holiday = random.random(count + more) < 0.2
    values = 100 + heights * np.sin(np.arange(count + more) * np.pi / 6) + random.normal(size=count + more)
    values += 15 * holiday * holidays
    sold = [f"{value:.3f}" if at < count else "" for at, value in enumerate(values)]
    columns = {"month": names, "sold": sold}
    return pl.DataFrame({**columns, "holiday": np.where(holiday, "yes", "no")} if holidays else columns)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "sales.csv"
    months().write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(shop: Path) -> Run:
    changes = {"data.forecast": HORIZON, **QUICK}
    return leadline.train(shop, changes=changes, folder=shop.parent / "run")


def test_the_plan_says_what_is_forecast_and_why(run: Run) -> None:
    plan = run.plan
    assert (plan.data.task, plan.data.forecast, plan.data.lookback) == ("forecast", HORIZON, 24)
    assert (plan.data.target, plan.data.time, plan.model.name) == ("sold", "month", "forecaster")
    assert "12 steps before" in plan.why["model.name"]
    assert plan.why["data.forecast"] == "chosen by you"
    assert leadline.plan.Plan.from_toml(plan.to_toml()).data == plan.data


def test_it_is_judged_beside_naive_forecasts_of_the_same_steps(run: Run, shop: Path) -> None:
    dataset = data.load(shop, forecast=HORIZON)
    windows: Any = dataset.schema.inputs
    truth = windows.in_units(dataset.test.targets, dataset.test.series)  # type: ignore[attr-defined]
    results = run.results
    assert [row["name"] for row in results["baselines"]] == ["seasonal naive", "naive", "drift"]
    for row, answer in zip(results["baselines"], naive_forecasts(dataset), strict=True):
        assert row["scores"]["mae"]["value"] == pytest.approx(np.abs(answer.probabilities - truth).mean())
    outputs = windows.in_units(run.predictor.all_values(dataset.test.inputs), dataset.test.series)  # type: ignore[attr-defined]
    assert results["headline"] == "mae"
    assert run.score == pytest.approx(np.abs(outputs - truth).mean())
    assert results["steps"]["network"] == pytest.approx(np.abs(outputs - truth).mean(axis=(0, 2)))
    ahead = results["baselines"][0]["network_ahead"]
    assert ahead["value"] == pytest.approx(run.score - results["baselines"][0]["scores"]["mae"]["value"])
    assert (ahead["low"], ahead["high"]) == (None, None)  # one stretch of time alone


def test_the_report_shows_forecasts_and_the_error_by_step(run: Run, drawn: None) -> None:
    page = run.report().read_text(encoding="utf-8")
    assert 'id="forecasts"' in page
    assert "Error by step" in page
    assert "Mean absolute error, in deviations" in page
    assert "moments it had never seen" in page
    assert page.count("<svg") > 5


def test_an_opened_run_gives_the_next_dated_values(run: Run, shop: Path) -> None:
    again = leadline.open(run.folder)
    found = again.predict(shop)
    assert isinstance(found, DatedForecasts)
    assert [row["month"] for row in found] == [f"2012-{month:02}" for month in range(7, 13)]
    assert found.columns == ["month", "sold", "sold low", "sold high"]
    assert all(row["sold low"] < row["sold"] < row["sold high"] for row in found)
    assert all(70 < row["sold"] < 130 for row in found)
    assert again.predict(pl.read_csv(shop, infer_schema=False)).rows == found.rows  # type: ignore[union-attr]
    assert again.predict(months().to_dict(as_series=False)).rows == found.rows  # type: ignore[union-attr]
    assert found.frame().shape == (6, 4)
    assert "<svg" in found._repr_html_()
    assert again.features(shop).shape == (1, 16)


def test_what_comes_next_does_not_depend_on_what_came_long_before(run: Run) -> None:
    """The window is what a network sees, and a shorter table has the same one at its end."""
    whole, end = months(), months().tail(30)
    assert run.predict(end).rows == run.predict(whole).rows  # type: ignore[union-attr]
    with pytest.raises(DataError, match="at least 24 steps"):
        run.predict(whole.tail(20))


def test_evaluating_the_training_file_is_its_test_part_and_later_rows_are_new(run: Run, shop: Path, tmp_path: Path) -> None:
    own = run.evaluate(shop)
    assert own["scores"]["mae"]["value"] == pytest.approx(run.score)
    assert "only its test split counts" in own["note"]
    later = tmp_path / "later.csv"
    months(180).write_csv(later)
    new = run.evaluate(later)
    assert new["rows"] > own["rows"]
    assert {"mae", "mase", "rmse", "smape"} == set(new["scores"])
    json.dumps(new, allow_nan=False)


def test_an_interrupted_training_goes_on_to_the_same_weights(shop: Path, run: Run, tmp_path: Path) -> None:
    changes = {"data.forecast": HORIZON, **QUICK}
    observer = AtStep(12, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        leadline.train(shop, changes=changes, folder=tmp_path / "again", observer=observer)
    resumed = leadline.resume(tmp_path / "again")
    for name, weight in run.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name]), name
    assert resumed.score == run.score


def test_several_series_are_told_apart_and_strange_ones_judged(tmp_path: Path) -> None:
    parts = [months(96).with_columns(pl.lit(name).alias("shop")) for name in "abcdef"]
    changes = {"data.forecast": 4, "data.target": "sold", **QUICK}
    run = leadline.train(pl.concat(parts), changes=changes, folder=tmp_path / "run")
    assert run.plan.data.series == "shop"
    assert run.results["redrawn"] == "series"
    strange = months(96).with_columns(pl.lit("z").alias("shop"))
    found = run.predict(strange)
    assert len(found) == 4
    assert any("not in the training" in note for note in found.notes)  # type: ignore[union-attr]
    assert run.evaluate(strange)["rows"] > 0


def test_a_known_future_is_asked_for_and_used(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    months(holidays=True).write_csv(path)
    changes = {"data.forecast": HORIZON, "data.known": "holiday", **QUICK}
    run = leadline.train(path, changes=changes, folder=tmp_path / "run")
    assert isinstance(run.schema.inputs, Windows)
    assert run.schema.inputs.known > 0
    with pytest.raises(DataError, match="What is known beforehand is not there"):
        run.predict(path)
    assert len(run.predict(months(more=HORIZON, holidays=True))) == HORIZON


def test_restarts_are_averaged(shop: Path, tmp_path: Path) -> None:
    changes = {"data.forecast": HORIZON, **QUICK, "start.restarts": 2, "start.ensemble": True, "training.epochs": 1}
    run = leadline.train(shop, changes=changes, folder=tmp_path / "run")
    again = leadline.open(run.folder)
    assert again.score == run.score
    assert len(again.predict(shop)) == HORIZON


def test_a_quantile_is_judged_by_what_lies_below(shop: Path, tmp_path: Path) -> None:
    changes = {"data.forecast": HORIZON, **QUICK, "training.loss": "quantile(tau=0.9)"}
    run = leadline.train(shop, changes=changes, folder=tmp_path / "run")
    dataset = data.load(shop, forecast=HORIZON)
    outputs = run.predictor.all_values(dataset.test.inputs)
    assert run.results["baselines"] == []
    assert run.results["coverage"] == {"quantile": 0.9, "share": pytest.approx((dataset.test.targets <= outputs).mean())}


def test_intervals_draw_stretches_and_not_single_rows(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    months(400).write_csv(path)
    split: Any = data.read(path, run.schema)
    record, *_ = judge_forecasts(run.predictor, split)
    assert record["redrawn"] == f"stretches of {HORIZON} steps"
    score = record["scores"]["mae"]
    assert score["low"] < score["value"] < score["high"]
    # All moments three times over: rows drawn singly would narrow the interval, stretches of time do not.
    record, *_ = judge_forecasts(run.predictor, split.take(np.repeat(np.arange(len(split)), 3)))
    assert record["scores"]["mae"]["low"] == pytest.approx(score["low"])
    assert record["scores"]["mae"]["high"] == pytest.approx(score["high"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data.task": "forecast"}, "not said how many steps"),
        ({"data.forecast": 6, "data.task": "number"}, "task of its own"),
        ({"data.forecast": 6, "data.group": "sold"}, "A forecast has no choice of 'group'"),
        ({"data.lookback": 12}, "Only a forecast"),
        ({"data.forecast": 6, "data.target": "sole"}, "sold"),
        ({"data.forecast": 60}, "Forecast fewer"),
        ({"data.forecast": -1}, "out of range"),
        ({"data.forecast": 6, "model": "mlp"}, "does not forecast"),
        ({"model": "forecaster", "data.target": "sold"}, "does forecast"),
        ({"data.forecast": 6, "training.loss": "cross_entropy"}, "not for the task 'forecast'"),
        ({"data.forecast": 6, "model.encoder": "cnn"}, "encoder"),
    ],
)
def test_what_does_not_go_together_is_told(changes: dict[str, Any], says: str, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(LeadlineError, match=says):
        leadline.train(shop, changes={**QUICK, **changes} if "model" not in changes else changes, folder=tmp_path / "run")


def test_no_script_is_written_and_no_column_is_a_pair(run: Run) -> None:
    with pytest.raises(PlanError, match="not written as a script"):
        leadline.runs.script_run(run.folder)
    with pytest.raises(ArgumentError, match="differ in length"):
        run.predict({"month": ["2024-01"], "sold": [1, 2]})


def test_typed(type_in: Callable[..., tuple[int, str, str]], shop: Path, tmp_path: Path) -> None:
    quick = [f"--set={key}={value}" for key, value in QUICK.items()]
    folder = tmp_path / "run"
    status, said, _ = type_in("train", shop, "--forecast", HORIZON, "--lookback", 18, "--folder", folder, *quick)
    assert status == 0
    assert "seasonal naive" in said
    assert f"leadline predict {folder} {shop}" in " ".join(said.split())
    status, said, _ = type_in("predict", folder, shop)
    lines = said.splitlines()
    assert status == 0
    assert lines[0].split() == ["month", "sold", "sold", "low", "sold", "high"]
    assert [line.split()[0] for line in lines[1:]] == [f"2012-{month:02}" for month in range(7, 13)]
    _, said, _ = type_in("predict", folder, shop, "--csv")
    assert said.splitlines()[0] == "month,sold,sold low,sold high"
    _, said, _ = type_in("predict", folder, shop, "--json")
    assert [json.loads(line)["month"] for line in said.splitlines()] == [f"2012-{month:02}" for month in range(7, 13)]
    status, said, _ = type_in("evaluate", folder, shop)
    assert status == 0
    assert "beside it" in said
    assert "bands" in said
    status, _, told = type_in("predict", folder, shop, "--top", 3)
    assert status == 2
    assert "forecasts" in told
    status, _, told = type_in("predict", folder, tmp_path / "nothing.csv")
    assert status == 2
    assert "nothing.csv" in told


def test_a_table_of_several_series_is_no_single_one(
    run: Run, tmp_path: Path, type_in: Callable[..., tuple[int, str, str]]
) -> None:
    path = tmp_path / "shops.csv"
    pl.concat([months(180).with_columns(pl.lit(name).alias("shop")) for name in "ab"]).write_csv(path)
    for verb in ("evaluate", "predict"):
        status, _, told = type_in(verb, run.folder, path)
        assert status == 2
        assert "180 of 360 rows have the moment of another row" in " ".join(told.split())


def test_days_come_back_as_days(tmp_path: Path) -> None:
    start = datetime.date(2024, 1, 1)
    days = [(start + datetime.timedelta(days=at)).isoformat() for at in range(120)]
    frame = pl.DataFrame({"day": days, "y": [float(at % 7) + at / 50 for at in range(120)]})
    run = leadline.train(frame, changes={"data.forecast": 3, **QUICK}, folder=tmp_path / "run")
    assert [row["day"] for row in run.predict(frame)] == ["2024-04-30", "2024-05-01", "2024-05-02"]  # type: ignore[union-attr]
