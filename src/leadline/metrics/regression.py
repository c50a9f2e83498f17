"""Numbers: how far off, in the units of the target, and how much better than always answering the mean.

Values v [N, M] and truth t [N, M]; with several numbers each score is the mean of those of the M columns.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leadline.metrics.weighting import number_rows, row_weights, weighted_mean


def mean_absolute_error(v: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean distance from the truth, in the units of the target.

    MAE = 1/(N·M) Σ |v − t|

    Args:
        v: predicted values [N, M], or [N].
        t: true values, the same shape.
        weights: optional row weights, [N] or [R, N] for R weightings at once.

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> mean_absolute_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])).item()
        1.0
    """
    v, t = number_rows(v, t)
    return weighted_mean((v - t).abs().mean(dim=1), row_weights(v, weights))


def root_mean_squared_error(v: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The root of the mean squared distance from the truth, in the units of the target; large errors weigh most.

    RMSE = 1/M Σₘ √(1/N Σᵢ (vᵢₘ − tᵢₘ)²)

    Args:
        v: predicted values [N, M], or [N].
        t: true values, the same shape.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> round(root_mean_squared_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0])).item(), 4)
        1.4142
    """
    v, t = number_rows(v, t)
    return weighted_mean((v - t).square(), row_weights(v, weights)).sqrt().mean(dim=-1)


def r2_score(v: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The share of the variance of the truth that the values explain: 1 is perfect, 0 is as good as the mean, below 0 is worse.

    R² = 1/M Σₘ (1 − Σᵢ (vᵢₘ − tᵢₘ)² / Σᵢ (tᵢₘ − t̄ₘ)²). A column of truth that does not vary counts 1 when met exactly, else 0.

    Args:
        v: predicted values [N, M], or [N].
        t: true values, the same shape.
        weights: optional row weights, [N] or [R, N].

    Returns:
        float64, [] or [R]; NaN for fewer than two rows.

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> r2_score(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 2.0, 4.0])).round(decimals=4).item()
        0.7857
    """
    v, t = number_rows(v, t)
    w = row_weights(v, weights)
    if len(t) < 2:
        return torch.full(w.shape[:-1], torch.nan, dtype=w.dtype, device=w.device)
    error = w @ (v - t).square()
    # Around the median, which a constant column equals to the bit, Σt² is at most twice the variation: nothing cancels.
    t = t - t.median(dim=0).values
    squares = w @ t.square()
    variation = squares - (w @ t).square() / w.sum(dim=-1, keepdim=True)
    constant = variation <= 1e-12 * squares
    column = torch.where(constant, (error == 0).double(), 1 - error / variation.where(~constant, 1))
    return torch.where(error.isnan(), torch.nan, column).mean(dim=-1)
