"""Forecasts: how far off, beside the naive forecast, in percent, and step by step.

Values v and truth t are [N, H, M]: N moments from which H steps of M numbers were forecast.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from leadline.errors import ArgumentError
from leadline.metrics.table import Metric
from leadline.metrics.weighting import exact, row_weights, weighted_mean


def forecast_absolute_error(v: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The mean distance from the truth over all steps, in the units of the target.

    MAE = 1/(N·H·M) Σ |v − t|

    Args:
        v: [N, H, M].
        t: the same shape.
        weights: optional, of the rows, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> forecast_absolute_error(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[1.0], [4.0]]])).item()
        1.0
    """
    v, t = _fitting(v, t)
    return weighted_mean((v - t).abs().mean(dim=(1, 2)), row_weights(v.flatten(1), weights))


def forecast_squared_error(v: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The root of the mean squared distance from the truth over all steps; the mean of those of the M numbers.

    RMSE = 1/M Σₘ √(1/(N·H) Σ (v − t)²)

    Args:
        v: [N, H, M].
        t: the same shape.
        weights: optional, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> forecast_squared_error(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[4.0], [5.0]]])).item()
        3.0
    """
    v, t = _fitting(v, t)
    return weighted_mean((v - t).square().mean(dim=1), row_weights(v.flatten(1), weights)).sqrt().mean(dim=-1)


def mean_absolute_scaled_error(v: Tensor, t: Tensor, *, scale: Tensor, weights: Tensor | None = None) -> Tensor:
    """The distance from the truth in units of what the seasonal naive forecast misses in training: below 1 is better than it.

    MASE = 1/(N·H·M) Σ |v − t| / e, e the mean |yₜ − yₜ₋ₛ| of the training part of the series. It compares series of any unit.
    (What is forecast H steps ahead is harder than the one season of e where H > s.)

    Args:
        v: [N, H, M].
        t: the same shape.
        scale: e above 0, [N, M] or [M].
        weights: optional, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ or do not fit, or a scale that is not above 0.

    Example:
        >>> v, t = torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[1.0], [4.0]]])
        >>> mean_absolute_scaled_error(v, t, scale=torch.tensor([2.0])).item()
        0.5

    Source: Hyndman and Koehler (2006), Another look at measures of forecast accuracy.
    """
    v, t = _fitting(v, t)
    e = exact(scale.to(v.device))
    if e.shape not in ((v.shape[2],), (v.shape[0], v.shape[2])) or not bool((e > 0).all()):
        raise ArgumentError(
            "The scale of the errors does not fit",
            expected=f"numbers above 0, [{v.shape[2]}] or [{v.shape[0]}, {v.shape[2]}]",
            got=list(e.shape),
        )
    scaled = (v - t).abs() / (e if e.ndim == 1 else e[:, None])
    return weighted_mean(scaled.mean(dim=(1, 2)), row_weights(v.flatten(1), weights))


def symmetric_percentage_error(v: Tensor, t: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The distance from the truth as a share of the mean of both, from 0 to 2 (200 %); where both are 0 it is 0.

    sMAPE = 1/(N·H·M) Σ 2 |v − t| / (|v| + |t|). Of numbers that come near 0 it says little.

    Args:
        v: [N, H, M].
        t: the same shape.
        weights: optional, [N] or [R, N].

    Returns:
        float64, [] or [R].

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> symmetric_percentage_error(torch.tensor([[[3.0]]]), torch.tensor([[[1.0]]])).item()
        1.0

    Source: Makridakis and Hibon (2000), The M3-competition.
    """
    v, t = _fitting(v, t)
    both = v.abs() + t.abs()
    shares = torch.where(both > 0, 2 * (v - t).abs() / both.where(both > 0, 1), both)
    return weighted_mean(shares.mean(dim=(1, 2)), row_weights(v.flatten(1), weights))


def errors_by_step(v: Tensor, t: Tensor) -> dict[str, list[float]]:
    """MAE and RMSE of each step of the horizon, H each; the means over the M numbers.

    Args:
        v: [N, H, M].
        t: the same shape.

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> errors_by_step(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[[1.0], [4.0]]]))
        {'mae': [0.0, 2.0], 'rmse': [0.0, 2.0]}
    """
    v, t = _fitting(v, t)
    distance = v - t
    return {
        "mae": distance.abs().mean(dim=(0, 2)).tolist(),
        "rmse": distance.square().mean(dim=0).sqrt().mean(dim=-1).tolist(),
    }


def forecast_metrics(scale: Tensor, *, one_unit: bool = True) -> dict[str, Metric]:
    """The metrics of a forecast by name, headline first, as `for_task` gives those of other tasks.

    Args:
        scale: of the naive errors, as `mean_absolute_scaled_error` takes it.
        one_unit: whether all series and targets have one unit, so that their errors have a mean that says something; else
            MASE is the headline.

    Example:
        >>> list(forecast_metrics(torch.ones(1))), next(iter(forecast_metrics(torch.ones(1), one_unit=False)))
        (['mae', 'mase', 'rmse', 'smape'], 'mase')
    """
    mase = partial(mean_absolute_scaled_error, scale=scale)
    rows = (
        Metric("mae", forecast_absolute_error, False, "Mean absolute error", unit_range=False),
        Metric("mase", mase, False, "Mean absolute scaled error", unit_range=False),
        Metric("rmse", forecast_squared_error, False, "Root mean squared error", unit_range=False),
        Metric("smape", symmetric_percentage_error, False, "Symmetric percentage error", unit_range=False),
    )
    ordered = rows if one_unit else (rows[1], rows[0], *rows[2:])
    return {metric.name: metric for metric in ordered}


def coverage(low: Tensor, high: Tensor, t: Tensor) -> Tensor:
    """The share of the truth that lies within its bounds, float64 [].

    Args:
        low: [N, H, M].
        high: the same shape.
        t: the same shape.

    Raises:
        ArgumentError: shapes that differ.

    Example:
        >>> coverage(torch.zeros(1, 2, 1), torch.ones(1, 2, 1), torch.tensor([[[0.5], [2.0]]])).item()
        0.5
    """
    (low, t), (high, _) = _fitting(low, t), _fitting(high, t)
    return ((low <= t) & (t <= high)).double().mean()


def _fitting(v: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    if v.shape != t.shape or v.ndim != 3:
        raise ArgumentError(
            "Forecasts and truth differ in shape",
            expected="the same [N, H, M] for both",
            got=f"{list(v.shape)} and {list(t.shape)}",
        )
    return exact(v), exact(t)
