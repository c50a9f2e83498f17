"""How likely test rows are: summed where that costs no more, sampled where there is time, doubted where few chains count."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import leadline
from leadline.data.dataset import Split
from leadline.models import RestrictedBoltzmannMachine
from leadline.models.boltzmann.annealed_sampling import exact_log_partition, log_likelihood
from leadline.runs.reconstructing import likelihoods
from leadline.runs.reconstructing.likelihoods import NO_TIME, affordable_passes, likelihood_of, likelihood_sentence

QUICK = {"data.task": "reconstruct", "training.threads": 1, "training.device": "cpu", "model": "rbm"}
CPU = torch.device("cpu")


def machine(units: int, hidden: int, spread: float) -> RestrictedBoltzmannMachine:
    torch.manual_seed(0)
    made = RestrictedBoltzmannMachine((units,), hidden)
    with torch.no_grad():
        made.weight.normal_(0, spread)
    return made


def asked(made: RestrictedBoltzmannMachine) -> dict[str, Any] | None:
    """What is found for rows of 0 and 1."""
    rows = (np.random.default_rng(0).random((60, made.weight.shape[1])) < 0.4).astype(np.float32)
    split = Split(rows, np.zeros(60, np.int64), [str(at) for at in range(60)])
    predictor: Any = SimpleNamespace(model=made, device=CPU, prepared=torch.from_numpy)
    return likelihood_of(predictor, split, split)


def time_for(temperatures: int, made: RestrictedBoltzmannMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, visible = made.weight.shape
    work = 4 * hidden * visible + likelihoods._OF_A_UNIT * (hidden + visible)
    monkeypatch.setattr(likelihoods, "_WORK", 100 * temperatures * work)


@pytest.mark.parametrize("shape", [(12, 8), (9, 30)])
def test_the_sum_is_taken_where_it_costs_no_more(shape: tuple[int, int]) -> None:
    made = machine(*shape, spread=1.0)
    found = asked(made)
    assert found is not None
    assert found["by"] == f"the sum over all {2 ** min(shape)} states"
    assert found["log_partition"] == exact_log_partition(made)
    assert likelihood_sentence(found).endswith(f"states: log Z {found['log_partition']:.1f}")


def test_there_are_as_many_temperatures_as_there_is_time_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = machine(40, 17, spread=0.3)
    assert affordable_passes(made, CPU) == 100_000
    time_for(250, made, monkeypatch)
    found = asked(made)
    assert found is not None
    assert "over 250 temperatures" in found["by"]
    assert abs(found["log_partition"] - exact_log_partition(made)) < 5 * found["log_partition_error"]
    assert "doubt" not in found
    time_for(99, made, monkeypatch)
    assert asked(made) is None


def test_few_chains_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = machine(40, 17, spread=3.0)
    time_for(100, made, monkeypatch)
    found = asked(made)
    assert found is not None
    assert found["effective_chains"] < 20
    assert f"log Z rests on {found['effective_chains']:.0f} of 100 chains" in likelihood_sentence(found)
    assert "less likely" in likelihood_sentence(found)


def by_mixture(made: RestrictedBoltzmannMachine, x: Tensor) -> Tensor:
    """A machine of Gaussian units is a mixture of 2^H normal distributions, one for each state of its hidden units."""
    weight, b, c, mean, scale = (
        each.detach().double() for each in (made.weight, made.visible_bias, made.hidden_bias, made.mean, made.scale)
    )
    states = torch.tensor(list(itertools.product([0.0, 1.0], repeat=len(c))), dtype=torch.float64)
    centres = b + states @ weight  # 2^H, D
    shares = (states @ c + 0.5 * (centres.square() - b.square()).sum(1)).log_softmax(0)
    distances = ((x.double() - mean) / scale)[:, None] - centres
    normal = -0.5 * distances.square().sum(2) - 0.5 * len(b) * math.log(2 * math.pi)
    return torch.logsumexp(shares + normal, 1) - scale.log().sum()


@pytest.mark.parametrize("hidden", [3, 17])
def test_numbers_are_as_likely_as_the_mixture_makes_them(hidden: int, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(120, 4)) @ chance.normal(size=(4, 4)) * 3 + 7
    changes = {**QUICK, "model.hidden": hidden, "training.epochs": 20, "training.learning_rate": 0.02}
    run = leadline.train(rows, changes=changes, folder=tmp_path / "run")
    found, made = run.results["likelihood"], run.model
    assert isinstance(made, RestrictedBoltzmannMachine)
    assert made.visible == "gaussian"
    assert made.weight.abs().max() > 0.1, "it has learned something"
    test = run.predictor.prepared(leadline.data.load(rows, task="reconstruct").test.array)
    slack = 5 * found.get("log_partition_error", 0.0) + 1e-4
    assert found["nats"] == pytest.approx(by_mixture(made, test).mean().item(), abs=slack)
    assert slack < 0.1
    assert ("log_partition_error" in found) == (hidden == 17)


def test_odd_rows_are_no_part_of_it_and_the_best_of_several_is_kept(tmp_path: Path) -> None:
    changes = {**QUICK, "data.usual": "0,1", "model.hidden": 8, "training.epochs": 1, "start.restarts": 2}
    run = leadline.train("digits", changes=changes, folder=tmp_path / "run")
    found, told = run.results["likelihood"], run.results["oddness"]
    assert 0 < told["usual"] < told["rows"] / 3
    assert found["rows"] == told["usual"]
    assert len(run.results["restarts"]["networks"]) == 2
    assert (run.folder / "report.html").exists()
    dataset = leadline.data.load("digits", task="reconstruct", usual="0,1")
    answers: Any = dataset.schema.answers
    made: Any = run.model
    usual = run.predictor.prepared(dataset.test.array[~answers.is_odd(dataset.test.targets)])
    drawn = torch.bernoulli(usual, generator=torch.Generator().manual_seed(0))
    values = log_likelihood(made, drawn, exact_log_partition(made))
    assert found["nats"] == pytest.approx(values.mean().item(), abs=1e-3)


def test_what_there_is_no_time_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihoods, "_WORK", 1000.0)
    rows = np.random.default_rng(0).normal(size=(60, 4))
    changes = {**QUICK, "model.hidden": 3, "training.epochs": 1}
    run = leadline.train(rows, changes=changes, folder=tmp_path / "run")
    assert "likelihood" not in run.results
    assert NO_TIME in run.results["notes"]
