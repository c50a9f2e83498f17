"""Many networks for one Run: at once or one after another, searched over, averaged, interrupted and gone on with."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_trainings import AtStep, tables

import leadline
from leadline.errors import Interrupted, PlanError, TrainingError
from leadline.optim import Schedule
from leadline.plan import building, populations
from leadline.runs import Observer, Run

QUICK: dict[str, Any] = {
    "model": "mlp",
    "model.width": 8,
    "training.epochs": 5,
    "training.batch": 32,
    "training.threads": 1,
    "training.step": "plain",
}
WAYS = ("stacked", "one by one")


def train(folder: Path, observer: Observer | None = None, **changes: Any) -> Run:
    rows, targets = tables("classes")
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return leadline.train(rows, targets=targets, folder=folder, changes={**QUICK, **keys}, observer=observer)


class Noting(Observer):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}

    def note(self, label: str, text: str) -> None:
        self.notes[label] = text


def networks(run: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.results["restarts"]["networks"]
    return found


def weights(run: Run) -> list[torch.Tensor]:
    return list(run.model.state_dict().values())


@pytest.mark.parametrize("together", WAYS)
def test_the_best_of_several_is_the_one_that_a_training_alone_gives(together: str, tmp_path: Path) -> None:
    run = train(tmp_path / "many", start__restarts=4, start__together=together)
    values = [row["value"] for row in networks(run)]
    winner = run.results["restarts"]["winner"]
    assert len(set(values)) == 4
    assert values[winner] == min(values)
    assert [row["changes"] for row in networks(run)] == [{"training.seed": seed} for seed in range(4)]
    alone = train(tmp_path / "alone", training__seed=winner)
    for one, other in zip(weights(run), weights(alone), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert run.score == pytest.approx(alone.score, abs=0.05)


def test_both_ways_come_to_the_same(tmp_path: Path) -> None:
    stacked, one_by_one = (train(tmp_path / way, start__restarts=3, start__together=way) for way in WAYS)
    for one, other in zip(networks(stacked), networks(one_by_one), strict=True):
        assert one["value"] == pytest.approx(other["value"], rel=1e-3)
        assert one["best_epoch"] == other["best_epoch"]


@pytest.mark.parametrize("together", WAYS)
def test_lists_of_values_are_searched_over(together: str, tmp_path: Path) -> None:
    run = train(tmp_path / "run", training__learning_rate=[1e-5, 0.01], start__restarts=2, start__together=together)
    assert [row["changes"] for row in networks(run)] == [
        {"training.learning_rate": rate, "training.seed": seed} for rate in (1e-5, 0.01) for seed in (0, 1)
    ]
    assert networks(run)[run.results["restarts"]["winner"]]["changes"]["training.learning_rate"] == 0.01


@pytest.mark.parametrize("together", WAYS)
@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_an_ensemble_answers_with_the_mean_and_is_opened_again(together: str, task: str, tmp_path: Path) -> None:
    rows, targets = tables(task)
    changes = {**QUICK, "start.restarts": 3, "start.ensemble": True, "start.together": together}
    run = leadline.train(rows, targets=targets, folder=tmp_path / "run", changes=changes)
    prepare = run.schema.inputs.preparer(torch.device("cpu"))
    finish = run.schema.answers.values if task == "number" else run.schema.answers.probabilities
    with torch.no_grad():
        outputs = torch.stack([network(prepare(torch.from_numpy(rows))) for network in run.model.networks])
    expected = {
        "classes": outputs.softmax(-1).mean(0).log(),
        "labels": outputs.sigmoid().mean(0).logit(),
        "number": outputs.mean(0),
    }
    found = run.predict(list(rows)).values
    np.testing.assert_allclose(found, finish(expected[task]).numpy(), rtol=1e-4, atol=1e-4)
    again = leadline.open(run.folder)
    np.testing.assert_array_equal(again.predict(list(rows)).values, found)


@pytest.mark.parametrize("together", WAYS)
@pytest.mark.parametrize("step", [3, 15])  # within an epoch, and at the end of one
def test_interrupted_and_resumed_is_as_if_it_had_not_been(together: str, step: int, tmp_path: Path) -> None:
    rows, targets = tables("classes")
    whole = train(tmp_path / "whole", start__restarts=3, start__together=together)
    stop = AtStep(step, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted):
        train(tmp_path / "cut", stop, start__restarts=3, start__together=together)
    resumed = leadline.resume(tmp_path / "cut", rows, targets=targets, observer=(observer := Noting()))
    assert f"after {step} steps" in observer.notes["resuming"]
    assert networks(resumed) == networks(whole)
    assert all(torch.equal(one, other) for one, other in zip(weights(resumed), weights(whole), strict=True))
    for one, other in zip(resumed.history, whole.history, strict=True):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


@pytest.mark.parametrize("together", WAYS)
def test_a_network_that_comes_to_nothing_does_not_take_the_others_with_it(together: str, tmp_path: Path) -> None:
    wild = {"training__optimizer": "sgd", "training__learning_rate": [0.1, 1e30], "training__average": ""}
    run = train(tmp_path / "run", start__together=together, **wild)
    assert [row["value"] is None for row in networks(run)] == [False, True]
    assert networks(run)[1]["stopped"]


def test_where_none_learns_anything_that_is_said(tmp_path: Path) -> None:
    wild = {"training__optimizer": "sgd", "training__learning_rate": [1e30, 1e31], "training__average": ""}
    with pytest.raises(TrainingError, match="None of the 2 networks"):
        train(tmp_path / "run", start__together="one by one", **wild)


def test_what_was_measured_decides_and_is_written_down(tmp_path: Path) -> None:
    run = train(tmp_path / "run", start__restarts=3)
    assert run.plan.start.together in WAYS
    assert "a step of all 3 takes" in run.plan.why["start.together"]


def test_what_cannot_be_stacked_goes_one_after_another_and_says_so(tmp_path: Path) -> None:
    run = train(tmp_path / "run", start__restarts=2, training__average="swa(0.5)")
    assert run.plan.start.together == "one by one"
    assert "swa" in run.plan.why["start.together"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start__search": {"training.lerning_rate": [1]}}, "Did you mean 'training.learning_rate'"),
        ({"start__search": {"training.learning_rate": []}}, "list of values .* is empty"),
        ({"training__learning_rate": [0.1, -1.0]}, "learning_rate is out of range"),
        ({"training__learning_rate": [0.1, "much"]}, "wrong kind of value"),
        ({"start__restarts": 0}, "start.restarts is out of range"),
        ({"start__ensemble": True}, "needs several networks"),
    ],
)
def test_what_is_no_search_is_refused_before_anything_is_trained(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=words):
        train(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_networks_that_differ_in_a_layer_go_one_after_another(tmp_path: Path) -> None:
    run = train(tmp_path / "run", model__dropout=[0.0, 0.5])
    assert run.plan.start.together == "one by one"
    assert "differs from network 0" in run.plan.why["start.together"]


def test_shares_of_dropout_are_searched_over_at_once(tmp_path: Path) -> None:
    run = train(tmp_path / "run", model__dropout=[0.1, 0.5], start__together="stacked")
    assert [row["changes"] for row in networks(run)] == [{"model.dropout": 0.1}, {"model.dropout": 0.5}]


@pytest.mark.parametrize(
    "changes",
    [
        {"training__average": "swa(0.5)"},
        {"training__average": "lookahead"},
        {"training__accumulate": 4},
        {"training__schedule": "plateau"},
        {"training__precision": "bfloat16"},
        {"training__optimizer": "lbfgs"},
        {"training__step": "recorded"},
        {"training__monitor": "loss"},
    ],
)
def test_one_program_does_not_pass_over_a_choice_in_silence(changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="cannot be trained in one program"):
        train(tmp_path / "run", start__restarts=2, start__together="stacked", **changes)


def test_what_one_program_decides_is_written_down(tmp_path: Path) -> None:
    run = train(tmp_path / "run", start__restarts=2, start__together="stacked", training__step="auto")
    assert run.plan.training.step == "plain"


@pytest.mark.parametrize("same", [{"training__learning_rate": [0.1, 0.1]}, {"training__seed": [0, 1], "start__restarts": 2}])
def test_no_network_is_trained_twice(same: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="would be the same"):
        train(tmp_path / "run", **same)


@pytest.mark.parametrize("together", WAYS)
def test_what_a_network_had_come_to_before_it_went_wrong_counts(
    together: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A rate beyond all bounds after the second epoch.
    late = Schedule(lambda progress: 1.0 if progress < 0.4 else 1e30, "late")
    for module in (building, populations):
        monkeypatch.setattr(module, "make_schedule", lambda *given, **named: late)
    plain = {"training__optimizer": "sgd", "training__average": "", "training__momentum": 0.0}
    run = train(tmp_path / "run", start__restarts=2, start__together=together, **plain)
    assert [row["best_epoch"] for row in networks(run)] == [2, 2]
    assert all(row["value"] is not None for row in networks(run))
    assert run.score > 0.5
