"""Principal components against scikit-learn's, whichever way they are computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from leadline.baselines.principal_components import fit_principal_components
from leadline.errors import ArgumentError


@pytest.mark.parametrize(("rows", "width"), [(200, 12), (15, 40)])
def test_they_tell_what_those_of_scikit_learn_tell(rows: int, width: int) -> None:
    chance = np.random.default_rng(0)
    data = (chance.normal(size=(rows, width)) @ chance.normal(size=(width, width)) + 5).astype(np.float32)
    ours, theirs = fit_principal_components(torch.from_numpy(data), 4), PCA(4, svd_solver="full").fit(data)
    other = (chance.normal(size=(7, width)) + 5).astype(np.float32)
    expected = theirs.inverse_transform(theirs.transform(other))
    np.testing.assert_allclose(ours.told(torch.from_numpy(other)), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(ours.components @ ours.components.T, np.eye(4), atol=1e-5)


def test_there_are_no_more_than_rows_and_values_allow() -> None:
    rows = torch.randn(5, 20)
    found = fit_principal_components(rows, 50)
    assert found.components.shape == (4, 20)
    torch.testing.assert_close(found.told(rows), rows, atol=1e-4, rtol=1e-4)


def test_rows_that_do_not_vary_are_told_by_their_mean() -> None:
    rows = torch.full((6, 3), 2.0)
    torch.testing.assert_close(fit_principal_components(rows, 1).told(rows), rows)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ArgumentError, match="no components"):
        fit_principal_components(torch.zeros(1, 3), 1)
