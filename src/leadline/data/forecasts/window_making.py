"""Window making: how series are scaled, turned into channels and cut into windows, by what the training part teaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.forecast_tables import Covariate, learn_covariate
from leadline.data.forecasts.seasonality import Season, find_season
from leadline.data.forecasts.time_steps import calendar_features
from leadline.data.forecasts.windows import Windows
from leadline.data.series.series_grids import Grid
from leadline.data.tables.cells import Cells
from leadline.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl

FEWEST = 8  # windows to learn from
_SHORT = 8  # steps of lookback with which a series that is just long enough is still forecast
_SEASONS = 2  # in the lookback: what is usual, and what has changed since
_MOST_LOOKBACK = 2048
_MOST_WINDOWS, _MOST_NUMBERS = 500_000, 50_000_000  # of training; of its targets
_SERIES_LOOKED_AT = 64  # for the season
# Logarithms: the least slope of deviation over level, the least change of the level, and the most deviation within a season as
# a share of it. Beyond, small values count as much as large ones: bike rentals, with 0.9, were forecast worse (48.9 for 47.3).
_SLOPE, _CHANGE, _WITHIN = 0.5, 1.5, 0.5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Learned:
    """What the training part of the series taught: see `Windows`.

    Example:
        >>> Learned((False,), ((0.0,),), ((1.0,),), ((1.0,),)).logs
        (False,)
    """

    logs: tuple[bool, ...]
    centre: tuple[tuple[float, ...], ...]
    scale: tuple[tuple[float, ...], ...]
    naive_error: tuple[tuple[float, ...], ...]


def proposed_lookback(steps: int, horizon: int, season: int) -> int:
    """How many steps of the past a network sees: two seasons, and at least the horizon, as far as the training part allows.

    Args:
        steps: of the longest training part.
        horizon: H.
        season: its length, 1 for none.

    Example:
        >>> proposed_lookback(98, 12, 12), proposed_lookback(10_000, 24, 168), proposed_lookback(30, 6, 1)
        (24, 336, 12)
    """
    wanted = min(_MOST_LOOKBACK, max(_SEASONS * season, horizon) if season > 1 else max(2 * horizon, 16))
    lookback = max(1, min(wanted, (steps - horizon + 1) // 2))
    fits = steps - horizon - FEWEST + 1
    return min(season, _MOST_LOOKBACK) if lookback < season <= fits else lookback


def steps_needed(horizon: int, lookback: int | None = None) -> int:
    """How many training steps there must be at the least.

    Example:
        >>> steps_needed(12), steps_needed(12, lookback=24)
        (27, 43)
    """
    return (lookback or min(horizon, _SHORT)) + horizon + FEWEST - 1


def season_of(grid: Grid, targets: Floats, until: NDArray[np.int64]) -> Season:
    """The season of the first target in the training part of some of the series, as evenly chosen as can be."""
    chosen = np.unique(np.linspace(0, len(until) - 1, min(len(until), _SERIES_LOOKED_AT)).round().astype(int))
    starts = grid.offsets[:-1]
    parts = [targets[starts[each] : starts[each] + until[each], 0] for each in chosen if until[each] > 3]
    return find_season(parts, grid.step.seasons())


def choose_logs(grid: Grid, targets: Floats, until: NDArray[np.int64], season: int, transform: str | None) -> tuple[bool, ...]:
    """Of which targets the logarithm is learned: all or none as `transform` says, else those whose variation grows with them.

    Raises:
        DataError: logarithms are asked for where there are training values that have none.
    """
    parts = [targets[start : start + count] for start, count in zip(grid.offsets, until, strict=False)]
    logs = []
    for column in range(targets.shape[1]):
        own = [part[:, column] for part in parts if len(part)]
        positive = all((values > 0).all() for values in own)
        if transform == "log" and not positive:
            raise DataError(
                "The logarithm cannot be learned: a training value is 0 or below",
                do="Leave the transform out, or set it to none.",
            )
        logs.append(positive and (transform == "log" or (transform is None and _grows_with_level(own, season))))
    return tuple(logs)


def learn_scales(
    grid: Grid, targets: Floats, until: NDArray[np.int64], season: int, logs: tuple[bool, ...]
) -> tuple[Learned, list[str]]:
    """Centre, scale and naive error of each series, from its first `until` steps; and the names of those that never vary."""
    parts = [targets[start : start + count] for start, count in zip(grid.offsets, until, strict=False)]
    rows: dict[str, list[tuple[float, ...]]] = {"centre": [], "scale": [], "naive_error": []}
    still = []
    for name, part in zip(grid.names, parts, strict=True):
        if not len(part):
            for name_of_rows, value in (("centre", 0.0), ("scale", 1.0), ("naive_error", 1.0)):
                rows[name_of_rows].append((value,) * targets.shape[1])
            continue
        learned = np.where(logs, np.log(np.maximum(part, _least(part))), part)
        centre, scale = learned.mean(axis=0), learned.std(axis=0)
        constant = scale <= 1e-9 * np.maximum(1e-12, np.abs(learned).max(axis=0))
        scale = np.where(constant, 1.0, scale)
        if constant.any():
            still.append(name)
        lag = season if len(part) > season else 1
        error = np.abs(part[lag:] - part[:-lag]).mean(axis=0) if len(part) > 1 else np.zeros(len(centre))
        rows["centre"].append(tuple(centre.tolist()))
        rows["scale"].append(tuple(scale.tolist()))
        rows["naive_error"].append(tuple(np.where(error > 0, error, scale).tolist()))
    return Learned(logs, **{name: tuple(each) for name, each in rows.items()}), still


def _least(part: Floats) -> Floats:
    """The smallest value above 0 of each column, for what has no logarithm."""
    found: Floats = np.where(part > 0, part, np.inf).min(axis=0)
    return np.where(np.isfinite(found), found, 1.0)


def learn_covariates(
    frame: pl.DataFrame, names: Sequence[str], known: Sequence[str], training: NDArray[np.int64]
) -> tuple[tuple[Covariate, ...], list[str]]:
    """What helps to forecast, those of the past first, from the training rows alone; and sentences on columns left out.

    Raises:
        DataError: a column that the person says is known cannot help.
    """
    found: list[Covariate] = []
    left: list[str] = []
    for name in (*names, *known):
        learned = learn_covariate(name, Cells(frame[name]).take(training), known=name in known)
        if isinstance(learned, Covariate):
            found.append(learned)
        elif name in known:
            raise DataError(f"The column {name!r}, known beforehand, cannot help to forecast", got=learned)
        else:
            left.append(f"{name!r} ({learned})")
    notes = [f"Left out: {', '.join(left[:8])}{' …' if len(left) > 8 else ''}."] if left else []
    return tuple(found), notes


def channels_of(
    frame: pl.DataFrame, grid: Grid, targets: Floats, windows: Windows, series: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The steps of all series as a network sees them, float32 [ΣT, C]; NaN where the future is not known.

    Args:
        frame: the rows behind the grid.
        grid: of the series.
        targets: on it, in their units.
        windows: the Schema's side.
        series: the number that each series of the grid has in `windows`, int64 [S].
    """
    steps = np.empty((grid.total, windows.shape[1]), np.float32)
    of_step = np.repeat(series, grid.lengths)
    steps[:, : windows.targets] = windows.scaled(targets, of_step)
    observed = np.arange(grid.total) - np.repeat(grid.offsets[:-1], grid.lengths) < np.repeat(grid.observed, grid.lengths)
    at = windows.targets
    for covariate in windows.covariates:
        if covariate.name not in frame.columns:
            close = nearest(covariate.name, frame.columns)
            raise DataError(
                f"The rows lack the column {covariate.name!r} that the network was trained on",
                do=f"Is {close!r} meant?" if close else None,
            )
        values = grid.spread(covariate.read(Cells(frame[covariate.name])))
        values = grid.filled(values, linear=covariate.kind == "number", until=grid.observed)
        values = (values - covariate.centre) / covariate.scale
        values[observed] = np.nan_to_num(values[observed], nan=0.0)  # a series of which nothing is known has the usual value
        steps[:, at : at + covariate.width] = values
        at += covariate.width
    steps[:, at:] = calendar_features(windows.calendar, grid.step.ticks(grid.places()))
    return steps


def window_starts(
    grid: Grid, windows: Windows, first: NDArray[np.int64], last: NDArray[np.int64], *, thin: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Where windows begin among the steps, whose first step to forecast is at `first` or later and whose last before `last`.

    Args:
        grid: of the series.
        windows: L and H.
        first: for each series, counted from its beginning, int64 [S].
        last: likewise.
        thin: take every k-th where there would be more than memory or time allows.

    Returns:
        starts int64 [N], the series of each int64 [N], and k.
    """
    origins = np.maximum(first, windows.lookback)
    counts = np.maximum(0, np.minimum(last, grid.observed) - windows.horizon - origins + 1)
    every = 1
    if thin:
        most = min(_MOST_WINDOWS, max(1, _MOST_NUMBERS // (windows.horizon * windows.targets)))
        every = max(1, -(-int(counts.sum()) // most))
    counts = -(-counts // every)
    series = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
    return grid.offsets[series] + origins[series] - windows.lookback + number * every, series, every


def _grows_with_level(series: Sequence[Floats], season: int) -> bool:
    """Whether positive series vary moderately and the more the higher they are: by the deviation and mean of each season."""
    over = below = 0.0
    widest, within = 1.0, []
    for values in series[:_SERIES_LOOKED_AT]:
        block = max(season, 8)
        blocks = values[: len(values) // block * block].reshape(-1, block)
        means, deviations = blocks.mean(axis=1), blocks.std(axis=1)
        sound = deviations > 0
        if sound.sum() < 3:
            continue
        within.append(float(np.median(deviations[sound] / means[sound])))
        x, y = np.log(means[sound]), np.log(deviations[sound])
        over += float(((x - x.mean()) * (y - y.mean())).sum())
        below += float(np.square(x - x.mean()).sum())
        widest = max(widest, float(np.exp(np.ptp(x))))
    return below > 0 and over / below >= _SLOPE and widest >= _CHANGE and float(np.median(within)) <= _WITHIN
