"""The table of metrics: which, in which order, and what it says about each."""

from __future__ import annotations

import pytest
import torch

from leadline import metrics
from leadline.errors import ArgumentError


@pytest.mark.parametrize(
    ("task", "outputs", "names"),
    [
        ("classes", 2, ["accuracy", "balanced_accuracy", "f1", "auroc", "average_precision", "log_loss", "calibration_error"]),
        ("labels", 9, ["average_precision", "auroc", "f1", "exact_match", "labels_accuracy", "log_loss"]),
        ("number", 1, ["mae", "rmse", "r2"]),
    ],
)
def test_the_metrics_of_a_task_in_order(task: str, outputs: int, names: list[str]) -> None:
    table = metrics.for_task(task, outputs)
    assert list(table) == names
    assert [metric.name for metric in table.values()] == names
    assert all(metric.title for metric in table.values())


@pytest.mark.parametrize(("outputs", "there"), [(5, False), (6, True)])
def test_five_guesses_among_five_say_nothing(outputs: int, there: bool) -> None:
    assert ("top_5_accuracy" in metrics.for_task("classes", outputs)) is there


@pytest.mark.parametrize("task", ["classes", "labels", "number"])
def test_the_better_answer_scores_better(task: str) -> None:
    t = torch.arange(12) % 6 if task == "classes" else (torch.arange(24).reshape(12, 2) % 3 == 0).float()
    truth = torch.eye(6)[t] if task == "classes" else t
    good, bad = 0.7 * truth + 0.05, 0.05 + 0.7 * truth.roll(1, 0)
    for metric in metrics.for_task(task, 6).values():
        better = metric.function(good, t) > metric.function(bad, t)
        assert bool(better) is metric.higher_is_better, metric.name


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'classes'"):
        metrics.for_task("class", 2)
