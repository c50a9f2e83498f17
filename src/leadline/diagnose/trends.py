"""The course of a loss: its stretches, the noise from step to step, and whether it still falls at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRETCHES = 200
_FEWEST = 24  # losses that a slope is fitted to, where there are so many


def stretches(losses: NDArray[np.float64], first: int = 0) -> list[tuple[int, float]]:
    """(last step, mean loss) of up to 200 stretches of equal length.

    Example:
        >>> stretches(np.array([4.0, 2.0]))
        [(0, 4.0), (1, 2.0)]
    """
    parts = np.array_split(losses, min(len(losses), _STRETCHES)) if len(losses) else []
    ends = np.cumsum([len(part) for part in parts]) - 1 + first
    return [(int(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]


def noise_between_steps(losses: NDArray[np.float64]) -> float | None:
    """The standard deviation of the loss from step to step, by second differences, so that a trend does not count.

    x(t−1) − 2 x(t) + x(t+1) of independent noise has 6 times its variance; the median makes single spikes harmless.

    Example:
        >>> round(noise_between_steps(np.arange(100.0)), 6)
        0.0
    """
    finite = losses[np.isfinite(losses)]
    if len(finite) < 8:
        return None
    second = np.abs(np.diff(finite, n=2))
    return float(np.median(second) / 0.6745 / np.sqrt(6))


def end_slope(losses: NDArray[np.float64], share: float = 0.25) -> tuple[float, float] | None:
    """How much a loss still falls at its end, as d log L / d log t over the last share of the steps, with its standard error.

    A loss like 1/t has −1, one that rests has 0. The standard error is that of a line fitted to 12 means, so that the noise of
    neighbouring steps, which have rows in common or not, is counted as it is.

    Example:
        >>> slope, error = end_slope(1 / np.arange(1.0, 1001.0))
        >>> round(slope, 2)
        -1.0
    """
    start = min(int(len(losses) * (1 - share)), max(0, len(losses) - _FEWEST))
    tail = losses[start:]
    if len(tail) < 12 or not np.isfinite(tail).all() or tail.min() < 0 or tail.max() <= 0:
        return None
    parts = np.array_split(np.arange(start + 1.0, len(losses) + 1.0), 12)
    y = np.log(np.maximum([losses[part.astype(int) - 1].mean() for part in parts], 1e-12))
    x = np.log([part.mean() for part in parts])
    x = x - x.mean()
    slope = float((x * y).sum() / (x * x).sum())
    rest = y - y.mean() - slope * x
    return slope, float(np.sqrt((rest * rest).sum() / (len(parts) - 2) / (x * x).sum()))


def clipped_share(left: Sequence[float | None]) -> tuple[float | None, float | None]:
    """The share of steps whose gradient was clipped, and what was usually left of it at these.

    One and the same factor at every step is none of clipping: the mean over parts of a batch is taken so.

    Args:
        left: of each step what was left of the gradient's length; None where it is not known.

    Example:
        >>> clipped_share([1.0, 0.5, None, 0.3, 1.0]), clipped_share([0.25] * 9), clipped_share([None])
        ((0.5, 0.4), (0.0, None), (None, None))
    """
    known = [each for each in left if each is not None]
    short = np.array([each for each in known if each < 1])
    if not known:
        return None, None
    if not len(short) or (len(short) == len(known) > 2 and short.max() - short.min() <= 1e-3 * short.max()):
        return 0.0, None
    return len(short) / len(known), float(np.median(short))


def unmixed(batches: list[NDArray[Any]]) -> float | None:
    """How far the targets within batches are alike: 0 as if drawn by chance, 1 where a batch holds one value only.

    For classes by Σₖ pₖ², the chance that two rows of a batch are of one class; for numbers by the variance between the means
    of batches.

    Example:
        >>> sorted_rows = [np.array([0] * 8), np.array([1] * 8)] * 4
        >>> unmixed(sorted_rows), unmixed([np.arange(8) % 2] * 8)
        (1.0, 0.0)
    """
    batches = [batch for batch in batches if batch.ndim == 1 and len(batch) > 1]
    if len(batches) < 6:
        return None
    every = np.concatenate(batches)
    sizes = np.array([len(batch) for batch in batches])
    if every.dtype.kind in "iub" or len(np.unique(every)) <= 2:
        names, codes = np.unique(every, return_inverse=True)
        if len(names) < 2:
            return None
        together = float((np.bincount(codes) / len(codes)) @ (np.bincount(codes) / len(codes)))
        expected = together + (1 - together) / sizes
        parts = np.split(codes, np.cumsum(sizes)[:-1])
        found = np.array([((np.bincount(part) / len(part)) ** 2).sum() for part in parts])
        return float(np.clip((found - expected).mean() / max((1 - expected).mean(), 1e-9), 0.0, 1.0))
    variance = float(every.var())
    if not variance or not np.isfinite(variance):
        return None
    means = np.array([batch.mean() for batch in batches])
    expected_share = float((1 / sizes).mean())
    return float(np.clip((means.var() / variance - expected_share) / max(1 - expected_share, 1e-9), 0.0, 1.0))
