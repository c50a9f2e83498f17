"""Cells: the same value reads the same, whatever type it came as."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from leadline.data.tables.cells import Cells


def test_missing_is_missing_in_every_type() -> None:
    for series in (
        pl.Series(["a", None, "NA", ""]),
        pl.Series([1, None, None, None]),
        pl.Series([1.0, None, float("nan"), float("inf")]),
        pl.Series([True, None, None, None]),
        pl.Series([datetime.date(2020, 1, 1), None, None, None]),
    ):
        assert Cells(series).present.tolist() == [True, False, False, False], series.dtype


@pytest.mark.parametrize(
    "series", [pl.Series(["3", "4"]), pl.Series(["3.0", "4.00"]), pl.Series([3, 4]), pl.Series([3.0, 4.0])]
)
def test_a_whole_number_is_one_text_whatever_it_came_as(series: pl.Series) -> None:
    assert Cells(series).text.to_list() == ["3", "4"]
    assert Cells(series).numbers(".").tolist() == [3, 4]


def test_levels_are_found_by_their_text_and_else_without_capitals() -> None:
    cells = Cells(pl.Series(["True", "true", "b", "B", None, "x"]))
    assert cells.codes(("true", "b")).tolist() == [1, 1, 2, 2, 0, 0]


def test_capitals_that_tell_levels_apart_are_not_passed_over() -> None:
    assert Cells(pl.Series(["a", "A"])).codes(("a", "A")).tolist() == [1, 2]
    # "AB" could be either of two levels, so it is neither.
    assert Cells(pl.Series(["AB"])).codes(("ab", "aB")).tolist() == [0]


def test_words_are_counted() -> None:
    counts = Cells(pl.Series(["Red car, red roof", None, "", "Öl 7"])).word_counts(["red", "car", "öl", "7", "none"])
    assert counts.tolist() == [[2, 1, 0, 0, 0], [0] * 5, [0] * 5, [0, 0, 1, 1, 0]]


def test_some_cells_read_as_they_do_among_all() -> None:
    whole = Cells(pl.Series(["1", "?", "2011-01-02", "red car", "5.0"]))
    rows = np.array([4, 1, 3])
    some = whole.take(rows)
    assert len(some) == 3
    assert some.text.to_list() == ["5", None, "red car"]
    assert some.present.tolist() == [True, False, True]
    np.testing.assert_array_equal(some.numbers("."), [5, np.nan, np.nan])
    assert some.dates(("%Y-%m-%d",)).to_list() == [None] * 3
    assert whole.take(np.array([2])).dates(("%Y-%m-%d",)).dt.day().to_list() == [2]
    assert some.codes(("red car",)).tolist() == [0, 0, 1]
    assert some.word_counts(["car"]).tolist() == [[0], [0], [1]]


def test_moments_with_a_zone_are_utc() -> None:
    series = pl.Series([datetime.datetime(2020, 1, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    assert Cells(series).dates(()).to_list() == [datetime.datetime(2020, 1, 1, 11)]
