"""Bootstrap intervals: against plain resampling, against theory, at the ends, in time."""

from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from leadline import metrics
from leadline.errors import ArgumentError
from leadline.metrics import bootstrap_interval, for_task, paired_difference

ACCURACY = metrics.for_task("classes", 2)["accuracy"]


def class_rows(count: int, classes: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    t = torch.randint(classes, (count,), generator=draw)
    logits = torch.randn(count, classes, generator=draw) + 1.5 * torch.eye(classes)[t]
    return logits.softmax(1), t


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "f1", "auroc", "average_precision", "log_loss"])
def test_as_drawing_the_rows_themselves(name: str) -> None:
    p, t = class_rows(150)
    metric = metrics.for_task("classes", 3)[name]
    low, high = metrics.bootstrap_interval(metric, p, t, resamples=2000)
    draw = np.random.default_rng(1)
    again = [metric.function(p[chosen], t[chosen]).item() for chosen in torch.from_numpy(draw.integers(0, 150, (1000, 150)))]
    expected = np.quantile(again, [0.025, 0.975])
    # Two bootstraps of 1,000 and more differ in their ends by a few hundredths of the width.
    assert (low, high) == pytest.approx(expected, abs=0.15 * (expected[1] - expected[0]))


def test_the_interval_of_a_share_is_that_of_theory() -> None:
    p = torch.eye(2)[(torch.arange(1000) < 900).long()]
    low, high = metrics.bootstrap_interval(ACCURACY, p, torch.ones(1000).long(), resamples=4000)
    expected = stats.norm.interval(0.95, 0.9, math.sqrt(0.9 * 0.1 / 1000))
    assert (low, high) == pytest.approx(expected, abs=0.003)


def test_a_higher_level_is_wider_and_more_rows_are_narrower() -> None:
    few, many = class_rows(100), class_rows(2500)
    widths = [np.diff(metrics.bootstrap_interval(ACCURACY, *few, level=level)).item() for level in (0.5, 0.9, 0.99)]
    assert widths == sorted(widths)
    assert np.diff(metrics.bootstrap_interval(ACCURACY, *many)).item() < 0.35 * np.diff(
        metrics.bootstrap_interval(ACCURACY, *few)
    )


@pytest.mark.parametrize("right", [True, False])
def test_when_every_row_is_alike_the_exact_bound_stands_in(right: bool) -> None:
    t = torch.arange(30) % 2
    low, high = metrics.bootstrap_interval(ACCURACY, torch.eye(2)[t if right else 1 - t], t)
    exact = stats.binomtest(30 if right else 0, 30).proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((exact.low, exact.high))


def test_a_perfect_calibration_error_claims_nothing_worse() -> None:
    error = metrics.for_task("classes", 2)["calibration_error"]
    assert metrics.bootstrap_interval(error, torch.eye(2), torch.arange(2)) == (0, 0)


def test_the_score_lies_inside() -> None:
    # Redrawn rows look worse calibrated than the rows themselves, so all redraws may lie above the score.
    p, t = class_rows(60, seed=3)
    for name, entry in metrics.scores("classes", p, t, resamples=200).items():
        assert entry["low"] <= entry["value"] <= entry["high"], name  # type: ignore[operator]


def test_the_seed_decides() -> None:
    p, t = class_rows(80)
    once, again, other = (
        metrics.bootstrap_interval(metrics.for_task("classes", 3)["log_loss"], p, t, seed=seed) for seed in (1, 1, 2)
    )
    assert once == again != other


@pytest.mark.parametrize(
    ("task", "p", "t"),
    [
        ("classes", torch.full((4, 6), 1 / 6), torch.arange(4)),
        ("labels", torch.full((4, 2), 0.7), torch.tensor([[0.0, 1], [1, 1], [0, 1], [1, 0]])),
        ("number", torch.arange(4.0)[:, None], torch.tensor([[1.0], [1], [2], [4]])),
    ],
)
def test_scores_are_the_metrics_and_fit_into_json(task: str, p: Tensor, t: Tensor) -> None:
    found = metrics.scores(task, p, t, resamples=50)
    table = metrics.for_task(task, p.shape[1])
    assert list(found) == list(table)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for name, metric in table.items():
        assert found[name]["value"] == metric.function(p, t).item()
        assert (found[name]["low"], found[name]["high"]) == metrics.bootstrap_interval(metric, p, t, resamples=50)


def test_what_is_undefined_is_none() -> None:
    found = metrics.scores("classes", torch.eye(2)[[0, 0, 1]], torch.tensor([0, 0, 0]), resamples=20)
    assert found["auroc"] == {"value": None, "low": None, "high": None}
    assert found["accuracy"]["value"] == pytest.approx(2 / 3)
    empty = metrics.scores("classes", torch.zeros(0, 2), torch.zeros(0).long())
    assert all(value is None for entry in empty.values() for value in entry.values())


def test_values_that_are_not_finite_are_none() -> None:
    found = metrics.scores("number", torch.tensor([[torch.inf], [1.0]]), torch.ones(2, 1), resamples=20)
    assert found["mae"]["value"] is None


def test_ten_thousand_rows_in_time() -> None:
    # The aim is 2 s a metric on one idle core; twice that is allowed beside other work.
    p, t = class_rows(10_000, 10)
    for name in ("accuracy", "f1", "auroc", "calibration_error"):
        start = time.process_time()
        metrics.bootstrap_interval(metrics.for_task("classes", 10)[name], p, t)
        assert time.process_time() - start < 4, name


def test_large_data_take_fewer_redraws() -> None:
    # 1,000 redraws of 2,000 rows × 200 classes would take 4 s and more.
    p, t = class_rows(2_000, 200)
    start = time.process_time()
    low, high = metrics.bootstrap_interval(metrics.for_task("classes", 200)["auroc"], p, t, resamples=100_000)
    assert low < high
    assert time.process_time() - start < 8


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ArgumentError, match="level of an interval"):
        metrics.bootstrap_interval(ACCURACY, torch.eye(2), torch.arange(2), level=level)


def test_no_resamples_give_no_interval() -> None:
    with pytest.raises(ArgumentError, match="needs resamples"):
        metrics.bootstrap_interval(ACCURACY, torch.eye(2), torch.arange(2), resamples=0)


def test_a_paired_difference_is_sharper_than_two_intervals() -> None:
    """The other method errs on 8 rows more: two intervals overlap, but on the same rows it is never ahead."""
    t = torch.zeros(300, dtype=torch.int64)
    right, wrong = torch.tensor([[1.0, 0.0]]).repeat(300, 1), torch.tensor([[0.0, 1.0]]).repeat(300, 1)
    ours, other = torch.cat([wrong[:20], right[20:]]), torch.cat([wrong[:28], right[28:]])
    metric = for_task("classes", 2)["accuracy"]
    low, high = bootstrap_interval(metric, ours, t)[0], bootstrap_interval(metric, other, t)[1]
    assert low < high, "the intervals overlap"
    ahead = paired_difference(metric, ours, other, t)
    assert ahead["value"] == pytest.approx(8 / 300)
    assert ahead["low"] is not None
    assert ahead["low"] > 0
    behind = paired_difference(metric, other, ours, t)
    assert (behind["value"], behind["low"], behind["high"]) == (-ahead["value"], -ahead["high"], -ahead["low"])


def test_a_paired_difference_covers_the_true_one_about_as_often_as_it_says() -> None:
    metric, inside = for_task("classes", 2)["accuracy"], 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        first = (torch.rand(200, generator=generator) < 0.8).double()
        second = torch.where(
            torch.rand(200, generator=generator) < 0.5, first, (torch.rand(200, generator=generator) < 0.7).double()
        )
        t = torch.zeros(200, dtype=torch.int64)
        ahead = paired_difference(
            metric, torch.stack([first, 1 - first], 1), torch.stack([second, 1 - second], 1), t, resamples=300
        )
        inside += ahead["low"] <= 0.05 <= ahead["high"]  # 0.8 − (0.5 · 0.8 + 0.5 · 0.7)
    assert inside >= 51


def test_a_difference_is_undefined_where_a_metric_is() -> None:
    p = torch.tensor([[0.5, 0.5]]).repeat(4, 1)
    nothing = {"value": None, "low": None, "high": None}
    assert paired_difference(for_task("classes", 2)["auroc"], p, p, torch.zeros(4, dtype=torch.int64)) == nothing
