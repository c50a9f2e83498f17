"""Time steps: the regular grid that moments lie on, how it goes on, its natural seasons, and what the calendar says of it.

Moments are whole numbers ("ticks"): microseconds since 1970, or the numbers themselves where a column counts steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from leadline.errors import DataError

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
YEAR = 365.25 * DAY
UNITS = ("duration", "weekday", "month", "number")
_NICE = tuple(seconds * SECOND for seconds in (
    1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 604_800,
))  # fmt: skip
_NEAR = 0.02  # of a step: stamps that jitter about a usual one mean that one
_LOOSE = 3  # days by which monthly stamps may differ within their months: the last working day
_NAMES = {
    ("duration", SECOND): "each second", ("duration", MINUTE): "each minute", ("duration", HOUR): "hourly",
    ("duration", DAY): "daily", ("duration", 7 * DAY): "weekly", ("weekday", 1): "on each weekday from Monday to Friday",
    ("month", 1): "monthly", ("month", 3): "quarterly", ("month", 6): "half-yearly", ("month", 12): "yearly",
    ("number", 1): "by whole numbers",
}  # fmt: skip

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class TimeStep:
    """One step of a regular grid of moments, which are counted from its place 0.

    `unit` is "duration" (steps of `count` microseconds), "weekday" (Monday to Friday, one a day), "month" (steps of `count`
    months: 12 are a year) or "number" (steps of `count`). `origin` is the moment of place 0, for months its month since 1970.
    `day` (31 is the last of each month) and `clock` (microseconds since midnight) say when in its month or day a moment is.

    Example:
        >>> step = TimeStep("month", day=31)
        >>> step.words(step.ticks(np.array([0, 1, 2]))), step.describe()
        (['1970-01-31', '1970-02-28', '1970-03-31'], 'monthly')
    """

    unit: str
    count: int = 1
    origin: int = 0
    day: int = 1
    clock: int = 0

    def places(self, ticks: Ints) -> Ints:
        """The nearest place of each moment, int64 [N]; of the weekend that of Friday."""
        if self.unit == "month":
            return (_months(ticks) - self.origin) // self.count
        if self.unit == "weekday":
            week, day = np.divmod(ticks // DAY + 3, 7)  # 1970 began on a Thursday
            return week * 5 + np.minimum(day, 4)
        return (ticks - self.origin + self.count // 2) // self.count

    def ticks(self, places: Ints) -> Ints:
        """The moments of some places, int64 [N]."""
        if self.unit == "month":
            months = (self.origin + places * self.count).astype("datetime64[M]")
            first, after = (each.astype("datetime64[D]").astype(np.int64) for each in (months, months + 1))
            return np.minimum(first + self.day - 1, after - 1) * DAY + self.clock
        if self.unit == "weekday":
            week, day = np.divmod(places, 5)
            return (week * 7 + day - 3) * DAY + self.clock
        return self.origin + places * self.count

    def off(self, ticks: Ints) -> NDArray[np.float64]:
        """How far each moment is from its place, as a share of a step; within its day or month anything is on it."""
        if self.unit in ("month", "weekday"):
            return np.zeros(len(ticks))
        far: NDArray[np.float64] = np.abs(self.ticks(self.places(ticks)) - ticks) / self.count
        return far

    @property
    def length(self) -> float:
        """Of one step in microseconds, a month counted as a twelfth of a year; 0 for numbers."""
        lengths = {"duration": float(self.count), "weekday": float(DAY), "month": self.count * YEAR / 12}
        return lengths.get(self.unit, 0.0)

    def seasons(self) -> tuple[int, ...]:
        """How many steps the hour, day, week and year have, where they have at least two and end with a step.

        Example:
            >>> TimeStep("duration", HOUR).seasons(), TimeStep("month", 3).seasons(), TimeStep("weekday").seasons()
            ((24, 168, 8766), (4,), (5, 261))
        """
        if self.unit == "weekday":
            return (5, 261)
        if self.unit == "month":
            return (12 // self.count,) if self.count <= 6 and 12 % self.count == 0 else ()
        if self.unit == "number":
            return ()
        found = [(period, round(period / self.count)) for period in (HOUR, DAY, 7 * DAY, YEAR)]
        return tuple(steps for period, steps in found if steps >= 2 and abs(steps * self.count - period) <= 0.01 * period)

    def describe(self) -> str:
        """The step in words.

        Example:
            >>> TimeStep("duration", 600 * SECOND).describe(), TimeStep("number", 5).describe()
            ('every 10 minutes', 'every 5 numbers')
        """
        if name := _NAMES.get((self.unit, self.count)):
            return name
        if self.unit == "month":
            return f"every {self.count} months"
        if self.unit == "number":
            return f"every {self.count:,} numbers"
        for size, word in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes"), (SECOND, "seconds"), (1000, "milliseconds")):
            if self.count % size == 0:
                return f"every {self.count // size:,} {word}"
        return f"every {self.count / SECOND:,.6g} seconds"

    def words(self, ticks: Ints) -> list[str]:
        """Moments as text: as short as all of this grid can be told apart.

        Example:
            >>> TimeStep("month").words(np.array([0])), TimeStep("duration", HOUR).words(np.array([HOUR]))
            (['1970-01'], ['1970-01-01 01:00'])
        """
        if self.unit == "number":
            return [str(tick) for tick in ticks.tolist()]
        whole_days = self.clock == 0 and (self.unit != "duration" or (self.count % DAY == 0 and self.origin % DAY == 0))
        if self.unit == "month" and self.day == 1 and whole_days:
            kind = "Y" if self.count == 12 and self.origin % 12 == 0 else "M"
        else:
            kind = "D" if whole_days else "m" if all(each % MINUTE == 0 for each in self._clocks()) else "s"
        if kind == "s" and any(each % SECOND for each in self._clocks()):
            kind = "us"
        moments = ticks.astype("datetime64[us]").astype(f"datetime64[{kind}]")
        return [text.replace("T", " ") for text in moments.astype(str).tolist()]

    def _clocks(self) -> tuple[int, ...]:
        return (self.count, self.origin) if self.unit == "duration" else (self.clock,)


def infer_step(groups: Sequence[Ints], *, numbers: bool = False) -> TimeStep:
    """The step of some series: the median distance between neighbours, told as months or weekdays where it is such.

    Args:
        groups: for each series its different moments in order, int64.
        numbers: whether the moments are no dates.

    Raises:
        DataError: there are no two moments.

    Example:
        >>> months = np.array(["2020-01-31", "2020-02-29", "2020-03-31"], "datetime64[us]").astype(np.int64)
        >>> infer_step([months]).describe(), infer_step([months]).day
        ('monthly', 31)
        >>> infer_step([np.arange(5) * HOUR + 30 * MINUTE]).describe()
        'hourly'
    """
    differences = np.concatenate([np.diff(group) for group in groups]) if groups else np.zeros(0, np.int64)
    if not len(differences):
        raise DataError("There are no two moments of one series, so nothing can be forecast", expected="a series in time")
    every = np.concatenate(list(groups))
    median = _median(differences)
    if numbers:
        return TimeStep("number", max(1, median), _phase(every, max(1, median)))
    if median >= 27 * DAY and (step := _by_month(groups, every)) is not None:
        return step
    if median == DAY and _only_weekdays(every):
        return TimeStep("weekday", clock=_commonest(every % DAY))
    count = median
    if (differences == median).mean() < 0.5:  # stamps that jitter
        count = next((nice for nice in _NICE if abs(nice - median) <= _NEAR * nice), median)
    return TimeStep("duration", max(1, count), _phase(every, max(1, count)))


def calendar_names(step: TimeStep, span: float) -> tuple[str, ...]:
    """Which cycles of the calendar a network is told: those with at least two steps that the training part saw one and a half
    times (of a year seen once, its seasons could not be told from a trend).

    Args:
        step: of the grid.
        span: of the training part, in microseconds.

    Example:
        >>> calendar_names(TimeStep("duration", HOUR), 30.0 * DAY), calendar_names(TimeStep("month"), 5 * YEAR)
        (('hour', 'weekday'), ('year',))
    """
    if step.unit == "number":
        return ()
    cycles = (("hour", float(DAY)), ("weekday", 7.0 * DAY), ("year", YEAR))
    return tuple(name for name, period in cycles if 2 * step.length <= period and span >= 1.5 * period)


_HARMONICS = {"hour": 4, "weekday": 3, "year": 2}


def calendar_width(names: Sequence[str]) -> int:
    """How many numbers the calendar is told in."""
    return sum(2 * _HARMONICS[name] for name in names)


def calendar_features(names: Sequence[str], ticks: Ints) -> NDArray[np.float32]:
    """Sine and cosine of the time of the day, week and year, and of multiples of it, float32 [N, F].

    sin(2πkφ), cos(2πkφ), k = 1 … K, φ the share of the cycle that has passed. K is 4 for the day (rush hours are narrow), 3 for
    the week (which tells all seven days apart) and 2 for the year.

    Example:
        >>> calendar_features(["weekday"], np.array([4 * DAY])).shape  # a Monday
        (1, 6)
    """
    columns = []
    for name in names:
        phase = _cycle(name, ticks)
        for k in range(1, _HARMONICS[name] + 1):
            columns += [np.sin(2 * np.pi * k * phase), np.cos(2 * np.pi * k * phase)]
    return np.stack(columns, axis=1).astype(np.float32) if columns else np.zeros((len(ticks), 0), np.float32)


def _cycle(name: str, ticks: Ints) -> NDArray[np.float64]:
    if name == "hour":
        return (ticks % DAY) / DAY
    if name == "weekday":
        return ((ticks // DAY + 3) % 7) / 7
    years = ticks.astype("datetime64[us]").astype("datetime64[Y]")
    starts, ends = (each.astype("datetime64[us]").astype(np.int64) for each in (years, years + 1))
    return (ticks - starts) / (ends - starts)


def _months(ticks: Ints) -> Ints:
    return ticks.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)


def _by_month(groups: Sequence[Ints], every: Ints) -> TimeStep | None:
    """The step in months, where no series has two moments in one month and all are at about the same day of it."""
    if any(len(np.unique(_months(group))) < len(group) for group in groups):
        return None
    months = _months(every)
    days = every // DAY
    starts, ends = (each.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) for each in (months, months + 1))
    from_start, to_end = days - starts, ends - 1 - days
    if min(np.ptp(from_start), np.ptp(to_end)) > _LOOSE:
        return None
    count = max(1, _median(np.concatenate([np.diff(_months(group)) for group in groups])))
    at_the_end = (to_end == 0).all() or np.ptp(to_end) < np.ptp(from_start)
    day = 31 if at_the_end else _commonest(from_start) + 1
    return TimeStep("month", count, _commonest(months % count), day, _commonest(every % DAY))


def _only_weekdays(ticks: Ints) -> bool:
    day = (ticks // DAY + 3) % 7
    return bool((day < 5).all() and np.ptp(ticks) >= 14 * DAY and len(np.unique(ticks % DAY)) == 1)


def _median(values: Ints) -> int:
    """One of the values: of two in the middle the smaller."""
    return int(np.sort(values)[(len(values) - 1) // 2])


def _commonest(values: Ints) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def _phase(ticks: Ints, count: int) -> int:
    """Where between two multiples of `count` most moments lie; the mean on the circle where no place is common."""
    rest = ticks % count
    found, counts = np.unique(rest, return_counts=True)
    if counts.max() >= 0.5 * len(ticks):
        return int(found[counts.argmax()])
    angle = np.angle(np.exp(2j * np.pi * rest / count).mean())
    return round(float(angle) / (2 * np.pi) * count) % count
