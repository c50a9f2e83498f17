import inspect
import re

import numpy as np
import polars as pl
import pytest
import torch

from leadline.baselines.forecasts import naive_forecasts
from leadline.data.forecasts.forecasting import load_forecast
from leadline.models.forecasters import forecaster
from leadline.plan.forecasts import forecast_facts, forecast_network, forecast_training


def dataset(count, **options):
    rng = np.random.default_rng(0)
    values = 50 + 10 * np.sin(np.arange(count) * np.pi / 6) + rng.normal(size=count)
    return load_forecast(pl.DataFrame({"t": range(count), "y": values}), horizon=6, **options)


SHORT, LONG = dataset(150), dataset(3000)


@pytest.mark.parametrize("made", [SHORT, LONG])
def test_the_arguments_build_a_network_that_begins_at_the_naive_forecast(made):
    why = {}
    arguments = forecast_network(made, why)
    assert set(arguments) <= set(inspect.signature(forecaster).parameters)
    assert all(f"{len(made.train):,}" in reason for reason in why.values())
    assert {key.removeprefix("model.") for key in why} == set(arguments) - {"depth"}
    windows = made.schema.inputs
    network = forecaster(windows.shape, 1, horizon=6, known=windows.known, season=windows.season, **arguments)
    answers = windows.in_units(network.eval()(torch.from_numpy(made.test.inputs[:])).detach().numpy(), made.test.series)
    np.testing.assert_allclose(answers, naive_forecasts(made)[0].probabilities, rtol=1e-5)


@pytest.mark.parametrize("made", [SHORT, LONG])
def test_each_choice_has_a_reason_with_a_number(made):
    why = {}
    facts = forecast_facts(made, why)
    forecast_network(made, why)
    training = forecast_training(made, {}, why)
    assert facts["forecast"] == 6
    assert facts["lookback"] == made.schema.inputs.lookback == 24
    assert why["data.lookback"].startswith("two seasons of 12 steps")
    assert (facts["target"], facts["time"], facts["series"], facts["transform"]) == ("y", "t", "", "none")
    for key in ("loss", "batch", "epochs", "learning_rate", "schedule", "weight_decay", "monitor", "patience", "average"):
        assert why[f"training.{key}"]
    assert [key for key, reason in why.items() if not re.search(r"\d", reason)] == []
    assert training.loss == "absolute_error"
    assert training.epochs * -(-len(made.train) // training.batch) >= 240


def test_a_persons_own_batch_and_epochs_are_what_reasons_speak_of():
    why = {}
    training = forecast_training(LONG, {"training.batch": 100, "training.epochs": 7}, why)
    assert (training.batch, training.epochs) == (100, 7)
    assert why["training.epochs"].startswith("7 times")
    steps = -(-len(LONG.train) // 100)
    assert f"{steps:,} steps an epoch" in why["training.batch"]
    assert forecast_training(LONG, {"training.batch": 0}, why).batch == len(LONG.train)


def test_logarithms_are_told():
    growing = pl.DataFrame({"t": range(200), "y": np.exp(0.02 * np.arange(200)) * (2 + np.sin(np.arange(200) * np.pi / 6))})
    why = {}
    facts = forecast_facts(load_forecast(growing, horizon=6), why)
    assert facts["transform"] == "log"
    assert "grows with the level" in why["data.transform"]


def test_few_validation_moments_do_not_choose_the_epoch():
    why = {}
    assert forecast_training(SHORT, {}, why).monitor == "loss"
    assert "share their steps" in why["training.monitor"]
    assert forecast_training(LONG, {}, why).monitor == "valid_loss"
    assert forecast_training(SHORT, {"training.schedule": "plateau"}, why).monitor == "valid_loss"
