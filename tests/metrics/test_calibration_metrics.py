"""Log loss and calibration against scikit-learn and a loop over the bins."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from leadline import metrics
from leadline.errors import ArgumentError

SEEDS = st.integers(0, 2**32 - 1)


def rows(seed: int, count: int = 50) -> tuple[Tensor, Tensor, Tensor]:
    draw = np.random.default_rng(seed)
    t = draw.integers(0, 4, count)
    p = torch.softmax(torch.from_numpy(2 * draw.normal(size=(count, 4)) + np.eye(4)[t]), 1)
    return p, torch.from_numpy(t), torch.from_numpy(draw.random(count) + 0.01)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_log_loss_is_that_of_scikit_learn(seed: int) -> None:
    p, t, w = rows(seed)
    for weights in (None, w):
        expected = reference.log_loss(t, p, labels=range(4), sample_weight=weights)
        assert metrics.log_loss(p, t, weights=weights).item() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_log_loss_of_labels_is_the_mean_of_the_columns(seed: int) -> None:
    draw = np.random.default_rng(seed)
    p, t, w = draw.random((30, 3)), draw.integers(0, 2, (30, 3)), draw.random(30) + 0.01
    expected = np.mean([reference.log_loss(t[:, c], p[:, c], labels=[0, 1], sample_weight=w) for c in range(3)])
    found = metrics.labels_log_loss(torch.from_numpy(p), torch.from_numpy(t), weights=torch.from_numpy(w))
    assert found.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_probability_of_nothing_costs_what_its_type_resolves(dtype: torch.dtype) -> None:
    p = torch.tensor([[1.0, 0.0]], dtype=dtype)
    worst = -math.log(torch.finfo(dtype).eps)
    assert metrics.log_loss(p, torch.tensor([1])).item() == pytest.approx(worst)
    assert metrics.labels_log_loss(p, torch.tensor([[0, 1]])).item() == pytest.approx(worst)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.sampled_from([1, 2, 4, 8, 16]), st.integers(1, 40))
def test_calibration_error_is_the_sum_over_the_bins(seed: int, bins: int, count: int) -> None:
    p, t, w = rows(seed, count)
    p[::2] = p[::2].clamp(max=(bins // 2 + 1) / bins)  # many stand on the edge of a bin
    confidence, right = p.max(1).values.numpy(), (p.argmax(1) == t).numpy()
    edges, expected = np.linspace(0, 1, bins + 1), 0.0
    for low, high in itertools.pairwise(edges):
        inside = (confidence > low) & ((confidence <= high) | (high == 1))
        if inside.any():
            weight = w[inside].numpy()
            expected += abs((weight * right[inside]).sum() - (weight * confidence[inside]).sum()) / w.sum().item()
    assert metrics.calibration_error(p, t, bins, weights=w).item() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_the_curve_sums_to_the_error(seed: int) -> None:
    p, t, _ = rows(seed)
    curve = metrics.calibration_curve(p, t)
    assert curve["count"].sum() == len(t)
    assert (curve["count"] > 0).all()
    gap = (curve["accuracy"] - curve["confidence"]).abs()
    assert (curve["count"] / len(t) * gap).sum().item() == pytest.approx(metrics.calibration_error(p, t).item())
    mean = (curve["count"] / len(t) * curve["accuracy"]).sum()
    assert mean.item() == pytest.approx(metrics.accuracy(p, t).item())


def test_perfect_and_worst() -> None:
    sure = torch.eye(2).repeat(5, 1)
    assert metrics.calibration_error(sure, torch.arange(10) % 2).item() == 0
    assert metrics.calibration_error(sure, (torch.arange(10) + 1) % 2).item() == 1


def test_there_must_be_a_bin() -> None:
    with pytest.raises(ArgumentError, match="at least one bin"):
        metrics.calibration_error(torch.eye(2), torch.arange(2), bins=0)
