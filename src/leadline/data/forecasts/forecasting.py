"""Forecasting: from a table of series in time to a Dataset of windows, and to windows for a Schema that exists."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data import splits
from leadline.data.dataset import Dataset, Origin
from leadline.data.forecasts.forecast_ahead import usable_rows, with_series
from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.forecast_tables import find_columns
from leadline.data.forecasts.time_steps import calendar_names
from leadline.data.forecasts.window_making import (
    channels_of,
    choose_logs,
    learn_covariates,
    learn_scales,
    proposed_lookback,
    season_of,
    steps_needed,
    window_starts,
)
from leadline.data.forecasts.window_rows import WindowRows, WindowSplit
from leadline.data.forecasts.windows import Windows
from leadline.data.schema import Schema
from leadline.data.series.series_grids import Grid, cut_places, lay_out_series, part_length
from leadline.data.sources import Reading, frame_of, name_of, nowhere
from leadline.data.tables.frame import Frame
from leadline.errors import ArgumentError, DataError
from leadline.spelling import counted

_TRANSFORMS = ("log", "none")


def load_forecast(
    source: Any,
    *,
    horizon: int,
    lookback: int | None = None,
    target: str | None = None,
    time: str | None = None,
    series: str | None = None,
    known: Sequence[str] = (),
    transform: str | None = None,
    valid: float = 0.15,
    test: float = 0.15,
    header: bool | None = None,
    encoding: str | None = None,
    name: str | None = None,
) -> Dataset:
    """Read series in time and divide them by time: windows to learn from, then to choose by, and the latest to judge by.

    The last part of the time, the same for all series, is the test, the part before it the validation; each is forecast from
    every moment whose whole horizon lies in it. No training window has a step to forecast in either.

    Args:
        source: csv, tsv or parquet files, or a data frame: a row for each moment (of each series).
        horizon: how many steps to forecast.
        lookback: how many steps of the past a network sees; two seasons when None, as far as the data allow.
        target: the columns to forecast, separated by commas; the last column of numbers when None.
        time: the columns that tell the time; found when None.
        series: the columns that tell several series apart; found when None.
        known: columns whose future is known when a forecast is made.
        transform: "log" to learn logarithms, "none"; told when None by whether the variation grows with the level.
        valid: share of the time (below 1), or a number of steps; at least one horizon.
        test: likewise.
        header: whether a csv begins with names.
        encoding: of a csv.
        name: what the Dataset is called.

    Raises:
        SourceNotFoundError: a path leads nowhere.
        DataError: the table has no time, nothing to forecast, or too few steps.

    Example:
        >>> import polars as pl
        >>> days = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 3, 24), "1d", eager=True)
        >>> frame = pl.DataFrame({"day": days, "sold": [3 + at % 7 for at in range(84)]})
        >>> load_forecast(frame, horizon=7, name="shop")
        Dataset('shop', task='forecast', 38 + 7 + 7 rows, inputs 1 series, daily: 7 steps to come from 14)
    """
    _check(horizon, lookback, transform)
    splits.check_shares(valid, test)
    frame = rows_in_time(source, header=header, encoding=encoding)
    columns, notes = find_columns(frame.data, target=target, time=time, series=series, known=known)
    data, excluded = usable_rows(frame, columns)
    grid, targets, more = lay_out_series(data, columns)
    at_valid, at_test = cut_places(grid, (valid, test), horizon)
    until = (at_valid - grid.first).clip(0, grid.observed)  # of each series in training
    _check_length(grid, int(until.max()), horizon, lookback, (valid, test))
    season, strength = season_of(grid, targets, until)
    lookback = lookback or proposed_lookback(int(until.max()), horizon, season)
    logs = choose_logs(grid, targets, until, season, transform)
    learnable = until >= lookback + horizon
    # Those that are in no split are scaled by all that there is of them, for when they are forecast all the same.
    learned, still = learn_scales(grid, targets, np.where(learnable, until, grid.observed), season, logs)
    training_rows = np.flatnonzero((grid.at >= 0) & (grid.at - grid.offsets[_series_of(grid)] < until[_series_of(grid)]))
    covariates, about_columns = learn_covariates(data, columns.others, columns.known, training_rows)
    windows = Windows(
        lookback=lookback,
        horizon=horizon,
        season=season,
        step=grid.step,
        columns=columns,
        logs=learned.logs,
        series=grid.names,
        centre=learned.centre,
        scale=learned.scale,
        naive_error=learned.naive_error,
        covariates=covariates,
        calendar=calendar_names(grid.step, float(until.max()) * grid.step.length),
        seen=at_test,
    )
    steps = channels_of(data, grid, targets, windows, np.arange(len(grid.names)))
    ends = {"train": (np.zeros_like(until), until), "valid": (at_valid - grid.first, at_test - grid.first)}
    ends["test"] = (at_test - grid.first, grid.observed)
    made, thinned = {}, 1
    for part, (first, last) in ends.items():
        starts, of, every = window_starts(grid, windows, first, np.where(learnable, last, 0), thin=part == "train")
        made[part] = _split(steps, starts, of, grid, windows)
        thinned = max(thinned, every)
    _check_parts(made, windows)
    chosen: dict[str, Any] = {"target": target, "time": time, "series": series, "known": ",".join(known)}
    chosen |= {"transform": transform, "encoding": encoding}
    options = {"task": "forecast", "forecast": horizon, "lookback": lookback, "valid": valid, "test": test}
    digest = hashlib.sha256(f"{frame.digest} {columns} {windows.lookback} {horizon} {valid} {test}".encode()).hexdigest()
    told = [
        *frame.notes,
        *notes,
        *more,
        *_about_season(windows, strength),
        *([f"Every {thinned}th window is learned from: there are more than time allows."] if thinned > 1 else []),
        *_about_series(grid.names, learnable, still),
        *about_columns,
    ]
    if header is not None:
        options["header"] = header
    return Dataset(
        name=name or frame.name,
        train=made["train"],
        valid=made["valid"],
        test=made["test"],
        schema=Schema(windows, Forecasts(columns.targets, horizon)),
        origin=Origin(name_of(source), digest, options | {key: value for key, value in chosen.items() if value}),
        notes=tuple(dict.fromkeys(told)),
        excluded=excluded,
    )


def read_forecast(source: Any, schema: Schema, *, header: bool | None = None, encoding: str | None = None) -> WindowSplit:
    """Windows with their truth for a Schema that exists, as `evaluate` needs them: from each moment that training has not seen.

    Where a table goes on after the data of the training, only what is new in the series of the training is judged; of other
    series everything is.

    Raises:
        DataError: a column is not there, or no series is long enough.

    Example:
        >>> import polars as pl
        >>> rows = pl.DataFrame({"t": [str(t) for t in range(120)], "y": [str(t % 6) for t in range(120)]})
        >>> schema = load_forecast(rows.head(90), horizon=4).schema
        >>> len(read_forecast(rows, schema)), len(load_forecast(rows.head(90), horizon=4).test)
        (41, 11)
    """
    learned: Any = schema.inputs
    frame = rows_in_time(source, header=header, encoding=encoding)
    data, _ = usable_rows(frame, learned.columns)
    grid, targets, notes = lay_out_series(data, learned.columns, learned.step)
    windows, which, strange = with_series(learned, grid, targets)
    steps = channels_of(data, grid, targets, windows, which)
    first = np.where(np.isin(grid.names, learned.series), np.maximum(learned.seen - grid.first, 0), 0)
    starts, of, _ = window_starts(grid, windows, first, grid.observed)
    if not len(starts):
        needed = learned.lookback + learned.horizon
        raise DataError(
            "No series has enough steps that the training has not seen",
            expected=f"{learned.horizon:,} steps to judge by after {learned.lookback:,} to look back on",
            got=f"at most {int(grid.observed.max()):,} steps in all" if grid.observed.max() < needed else "none that are new",
        )
    split = _split(steps, starts, of, grid, windows, which)
    return replace(split, notes=(*frame.notes, *notes, *strange), windows=windows)


def _check(horizon: int, lookback: int | None, transform: str | None) -> None:
    for what, value in (("horizon", horizon), ("lookback", 1 if lookback is None else lookback)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"The {what} is no number of steps", expected="a whole number from 1", got=repr(value))
    if transform is not None and transform not in _TRANSFORMS:
        raise ArgumentError("There is no such transform", expected="log or none", got=repr(transform))


def rows_in_time(source: Any, *, header: bool | None = None, encoding: str | None = None) -> Frame:
    """The rows of a table to forecast: csv, tsv or parquet files, a folder of them, or a data frame.

    Raises:
        SourceNotFoundError: a path leads nowhere.
        DataError: it is no table.

    Example:
        >>> import polars as pl
        >>> len(rows_in_time(pl.DataFrame({"day": ["2024-01-01"], "sold": ["4"]})))
        1
    """
    frame = source if isinstance(source, Frame) else frame_of(source, Reading(header=header, encoding=encoding))
    if frame is None:
        if isinstance(source, (str, Path)) and not Path(source).expanduser().exists():
            raise nowhere(source, Path(source).expanduser().absolute())
        got = str(source) if isinstance(source, (str, Path)) else type(source).__name__
        raise DataError("What is forecast stands in a table", expected="a csv, tsv or parquet file, or a data frame", got=got)
    return frame


def _series_of(grid: Grid) -> NDArray[np.int64]:
    """The series of each row of the table; any for rows that are not used."""
    return np.searchsorted(grid.offsets[1:], np.maximum(grid.at, 0), "right")


def _split(
    steps: NDArray[np.float32],
    starts: NDArray[np.int64],
    of: NDArray[np.int64],
    grid: Grid,
    windows: Windows,
    which: NDArray[np.int64] | None = None,
) -> WindowSplit:
    """The windows that begin at these steps, with what comes after their lookback, a moment and a name for each."""
    lookback, horizon = windows.lookback, windows.horizon
    rows: Any = WindowRows(steps, starts, lookback=lookback, horizon=horizon, hidden=windows.hidden)
    origins = starts + lookback
    targets = steps[origins[:, None] + np.arange(horizon), : windows.targets]
    ticks = grid.step.ticks(grid.first[of] + origins - grid.offsets[of])
    names = [grid.names[each] for each in of.tolist()]
    ids = [f"{name} {word}".strip() for name, word in zip(names, grid.step.words(ticks), strict=True)]
    return WindowSplit(rows, targets, ids, (), of if which is None else which[of], ticks)


def _check_length(grid: Grid, steps: int, horizon: int, lookback: int | None, shares: tuple[float, float]) -> None:
    """Raise where the training part is too short, with the number of steps that are needed in all."""
    needed = steps_needed(horizon, lookback)
    if steps >= needed:
        return
    span = int((grid.first + grid.observed).max() - grid.first.min())
    fits = next((less for less in range(horizon - 1, 0, -1) if _trained(span, less, shares) >= steps_needed(less)), 0)
    fewer = f"Forecast fewer: --forecast {fits}." if fits else None
    raise DataError(
        f"The series are too short to forecast {counted(horizon, 'step')}: of {span:,} steps {max(0, steps):,} are left to "
        "learn from when validation and test have theirs",
        expected=f"at least {_steps_in_all(horizon, lookback, shares):,} steps",
        got=f"{span:,}",
        do=fewer if lookback is None else _shorter(steps, horizon, lookback),
    )


def _shorter(steps: int, horizon: int, lookback: int) -> str | None:
    """The longest past for which the steps are enough, as advice."""
    fits = next((less for less in range(lookback - 1, 0, -1) if steps >= steps_needed(horizon, less)), 0)
    return f"Look back less than {lookback:,} steps: --lookback {fits}." if fits else None


def _trained(span: int, horizon: int, shares: tuple[float, float]) -> int:
    return span - sum(part_length(share, span, horizon) for share in shares)


def _steps_in_all(horizon: int, lookback: int | None, shares: tuple[float, float]) -> int:
    span = needed = steps_needed(horizon, lookback)
    while _trained(span, horizon, shares) < needed:
        span += 1
    return span


def _check_parts(made: dict[str, WindowSplit], windows: Windows) -> None:
    for part, split in made.items():
        if not len(split):
            raise DataError(
                f"There is no {part} window: no series that is long enough in training reaches into its part of the time",
                expected=f"a series of {windows.lookback + windows.horizon:,} training steps that goes on in each part",
                do="Are the series of different times? Forecast those of one time, or take a shorter --forecast.",
            )


def _about_season(windows: Windows, strength: float) -> list[str]:
    if windows.season == 1:
        return ["No season was found: the series are not like themselves after any number of steps."]
    logs = [name for name, log in zip(windows.columns.targets, windows.logs, strict=True) if log]
    told = [f"The season is {windows.season:,} steps: the correlation with the values so long before is {strength:.2f}."]
    if logs:
        told.append(f"The logarithm of {', '.join(map(repr, logs))} is learned: it varies the more the larger it is.")
    return told


def _about_series(names: tuple[str, ...], learnable: NDArray[np.bool_], still: list[str]) -> list[str]:
    told = []
    if short := int((~learnable).sum()):
        what = counted(short, "series has", "series have")
        told.append(f"{what} too few steps in the training part and {'is' if short == 1 else 'are'} left out.")
    if still:
        which = f" ({', '.join(map(repr, still[:5]))})" if names != ("",) else ""
        what = counted(len(still), "series", "series")
        told.append(f"{what}{which} never varied in the training part: there is nothing to learn.")
    return told
