"""Principal components: the best that a linear code of so many numbers can tell, beside a network whose code is as long."""

from __future__ import annotations

import time
from typing import NamedTuple

import torch
from torch import Tensor

from leadline.errors import ArgumentError

_WIDEST = 4096  # values a row up to which the covariance is summed up exactly; its eigenvectors then take some ten seconds
_VALUES = 60_000_000  # of the rows that wider ones are fitted on, 240 MB


class PrincipalComponents(NamedTuple):
    """Mean [V] and components [K, V], orthonormal, the widest first; of how many rows they are, and the seconds it took.

    Example:
        >>> fit_principal_components(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.5], [0.0, -0.5]]), 1).components.abs()
        tensor([[1., 0.]])
    """

    mean: Tensor
    components: Tensor
    rows: int
    seconds: float

    def told(self, rows: Tensor) -> Tensor:
        """Rows as their K numbers tell them, x̂ = m + (x − m) CᵀC: [N, V] → [N, V]."""
        centred = rows - self.mean
        return self.mean + (centred @ self.components.T) @ self.components


def fit_principal_components(rows: Tensor, count: int) -> PrincipalComponents:
    """The components of rows, by the eigenvectors of their covariance, or of their inner products where rows are very wide.

    Args:
        rows: [N, V] with N ≥ 2; of rows of more than 4,096 values some, evenly spread, are taken.
        count: K; no more than N − 1 or V are given.

    Errors: `ArgumentError` for fewer than 2 rows or no component.

    Example:
        >>> rows = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
        >>> bool(torch.allclose(fit_principal_components(rows, 6).told(rows), rows, atol=1e-5))
        True

    Source: Pearson (1901), On lines and planes of closest fit to systems of points in space.
    """
    if rows.ndim != 2 or len(rows) < 2 or count < 1:
        raise ArgumentError(
            "There are no components",
            expected="rows [N, V] with N ≥ 2, and a count of at least 1",
            got=(list(rows.shape), count),
        )
    began, width = time.perf_counter(), rows.shape[1]
    if width > _WIDEST and len(rows) * width > _VALUES:
        rows = rows[torch.linspace(0, len(rows) - 1, max(2, _VALUES // width)).round().long()]
    mean = rows.double().mean(dim=0)
    count = min(count, width, len(rows) - 1)
    centred = rows.double() - mean
    if width <= len(rows):
        vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)[:, :count].T
    else:
        values, inner = torch.linalg.eigh(centred @ centred.T)
        values, inner = values.flip(0)[:count].clamp(min=1e-30), inner.flip(1)[:, :count]
        vectors = (inner / values.sqrt()).T @ centred
    return PrincipalComponents(mean.float(), vectors.float(), len(rows), time.perf_counter() - began)
