"""Cells: one column of a table as it came, read as text, numbers, dates, levels or words; each reading is made once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.date_text import date_formats, parse_dates
from leadline.data.tables.number_text import MISSING, decimal_mark, parse_numbers, without_missing

if TYPE_CHECKING:
    import polars as pl

_WORD = r"[\p{L}\p{N}]+"


class Cells:
    """N cells of one column: text as csv files give it, or numbers, truth values and moments as data frames do.

    Args:
        series: the cells.
        missing: the words, in lower case, that mean "missing".

    Example:
        >>> import polars as pl
        >>> cells = Cells(pl.Series([" 3.0", "?", "x"]))
        >>> cells.text.to_list(), cells.numbers(".").tolist(), cells.codes(("x", "3")).tolist()
        (['3', None, 'x'], [3.0, nan, nan], [2, 0, 1])
    """

    def __init__(self, series: pl.Series, missing: tuple[str, ...] = MISSING) -> None:
        self.series, self.missing = series, missing
        self._numbers: dict[str, NDArray[np.float64]] = {}
        self._dates: dict[tuple[str, ...], pl.Series] = {}

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: NDArray[np.int64]) -> Cells:
        """Some of the cells; what has been read of all need not be read again."""
        return _Some(self, rows)

    @property
    def is_text(self) -> bool:
        """Whether the cells came as text, which can mean anything."""
        import polars as pl

        return self.series.dtype == pl.String

    @property
    def is_date(self) -> bool:
        """Whether the cells came as moments."""
        return self.series.dtype.is_temporal()

    @cached_property
    def _plain(self) -> pl.Series:
        """The cells as numbers where they are written plainly, float64 [N], else null."""
        import polars as pl

        return self.series.cast(pl.Float64, strict=False)

    @cached_property
    def _strange(self) -> pl.Series:
        """Which cells of text are no plain finite numbers: in a column of numbers the few that must be looked at closely."""
        return self.series.is_not_null() & ~self._plain.is_finite().fill_null(False)

    @cached_property
    def _stripped(self) -> pl.Series:
        """The cells without white space around them, null where they mean "missing"."""
        if not self.is_text or not self._strange.any():
            return self.series
        found = without_missing(self.series.filter(self._strange), self.missing)
        return found if self._strange.all() else self.series.clone().scatter(self._strange.arg_true(), found)

    @cached_property
    def text(self) -> pl.Series:
        """The cells as text, null where missing; a whole number reads the same whether it came as 3, 3.0 or "3.0"."""
        import polars as pl

        text = self._stripped if self.is_text else self.series.cast(pl.String)
        if self.series.dtype.is_float():
            signless = pl.when(pl.col("x") == 0).then(pl.lit(0.0)).otherwise(pl.col("x"))  # −0 is 0
            text = self.series.to_frame("x").select(pl.when(pl.col("x").is_finite()).then(signless.cast(pl.String)).alias("x"))[
                "x"
            ]
        whole = text.str.contains(r"^[-+]?\d+\.0+$").fill_null(False)
        return text.str.replace(r"^\+?(-?\d+)\.0+$", "$1") if whole.any() else text

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Whether each cell holds anything, bool [N]."""
        found = self._stripped.is_not_null()
        if self.series.dtype.is_float():
            found &= self.series.is_finite().fill_null(False)
        return np.asarray(found.to_numpy())

    @cached_property
    def decimal(self) -> str:
        """The decimal mark of cells that hold numbers."""
        return decimal_mark(self.text) if self.is_text else "."

    @property
    def numeric(self) -> NDArray[np.bool_]:
        """Which cells hold a number, be it one that float64 cannot hold."""
        return np.asarray(np.isfinite(self.numbers(self.decimal)) | (self._plain.is_not_null().to_numpy() & self.present))

    def text_where(self, mask: NDArray[np.bool_]) -> pl.Series:
        """The text of those cells for which the mask [N] holds."""
        return self.text.gather(np.flatnonzero(mask))

    def numbers(self, decimal: str) -> NDArray[np.float64]:
        """The cells as numbers, float64 [N]; NaN where they are none, as moments are."""
        if decimal not in self._numbers:
            self._numbers[decimal] = self._read_numbers(decimal)
        return self._numbers[decimal]

    def _read_numbers(self, decimal: str) -> NDArray[np.float64]:

        if self.is_text and decimal != ".":
            return np.array(parse_numbers(self._stripped, decimal).to_numpy(), np.float64)
        if self.is_date:
            return np.full(len(self), np.nan)
        values = np.array(self._plain.to_numpy(), np.float64)
        values[~np.isfinite(values)] = np.nan
        if self.is_text and self._strange.any():
            values[self._strange.to_numpy()] = parse_numbers(self._stripped.filter(self._strange)).to_numpy()
        return values

    def dates(self, formats: tuple[str, ...]) -> pl.Series:
        """The cells as moments [N], null where they are none; text is read by `formats`, or by its own where there are none."""
        import polars as pl

        if formats not in self._dates:
            if self.is_date:
                zone = getattr(self.series.dtype, "time_zone", None)
                plain = self.series.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else self.series
                self._dates[formats] = plain.cast(pl.Datetime("us"))
            else:
                self._dates[formats] = parse_dates(self.text, formats or date_formats(self.text))
        return self._dates[formats]

    def codes(self, levels: Sequence[str]) -> NDArray[np.int64]:
        """The place of each cell among `levels`, from 1, int64 [N]; 0 where it is missing or none of them.

        What differs from exactly one level by capitals alone is that level: True and true are one.
        """
        import polars as pl

        places = dict(zip(levels, range(1, len(levels) + 1), strict=True))
        codes = self._looked_up(places)
        if (left := self.text.is_not_null().to_numpy() & (codes == 0)).any():
            lowered: dict[str, list[int]] = {}
            for level, place in places.items():
                lowered.setdefault(level.casefold(), []).append(place)
            strange = self.text.filter(pl.Series(left)).unique()
            known = {text: lowered[text.casefold()][0] for text in strange if len(lowered.get(text.casefold(), ())) == 1}
            if known:
                codes = np.maximum(codes, self._looked_up(known))
        return codes

    def _looked_up(self, places: dict[str, int]) -> NDArray[np.int64]:
        import polars as pl

        if not places:
            return np.zeros(len(self), np.int64)
        found = self.text.replace_strict(list(places), list(places.values()), default=0, return_dtype=pl.Int64)
        return np.array(found.fill_null(0).to_numpy(), np.int64)

    def words(self) -> pl.Series:
        """The words of each cell in lower case, a list [N]; null where it is missing."""
        return self.text.str.to_lowercase().str.extract_all(_WORD)

    def word_counts(self, vocabulary: Sequence[str]) -> NDArray[np.float32]:
        """How often each word of the vocabulary stands in each cell, float32 [N, V]."""
        import polars as pl

        counts = np.zeros((len(self), len(vocabulary)), np.float32)
        if not vocabulary:
            return counts
        place = dict(zip(vocabulary, range(len(vocabulary)), strict=True))
        table = self.words().to_frame("word").with_row_index("row").explode("word", empty_as_null=True, keep_nulls=True)
        known = pl.col("word").replace_strict(list(place), list(place.values()), default=None, return_dtype=pl.Int64)
        table = table.with_columns(known).drop_nulls()
        np.add.at(counts, (table["row"].to_numpy(), table["word"].to_numpy()), 1)
        return counts


class _Some(Cells):
    """Some cells of others."""

    def __init__(self, whole: Cells, rows: NDArray[np.int64]) -> None:
        super().__init__(whole.series.gather(rows), whole.missing)
        self._whole, self._rows = whole, rows

    @cached_property
    def _stripped(self) -> pl.Series:
        return self._whole._stripped.gather(self._rows)

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        return self._whole.present[self._rows]

    def _read_numbers(self, decimal: str) -> NDArray[np.float64]:
        return self._whole.numbers(decimal)[self._rows]

    def dates(self, formats: tuple[str, ...]) -> pl.Series:
        return self._whole.dates(formats).gather(self._rows)
