"""AUROC and average precision against scikit-learn: ties, weights, absent classes; and their laws."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from leadline import metrics

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.integers(2, 30), st.integers(1, 6), st.booleans())
def test_two_classes_as_scikit_learn_with_ties_and_weights(seed: int, rows: int, steps: int, weighted: bool) -> None:
    draw = np.random.default_rng(seed)
    t, score = draw.integers(0, 2, rows), draw.integers(0, steps + 1, rows) / steps
    weights = draw.random(rows) * (draw.random(rows) < 0.8) if weighted else None
    used = np.ones(rows, bool) if weights is None else weights > 0
    assume(0 < t[used].sum() < used.sum())
    p = torch.from_numpy(np.stack([1 - score, score], 1))
    given_weights = None if weights is None else torch.from_numpy(weights)
    sample_weight = None if weights is None else weights[used]
    for metric, expected in (
        (metrics.auroc, reference.roc_auc_score(t[used], score[used], sample_weight=sample_weight)),
        (metrics.average_precision, reference.average_precision_score(t[used], score[used], sample_weight=sample_weight)),
    ):
        assert metric(p, torch.from_numpy(t), weights=given_weights).item() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_several_classes_are_the_mean_over_those_present(seed: int) -> None:
    draw = np.random.default_rng(seed)
    t = draw.choice([0, 1, 3, 4], 50)  # class 2 is absent
    assume(len(set(t)) == 4)
    p = torch.softmax(torch.from_numpy(draw.normal(size=(50, 5)) + np.eye(5)[t]), 1)
    for metric, one in (
        (metrics.auroc, reference.roc_auc_score),
        (metrics.average_precision, reference.average_precision_score),
    ):
        expected = np.mean([one(t == k, p[:, k]) for k in (0, 1, 3, 4)])
        assert metric(p, torch.from_numpy(t)).item() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_labels_are_the_mean_over_those_that_vary(seed: int) -> None:
    draw = np.random.default_rng(seed)
    p = draw.random((40, 4))
    t = (draw.random((40, 4)) < 0.4).astype(np.float32)
    t[:, 3] = 0
    assume(all(0 < column.sum() < 40 for column in t[:, :3].T))
    rows = torch.from_numpy(p), torch.from_numpy(t)
    assert metrics.labels_auroc(*rows).item() == pytest.approx(reference.roc_auc_score(t[:, :3], p[:, :3]), abs=1e-12)
    expected = reference.average_precision_score(t[:, :3], p[:, :3])
    assert metrics.labels_average_precision(*rows).item() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_only_the_order_counts(seed: int) -> None:
    draw = np.random.default_rng(seed)
    p, t = torch.from_numpy(draw.random((30, 3))), torch.from_numpy(draw.integers(0, 3, 30))
    for metric in (metrics.auroc, metrics.average_precision):
        assert metric(p, t).item() == pytest.approx(metric(p**3, t).item(), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_the_reversed_order_has_the_other_part_of_the_area(seed: int) -> None:
    draw = np.random.default_rng(seed)
    score, t = draw.integers(0, 5, 20) / 4, draw.integers(0, 2, 20)
    assume(0 < t.sum() < 20)
    p = torch.from_numpy(np.stack([1 - score, score], 1))
    assert (metrics.auroc(p, torch.from_numpy(t)) + metrics.auroc(1 - p, torch.from_numpy(t))).item() == pytest.approx(1)


def test_undefined_is_nan() -> None:
    p = torch.tensor([[0.7, 0.3], [0.4, 0.6]])
    assert metrics.auroc(p, torch.tensor([0, 0])).isnan()
    assert metrics.auroc(p, torch.tensor([1, 1])).isnan()
    assert metrics.average_precision(p, torch.tensor([0, 0])).isnan()
    assert metrics.average_precision(p, torch.tensor([1, 1])).item() == 1
    assert metrics.labels_auroc(p, torch.tensor([[1, 0], [1, 0]])).isnan()


def test_more_rows_than_float32_can_count() -> None:
    # Sums of 3,000 × 3,000 pairs stay exact in float64.
    score = torch.linspace(0, 1, 6001, dtype=torch.float64)
    t = torch.arange(6001) % 2
    expected = reference.roc_auc_score(t, score)
    assert metrics.auroc(torch.stack([1 - score, score], 1), t).item() == pytest.approx(expected, abs=1e-14)
