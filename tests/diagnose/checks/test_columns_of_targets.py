"""Small targets beside large ones, and rare labels that are known and not said."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leadline.diagnose.check_readings import TargetColumns
from leadline.diagnose.checks.target_columns import read_target_columns, told_apart
from leadline.diagnose.readings import Branch, Judged, Readings
from leadline.diagnose.rules.judging import judge_readings, worth_trying
from leadline.diagnose.rules.of_target_columns import labels_never_said, targets_of_unlike_size
from leadline.diagnose.rules.outcomes import outcome_of
from leadline.diagnose.subject import Rows
from leadline.diagnose.trials.samples import a_subject


def inputs(count: int) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(0))


def test_numbers_by_column() -> None:
    x = inputs(600)
    rows = Rows(x, torch.stack([0.1 * x[:, 0], 20 * x[:, 1].square(), torch.ones(600)], 1))
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    columns = read_target_columns(a_subject(model, rows=rows, loss=F.mse_loss, task="number", rate=1e-3))
    small, large, never = columns.spreads
    assert small == pytest.approx(0.1, rel=0.1)
    assert large == pytest.approx(28, rel=0.2)
    assert never == 0
    assert columns.errors[0] > 1 > columns.errors[1]


def test_a_mean_and_a_deviation_of_each_are_no_columns_of_answers() -> None:
    def likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.gaussian_nll_loss(outputs[:, :2], targets, outputs[:, 2:].exp())

    x = inputs(200)
    subject = a_subject(nn.Linear(6, 4), rows=Rows(x, x[:, :2]), loss=likelihood, task="number", rate=1e-3, steps=3)
    assert read_target_columns(subject) == TargetColumns()


def test_labels_by_column() -> None:
    x = inputs(2000)
    chance = torch.rand(2000, generator=torch.Generator().manual_seed(1))
    rare = (x[:, 0] > 1.3) & (chance < 0.3)  # one in three of those that look like it
    rows = Rows(x, torch.stack([rare, x[:, 1] > 0], 1).float())
    model, weighted = nn.Linear(6, 2), nn.Linear(6, 2)
    loss = F.binary_cross_entropy_with_logits
    columns = read_target_columns(a_subject(model, rows=rows, loss=loss, task="labels", rate=0.5, steps=300))
    assert columns.found[0] < 0.2 * columns.there[0]
    assert columns.found[1] > 0.8 * columns.there[1]
    assert min(columns.apart) > 0.8

    def heavier(outputs: Tensor, targets: Tensor) -> Tensor:
        return loss(outputs, targets, pos_weight=torch.tensor([30.0, 1.0]))

    columns = read_target_columns(a_subject(weighted, rows=rows, loss=heavier, task="labels", rate=0.1, steps=300))
    assert columns.found[0] > 0.8 * columns.there[0]


def test_how_far_two_kinds_are_apart() -> None:
    values = torch.tensor([1.0, 2.0, 2.0, 3.0])
    assert told_apart(values, torch.tensor([False, False, True, True])) == 0.875
    assert told_apart(values, torch.tensor([False] * 4)) == 0.5


def readings_of(task: str, columns: TargetColumns) -> Readings:
    readings = Readings()
    readings.program.task, readings.targets = task, columns
    readings.last.train = readings.last.valid = Judged(400, 0.2, 0.06, 0.01, 0.01)
    readings.last.permuted_loss = 0.4
    readings.beside.valid_error = {"constant": 0.06 if task == "labels" else 1.0}
    return readings


def labels(share: float = 0.05, found: int = 1, apart: float = 0.9, there: int = 30) -> Readings:
    return readings_of("labels", TargetColumns(shares=[share, 0.4], there=[there, 200], found=[found, 180], apart=[apart, 0.9]))


def test_rare_labels_that_are_known_and_never_said_are_a_finding() -> None:
    assert [each.kind for each in judge_readings(labels())] == ["imbalance"]


@pytest.mark.parametrize(
    "sound",
    [
        labels(found=20),
        labels(apart=0.55),  # nobody knows them
        labels(there=6),
        labels(share=0.3),
    ],
)
def test_others_are_none(sound: Readings) -> None:
    assert judge_readings(sound).healthy
    assert not any(each.strength > 0.5 for each in labels_never_said(sound, outcome_of(sound)))


def test_small_targets_are_put_to_the_proof() -> None:
    readings = readings_of("number", TargetColumns(spreads=[0.1, 8.0, 0.0], errors=[0.9, 0.05, 0.0]))
    assert worth_trying(readings)[0] == ("standardize_targets", None)
    assert judge_readings(readings).healthy  # as long as nothing is proven
    readings.branches = [Branch("standardize_targets", None, 99, [0.1] * 3, [0.5] * 3, [0.02] * 3, [0.5] * 3, 0.48, 0.01)]
    readings.last.valid = Judged(400, 3.0, 0.5, 0.1, 0.03)
    found = judge_readings(readings)
    assert [each.kind for each in found] == ["inputs_not_prepared"]
    assert "smallest" in found[0].evidence[0].name


@pytest.mark.parametrize(("spreads", "errors"), [([1.0, 2.0], [0.9, 0.1]), ([0.1, 8.0], [0.1, 0.1]), ([], [])])
def test_targets_of_like_size_or_learned_alike_are_none(spreads: list[float], errors: list[float]) -> None:
    readings = readings_of("number", TargetColumns(spreads=spreads, errors=errors))
    assert not any(each.strength for each in targets_of_unlike_size(readings, outcome_of(readings)))
