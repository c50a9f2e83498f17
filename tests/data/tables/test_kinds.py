"""Kinds of columns: told from the values, or as chosen."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from leadline.data.tables.cells import Cells
from leadline.data.tables.columns import CategoryColumn, DateColumn, LeftOut, NumberColumn, TextColumn, YesNoColumn
from leadline.data.tables.kinds import CHOICES, learn_column
from leadline.errors import DataError

ROWS = 60
some = draw = np.random.default_rng(0)


def learned(values: object, name: str = "x", chosen: str | None = None):
    return learn_column(name, Cells(pl.Series(values)), chosen)


def texts(numbers: object) -> list[str]:
    return [str(number) for number in numbers]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (texts(some.normal(size=ROWS).round(3)), NumberColumn),
        (texts(some.integers(0, 9, ROWS)), NumberColumn),
        ([f"{number:,} €" for number in some.integers(1000, 10**6, ROWS)], NumberColumn),
        (some.normal(size=ROWS), NumberColumn),
        (some.integers(0, 9, ROWS), NumberColumn),
        (["yes", "no"] * 30, YesNoColumn),
        (["0", "1"] * 30, YesNoColumn),
        ([True, False] * 30, YesNoColumn),
        (["red", "green", "blue"] * 20, CategoryColumn),
        (["only", None] * 30, CategoryColumn),
        ([f"0{number}" for number in some.integers(100, 120, ROWS)], CategoryColumn),
        ([f"2021-0{1 + row % 9}-1{row % 10}" for row in range(ROWS)], DateColumn),
        ([datetime.date(2021, 1, 1) + datetime.timedelta(row) for row in range(ROWS)], DateColumn),
        ([f"2021{1 + row % 12:02}{1 + row % 28:02}" for row in range(ROWS)], DateColumn),
        ([f"a {row} long {('red', 'blue')[row % 2]} story" for row in range(ROWS)], TextColumn),
        (["same"] * ROWS, LeftOut),
        ([None, "NA"] * 30, LeftOut),
        ([f"u{row:05}" for row in range(ROWS)], LeftOut),
        (texts(range(1, ROWS + 1)), LeftOut),
        (np.arange(ROWS), LeftOut),
    ],
)
def test_the_kind_is_told_from_the_values(values: object, kind: type) -> None:
    assert type(learned(values)) is kind


def test_an_identifier_is_known_by_its_name_where_its_values_are_all_different() -> None:
    values = texts(some.permutation(10_000)[:ROWS])
    assert isinstance(learned(values, "customer_id"), LeftOut)
    assert isinstance(learned(values, "customerID"), LeftOut)
    for name in ("income", "paid", "covid", "humid"):
        assert isinstance(learned(values, name), NumberColumn)
    assert isinstance(learned([*values[:-1], values[0]], "customer_id"), NumberColumn)


def test_a_few_strange_values_among_numbers_count_as_missing_and_are_shown() -> None:
    column = learned([*texts(some.normal(size=98)), "abc", "?"])
    assert isinstance(column, NumberColumn)
    assert column.missing
    assert "what is no number, such as 'abc', counts as missing" in column.why
    # Many of them make it a category or text.
    assert not isinstance(learned([*texts(range(50)), *["abc", "def"] * 25]), NumberColumn)


def test_a_decimal_comma_is_kept_for_later() -> None:
    column = learned(["1,5", "2,5", "12,25"])
    assert isinstance(column, NumberColumn)
    assert column.decimal == ","
    assert column.numbers(Cells(pl.Series(["1,5"]))) == pytest.approx(column.numbers(Cells(pl.Series([1.5]))))


def test_rare_levels_count_as_one() -> None:
    common = ["a"] * 300 + ["b"] * 300
    column = learned([*common, *(f"rare{row}" for row in range(100))])
    assert isinstance(column, CategoryColumn)
    assert column.levels == ("a", "b")
    assert "100 rare ones count as one" in column.why


def test_a_million_levels_are_no_category() -> None:
    column = learned(pl.Series([f"level {row} x" for row in range(1_000_000)]).str.replace_all(" ", ""))
    assert isinstance(column, LeftOut)
    assert "identifier" in column.why


def test_yes_comes_after_no() -> None:
    assert learned(["yes", "no"] * 9).levels == ("no", "yes")
    assert learned(["True", "False"] * 9).levels == ("False", "True")
    assert learned(["10", "9"] * 9).levels == ("9", "10")


def test_parts_of_a_date_that_do_not_vary_are_left_out() -> None:
    days = learned([f"2021-03-{day:02}" for day in range(1, 31)])
    assert set(days.parts) == {"time", "day", "weekday"}
    hours = learned([f"2021-03-01 {hour:02}:30" for hour in range(24)])
    assert set(hours.parts) == {"time", "hour"}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_can_be_made(choice: str) -> None:
    values = {"date": ["2021-01-02", "2021-01-05"], "text": ["a red car", "a blue car"], "yes/no": ["1", "2"]}.get(
        choice, ["1", "2", "3"]
    )
    column = learned(values * 20, chosen=choice)
    assert column.kind == ("left out" if choice == "leave out" else choice)


@pytest.mark.parametrize(
    ("values", "choice", "words"),
    [
        (["abc", "def"], "number", "holds no numbers"),
        (["abc", "def"], "date", "holds no dates"),
        (["a", "b", "c"], "yes/no", "2 different values; got 3"),
        ([None, None], "category", "nothing but missing"),
        (["a"], "numbr", "Did you mean 'number'"),
    ],
)
def test_a_choice_that_does_not_fit_is_told(values: list[str | None], choice: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        learn_column("x", Cells(pl.Series(values, dtype=pl.String)), choice)


def test_a_summary_is_of_all_training_cells() -> None:
    column = learned(["1", "2", "3", "?", "9"])
    assert (column.summary.low, column.summary.median, column.summary.high) == (1, 2.5, 9)
    assert column.summary.missing == pytest.approx(0.2)
    assert sum(column.summary.histogram) == 4
    assert learned(["a", "b", "a"] * 9).summary.common == (("a", 18), ("b", 9))


def test_the_sample_of_a_long_column_is_no_pattern_of_it() -> None:
    values = np.tile([0.0, 100.0], 200_000) + draw.normal(size=400_000)
    column = learned(values)
    assert isinstance(column, NumberColumn)
    assert 40 < column.scaling.scale < 110


def test_a_few_values_in_a_long_column_are_found() -> None:
    values = np.full(300_001, np.nan)
    values[[7, 9, 11, 13]] = [1.0, 2.0, 3.0, 5.0]
    assert isinstance(learned(values), NumberColumn)


def test_huge_numbers_that_hardly_differ_are_summed_up_without_bars() -> None:
    column = learned([2**60 + 512 * step for step in range(9)] * 3)
    assert column.summary.histogram == ()


def test_zero_has_no_sign() -> None:
    assert isinstance(learned([0.0, -0.0] * 20), LeftOut)
