"""Columns: what each kind of column keeps of the training rows, and how it turns values into the numbers of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.cells import Cells
from leadline.data.tables.column_summary import Summary
from leadline.data.tables.scaling import Scaling
from leadline.errors import RunError, unknown

if TYPE_CHECKING:
    import polars as pl

OTHER = "other"  # of a category: what the training rows lack, or hold too seldom to be learnt by itself
ABSENT = "missing"
PARTS = ("time", "year", "month", "day", "weekday", "hour")  # of a date; "time" is the number of days since 1970

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Column:
    """What every column has: its name, why it is what it is, how often it was missing, and what a report shows of it.

    Encoded, it is some numbers, [N, number of `edges`], and perhaps one category code, [N].
    """

    name: str
    why: str
    missing: bool
    summary: Summary
    kind: ClassVar[str]

    @property
    def edges(self) -> tuple[tuple[float, ...], ...]:
        """The edges of each of its numbers; () for one that is taken as it is."""
        return self._edges() + (((),) if self.missing and self.kind not in ("category", "left out") else ())

    def _edges(self) -> tuple[tuple[float, ...], ...]:
        return ()

    @property
    def categories(self) -> int:
        """How many codes it has; 0 where it has none."""
        return 0

    def numbers(self, cells: Cells) -> Floats:
        """The numbers of N cells, float32 [N, len(edges)]: the values, then 1 where they are missing."""
        values, absent = self._values(cells)
        return np.column_stack([values, absent.astype(np.float32)]) if self.missing else values

    def _values(self, cells: Cells) -> tuple[Floats, NDArray[np.bool_]]:
        return np.zeros((len(cells), 0), np.float32), np.zeros(len(cells), bool)

    def codes(self, cells: Cells) -> NDArray[np.int64]:
        """The category code of N cells, int64 [N]; 0 where the column has none."""
        return np.zeros(len(cells), np.int64)

    def unread(self, cells: Cells) -> NDArray[np.bool_]:
        """Which of N cells hold something that cannot be read as this kind of column, so that they count as missing."""
        return np.zeros(len(cells), bool)

    def words(self, numbers: NDArray[Any], code: int) -> str:
        """One encoded cell as a person would write it."""
        return ""


@dataclass(frozen=True)
class NumberColumn(Column):
    """Numbers, scaled; missing ones lie at the median, and a number of their own says that they were missing."""

    scaling: Scaling = Scaling(0.0, 1.0)  # noqa: RUF009 - frozen, so one instance serves all
    decimal: str = "."
    kind: ClassVar[str] = "number"

    def _edges(self) -> tuple[tuple[float, ...], ...]:
        return (self.scaling.edges,)

    def _values(self, cells: Cells) -> tuple[Floats, NDArray[np.bool_]]:
        values = cells.numbers(self.decimal)
        return self.scaling(values)[:, None], np.isnan(values)

    def unread(self, cells: Cells) -> NDArray[np.bool_]:
        return np.asarray(np.isnan(cells.numbers(self.decimal)) & cells.present)

    def words(self, numbers: NDArray[Any], code: int) -> str:
        if self.missing and numbers[-1] > 0.5:
            return ABSENT
        return f"{self.scaling.inverse(np.asarray(numbers[:1]))[0]:.4g}"


@dataclass(frozen=True)
class YesNoColumn(Column):
    """Two values, −1 for the first and 1 for the second; 0 for anything else."""

    levels: tuple[str, str] = ("no", "yes")
    kind: ClassVar[str] = "yes/no"

    def _edges(self) -> tuple[tuple[float, ...], ...]:
        return ((),)

    def _values(self, cells: Cells) -> tuple[Floats, NDArray[np.bool_]]:
        codes = self._which(cells)
        return np.array([0.0, -1.0, 1.0], np.float32)[codes][:, None], codes == 0

    def _which(self, cells: Cells) -> NDArray[np.int64]:
        """0, or 1 and 2 for the levels; truth values are the same as 0 and 1."""
        codes = cells.codes(self.levels)
        other = {("0", "1"): ("false", "true"), ("false", "true"): ("0", "1")}.get(_lowered(self.levels))
        return np.maximum(codes, cells.codes(other)) if other and not codes.all() else codes

    def unread(self, cells: Cells) -> NDArray[np.bool_]:
        return np.asarray((self._which(cells) == 0) & cells.present)

    def words(self, numbers: NDArray[Any], code: int) -> str:
        return ABSENT if numbers[0] == 0 else self.levels[int(numbers[0] > 0)]


@dataclass(frozen=True)
class CategoryColumn(Column):
    """One of several values: codes 1, 2, … for `levels`, then one for missing; 0 for all that training did not show often."""

    levels: tuple[str, ...] = ()
    kind: ClassVar[str] = "category"

    @property
    def categories(self) -> int:
        return 1 + len(self.levels) + self.missing

    def codes(self, cells: Cells) -> NDArray[np.int64]:
        codes = cells.codes(self.levels)
        if self.missing:
            codes[~cells.present] = len(self.levels) + 1
        return codes

    def unread(self, cells: Cells) -> NDArray[np.bool_]:
        """Values that training never showed, or not often: they have a code of their own, so nothing is lost."""
        return np.asarray((cells.codes(self.levels) == 0) & cells.present)

    def words(self, numbers: NDArray[Any], code: int) -> str:
        return (OTHER, *self.levels, ABSENT)[code]


@dataclass(frozen=True)
class DateColumn(Column):
    """Moments, as the parts that varied in training: days since 1970, year, month, day, weekday, hour."""

    formats: tuple[str, ...] = ()
    parts: Mapping[str, Scaling] = field(default_factory=dict)
    kind: ClassVar[str] = "date"

    def _edges(self) -> tuple[tuple[float, ...], ...]:
        return tuple(scaling.edges for scaling in self.parts.values())

    def _values(self, cells: Cells) -> tuple[Floats, NDArray[np.bool_]]:
        moments = cells.dates(self.formats)
        values = [scaling(date_part(moments, part)) for part, scaling in self.parts.items()]
        return np.stack(values, axis=1) if values else np.zeros((len(cells), 0), np.float32), moments.is_null().to_numpy()

    def unread(self, cells: Cells) -> NDArray[np.bool_]:
        return np.asarray(cells.dates(self.formats).is_null().to_numpy() & cells.present)

    def words(self, numbers: NDArray[Any], code: int) -> str:
        if self.missing and numbers[-1] > 0.5:
            return ABSENT
        pairs = zip(self.parts.items(), numbers, strict=False)
        days = next((scaling.inverse(np.asarray([value]))[0] for (part, scaling), value in pairs if part == "time"), None)
        return "" if days is None else str(np.datetime64(0, "D") + np.timedelta64(round(days), "D"))


@dataclass(frozen=True)
class TextColumn(Column):
    """Free text as counted words: log(1 + how often) for each of `vocabulary`, scaled by its root mean square in those training
    rows that hold the word."""

    vocabulary: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    kind: ClassVar[str] = "text"

    def _edges(self) -> tuple[tuple[float, ...], ...]:
        return ((),) * len(self.vocabulary)

    def _values(self, cells: Cells) -> tuple[Floats, NDArray[np.bool_]]:
        counts = cells.word_counts(self.vocabulary)
        np.log1p(counts, out=counts)
        counts /= np.asarray(self.scale, np.float32)
        return np.minimum(counts, 3.0, out=counts), ~cells.present


@dataclass(frozen=True)
class LeftOut(Column):
    """A column that the network does not see: constant, an identifier, a copy of the target, or left out by choice."""

    kind: ClassVar[str] = "left out"


KINDS: dict[str, type[Column]] = {
    each.kind: each for each in (NumberColumn, YesNoColumn, CategoryColumn, DateColumn, TextColumn, LeftOut)
}


def _lowered(levels: tuple[str, str]) -> tuple[str, str]:
    return levels[0].casefold(), levels[1].casefold()


def date_part(moments: pl.Series, part: str) -> NDArray[np.float64]:
    """One part of moments [N], float64 [N], NaN where there is none.

    Example:
        >>> import datetime
        >>> import polars as pl
        >>> date_part(pl.Series([datetime.datetime(1970, 1, 2, 12)]), "time").tolist()
        [1.5]
    """
    import polars as pl

    if part == "time":
        found = moments.dt.epoch("us").cast(pl.Float64) / 86_400_000_000
    else:
        found = getattr(moments.dt, part)().cast(pl.Float64)
    return np.asarray(found.to_numpy(), np.float64)


def column_to_json(column: Column) -> dict[str, Any]:
    """A column as plain values."""
    return {"kind": column.kind, **asdict(column)}


def column_from_json(record: Mapping[str, Any]) -> Column:
    """The inverse of `column_to_json`."""
    fields = dict(record)
    kind = fields.pop("kind")
    if kind not in KINDS:
        unknown("kind of column", kind, KINDS, RunError)
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    fields["summary"] = Summary.from_json(fields["summary"])
    if "scaling" in fields:
        fields["scaling"] = _scaling(fields["scaling"])
    if "parts" in fields:
        fields["parts"] = {part: _scaling(each) for part, each in fields["parts"].items()}
    return KINDS[kind](**fields)


def _scaling(record: Mapping[str, Any]) -> Scaling:
    return Scaling(record["centre"], record["scale"], tuple(record["edges"]))
