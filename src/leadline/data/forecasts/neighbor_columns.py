"""Whether the order of a table's columns means something, as in series: neighbors alike, and columns far apart not."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_FEWEST_ROWS = 8
_FEWEST_COLUMNS = 20
_ROUGH = 0.3  # of 1, which is what shuffled columns have
_ROUGH_SURE = (0.5, 0.9)  # the smaller and the larger of both, where something else speaks for series
_ALIKE = 0.3  # correlation of neighbors
_NEARLY_ALL = 0.95
_FAR, _RISE = 3, 1.5  # columns this far apart differ this much more than neighbors: a random walk's by 3, a group's by 1


def about_order(table: NDArray[np.float64], *, sure: bool = False) -> tuple[bool, str]:
    """Whether values along a row are so much more alike next to each other that each row must be a series, and a reason.

    Roughness of a row: mean (x_{t+1} − x_t)² / 2 var(x), which is 1 where the order means nothing and near 0 for a smooth
    curve. It must be small for the values and for the values standardized by column, so that neither the size of columns nor
    what all have in common decides. Nearly all neighbors must go together, and columns must differ the more the farther apart
    they are: groups of related columns have borders, and within a group all differ alike.

    Shapes: [N, M] → bool, text.

    Args:
        table: values; NaN where there is none.
        sure: whether something else speaks for series already: then less is asked, and nothing of rows with mean 0 and
            deviation 1, as archives of series have them.

    Example:
        >>> waves = np.sin(np.arange(40) / 5 + np.arange(20)[:, None])
        >>> about_order(waves)[0], about_order(np.random.default_rng(0).normal(size=(20, 40)))[0]
        (True, False)

    Source: von Neumann (1941), Distribution of the ratio of the mean square successive difference to the variance.
    """
    rows = _whole(table)
    if rows.shape[1] < _FEWEST_COLUMNS or len(rows) < (2 if sure else _FEWEST_ROWS):
        return False, f"There are too few whole lines or columns to tell: {len(rows):,} × {rows.shape[1]:,}."
    if _are_pictures(rows):
        return False, f"Its {rows.shape[1]:,} columns of whole numbers look like the pixels of pictures."
    rough, standardized, alike = _roughness(rows), _roughness(_standardized(rows)), _neighbors_alike(rows)
    said = f"roughness {rough:.2f} and {standardized:.2f} of 1, {alike:.0%} of neighbors go together"
    low, high = sorted((rough, standardized))
    if sure:
        found = (low <= _ROUGH_SURE[0] and high <= _ROUGH_SURE[1]) or _standardized_along(rows)
    else:
        found = high <= _ROUGH and alike >= _NEARLY_ALL and _falls_off(_standardized(rows))
    if found:
        return True, f"Each line reads as a series ({said})."
    return False, f"The order of its columns means little, as in a table ({said})."


def _whole(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns and then the rows without missing or infinite values, columns that are mostly missing left out."""
    there = np.isfinite(table)
    columns = there.mean(axis=0) >= 0.8
    return table[:, columns][there[:, columns].all(axis=1)]


def _are_pictures(rows: NDArray[np.float64]) -> bool:
    if (rows != np.rint(rows)).any() or rows.min() < 0 or rows.max() > 255:
        return False
    width = rows.shape[1]
    return any(width % channels == 0 and math.isqrt(width // channels) ** 2 == width // channels for channels in (1, 3))


def _roughness(rows: NDArray[np.float64]) -> float:
    """The median over rows that vary; 1 where none does."""
    if rows.shape[1] < 2:
        return 1.0
    spread = rows.var(axis=1)
    varied = spread > 1e-18 * np.square(np.abs(rows).max(axis=1))
    if not varied.any():
        return 1.0
    steps = np.square(np.diff(rows[varied], axis=1)).mean(axis=1)
    return float(np.median(steps / (2 * spread[varied])))


def _standardized(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """By column; columns that never vary left out."""
    std = rows.std(axis=0)
    varied = std > 1e-12 * np.maximum(1.0, np.abs(rows).max(axis=0))
    centred: NDArray[np.float64] = (rows[:, varied] - rows[:, varied].mean(axis=0)) / std[varied]
    return centred


def _standardized_along(rows: NDArray[np.float64]) -> bool:
    """Whether most rows have mean 0 and standard deviation 1, with N or N − 1 below."""
    return bool(np.median(np.abs(rows.mean(axis=1))) < 1e-3 and np.median(np.abs(rows.std(axis=1) - 1)) < 0.03)


def _falls_off(standardized: NDArray[np.float64]) -> bool:
    """Whether columns far apart differ more than neighbors: medians over all pairs, so that borders of groups do not count."""
    if standardized.shape[1] <= _FAR:
        return False
    near, far = (
        float(np.median(np.square(standardized[:, apart:] - standardized[:, :-apart]).mean(axis=0))) for apart in (1, _FAR)
    )
    return far >= _RISE * near


def _neighbors_alike(rows: NDArray[np.float64]) -> float:
    """The share of neighboring columns that correlate once what a row has in common is taken away."""
    apart = _standardized(rows)
    if apart.shape[1] < 2:
        return 0.0
    apart = apart - apart.mean(axis=1, keepdims=True)
    apart = apart - apart.mean(axis=0)
    std = np.maximum(apart.std(axis=0), 1e-12)
    together = (apart[:, :-1] * apart[:, 1:]).mean(axis=0) / (std[:-1] * std[1:])
    return float((together > _ALIKE).mean())
