"""Scores of steps against scikit-learn on the steps themselves, and intervals that redraw whole rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error, r2_score, root_mean_squared_error

from leadline.errors import ArgumentError
from leadline.metrics import bootstrap_interval
from leadline.metrics.step_scores import class_step_metrics, counts_by_row, number_step_metrics, sums_by_row


@given(st.integers(0, 10_000))
def test_classes_are_scored_as_scikit_learn_scores_the_steps(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, 12)
    said, truth = random.integers(0, 4, (2, lengths.sum()))
    there = random.random(len(truth)) < 0.9
    there[0] = True
    marked = np.where(there, truth, -100)
    counts = counts_by_row(torch.from_numpy(said), torch.from_numpy(marked), torch.from_numpy(lengths), 4)
    table = class_step_metrics()
    score = {name: metric.function(counts, counts).item() for name, metric in table.items()}
    assert score["accuracy"] == pytest.approx(accuracy_score(truth[there], said[there]))
    either = sorted(set(truth[there]) | set(said[there]))
    assert score["f1"] == pytest.approx(f1_score(truth[there], said[there], labels=either, average="macro"))
    # Weights are how often a row is drawn.
    drawn = torch.from_numpy(random.integers(0, 3, (3, 12)))
    drawn[:, 0] += 1
    rows = np.repeat(np.arange(12), lengths)
    for weights, value in zip(drawn, table["accuracy"].function(counts, counts, weights=drawn.double()).tolist(), strict=True):
        repeated = np.repeat(np.arange(len(truth)), weights.numpy()[rows] * there)
        expected = accuracy_score(truth[repeated], said[repeated]) if len(repeated) else np.nan
        assert value == pytest.approx(expected, nan_ok=True)


def test_a_class_that_training_never_showed_is_a_mistake_of_no_class() -> None:
    said, truth = torch.tensor([0, 1, 1]), torch.tensor([0, -1, 1])
    counts = counts_by_row(said, truth, torch.tensor([3]), 2)
    table = class_step_metrics()
    assert table["accuracy"].function(counts, counts).item() == pytest.approx(2 / 3)
    assert table["f1"].function(counts, counts).item() == pytest.approx((1 + 2 / 3) / 2)


@given(st.integers(0, 10_000))
def test_numbers_are_scored_as_scikit_learn_scores_the_steps(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 9, 6)
    said, truth = random.normal(1e4, 3, (2, lengths.sum(), 1))
    there = random.random(len(truth)) < 0.8
    there[:2] = True
    marked = np.where(there[:, None], truth, np.nan)
    sums = sums_by_row(torch.from_numpy(said), torch.from_numpy(marked), torch.from_numpy(lengths))
    score = {name: metric.function(sums, sums).item() for name, metric in number_step_metrics(1).items()}
    assert score["mae"] == pytest.approx(mean_absolute_error(truth[there], said[there]))
    assert score["rmse"] == pytest.approx(root_mean_squared_error(truth[there], said[there]))
    assert score["r2"] == pytest.approx(r2_score(truth[there], said[there]), rel=1e-6)


def test_intervals_redraw_rows_and_not_steps() -> None:
    """Where all steps of a row are right or all wrong, a thousand steps tell no more than their forty rows."""
    right = torch.arange(40) % 2
    lengths = torch.full((40,), 25)
    said = right.repeat_interleave(25)
    counts = counts_by_row(said, torch.ones_like(said), lengths, 2)
    low, high = bootstrap_interval(class_step_metrics()["accuracy"], counts, counts)
    half = 1.96 * (0.25 / 40) ** 0.5
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.03)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ArgumentError, match="do not fit together"):
        counts_by_row(torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), torch.tensor([2]), 2)
