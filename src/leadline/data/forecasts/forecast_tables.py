"""Forecast tables: which columns of a table are the time, the series, what is forecast, and what may help to forecast it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.time_columns import TimeReading, find_time
from leadline.data.tables.cells import Cells
from leadline.errors import DataError, nearest
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl

_NUMERIC = 0.95  # of the cells must be numbers for the column to hold numbers
_REPEATED = 0.05  # of the rows may share their moment with another of the same series
_MOST_LEVELS = 12  # of a column that helps to forecast: each becomes a number of its own
_MOST_SERIES = 0.5  # of the rows: a column with more values than that names rows, not series


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are to a forecast.

    `time` reads the moments; `series` are the columns whose values together name a series (none for a single one); `targets`
    are forecast, with the decimal marks `decimals`; `known` are known beforehand (a holiday, a price list); `others` are not.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"Month": ["1949-01", "1949-02"], "Passengers": ["112", "118"]})
        >>> find_columns(frame)[0].targets
        ('Passengers',)
    """

    time: TimeReading
    series: tuple[str, ...]
    targets: tuple[str, ...]
    decimals: tuple[str, ...]
    known: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Covariate:
    """A column that helps to forecast: `kind` "number", "yes/no" or "category" (each of its `levels` becomes a number).

    `known` says that its future is known, too. Values are (x − centre) / scale, the mean and deviation of the training part.

    Example:
        >>> import polars as pl
        >>> holiday = learn_covariate("holiday", Cells(pl.Series(["no", "yes", "no", "no"])), known=True)
        >>> holiday.read(Cells(pl.Series(["yes", "no", None]))).tolist()
        [[1.0], [0.0], [nan]]
    """

    name: str
    kind: str
    known: bool
    levels: tuple[str, ...] = ()
    decimal: str = "."
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Covariate:
        return cls(**{**record, "levels": tuple(record["levels"])})

    @property
    def width(self) -> int:
        """How many numbers it becomes."""
        return len(self.levels) if self.kind == "category" else 1

    def read(self, cells: Cells) -> NDArray[np.float64]:
        """The numbers of N cells, not scaled yet, float64 [N, width]; NaN where a cell is missing or new."""
        if self.kind == "number":
            values = cells.numbers(self.decimal)
            return np.where(np.isfinite(values), values, np.nan)[:, None]
        codes = cells.codes(self.levels)
        if self.kind == "yes/no":
            second: NDArray[np.float64] = np.where(codes > 0, codes - 1.0, np.nan)[:, None]
            return second
        one_hot: NDArray[np.float64] = (codes[:, None] == np.arange(1, len(self.levels) + 1)).astype(np.float64)
        one_hot[~cells.present] = np.nan  # a level that training did not show is none of these: zeros
        return one_hot


def find_columns(
    frame: pl.DataFrame,
    *,
    target: str | None = None,
    time: str | None = None,
    series: str | None = None,
    known: Sequence[str] = (),
) -> tuple[Columns, tuple[str, ...]]:
    """The part that each column has, and sentences on what was chosen for the person.

    Args:
        frame: the rows.
        target: the columns to forecast, separated by commas; the last column of numbers when None.
        time: the columns that tell the time; found when None.
        series: the columns that name the series; found when None, where moments repeat.
        known: columns whose future is known.

    Raises:
        DataError: a column is not there or has two parts, no column can be forecast, or moments repeat and no column says why.

    Example:
        >>> import polars as pl
        >>> days = ["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-02"]
        >>> rows = {"day": days, "shop": ["a", "b"] * 2, "sold": list("1234")}
        >>> find_columns(pl.DataFrame(rows))[0].series
        ('shop',)
    """
    notes: list[str] = []
    reading = find_time(frame, time)
    if not time:
        notes.append(f"The time is told by {_listed(reading.names)}.")
    named = _split(target, frame, "forecast") if target else []
    helping = [_there(frame, name, "is known beforehand") for name in known]
    by = _split(series, frame, "series") if series else None
    for part, names in (("forecast", named), ("known beforehand", helping), ("series", by or [])):
        if both := sorted(set(names) & set(reading.names)):
            raise DataError(f"The column {both[0]!r} tells the time, and cannot be {part} as well")
    if both := sorted((set(named) & set(helping)) | (set(by or ()) & {*named, *helping})):
        raise DataError(f"The column {both[0]!r} was given two parts", expected="target, known or series, one of them")
    free = [name for name in frame.columns if name not in reading.names]
    if by is None:
        by = _find_series(frame, reading, [name for name in free if name not in (*named, *helping)])
        if by:
            notes.append(f"The rows are of several series, told apart by {_listed(by)}.")
    free = [name for name in free if name not in by]
    targets = named or _last_numbers(frame, [name for name in free if name not in helping], notes)
    decimals = []
    for name in targets:
        cells = Cells(frame[name])
        if cells.numeric.sum() < _NUMERIC * max(1, cells.present.sum()) or not cells.numeric.any():
            shown = cells.text.drop_nulls().head(1).to_list()
            raise DataError(
                f"The column {name!r} cannot be forecast",
                expected="numbers",
                got=repr(shown[0]) if shown else "nothing but missing values",
            )
        decimals.append(cells.decimal)
    others = tuple(name for name in free if name not in (*targets, *helping))
    return Columns(reading, tuple(by), tuple(targets), tuple(decimals), tuple(helping), others), tuple(notes)


def learn_covariate(name: str, cells: Cells, *, known: bool) -> Covariate | str:
    """What a column of N training cells becomes; or, in words, why it cannot help.

    Example:
        >>> import polars as pl
        >>> learn_covariate("station", Cells(pl.Series(["north", "north"])), known=False)
        "constant: always 'north'"
    """
    if not cells.present.any():
        return "every value of the training part is missing"
    levels = cells.text.drop_nulls().unique().sort().to_list()
    if len(levels) == 1:
        return f"constant: always {str(levels[0])[:30]!r}"
    if cells.numeric.sum() >= _NUMERIC * cells.present.sum():
        values = cells.numbers(cells.decimal)
        values = values[np.isfinite(values)]
        spread = float(values.std())
        if spread <= 1e-12 * max(1.0, float(np.abs(values).max())):
            return "constant"
        return Covariate(name, "number", known, decimal=cells.decimal, centre=float(values.mean()), scale=spread)
    if cells.is_date:
        return "dates"
    if len(levels) == 2:
        share = float((cells.codes(levels)[cells.present] == 2).mean())
        return Covariate(name, "yes/no", known, tuple(levels), centre=share, scale=max((share * (1 - share)) ** 0.5, 1e-6))
    if len(levels) > _MOST_LEVELS:
        return f"{len(levels):,} different texts, more than {_MOST_LEVELS}"
    return Covariate(name, "category", known, tuple(levels))


def series_names(frame: pl.DataFrame, names: Sequence[str]) -> tuple[pl.Series, NDArray[np.bool_]]:
    """The name of the series of each row, and whether it has one, bool [N]; an empty name where there is one series only.

    Example:
        >>> import polars as pl
        >>> rows, known = series_names(pl.DataFrame({"shop": ["a", "b"], "item": ["1", None]}), ["shop", "item"])
        >>> rows.to_list(), known.tolist()
        (['a · 1', 'b · '], [True, False])
    """
    import polars as pl

    if not names:
        return pl.Series("series", [""]).new_from_index(0, len(frame)), np.ones(len(frame), np.bool_)
    cells = [Cells(frame[name]) for name in names]
    texts = pl.DataFrame([each.text.fill_null("").alias(str(number)) for number, each in enumerate(cells)])
    known = np.asarray(np.all([each.present for each in cells], axis=0))
    return texts.select(pl.concat_str(pl.all(), separator=" · ").alias("series"))["series"], known


def check_moments(frame: pl.DataFrame, columns: Columns) -> None:
    """Refuse rows of which many have the moment of another row of the same series: they are of several, or not summed up yet.

    Args:
        frame: rows that all tell a moment and a series.
        columns: their parts.

    Errors: `DataError`.

    Example:
        >>> import polars as pl
        >>> rows = pl.DataFrame({"day": ["2024-01-01", "2024-01-02"], "sold": ["1", "2"]})
        >>> check_moments(rows, find_columns(rows)[0])
    """
    import polars as pl

    ticks, _ = columns.time.read(frame)
    repeated = _repeated([pl.Series(ticks), series_names(frame, columns.series)[0]])
    if repeated <= _REPEATED * len(frame):
        return
    if by := _listed(columns.series):
        raise DataError(
            f"{repeated:,} of {len(frame):,} rows have the moment of another row of their series, as {by} tells them apart",
            expected="one row for each moment of a series",
            do="Average or sum the rows first; or name all columns that tell series apart in the training: --series A,B.",
        )
    raise DataError(
        f"{repeated:,} of {len(frame):,} rows have the moment of another row, and the training had a single series",
        expected="one row for each moment",
        do="Give the rows of one series, or average them first.",
    )


def _find_series(frame: pl.DataFrame, reading: TimeReading, free: Sequence[str]) -> list[str]:
    """The columns that tell series apart, where many rows have the same moment; none where few do."""
    import polars as pl

    ticks, known = reading.read(frame)
    rows = np.flatnonzero(known)
    moments = pl.Series(ticks[rows])
    repeated = _repeated([moments])
    if repeated <= _REPEATED * len(rows):
        return []
    candidates: dict[str, pl.Series] = {}
    for name in free:
        cells = Cells(frame[name])
        text = cells.text.gather(rows)
        whole = cells.numeric.mean() < _NUMERIC or not np.any(np.mod(cells.numbers(cells.decimal), 1) > 0)
        if 1 < text.n_unique() <= _MOST_SERIES * len(rows) and whole and cells.present.all():
            candidates[name] = text
    # Words name series more often than numbers do, and few columns are better than many.
    ordered = sorted(candidates, key=lambda name: bool(Cells(frame[name]).numeric.all()))[:20]
    for count in (1, 2, 3):
        for names in combinations(ordered, count):
            if _repeated([moments, *(candidates[name] for name in names)]) <= 0.01 * len(rows):
                return list(names)
    raise DataError(
        f"{repeated:,} of {len(rows):,} rows have the moment of another row, and no column tells them apart",
        expected="one row for each moment, or a column that names the series",
        do="Name that column: --series COLUMN; or average the rows first.",
    )


def _repeated(keys: Sequence[pl.Series]) -> int:
    """How many rows agree in all keys with an earlier one."""
    import polars as pl

    together = pl.DataFrame([key.alias(str(number)) for number, key in enumerate(keys)])
    return len(together) - together.n_unique()


def _last_numbers(frame: pl.DataFrame, free: Sequence[str], notes: list[str]) -> list[str]:
    numbers = [name for name in free if _may_be_forecast(Cells(frame[name]))]
    if not numbers:
        raise DataError(
            "There is no column of numbers to forecast",
            got="beside the time " + (_listed(free[:10]) if free else "no column"),
            do="Name it: --target COLUMN.",
        )
    if len(numbers) > 1:
        notes.append(
            f"{numbers[-1]!r} is forecast, the last of {counted(len(numbers), 'column')} of numbers; choose with --target."
        )
    return [numbers[-1]]


def _may_be_forecast(cells: Cells) -> bool:
    return bool(not cells.is_date and cells.numeric.any() and cells.numeric.sum() >= _NUMERIC * cells.present.sum())


def _split(names: str, frame: pl.DataFrame, what: str) -> list[str]:
    parts = [names] if names in frame.columns else [name.strip() for name in names.split(",")]
    return [_there(frame, name, what) for name in dict.fromkeys(parts)]


def _there(frame: pl.DataFrame, name: str, what: str) -> str:
    if name not in frame.columns:
        close = nearest(name, frame.columns)
        raise DataError(f"There is no column {name!r} ({what})", do=f"Did you mean {close!r}?" if close else None)
    return name


def _listed(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names)) if len(names) < 3 else ", ".join(map(repr, names))
