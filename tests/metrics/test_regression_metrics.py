"""Metrics of numbers against scikit-learn, where rounding and constants make it hard."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from leadline import metrics
from leadline.errors import ArgumentError

PAIRS = (
    (metrics.mean_absolute_error, reference.mean_absolute_error),
    (metrics.root_mean_squared_error, reference.root_mean_squared_error),
    (metrics.r2_score, reference.r2_score),
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 3), st.sampled_from([0.0, 1e6]), st.booleans())
def test_as_scikit_learn(seed: int, rows: int, columns: int, offset: float, weighted: bool) -> None:
    draw = np.random.default_rng(seed)
    t = offset + draw.normal(size=(rows, columns)) * 10.0 ** draw.integers(-2, 3, columns)
    v = t + draw.normal(size=(rows, columns))
    weights = draw.integers(0, 3, rows) + 0.25 if weighted else None
    for ours, theirs in PAIRS:
        found = ours(*map(torch.from_numpy, (v, t)), weights=None if weights is None else torch.from_numpy(weights)).item()
        assert found == pytest.approx(theirs(t, v, sample_weight=weights), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8 / 3])
def test_a_truth_that_does_not_vary(constant: float) -> None:
    t = torch.full((7, 1), constant, dtype=torch.float64)
    assert metrics.r2_score(t, t).item() == 1
    assert metrics.r2_score(t + 1, t).item() == 0


def test_one_row_has_no_variance() -> None:
    assert metrics.r2_score(torch.ones(1, 1), torch.ones(1, 1)).isnan()
    assert metrics.r2_score(torch.ones(1, 1), torch.ones(1, 1), weights=torch.ones(3, 1)).shape == (3,)


def test_always_answering_the_mean_explains_nothing() -> None:
    t = torch.arange(10.0)
    assert metrics.r2_score(t.mean().expand(10), t).item() == pytest.approx(0, abs=1e-12)


def test_a_column_beside_a_row_is_refused() -> None:
    for metric, _ in PAIRS:
        with pytest.raises(ArgumentError, match="differ in shape"):
            metric(torch.ones(4, 1), torch.ones(4))
