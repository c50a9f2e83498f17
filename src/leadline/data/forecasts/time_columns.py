"""Time columns: which columns of a table tell the moment of each row, and the moments they tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.forecasts.time_steps import DAY, SECOND
from leadline.data.tables.cells import Cells
from leadline.data.tables.date_text import date_formats, parse_dates
from leadline.errors import DataError, nearest

if TYPE_CHECKING:
    import polars as pl

_CLOCK = r"^(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?:\.\d+)?$"
_SHARE = 0.95  # of the cells must tell a time
_ROLES = {
    "year": ("year", "yr", "jahr", "yyyy"),
    "month": ("month", "mnth", "mon", "monat", "mm"),
    "day": ("day", "dy", "tag", "day of month", "dayofmonth", "dom", "dd"),
    "hour": ("hour", "hr", "stunde", "hh"),
    "minute": ("minute", "min"),
}
_COUNTERS = (
    "time", "t", "step", "timestep", "time step", "index", "period", "date", "timestamp", "datetime", "epoch", "tick", "week",
    "year", "yr", "day", "hour", "month",
)  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(frozen=True)
class TimeReading:
    """How the moments of a table are read, the same for every table after the training.

    `kind` is "dates" (by `formats`, of one column), "date and clock" (two columns), "parts" (`roles` such as year, month, hour,
    of a column each; days that no column tells are counted where the hours begin anew), "years", "seconds" or "milliseconds"
    since 1970, or "numbers", which count steps.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"Month": ["1949-01", "1949-02"], "Passengers": ["112", "118"]})
        >>> reading = find_time(frame)
        >>> reading.names, reading.read(frame)[0].astype("datetime64[us]").astype("datetime64[M]").tolist()[0].month
        (('Month',), 1)
    """

    kind: str
    names: tuple[str, ...]
    formats: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> TimeReading:
        return cls(record["kind"], *(tuple(record[name]) for name in ("names", "formats", "roles")))

    @property
    def is_numbers(self) -> bool:
        """Whether the moments are no dates."""
        return self.kind == "numbers"

    def read(self, frame: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The moment of each row, int64 [N], and whether there is one, bool [N].

        Raises:
            DataError: a column is not there, or the parts do not add up to days.
        """
        for name in self.names:
            if name not in frame.columns:
                close = nearest(name, frame.columns)
                raise DataError(f"There is no column {name!r} for the time", do=f"Did you mean {close!r}?" if close else None)
        cells = [Cells(frame[name]) for name in self.names]
        if self.kind == "dates":
            return _of_dates(cells[0], self.formats)
        if self.kind == "date and clock":
            days, known = _of_dates(cells[0], self.formats)
            clock = _clock_seconds(cells[1])
            there = known & np.isfinite(clock)
            return days + (np.where(there, clock, 0.0) * SECOND).astype(np.int64), there
        if self.kind == "parts":
            return _of_parts({role: cells[at] for at, role in enumerate(self.roles)})
        values = cells[0].numbers(cells[0].decimal)
        known = np.isfinite(values)
        values = np.where(known, values, 0.0)
        if self.kind == "years":
            years = (values.astype(np.int64) - 1970).astype("datetime64[Y]")
            return years.astype("datetime64[us]").astype(np.int64), known
        times = {"seconds": SECOND, "milliseconds": 1000}.get(self.kind, 1)
        return np.rint(values * times).astype(np.int64), known


def find_time(frame: pl.DataFrame, chosen: str | None = None) -> TimeReading:
    """Which columns tell the time: a column of dates (with a clock beside it, perhaps), year, month … in a column each, or a
    column that counts.

    Args:
        frame: the rows.
        chosen: a column, or several separated by commas, as a person named them; found when None.

    Raises:
        DataError: no column tells the time, or a chosen one does not.

    Example:
        >>> import polars as pl
        >>> find_time(pl.DataFrame({"Year": ["2011"], "Month": ["1"], "Hour": ["0"], "Count": ["16"]})).roles
        ('year', 'month', 'hour')
    """
    if chosen:
        names = [chosen] if chosen in frame.columns else [name.strip() for name in chosen.split(",")]
        return _chosen(frame, names)
    dates = {name: formats for name in frame.columns if (formats := _date_formats_of(Cells(frame[name]))) is not None}
    if dates:
        different = {name: frame[name].n_unique() for name in dates}
        name = max(dates, key=lambda each: different[each])  # the first of those with most different moments
        return _with_clock(frame, name, dates[name])
    roles = {role: name for name in frame.columns if (role := role_of(name)) is not None}
    if {"year", "month"} <= set(roles) and _is_year(Cells(frame[roles["year"]])):
        return _parts(frame, [roles[role] for role in _ROLES if role in roles])
    for word in _COUNTERS:
        for name in frame.columns:
            if _plain(name) == word and _is_whole(cells := Cells(frame[name])) and _goes_on(cells):
                return _counting(name, cells)
    raise DataError(
        "No column tells the time",
        expected="a column of dates, such as 2024-01-31 or 31.01.2024 13:00, or columns Year, Month, …",
        got="the columns " + ", ".join(map(repr, frame.columns[:10])) + (" …" if frame.width > 10 else ""),
        do="Name it: --time COLUMN.",
    )


def role_of(name: str) -> str | None:
    """Which part of a date a column is called after, if any.

    Example:
        >>> role_of("Year"), role_of("mnth"), role_of("yearly income")
        ('year', 'month', None)
    """
    return next((role for role, words in _ROLES.items() if _plain(name) in words), None)


def _chosen(frame: pl.DataFrame, names: Sequence[str]) -> TimeReading:
    for name in names:
        if name not in frame.columns:
            close = nearest(name, frame.columns)
            raise DataError(f"There is no column {name!r} for the time", do=f"Did you mean {close!r}?" if close else None)
    if len(names) > 1:
        first = Cells(frame[names[0]])
        if len(names) == 2 and (formats := _date_formats_of(first)) is not None and _is_clock(Cells(frame[names[1]])):
            return TimeReading("date and clock", tuple(names), formats)
        return _parts(frame, names)
    cells = Cells(frame[names[0]])
    if (formats := _date_formats_of(cells)) is not None:
        return _with_clock(frame, names[0], formats)
    if _is_whole(cells):
        return _counting(names[0], cells)
    shown = cells.text.drop_nulls().head(1).to_list()
    raise DataError(
        f"The column {names[0]!r} tells no time", expected="dates or whole numbers", got=repr(shown[0]) if shown else "nothing"
    )


def _plain(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", name.casefold()).split())


def _date_formats_of(cells: Cells) -> tuple[str, ...] | None:
    """How the dates of a column are written (nothing for moments); None where it holds none."""
    import polars as pl

    if cells.is_date:
        return None if cells.series.dtype == pl.Time else ()
    if not cells.present.any():
        return None
    if cells.numeric.mean() < 0.5 * cells.present.mean():
        return (date_formats(cells.text) or None) if cells.is_text else None
    values = cells.numbers(cells.decimal)
    known = values[np.isfinite(values)]
    if len(known) and known.min() >= 19_000_101 and known.max() <= 21_001_231 and (known == np.rint(known)).all():
        formats = ("%Y%m%d",)
        return formats if parse_dates(cells.text, formats).null_count() <= (1 - _SHARE) * len(cells) else None
    return None


def _of_dates(cells: Cells, formats: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    moments = cells.dates(formats)
    known = np.asarray(moments.is_not_null().to_numpy())
    return np.array(moments.dt.epoch("us").fill_null(0).to_numpy(), np.int64), known


def _with_clock(frame: pl.DataFrame, name: str, formats: tuple[str, ...]) -> TimeReading:
    """The column of dates alone, or with the first that holds the time of the day, where the dates are days."""
    ticks, known = _of_dates(Cells(frame[name]), formats)
    if (ticks[known] % DAY == 0).all() and len(np.unique(ticks[known])) < known.sum():
        for other in frame.columns:
            if other != name and _is_clock(Cells(frame[other])):
                return TimeReading("date and clock", (name, other), formats)
    return TimeReading("dates", (name,), formats)


def _is_clock(cells: Cells) -> bool:
    import polars as pl

    if cells.series.dtype == pl.Time:
        return True
    if not cells.is_text or not cells.present.any():
        return False
    return bool(np.isfinite(_clock_seconds(cells)).sum() >= _SHARE * cells.present.sum())


def _clock_seconds(cells: Cells) -> NDArray[np.float64]:
    """Seconds since midnight, NaN where a cell tells none: 13:30, 13.30.00."""
    import polars as pl

    parts = [cells.text.str.extract(_CLOCK, group).cast(pl.Float64).to_numpy() for group in (1, 2, 3)]
    hours, minutes, seconds = (np.asarray(part, np.float64) for part in parts)
    seconds = np.where(np.isnan(seconds), 0.0, seconds)
    sound = (hours < 24) & (minutes < 60) & (seconds < 60)
    return np.where(sound, hours * 3600 + minutes * 60 + seconds, np.nan)


def _is_whole(cells: Cells) -> bool:
    values = cells.numbers(cells.decimal)
    known = values[np.isfinite(values)]
    return bool(len(known) >= _SHARE * len(cells) and len(known) and (known == np.rint(known)).all())


def _goes_on(cells: Cells) -> bool:
    """Whether numbers rise from row to row, again and again for several series."""
    values = cells.numbers(cells.decimal)
    return bool(len(values) > 1 and (np.diff(values) > 0).mean() > 0.5)


def _is_year(cells: Cells) -> bool:
    values = cells.numbers(cells.decimal)
    known = values[np.isfinite(values)]
    return bool(_is_whole(cells) and known.min() >= 1500 and known.max() <= 2200)


def _counting(name: str, cells: Cells) -> TimeReading:
    values = cells.numbers(cells.decimal)
    low, high = np.nanmin(values), np.nanmax(values)
    if _plain(name) in (*_ROLES["year"], "date", "time") and low >= 1500 and high <= 2200:
        return TimeReading("years", (name,))
    kind = "seconds" if low >= 5e8 and high <= 5e9 else "milliseconds" if low >= 5e11 and high <= 5e12 else "numbers"
    return TimeReading(kind, (name,))


def _parts(frame: pl.DataFrame, names: Sequence[str]) -> TimeReading:
    found = {role_of(name): name for name in names}
    if None in found or len(found) < len(names) or "year" not in found:
        raise DataError(
            "The columns for the time do not make up moments",
            expected="one of them the year, others called month, day, hour or minute; or a date and a time of the day",
            got=", ".join(map(repr, names)),
        )
    roles = [role for role in _ROLES if role in found]
    return TimeReading("parts", tuple(found[role] for role in roles), (), tuple(roles))


def _of_parts(cells: dict[str, Cells]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    values = {role: _part(role, each) for role, each in cells.items()}
    known = np.all([np.isfinite(each) for each in values.values()], axis=0)
    whole = {role: np.where(known, each, 0).astype(np.int64) for role, each in values.items()}
    zero = np.zeros(len(known), np.int64)
    months = (whole["year"] - 1970) * 12 + whole.get("month", zero + 1) - 1
    clock = whole.get("hour", zero) * 60 + whole.get("minute", zero)
    days = whole.get("day", zero + 1) - 1
    if "day" not in whole and {"hour", "minute"} & whole.keys():
        days = _counted_days(months, clock, known)
    starts, ends = (each.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for each in (months, months + 1))
    if (late := np.flatnonzero(known & (starts + days >= ends))).size:
        month = str(months[late[0]].astype("datetime64[M]"))
        raise DataError(
            f"The rows of {month} make more days than that month has",
            expected="hours that begin anew once a day" if "day" not in whole else "days of the month",
            do="Are there several series in the table? Then a column must tell the day.",
        )
    return (starts + days) * DAY + clock * 60 * SECOND, known


def _part(role: str, cells: Cells) -> NDArray[np.float64]:
    """One part of a date as numbers; months may be written as words."""
    import polars as pl

    values = cells.numbers(cells.decimal)
    if role == "month" and cells.is_text and not np.isfinite(values).any():
        numbers = {name: float(number) for number, name in enumerate(_MONTHS, 1)}
        short = cells.text.str.to_lowercase().str.slice(0, 3)
        found = short.replace_strict(list(numbers), list(numbers.values()), default=None, return_dtype=pl.Float64)
        values = np.asarray(found.to_numpy(), np.float64)
    low, high = {"year": (1000, 3000), "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59)}[role]
    return np.where((values >= low) & (values <= high), values, np.nan)


def _counted_days(months: NDArray[np.int64], clock: NDArray[np.int64], known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The day of the month from 0, where no column tells it: a new one begins where the hours do not go on."""
    rows = np.flatnonzero(known)
    days = np.zeros(len(months), np.int64)
    if not len(rows):
        return days
    if (np.diff(months[rows]) < 0).any():
        raise DataError("No column tells the day, and the rows are not in the order of time", do="Sort them, or add the day.")
    fresh = np.concatenate([[True], np.diff(months[rows]) > 0])
    anew = np.concatenate([[False], np.diff(clock[rows]) <= 0]) & ~fresh
    total = np.cumsum(anew)
    days[rows] = total - np.maximum.accumulate(np.where(fresh, total, 0))
    return days
