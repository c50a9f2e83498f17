"""Numbers as people write them."""

from __future__ import annotations

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables.number_text import MISSING, decimal_mark, parse_numbers, without_missing

finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


def parsed(*texts: str, decimal: str = ".") -> list[float | None]:
    return parse_numbers(pl.Series(list(texts), dtype=pl.String), decimal).to_list()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3.5", -3.5),
        ("+7", 7),
        (".5", 0.5),
        ("5.", 5),
        ("1e-3", 0.001),
        ("1,234", 1234),
        ("1,234,567.89", 1234567.89),
        ("1 234 567", 1234567),
        ("1\u00a0234", 1234),
        ("1'234.5", 1234.5),
        ("$1,200", 1200),
        ("-$5", -5),
        ("$-5", -5),
        ("€ 3.20", 3.2),
        ("3.20 EUR", 3.2),
        ("USD 7", 7),
        ("12 %", 12),
        ("12.5%", 12.5),
        ("(1,234)", -1234),
        ("\u22123", -3),
    ],
)
def test_a_number_with_a_decimal_point_is_read(text: str, value: float) -> None:
    assert parsed(text) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("1.234", 1234), ("12", 12), ("-0,25", -0.25), ("3,5 %", 3.5), ("1 234,5 €", 1234.5)],
)
def test_a_number_with_a_decimal_comma_is_read(text: str, value: float) -> None:
    assert parsed(text, decimal=",") == [value]


@pytest.mark.parametrize(
    "text",
    ["abc", "12 kg", "1,23,4", "1.2.3", "$", "%", "()", "1-2", "2011-01-01", "inf", "1e999", "--5", "e5", "(5", "5)", "(-5)"],
)
def test_what_is_no_finite_number_is_none(text: str) -> None:
    assert parsed(text) == [None]


@pytest.mark.parametrize("text", ["1.5", "1.23", "1,2,3"])
def test_a_point_that_separates_no_thousands_is_no_number_beside_a_decimal_comma(text: str) -> None:
    assert parsed(text, decimal=",") == [None]


@given(st.lists(finite, min_size=1, max_size=20))
def test_what_python_writes_is_read_back_to_the_bit(values: list[float]) -> None:
    assert parsed(*map(repr, values)) == values


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20))
def test_thousands_are_read_with_every_separator(values: list[int]) -> None:
    for mark in (",", " ", "'", "\u202f"):
        assert parsed(*(f"{value:,}".replace(",", mark) for value in values)) == values
    assert parsed(*(f"{value:,}".replace(",", ".") for value in values), decimal=",") == values


@pytest.mark.parametrize(
    ("texts", "mark"),
    [
        (["1.5", "2.25"], "."),
        (["1,5", "2,25"], ","),
        (["1,234", "12"], "."),
        (["1,234.5", "1,5"], "."),
        (["1.234,5", "2"], ","),
        (["0,125"], ","),
        (["€ 1,50", "€ 2,75"], ","),
        (["12", None], "."),
        ([], "."),
    ],
)
def test_the_decimal_mark_is_that_of_most_commas(texts: list[str | None], mark: str) -> None:
    assert decimal_mark(pl.Series(texts, dtype=pl.String)) == mark


@pytest.mark.parametrize("word", MISSING)
def test_every_word_for_missing_is_missing_in_capitals_too(word: str) -> None:
    assert without_missing(pl.Series([word, word.upper(), f" {word} "])).to_list() == [None] * 3


def test_words_that_only_begin_like_missing_ones_stay() -> None:
    kept = ["nanny", "nation", "n/a-1", "unknown", "0", "no"]
    assert without_missing(pl.Series(kept)).to_list() == kept


def test_an_empty_column_is_read() -> None:
    assert parse_numbers(pl.Series([], dtype=pl.String)).to_list() == []
    assert all(value is None or math.isfinite(value) for value in parsed("inf", "nan", "-inf"))
