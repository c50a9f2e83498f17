"""Right-or-wrong metrics against scikit-learn, with and without weights, and their laws."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from leadline import metrics
from leadline.errors import ArgumentError

SEEDS = st.integers(0, 2**32 - 1)


def class_data(seed: int, rows: int = 60, classes: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities that know something, classes of unequal frequency, one of them absent, and weights with zeros."""
    draw = np.random.default_rng(seed)
    t = draw.choice(classes - 1, rows, p=np.arange(1, classes) / (classes * (classes - 1) / 2))
    logits = draw.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[t]
    weights = draw.integers(0, 4, rows) + 0.5 * (np.arange(rows) == 0)
    return torch.softmax(torch.from_numpy(logits), 1), torch.from_numpy(t), torch.from_numpy(weights)


def label_data(seed: int, rows: int = 60, labels: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    draw = np.random.default_rng(seed)
    t = (draw.random((rows, labels)) < np.linspace(0.1, 0.7, labels)).astype(np.float32)
    p = 1 / (1 + np.exp(-(draw.normal(size=(rows, labels)) + 2 * t - 1)))
    return torch.from_numpy(p), torch.from_numpy(t), torch.from_numpy(draw.integers(0, 4, rows) + 0.5)


def answers(p: Tensor) -> NDArray[np.int64]:
    found: NDArray[np.int64] = p.argmax(1).numpy()
    return found


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_class_metrics_are_those_of_scikit_learn(seed: int) -> None:
    p, t, w = class_data(seed)
    for weights in (None, w):
        given_weights = None if weights is None else weights.numpy()
        with np.errstate(all="ignore"):
            expected = {
                metrics.accuracy: reference.accuracy_score(t, answers(p), sample_weight=given_weights),
                metrics.macro_f1: reference.f1_score(
                    t[w > 0] if weights is not None else t,
                    answers(p)[w > 0] if weights is not None else answers(p),
                    average="macro",
                    sample_weight=None if weights is None else weights[w > 0],
                ),
                metrics.top_k_accuracy: reference.top_k_accuracy_score(t, p, k=5, labels=range(7), sample_weight=given_weights),
            }
        for metric, value in expected.items():
            assert metric(p, t, weights=weights).item() == pytest.approx(value, abs=1e-12), metric


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_balanced_accuracy_is_the_mean_recall(seed: int) -> None:
    p, t, w = class_data(seed)
    some = w > 0
    expected = reference.recall_score(
        t[some], answers(p)[some], average="macro", labels=np.unique(t[some]), sample_weight=w[some], zero_division=0
    )
    assert metrics.balanced_accuracy(p, t, weights=w).item() == pytest.approx(expected, abs=1e-12)


def test_the_confusion_matrix_is_that_of_scikit_learn() -> None:
    p, t, _ = class_data(3)
    matrix = metrics.confusion_matrix(p, t)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == reference.confusion_matrix(t, answers(p), labels=range(7)).tolist()


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_label_metrics_are_those_of_scikit_learn(seed: int) -> None:
    p, t, w = label_data(seed)
    called = (p >= 0.5).long()
    for weights in (None, w):
        expected = {
            metrics.exact_match: reference.accuracy_score(t, called, sample_weight=weights),
            metrics.labels_accuracy: 1 - reference.hamming_loss(t, called, sample_weight=weights),
            metrics.labels_f1: reference.f1_score(t, called, average="macro", sample_weight=weights, zero_division=np.nan),
        }
        for metric, value in expected.items():
            assert metric(p, t, weights=weights).item() == pytest.approx(value, abs=1e-12), metric


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_one_guess_is_accuracy_and_all_guesses_are_right(seed: int) -> None:
    p, t, _ = class_data(seed)
    p = (p * 4).round() / 4  # many ties
    assert metrics.top_k_accuracy(p, t, k=1) == metrics.accuracy(p, t)
    assert metrics.top_k_accuracy(p, t, k=7) == 1


def test_a_network_that_cannot_tell_gains_nothing_from_ties() -> None:
    p, t = torch.full((10, 10), 0.1), torch.arange(10)
    assert metrics.top_k_accuracy(p, t, k=5).item() == 0.5


def test_a_label_neither_true_nor_answered_is_left_out_of_f1() -> None:
    p, t = torch.tensor([[0.9, 0.1], [0.8, 0.2]]), torch.tensor([[1, 0], [1, 0]])
    assert metrics.labels_f1(p, t).item() == 1


@pytest.mark.parametrize("guesses", [0, -1])
def test_top_k_needs_a_guess(guesses: int) -> None:
    with pytest.raises(ArgumentError, match="at least one guess"):
        metrics.top_k_accuracy(torch.eye(3), torch.arange(3), k=guesses)
