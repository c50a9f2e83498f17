"""Series grids: the rows of a table put onto a regular grid of moments, series by series, their gaps filled and counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.forecast_tables import Columns, series_names
from leadline.data.forecasts.time_steps import SECOND, TimeStep, infer_step
from leadline.data.tables.cells import Cells
from leadline.errors import DataError
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl

_MOST_GAPS = 0.5  # of the steps may have no value: more than that is no regular series
_TELLS = 0.1  # of a step: moments that are further from the grid are worth a sentence
_MOST_STEPS = 200_000_000
_SERIES_LOOKED_AT = 1000  # to tell the step

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """S series on one grid, one after the other; ΣT steps together.

    Attributes:
        step: of the grid.
        names: of the series.
        first: the place of the first step of each series, int64 [S].
        offsets: where each series begins among the steps, int64 [S + 1].
        observed: how many steps of each series have targets, int64 [S]; known columns may go on.
        at: for each row of the table its step, int64 [N], −1 for one that is not used.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecast_tables import find_columns
        >>> frame = pl.DataFrame({"day": ["2024-01-04", "2024-01-01", "2024-01-02"], "sold": ["4", "1", "2"]})
        >>> grid, sold, notes = lay_out_series(frame, find_columns(frame)[0])
        >>> sold.tolist(), notes[-1]
        ([[1.0], [2.0], [3.0], [4.0]], '1 of 4 steps had no value and was interpolated.')
    """

    step: TimeStep
    names: tuple[str, ...]
    first: NDArray[np.int64]
    offsets: NDArray[np.int64]
    observed: NDArray[np.int64]
    at: NDArray[np.int64]

    @property
    def total(self) -> int:
        """ΣT."""
        return int(self.offsets[-1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The steps of each series, those whose targets are still unknown included, int64 [S]."""
        return np.diff(self.offsets)

    def places(self) -> NDArray[np.int64]:
        """The place of each step on the grid, int64 [ΣT]."""
        return np.arange(self.total) + np.repeat(self.first - self.offsets[:-1], self.lengths)

    def spread(self, values: Floats) -> Floats:
        """Values of the rows [N, F] on the steps, float64 [ΣT, F]: the mean of several rows, NaN where there is none."""
        steps = np.full((self.total, values.shape[1]), np.nan)
        for column in range(values.shape[1]):
            there = (self.at >= 0) & np.isfinite(values[:, column])
            counts = np.bincount(self.at[there], minlength=self.total)
            sums = np.bincount(self.at[there], values[there, column], minlength=self.total)
            np.divide(sums, counts, out=steps[:, column], where=counts > 0)
        return steps

    def filled(self, steps: Floats, *, linear: bool, until: NDArray[np.int64] | None = None) -> Floats:
        """Steps [ΣT, F] without gaps: lines between neighbours, or what was there last; the ends go on as they are.

        Args:
            steps: with NaN for gaps; not changed.
            linear: interpolate.
            until: for each series how many steps are filled; all when None. A series without any value stays NaN.
        """
        steps = steps.copy()
        until = self.lengths if until is None else until
        for series in np.flatnonzero(np.add.reduceat(np.isnan(steps).any(axis=1), self.offsets[:-1])):
            part = steps[self.offsets[series] : self.offsets[series] + until[series]]
            for column in part.T:
                there = np.flatnonzero(np.isfinite(column))
                if not len(there) or len(there) == len(column):
                    continue
                if linear:
                    column[:] = np.interp(np.arange(len(column)), there, column[there])
                else:
                    column[:] = column[there[np.maximum(np.searchsorted(there, np.arange(len(column)), "right") - 1, 0)]]
        return steps


def lay_out_series(frame: pl.DataFrame, columns: Columns, step: TimeStep | None = None) -> tuple[Grid, Floats, tuple[str, ...]]:
    """The series of a table on their grid, their targets filled, float64 [ΣT, M], and sentences on what was done to them.

    Rows need not be sorted; those of one moment are averaged; gaps are interpolated. A series begins and ends with its first
    and last target; where columns are known beforehand, later rows stay as its future, in which the targets are NaN.

    Args:
        frame: rows that all tell a moment and a series.
        columns: their parts.
        step: of the grid; inferred when None.

    Raises:
        DataError: no row has a target, the step cannot be told, or more than half of the steps have no value.
    """
    notes: list[str] = []
    ticks, _ = columns.time.read(frame)
    texts, _ = series_names(frame, columns.series)
    names, which = _numbered(texts)
    values = np.stack(
        [Cells(frame[name]).numbers(mark) for name, mark in zip(columns.targets, columns.decimals, strict=True)], axis=1
    )
    values = np.where(np.isfinite(values), values, np.nan)
    there = np.asarray(np.isfinite(values).any(axis=1))
    if not there.any():
        raise DataError(f"Not one row has a value of {columns.targets[0]!r}", expected="numbers to forecast from")
    if step is None:
        step = infer_step(_moments_by_series(ticks[there], which[there]), numbers=columns.time.is_numbers)
        _about_steps(step, ticks[there], notes)
    places = step.places(ticks)
    _about_order(which, ticks, notes)
    grid = _framed(which, places, there, names, step, keep_future=bool(columns.known))
    used = grid.at >= 0
    repeated = int((used & there).sum()) - len(np.unique(grid.at[used & there]))
    if repeated:
        notes.append(f"{counted(repeated, 'row has', 'rows have')} the moment of another row; such rows were averaged.")
    steps = grid.spread(values)
    observed = np.arange(grid.total) - np.repeat(grid.offsets[:-1], grid.lengths) < np.repeat(grid.observed, grid.lengths)
    _about_gaps(np.isnan(steps).any(axis=1) & observed, int(observed.sum()), step, notes)
    steps = grid.filled(steps, linear=True, until=grid.observed)
    steps[~observed] = np.nan
    return grid, steps, tuple(notes)


def _moments_by_series(ticks: NDArray[np.int64], which: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The different moments of each series in order; of very many series those of the first."""
    order = np.lexsort((ticks, which))
    ticks, which = ticks[order], which[order]
    fresh = np.concatenate([[True], (np.diff(ticks) != 0) | (np.diff(which) != 0)])
    ticks, which = ticks[fresh], which[fresh]
    return np.split(ticks, 1 + np.flatnonzero(np.diff(which)))[:_SERIES_LOOKED_AT]


def _numbered(texts: pl.Series) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The different names in their order, and the number of that of each row."""
    import polars as pl

    names = texts.unique().sort().to_list()
    return tuple(names), np.array(texts.cast(pl.Enum(names)).to_physical().to_numpy(), np.int64)


def _framed(
    which: NDArray[np.int64],
    places: NDArray[np.int64],
    there: NDArray[np.bool_],
    names: tuple[str, ...],
    step: TimeStep,
    *,
    keep_future: bool,
) -> Grid:
    """The grid from the first to the last target of each series; a series without any is left out."""
    count = len(names)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, which[there], places[there])
    np.maximum.at(last, which[there], places[there])
    kept = np.flatnonzero(first <= last)
    number = np.full(count, -1)
    number[kept] = np.arange(len(kept))
    end = last.copy()
    if keep_future:
        np.maximum.at(end, which, places)
    first, last, end, series = first[kept], last[kept], end[kept], number[which]
    lengths = end - first + 1
    if (most := int(lengths.sum())) > _MOST_STEPS:
        raise DataError(
            f"The series would have {most:,} steps",
            expected=f"at most {_MOST_STEPS:,}",
            do="Is the time in one unit throughout?",
        )
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    safe = np.maximum(series, 0)
    inside = (series >= 0) & (places >= first[safe]) & (places <= end[safe])
    at = np.where(inside, offsets[safe] + places - first[safe], -1)
    return Grid(step, tuple(names[each] for each in kept.tolist()), first, offsets, last - first + 1, at)


def _about_order(which: NDArray[np.int64], ticks: NDArray[np.int64], notes: list[str]) -> None:
    """A sentence where the rows of a series were not in the order of time."""
    order = np.argsort(which, kind="stable")
    later = np.diff(ticks[order]) < 0
    if wrong := int((later & (np.diff(which[order]) == 0)).sum()):
        notes.append(f"The rows were not in the order of time ({counted(wrong, 'step')} back); they were sorted.")


def _about_steps(step: TimeStep, ticks: NDArray[np.int64], notes: list[str]) -> None:
    notes.append(f"The rows are taken as {step.describe()}.")
    if far := int((step.off(ticks) > _TELLS).sum()):
        first = ticks[step.off(ticks) > _TELLS][:1]
        shown = step.words(first)[0] if step.unit == "number" else TimeStep("duration", SECOND).words(first)[0]
        notes.append(
            f"{counted(far, 'row is', 'rows are')} more than a tenth of a step off the regular grid, such as that of {shown}; "
            "each counts for the nearest step."
        )


def _about_gaps(missing: NDArray[np.bool_], steps: int, step: TimeStep, notes: list[str]) -> None:
    count = int(missing.sum())
    if not count:
        return
    if count > _MOST_GAPS * steps:
        raise DataError(
            f"{count:,} of {steps:,} steps have no value, where the rows are taken as {step.describe()}",
            expected="a value for at least half of the steps",
            do="Average or sum the rows over regular steps first (days, weeks), or leave out the time that is not covered.",
        )
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    longest = int((edges[1::2] - edges[::2]).max())
    told = f"; the longest gap is {counted(longest, 'step')}" if count > 1 else ""
    notes.append(f"{count:,} of {steps:,} steps had no value and {'was' if count == 1 else 'were'} interpolated{told}.")


def cut_places(grid: Grid, shares: Sequence[float], horizon: int) -> tuple[int, int]:
    """The places at which validation and test begin, the same for all series: nothing later is learned from.

    The last part is the test: its share of the observed steps, and at least one horizon; nearly two (so that there are several
    moments to forecast from) where that is no more than a sixth of them. The validation before it likewise.

    Args:
        grid: of the series.
        shares: of validation and test, below 1, or their numbers of steps.
        horizon: how many steps are forecast.

    Example:
        >>> import polars as pl
        >>> from leadline.data.forecasts.forecast_tables import find_columns
        >>> frame = pl.DataFrame({"t": [str(t) for t in range(100)], "y": [str(t % 7) for t in range(100)]})
        >>> cut_places(lay_out_series(frame, find_columns(frame)[0])[0], (0.15, 0.15), 10)
        (68, 84)
    """
    begin, end = int(grid.first.min()), int((grid.first + grid.observed).max())
    span = end - begin
    valid, test = (part_length(share, span, horizon) for share in shares)
    return end - test - valid, end - test


def part_length(share: float, span: int, horizon: int) -> int:
    """How many of `span` steps validation or test has."""
    length = int(share) if share >= 1 else round(share * span)
    return max(length, horizon, min(2 * horizon - 1, span // 6))
