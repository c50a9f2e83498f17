"""Gaps in a series: steps without a value, filled from the steps around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from leadline.errors import DataError

Numbers = NDArray[np.float64]


def fill_gaps(
    values: Numbers, times: Numbers | None = None, *, channels: Sequence[str] | None = None
) -> tuple[NDArray[np.float32], int]:
    """The series without gaps, and how many values were missing.

    A gap gets the straight line in time between the values around it; before the first and after the last value that value.

    Shapes: [T, C] → float32 [T, C].

    Args:
        values: of the series; NaN where there is none.
        times: of the steps, rising, [T]; 0, 1, 2, … when None.
        channels: their names, for errors.

    Errors: `DataError` for a series without steps or without a value in some channel, and for values that are infinite or too
        large for float32.

    Example:
        >>> fill_gaps(np.array([[1.0], [np.nan], [np.nan], [7.0]]))[0].tolist(), fill_gaps(np.array([[1.0], [2.0]]))[1]
        ([[1.0], [3.0], [5.0], [7.0]], 0)
    """
    if not values.size:
        raise DataError("The series holds no values")
    missing = np.isnan(values)
    if np.isinf(values).any():
        raise DataError("A value of the series is infinite")
    if count := int(missing.sum()):
        if empty := np.flatnonzero(missing.all(axis=0)).tolist():
            raise DataError(_about_empty(empty, values.shape[1], channels))
        values = values.copy()
        times = np.arange(len(values), dtype=np.float64) if times is None else times
        for channel in np.flatnonzero(missing.any(axis=0)).tolist():
            gaps = missing[:, channel]
            values[gaps, channel] = np.interp(times[gaps], times[~gaps], values[~gaps, channel])
    if np.abs(values).max() > np.finfo(np.float32).max:
        raise DataError("A value of the series is too large", expected="below 3.4e38")
    return values.astype(np.float32), count


def without_empty_end(values: Numbers) -> Numbers:
    """The series up to its last step with a value: files whose rows must be of one length fill short series up with NaN.

    Shapes: [T, C] → [T′, C], T′ ≤ T.

    Args:
        values: of the series; NaN where there is none.

    Example:
        >>> without_empty_end(np.array([[1.0], [np.nan], [2.0], [np.nan]])).shape
        (3, 1)
    """
    there = np.flatnonzero(~np.isnan(values).all(axis=1))
    return values[: there[-1] + 1] if len(there) else values[:0]


def on_one_clock(values: Sequence[Numbers], times: Sequence[Numbers]) -> tuple[Numbers, Numbers, int]:
    """Channels that were each measured at their own times, on the times of all of them: what a channel lacks is a gap.

    Of values with the same time stamp the mean is kept.

    Shapes: C arrays [T_c] and C arrays [T_c] → [T, C], [T].

    Args:
        values: of each channel.
        times: of each channel, in any order.

    Returns:
        The series, its times, rising, and how many values had a time stamp that their channel had before.

    Example:
        >>> on_one_clock([np.array([1.0, 5.0, 3.0])], [np.array([0.0, 2.0, 2.0])])
        (array([[1.],
               [4.]]), array([0., 2.]), 1)
    """
    grid = np.unique(np.concatenate(times))
    series = np.full((len(grid), len(values)), np.nan)
    repeated = 0
    for channel, (own, when) in enumerate(zip(values, times, strict=True)):
        repeated += len(when) - len(np.unique(when))
        there = ~np.isnan(own)
        places = np.searchsorted(grid, when[there])
        count = np.bincount(places, minlength=len(grid))
        total = np.bincount(places, weights=own[there], minlength=len(grid))
        series[count > 0, channel] = total[count > 0] / count[count > 0]
    return series, grid, repeated


def _about_empty(empty: list[int], channels: int, names: Sequence[str] | None) -> str:
    if len(empty) == channels:
        return "The series holds nothing but gaps"
    name = repr(names[empty[0]]) if names else str(empty[0] + 1)
    return f"The series holds no value in channel {name}"
