"""Dates as people write them."""

from __future__ import annotations

import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables.date_text import FORMATS, date_formats, is_ambiguous, parse_dates

moments = st.datetimes(datetime.datetime(1971, 1, 1), datetime.datetime(2068, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)
DAYS = [one for one in FORMATS if "%d" in one and not any(mark in one for mark in ("%H", "%I", "%#z"))]


def series(*texts: str | None) -> pl.Series:
    return pl.Series(list(texts), dtype=pl.String)


@pytest.mark.parametrize("one", DAYS)
def test_every_format_of_a_day_reads_what_it_writes(one: str) -> None:
    written = datetime.date(2021, 7, 31).strftime(one)
    assert parse_dates(series(written), (one,)).dt.date().to_list() == [datetime.date(2021, 7, 31)]


@given(st.lists(moments, min_size=1, max_size=10))
def test_iso_moments_are_read_to_the_second(values: list[datetime.datetime]) -> None:
    formats = date_formats(series(*(value.isoformat() for value in values)))
    assert parse_dates(series(*(value.isoformat() for value in values)), formats).to_list() == values


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        (["2011-01-31", "2011-02-01"], ("%Y-%m-%d",)),
        (["1/31/2011", "2/1/2011"], ("%m/%d/%Y",)),
        (["31/1/2011", "1/2/2011"], ("%d/%m/%Y",)),
        (["31.1.2011"], ("%d.%m.%Y",)),
        (["1.2.2011"], ("%d.%m.%Y",)),
        (["1/2/2011"], ("%m/%d/%Y",)),
        (["1949-01", "1949-02"], ("%Y-%m",)),
        (["5 Jan 2020"], ("%d %b %Y",)),
        (["January 5, 2020", "March 6, 2021"], ("%B %d, %Y",)),
        (["31/12/19"], ("%d/%m/%y",)),
    ],
)
def test_the_format_of_a_column_is_found(texts: list[str], formats: tuple[str, ...]) -> None:
    assert date_formats(series(*texts)) == formats


def test_dates_in_three_formats_are_all_read() -> None:
    texts = ["2011-01-31", "2011-02-28", "2011-05-05", "31.1.2011", "7.2.2011", "5 Jan 2020"]
    formats = date_formats(series(*texts))
    assert len(formats) == 3
    assert parse_dates(series(*texts), formats).null_count() == 0


def test_day_and_month_are_never_exchanged_within_a_column() -> None:
    # Twenty American dates and one that only a European reads: it must not be read by the other rule.
    texts = [f"1/{day}/2011" for day in range(1, 31)] + ["31/1/2011"]
    formats = date_formats(series(*texts))
    assert formats == ("%m/%d/%Y",)
    assert parse_dates(series(*texts), formats).null_count() == 1


@pytest.mark.parametrize("texts", [["abc"], ["12"], ["3.5", "4.5"], [], [None], ["x" * 50], ["2011-01-31", "soon", "later"]])
def test_what_is_no_date_has_no_format(texts: list[str | None]) -> None:
    assert date_formats(series(*texts)) == ()


def test_a_column_that_could_be_either_is_told() -> None:
    assert is_ambiguous(series("1/2/2011", "3/4/2011"), ("%m/%d/%Y",))
    assert not is_ambiguous(series("1/2/2011", "3/24/2011"), ("%m/%d/%Y",))
    assert not is_ambiguous(series("2011-01-02"), ("%Y-%m-%d",))


def test_a_year_of_two_digits_is_not_the_first_century() -> None:
    assert parse_dates(series("1/2/20"), ("%m/%d/%Y",)).to_list() == [None]
    assert parse_dates(series("1/2/20"), ("%m/%d/%y",)).dt.year().to_list() == [2020]


def test_a_zone_is_turned_into_utc() -> None:
    formats = date_formats(series("2020-01-01T10:00:00+02:00"))
    assert parse_dates(series("2020-01-01T10:00:00+02:00"), formats).to_list() == [datetime.datetime(2020, 1, 1, 8)]


def test_without_formats_nothing_is_a_date() -> None:
    assert parse_dates(series("2020-01-01"), ()).to_list() == [None]
