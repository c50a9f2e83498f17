"""Summary: what a report shows of a column, learned from the training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.cells import Cells

if TYPE_CHECKING:
    import polars as pl

_BARS = 20
_COMMON = 5


@dataclass(frozen=True)
class Summary:
    """The share of missing cells, the number of different values, and, as far as they have a meaning, range and frequencies.

    `low`, `median` and `high` are numbers, or dates as text; `histogram` counts the cells in 20 equal steps from the 1st to the
    99th percentile; `common` are the most frequent values with their numbers of cells.

    Example:
        >>> import polars as pl
        >>> of_levels(Cells(pl.Series(["a", "b", "a", None]))).common
        (('a', 2), ('b', 1))
    """

    missing: float
    distinct: int
    low: float | str | None = None
    median: float | str | None = None
    high: float | str | None = None
    histogram: tuple[int, ...] = ()
    common: tuple[tuple[str, int], ...] = ()

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Summary:
        fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in record.items()}
        fields["common"] = tuple((level, count) for level, count in fields.get("common", ()))
        return cls(**fields)


def of_numbers(cells: Cells, values: NDArray[np.float64]) -> Summary:
    """The summary of numbers [N]."""
    known = values[np.isfinite(values)]
    if not len(known):
        return Summary(absent_share(cells), 0)
    low, high = np.quantile(known, (0.01, 0.99))
    bars = histogram(known.clip(low, high), _BARS, low, high)
    return Summary(
        absent_share(cells), len(np.unique(known)), float(known.min()), float(np.median(known)), float(known.max()), bars
    )


def histogram(values: NDArray[np.float64], bars: int, low: float, high: float) -> tuple[int, ...]:
    """Counts of values [N] in equal steps from low to high; none where floats are too coarse for so many steps, or overflow.

    Example:
        >>> histogram(np.array([0.0, 0.1, 1.0]), 2, 0.0, 1.0), histogram(np.array([1.0]), 2, 2.0**60, 2.0**60 + 256)
        ((2, 1), ())
    """
    with np.errstate(over="ignore"):
        step = (high - low) / bars
    if not (np.isfinite(step) and step > 4 * np.spacing(max(abs(low), abs(high)))):
        return ()
    return tuple(np.histogram(values, bins=bars, range=(low, high))[0].tolist())


def of_levels(cells: Cells) -> Summary:
    """The summary of text: the most frequent values."""
    counts = level_counts(cells.text)
    common = tuple(zip(counts["level"].head(_COMMON).to_list(), counts["count"].head(_COMMON).to_list(), strict=True))
    return Summary(absent_share(cells), len(counts), common=common)


def of_dates(cells: Cells, moments: pl.Series) -> Summary:
    """The summary of moments [N]."""
    known = moments.drop_nulls().sort()
    low, median, high = (_day(known, share) for share in (0.0, 0.5, 1.0))
    return Summary(absent_share(cells), known.n_unique(), low, median, high)


def of_words(cells: Cells, counts: dict[str, int]) -> Summary:
    """The summary of free text: its most frequent words."""
    common = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_COMMON])
    return Summary(absent_share(cells), cells.text.drop_nulls().n_unique(), common=common)


def level_counts(text: pl.Series) -> pl.DataFrame:
    """The different values of text [N] as `level` and their `count`, the most frequent first, ties in the order of the text."""
    counts = text.drop_nulls().alias("level").value_counts(name="count")
    return counts.sort("count", "level", descending=[True, False])


def absent_share(cells: Cells) -> float:
    """The share of the cells that are missing."""
    return float(1 - cells.present.mean()) if len(cells) else 0.0


def _day(known: pl.Series, share: float) -> str | None:
    return str(known[round(share * (len(known) - 1))])[:10] if len(known) else None
