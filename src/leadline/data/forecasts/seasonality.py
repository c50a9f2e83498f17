"""Seasonality: after how many steps a series is most like itself, told by its autocorrelation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_LEAST = 0.3  # correlation below which a season is no help; a usual season may be weaker than one that is only found
_LEAST_USUAL = 0.15
_LONGEST = 20_000  # steps
_CLEAR = 5  # deviations of chance by which the changes must be alike, so that none of hundreds of lengths is it by accident
_ALIKE = 0.97  # of the strongest correlation: a shorter season with so much of it is the better one, as it is nearer


class Season(NamedTuple):
    """A season of `length` steps (1: none), and the correlation of the series with itself so many steps before.

    Example:
        >>> Season(12, 0.9).length
        12
    """

    length: int
    correlation: float


def autocorrelation(series: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """The correlation of a series [T] with itself 0, 1, … `lags` steps before, after a parabola through it is taken off.

    r(k) = (1/(T−k) Σ xₜ xₜ₋ₖ) / (1/T Σ xₜ²), cut off at ±1; zeros for a series that a parabola describes.

    Example:
        >>> wave = np.sin(np.arange(200) * 2 * np.pi / 10)
        >>> autocorrelation(wave, 10)[[5, 10]].round(2).tolist()
        [-1.0, 1.0]
    """
    count = len(series)
    lags = min(lags, count - 1)
    time = np.linspace(-1, 1, count)
    rest = series - np.polynomial.Polynomial.fit(time, series, min(2, count - 1))(time) if count > 3 else series - series.mean()
    power = float(np.square(rest).mean())
    if power <= 1e-20 * max(1e-300, float(np.square(series).mean())):
        return np.zeros(lags + 1)
    size = 2 ** math.ceil(math.log2(2 * count))
    spectrum = np.fft.rfft(rest, size)
    products = np.fft.irfft(spectrum * spectrum.conj(), size)[: lags + 1]
    found: NDArray[np.float64] = (products / (count - np.arange(lags + 1)) / power).clip(-1, 1)
    return found


def find_season(parts: Sequence[NDArray[np.float64]], usual: Sequence[int]) -> Season:
    """The season of some series together: of the usual ones the strongest, else the strongest of any length.

    A season must be seen twice, its correlation must stand out from those an eighth of it earlier and later (that of a slow
    series is high everywhere), and from chance. One that no calendar suggests must be seen three times, and show in the changes
    from step to step: random walks go up and down as if they had seasons, and their changes do not.

    Args:
        parts: the training part of each series, [T].
        usual: lengths that the calendar suggests.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> find_season([np.sin(np.arange(120) * 2 * np.pi / 12) + 0.1 * rng.normal(size=120)], (12,)).length
        12
        >>> find_season([rng.normal(size=200).cumsum()], ()).length
        1
    """
    longest = max((len(part) for part in parts), default=0)
    lags = min(longest // 2, _LONGEST)
    if lags < 2:
        return Season(1, 0.0)
    mean = _mean_autocorrelation(parts, lags)
    count = max(1, sum(map(len, parts)))
    chance = 3 / math.sqrt(count)
    suggested = [length for length in usual if 2 <= length <= lags and _stands_out(mean, length)]
    if found := _shortest(mean, suggested, max(_LEAST_USUAL, chance)):
        return found
    changes = _mean_autocorrelation([np.diff(part) for part in parts if len(part) > 1], lags)  # as long as `mean`
    peaks = 1 + np.flatnonzero((mean[1:-1] > mean[:-2]) & (mean[1:-1] >= mean[2:]))
    sound = [
        length
        for length in peaks[peaks >= 2].tolist()
        if length <= longest // 3 and changes[length] > _CLEAR / math.sqrt(count) and _stands_out(mean, length)
    ]
    return _shortest(mean, sound, max(_LEAST, chance)) or Season(1, 0.0)


def _mean_autocorrelation(parts: Sequence[NDArray[np.float64]], lags: int) -> NDArray[np.float64]:
    """That of several series, the longer counting more; of each up to half of its length."""
    sums, weights = np.zeros(lags + 1), np.zeros(lags + 1)
    for part in parts:
        reach = min(lags, len(part) // 2)
        if reach >= 2:
            sums[: reach + 1] += len(part) * autocorrelation(part, reach)
            weights[: reach + 1] += len(part)
    found: NDArray[np.float64] = sums / np.maximum(weights, 1)
    return found


def _shortest(mean: NDArray[np.float64], lengths: Sequence[int], least: float) -> Season | None:
    """The shortest season that is nearly as strong as the strongest; None where that is not above `least`."""
    strongest = max((float(mean[length]) for length in lengths), default=0.0)
    if strongest <= least:
        return None
    length = min(length for length in lengths if mean[length] >= _ALIKE * strongest)
    return Season(length, float(mean[length]))


def _stands_out(correlations: NDArray[np.float64], length: int) -> bool:
    apart = max(1, length // 8)
    before = correlations[length - apart]
    after = correlations[length + apart] if length + apart < len(correlations) else -1.0
    return bool(correlations[length] > before and correlations[length] > after)
