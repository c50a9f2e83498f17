"""Naive forecasts from the moments of a network's: the last value, that of one season ago, and the line through the past."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.baselines.fitting import Baseline
from leadline.data.dataset import Dataset
from leadline.data.forecasts.window_rows import WindowSplit
from leadline.data.forecasts.windows import Windows

Floats = NDArray[np.float64]
_ROWS = 4096  # windows at a time


def naive(past: Floats, horizon: int) -> Floats:
    """The last value, for every step to come: the best there is for a random walk.

    Shapes: past [N, L, M] → [N, H, M].

    Example:
        >>> naive(np.array([[[1.0], [3.0]]]), 2).ravel().tolist()
        [3.0, 3.0]
    """
    return np.repeat(past[:, -1:], horizon, axis=1)


def seasonal_naive(past: Floats, horizon: int, season: int) -> Floats:
    """What was one season ago, ŷ[h] = y[L + h − s⌈(h + 1)/s⌉]; the last value where the past is shorter than a season.

    Shapes: past [N, L, M] → [N, H, M].

    Example:
        >>> seasonal_naive(np.arange(6.0).reshape(1, 6, 1), 4, season=3).ravel().tolist()
        [3.0, 4.0, 5.0, 3.0]
    """
    length = past.shape[1]
    if season > length:
        return naive(past, horizon)
    return past[:, length - season + np.arange(horizon) % season]


def drift(past: Floats, horizon: int) -> Floats:
    """The line from the first to the last value of the past goes on: ŷ[h] = y[L−1] + (h + 1) (y[L−1] − y[0]) / (L − 1).

    Shapes: past [N, L, M] → [N, H, M].

    Example:
        >>> drift(np.array([[[1.0], [2.0], [5.0]]]), 2).ravel().tolist()
        [7.0, 9.0]

    Source: Hyndman and Athanasopoulos (2021), Forecasting: principles and practice, third edition, 5.2.
    """
    length = past.shape[1]
    slope = (past[:, -1:] - past[:, :1]) / max(1, length - 1)
    line: Floats = past[:, -1:] + slope * np.arange(1, horizon + 1)[None, :, None]
    return line


def naive_forecasts(dataset: Dataset, *, part: str = "test") -> list[Baseline]:
    """What the naive methods say for the rows of a split, in the units of the targets: `probabilities` are values [N, H, M].

    A line is drawn through the lookback alone, as that is what a network sees. Without a season there is no seasonal naive.

    Args:
        dataset: of windows.
        part: "train", "valid" or "test".

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecasting import load_forecast
        >>> rows = pl.DataFrame({"t": [str(t) for t in range(120)], "y": [str(t % 6 + t // 6) for t in range(120)]})
        >>> [baseline.name for baseline in naive_forecasts(load_forecast(rows, horizon=4))]
        ['seasonal naive', 'naive', 'drift']
    """
    split: Any = getattr(dataset, part)
    windows: Any = dataset.schema.inputs
    assert isinstance(windows, Windows)
    return naive_answers(split, windows)


def naive_answers(split: WindowSplit, windows: Windows) -> list[Baseline]:
    """The same for any windows.

    Args:
        split: the windows.
        windows: the Schema's side, with the scales of all their series.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecasting import load_forecast
        >>> dataset = load_forecast(pl.DataFrame({"t": range(90), "y": [at % 6 for at in range(90)]}), horizon=4)
        >>> naive_answers(dataset.test, dataset.schema.inputs)[0].probabilities.shape[1:]
        (4, 1)
    """
    season, horizon, word = windows.season, windows.horizon, "the value"
    fits = 1 < season <= windows.lookback
    methods: list[tuple[str, str, Callable[[Floats], Floats]]] = [
        ("naive", f"{word} of the last step", lambda past: naive(past, horizon)),
        ("drift", f"the line through the first and last of {windows.lookback:,} steps", lambda past: drift(past, horizon)),
    ]
    if fits:
        seasonal = f"{word} of {season:,} steps before"
        methods.insert(0, ("seasonal naive", seasonal, lambda past: seasonal_naive(past, horizon, season)))
    return [_answered(name, detail, method, split, windows) for name, detail, method in methods]


def _answered(name: str, detail: str, method: Callable[[Floats], Floats], split: WindowSplit, windows: Windows) -> Baseline:
    begin = time.perf_counter()
    rows: Any = split.inputs
    answers = []
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        seen = rows[part][:, : windows.lookback, : windows.targets]
        answers.append(method(windows.in_units(seen, split.series[part])))
    values = np.concatenate(answers) if answers else np.zeros((0, windows.horizon, windows.targets))
    return Baseline(name, detail, time.perf_counter() - begin, values)
