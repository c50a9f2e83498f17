"""Thresholds and tail probabilities against their definitions, counted out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from leadline.errors import ArgumentError
from leadline.metrics.anomalies import anomaly_auroc, best_f1_threshold, quantile_threshold, tail_probabilities

rows = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=25)


@given(rows)
def test_auroc_is_that_of_scikit_learn(drawn: list[tuple[int, bool]]) -> None:
    scores, odd = (list(column) for column in zip(*drawn, strict=True))
    found = anomaly_auroc(torch.tensor(scores).float(), torch.tensor(odd))
    if len(set(odd)) == 1:
        assert found.isnan()
    else:
        assert found.item() == pytest.approx(roc_auc_score(odd, scores))


def f1_score(odd: np.ndarray, called: np.ndarray) -> float:
    return float(2 * (odd & called).sum() / (odd.sum() + called.sum()))


@given(rows)
def test_no_threshold_has_a_better_f1(drawn: list[tuple[int, bool]]) -> None:
    scores, odd = (np.array(column) for column in zip(*drawn, strict=True))
    assume(odd.any())
    found = best_f1_threshold(torch.from_numpy(scores).float(), torch.from_numpy(odd))
    every = {value: f1_score(odd, scores > value) for value in np.arange(-0.5, 9)}
    assert found.f1 == pytest.approx(max(every.values()))
    assert found.f1 == pytest.approx(f1_score(odd, scores > found.value))
    called = scores > found.value
    assert found.precision == pytest.approx((called & odd).sum() / called.sum())
    assert found.recall == pytest.approx((called & odd).sum() / odd.sum())
    fewest = min((scores > value).sum() for value, f1 in every.items() if f1 == pytest.approx(found.f1))
    assert called.sum() == fewest


@given(st.integers(4, 60), st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.5, 0.9]))
def test_false_alarms_are_as_rare_as_asked(count: int, share: float) -> None:
    """Of n + 1 scores in any order each is the new one equally often: counted for every choice of it."""
    assume(count >= round(1 / share - 1, 6))
    scores = torch.randperm(count + 1, generator=torch.Generator().manual_seed(count)).float()
    alarms = 0
    for new in range(count + 1):
        known = torch.cat([scores[:new], scores[new + 1 :]])
        alarms += bool(scores[new] > quantile_threshold(known, false_alarms=share))
    assert alarms <= share * (count + 1) + 1e-9
    assert alarms > share * (count + 1) - 1  # and no rarer than whole rows allow


def test_a_share_of_whole_rows_is_not_lost_by_rounding() -> None:
    assert quantile_threshold(torch.arange(1.0, 1000.0), false_alarms=0.1) == 900.0


def test_too_few_rows_have_no_threshold() -> None:
    assert quantile_threshold(torch.arange(19.0), false_alarms=0.05) == 18.0
    with pytest.raises(ArgumentError, match="at least 19; got 18"):
        quantile_threshold(torch.arange(18.0), false_alarms=0.05)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=12), st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_tail_probabilities_count(asked: list[int], known: list[int]) -> None:
    found = tail_probabilities(torch.tensor(asked).float(), torch.tensor(known).float())
    expected = [(1 + sum(other >= score for other in known)) / (len(known) + 1) for score in asked]
    assert found.tolist() == pytest.approx(expected)


def test_columns_are_judged_by_their_own() -> None:
    draw = torch.Generator().manual_seed(0)
    scores, reference = torch.randn(5, 3, generator=draw), torch.randn(40, 3, generator=draw)
    found = tail_probabilities(scores, reference)
    for column in range(3):
        assert torch.equal(found[:, column], tail_probabilities(scores[:, column], reference[:, column]))
    assert tail_probabilities(scores + 10, reference).unique().tolist() == pytest.approx([1 / 41])


def test_a_row_like_the_others_is_seldom_called_odd() -> None:
    """P(p ≤ α) ≤ α, over every choice of the one new among n + 1."""
    scores = torch.tensor([3.0, 1.0, 1.0, 7.0, 2.0, 2.0, 2.0, 9.0, 5.0])
    p = [float(tail_probabilities(scores[at : at + 1], torch.cat([scores[:at], scores[at + 1 :]]))) for at in range(9)]
    for alpha in np.linspace(0.01, 1, 40):
        assert np.mean(np.array(p) <= alpha) <= alpha + 1e-12


def test_careless_arguments() -> None:
    with pytest.raises(ArgumentError, match="do not fit together"):
        anomaly_auroc(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ArgumentError, match="neither odd nor not"):
        best_f1_threshold(torch.zeros(2), torch.tensor([0, 2]))
    with pytest.raises(ArgumentError, match="No validation row is odd.*quantile_threshold"):
        best_f1_threshold(torch.zeros(2), torch.zeros(2))
    with pytest.raises(ArgumentError, match="A score is no number"):
        quantile_threshold(torch.tensor([1.0, float("nan")]), false_alarms=0.5)
    with pytest.raises(ArgumentError, match="share of false alarms"):
        quantile_threshold(torch.zeros(3), false_alarms=0.0)
    for scores, reference in itertools.permutations([torch.zeros(3), torch.zeros(3, 2)], 2):
        with pytest.raises(ArgumentError, match="do not fit together"):
            tail_probabilities(scores, reference)
    with pytest.raises(ArgumentError, match="There are no scores"):
        tail_probabilities(torch.zeros(2), torch.zeros(0))
