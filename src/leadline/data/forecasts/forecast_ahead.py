"""Forecasts ahead: the windows at the end of the series of a table, and what a network says comes after them, with dates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from leadline.data.forecasts.forecast_answers import Forecasts
from leadline.data.forecasts.forecast_tables import Columns, check_moments, series_names
from leadline.data.forecasts.time_steps import calendar_features, calendar_width
from leadline.data.forecasts.window_making import channels_of, learn_scales
from leadline.data.forecasts.windows import Windows
from leadline.data.raw import set_aside
from leadline.data.series.series_grids import Grid, lay_out_series
from leadline.data.tables.frame import Frame, ids_of
from leadline.errors import DataError
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class LatestWindows:
    """The window at the end of each series, to forecast what comes after it.

    Attributes:
        windows: the Schema's side, with the scales of series that training did not have.
        inputs: float32 [S, L + H, C].
        names: of the series.
        number: of each series in `windows`, int64 [S].
        ticks: of the steps seen and to come, int64 [S, L + H].
        past: the targets that were seen, in their units, [S, L, M].
        notes: on what was done to the rows.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecasting import load_forecast
        >>> months = [f"{2000 + t // 12}-{t % 12 + 1:02}" for t in range(96)]
        >>> rows = pl.DataFrame({"month": months, "y": [str(t % 12 + 3) for t in range(96)]})
        >>> dataset = load_forecast(rows, horizon=2)
        >>> latest = latest_windows(rows, dataset.schema.inputs)
        >>> [row["month"] for row in latest.told(dataset.schema.answers, np.zeros((1, 2, 1)))]
        ['2008-01', '2008-02']
    """

    windows: Windows
    inputs: NDArray[np.float32]
    names: tuple[str, ...]
    number: NDArray[np.int64]
    ticks: NDArray[np.int64]
    past: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def told(self, answers: Forecasts, outputs: NDArray[Any]) -> list[dict[str, Any]]:
        """A row for each step to come of each series: its time, its series, each target with the bounds where these are known.

        Args:
            answers: the Schema's other side.
            outputs: of the network, [S, H, M].
        """
        values = {"": self.windows.in_units(outputs, self.number)}
        if answers.spread:
            low, high = answers.bounds(torch.from_numpy(np.asarray(outputs, np.float32)))
            values |= {" low": self.windows.in_units(low.numpy(), self.number)}
            values |= {" high": self.windows.in_units(high.numpy(), self.number)}
        by, rows = " · ".join(self.windows.columns.series), []
        for at, name in enumerate(self.names):
            moments = self.windows.step.words(self.ticks[at, self.windows.lookback :])
            for step, moment in enumerate(moments):
                row: dict[str, Any] = {" · ".join(self.windows.columns.time.names): moment} | ({by: name} if by else {})
                for column, target in enumerate(answers.names):
                    row |= {target + ending: float(each[at, step, column]) for ending, each in values.items()}
                rows.append(row)
        return rows


def latest_windows(frame: pl.DataFrame | Frame, windows: Windows) -> LatestWindows:
    """The windows at the end of the series of a table, each after its last target.

    Args:
        frame: rows like those of the training; where columns are known beforehand, those of the steps to come as well, without
            a target.
        windows: of the training.

    Raises:
        DataError: a column is not there, no series is long enough, or what is known beforehand is not there.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecasting import load_forecast
        >>> rows = pl.DataFrame({"t": [str(t) for t in range(90)], "y": [str(t % 6) for t in range(90)]})
        >>> latest = latest_windows(rows, load_forecast(rows, horizon=4).schema.inputs)
        >>> latest.inputs.shape, latest.ticks[0, -4:].tolist()
        ((1, 16, 1), [90, 91, 92, 93])
    """
    whole = frame if isinstance(frame, Frame) else Frame(frame, [f"row:{row}" for row in range(len(frame))], "", "rows")
    data, _ = usable_rows(whole, windows.columns)
    grid, targets, notes = lay_out_series(data, windows.columns, windows.step)
    lookback, horizon = windows.lookback, windows.horizon
    long = np.flatnonzero(grid.observed >= lookback)
    if not len(long):
        raise DataError(
            "No series is long enough to forecast from",
            expected=f"at least {lookback:,} steps, on which the network looks back",
            got=f"at most {int(grid.observed.max()):,}",
        )
    extended, which, strange = with_series(windows, grid, targets)
    steps = channels_of(data, grid, targets, extended, which)
    padded = np.concatenate([steps, np.full((horizon, steps.shape[1]), np.nan, np.float32)])
    ends = grid.offsets[long] + grid.observed[long]
    inputs = padded[ends[:, None] + np.arange(-lookback, horizon)]
    inputs[:, lookback:, : windows.hidden] = np.nan
    beyond = np.arange(horizon) >= (grid.lengths - grid.observed)[long, None]  # belongs to the next series, or to none
    inputs[:, lookback:][beyond] = np.nan
    places = (grid.first + grid.observed)[long, None] + np.arange(-lookback, horizon)
    ticks = grid.step.ticks(places)
    _put_calendar(inputs, extended, ticks)
    if (lacking := np.isnan(inputs[:, lookback:, windows.hidden :]).any(axis=(1, 2))).any():
        known = ", ".join(map(repr, windows.columns.known))
        raise DataError(
            f"What is known beforehand is not there for the {horizon:,} steps to come: {known}",
            expected=f"{horizon:,} more rows with their time and these columns, without a target",
            got=counted(int(lacking.sum()), "series that lacks some", "series that lack some"),
        )
    left = len(grid.names) - len(long)
    short = [f"{counted(left, 'series is', 'series are')} shorter than {lookback:,} steps and left out."] if left else []
    past = targets[ends[:, None] + np.arange(-lookback, 0)]
    names = tuple(grid.names[at] for at in long.tolist())
    return LatestWindows(extended, inputs, names, which[long], ticks, past, (*whole.notes, *notes, *strange, *short))


def _put_calendar(inputs: NDArray[np.float32], windows: Windows, ticks: NDArray[np.int64]) -> None:
    if width := calendar_width(windows.calendar):
        inputs[:, :, -width:] = calendar_features(windows.calendar, ticks.reshape(-1)).reshape(*ticks.shape, width)


def with_series(
    windows: Windows, grid: Grid, targets: NDArray[np.float64]
) -> tuple[Windows, NDArray[np.int64], tuple[str, ...]]:
    """The Schema's side with the scales of series that training did not have, by their own values; the number of each."""
    strange = [at for at, name in enumerate(grid.names) if name not in windows.numbers]
    if strange:
        own, _ = learn_scales(grid, targets, grid.observed, windows.season, windows.logs)
        windows = replace(
            windows,
            series=(*windows.series, *(grid.names[at] for at in strange)),
            centre=(*windows.centre, *(own.centre[at] for at in strange)),
            scale=(*windows.scale, *(own.scale[at] for at in strange)),
            naive_error=(*windows.naive_error, *(own.naive_error[at] for at in strange)),
        )
    numbers = {name: number for number, name in enumerate(windows.series)}
    shown = ", ".join(repr(grid.names[at]) for at in strange[:5])
    unnamed = windows.columns.series == ()
    notes = (
        f"{counted(len(strange), 'series was', 'series were')} not in the training and scaled by their own values: {shown}.",
    )
    which = np.array([numbers[name] for name in grid.names], np.int64)
    return windows, which, notes if strange and not unnamed else ()


def usable_rows(frame: Frame, columns: Columns) -> tuple[pl.DataFrame, tuple[Any, ...]]:
    """The rows that tell a moment and a series, and a record of each of the others.

    Errors: `DataError` for a column that is not there, too many rows that tell nothing, or too many at one moment.
    """
    lacking = [name for name in (*columns.series, *columns.targets, *columns.known) if name not in frame.data.columns]
    if lacking:
        raise DataError(f"The table lacks the column {lacking[0]!r}", got=", ".join(map(repr, frame.data.columns[:10])))
    _, timed = columns.time.read(frame.data)
    _, named = series_names(frame.data, columns.series)
    bad = dict.fromkeys(np.flatnonzero(~named).tolist(), "it has no series")
    bad |= dict.fromkeys(np.flatnonzero(~timed).tolist(), "it tells no moment")
    rows, excluded = set_aside(ids_of(frame.ids, np.arange(len(frame))), bad, frame.excluded)
    data = frame.data[rows] if bad else frame.data
    check_moments(data, columns)
    return data, excluded
