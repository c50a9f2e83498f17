"""Dates as people write them: which formats a column uses, and the moments it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%m/%d/%y", "%d/%m/%y",
    "%d.%m.%y", "%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y",
    "%Y%m%d",
)  # fmt: skip
_MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%b-%Y", "%b %Y", "%B %Y")
_TIMES = ("", " %H:%M:%S", " %H:%M", "T%H:%M:%S", "T%H:%M", " %H:%M:%S%.f", "T%H:%M:%S%.f", " %I:%M %p", " %I:%M:%S %p")
_ZONED = ("%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
FORMATS = (*_ZONED, *(day + time for day in _DAYS for time in _TIMES), *_MONTHS)
_TRIED = 1000  # different values that tell which formats a column uses
_SHARE = 0.95  # of the values must be dates for the column to hold dates
_MOST = 5  # formats of one column


def parse_dates(text: pl.Series, formats: tuple[str, ...]) -> pl.Series:
    """Text [N] to moments [N] (Datetime, UTC where a zone is given); each value by the first of `formats` that reads it.

    Example:
        >>> import polars as pl
        >>> parse_dates(pl.Series(["2011-01-03", "4.1.2011", "soon"]), ("%Y-%m-%d", "%d.%m.%Y")).dt.day().to_list()
        [3, 4, None]
    """
    import polars as pl

    if not formats:
        return pl.Series("x", [], pl.Datetime("us")).clear(len(text))
    return text.to_frame("x").select(pl.coalesce([_by_format(pl.col("x"), one) for one in formats]).alias("x"))["x"]


def date_formats(text: pl.Series) -> tuple[str, ...]:
    """The formats that a column [N] of dates uses, the commonest first; empty where it does not hold dates.

    Formats are taken by how many values they read that no earlier one does. Two readings of the same values with day and month
    exchanged are never mixed; where both read all, the American one is taken for "/" and the European one else.

    Example:
        >>> import polars as pl
        >>> [date_formats(pl.Series(column)) for column in (["1/31/2011", "2/1/2011"], ["31/1/2011"], ["x"])]
        [('%m/%d/%Y',), ('%d/%m/%Y',), ()]
    """
    known = text.drop_nulls().unique(maintain_order=True)
    sample = known.gather_every(max(1, len(known) // _TRIED)).head(_TRIED)
    rest = sample.filter(sample.str.contains(r"\d") & (sample.str.len_chars() >= 6) & (sample.str.len_chars() <= 40))
    if len(rest) < _SHARE * len(sample) or not len(sample):
        return ()
    chosen: list[str] = []
    read = 0
    while len(rest) and len(chosen) < _MOST:
        counts = _counts_read(rest, [one for one in FORMATS if not _rivals(one, chosen)])
        best = max(counts, key=lambda one: counts[one], default="")
        if not best or not counts[best]:
            break
        chosen.append(best)
        read += counts[best]
        rest = rest.filter(parse_dates(rest, (best,)).is_null())
    return tuple(chosen) if read >= _SHARE * len(sample) else ()


def is_ambiguous(text: pl.Series, formats: tuple[str, ...]) -> bool:
    """Whether all values could as well be read with day and month exchanged.

    Example:
        >>> import polars as pl
        >>> is_ambiguous(pl.Series(["1/2/2011"]), ("%m/%d/%Y",)), is_ambiguous(pl.Series(["1/13/2011"]), ("%m/%d/%Y",))
        (True, False)
    """
    other = _exchanged(formats[0]) if len(formats) == 1 else ""
    return bool(other) and parse_dates(text, (other,)).null_count() == text.null_count()


def _counts_read(text: pl.Series, formats: list[str]) -> dict[str, int]:
    """How many values each format reads, all of them tried in one go."""
    import polars as pl

    unread = text.to_frame("x").select(_by_format(pl.col("x"), one).null_count().alias(one) for one in formats)
    return {one: len(text) - nulls for one, nulls in unread.row(0, named=True).items()}


def _by_format(text: pl.Expr, one: str) -> pl.Expr:
    import polars as pl

    if "%#z" in one:
        moment = text.str.to_datetime(one, strict=False, time_zone="UTC", time_unit="us").dt.replace_time_zone(None)
    elif "%d" in one:
        moment = text.str.to_datetime(one, strict=False, time_unit="us")
    else:  # a month needs a day to be a moment
        moment = (text + " 01").str.to_datetime(one + " %d", strict=False, time_unit="us")
    # %Y reads "20" as the year 20, which %y is meant for.
    return pl.when(moment.dt.year() >= 1000).then(moment)


def _rivals(one: str, chosen: list[str]) -> bool:
    """Whether the format reads values of a chosen one with day and month exchanged."""
    return any(_exchanged(one).partition(" ")[0] == each.partition(" ")[0] for each in chosen) if _exchanged(one) else False


def _exchanged(one: str) -> str:
    """The same format with day and month in each other's place, where both are numbers; empty otherwise."""
    if one.startswith("%m") and "%d" in one:
        return one.replace("%m", "%D").replace("%d", "%m").replace("%D", "%d")
    if one.startswith("%d") and "%m" in one:
        return one.replace("%d", "%M_").replace("%m", "%d").replace("%M_", "%m")
    return ""
