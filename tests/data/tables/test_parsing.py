"""Parsing: what polars reads is what was found, and where it is not, it is not used."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.tables import parsing
from leadline.data.tables.parsing import parse_records
from leadline.data.tables.scanning import scan

# Text that csv.writer quotes in full, so that every cell may hold anything.
CELLS = st.text(alphabet='ab1 ,;\t|"\né日\xa0\\', max_size=5)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
)


def written(table: list[list[str]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(table)
    return text.getvalue().encode()


def parsed(data: bytes, delimiter: bytes, width: int) -> list[tuple[str | None, ...]]:
    records = scan(data, delimiter)
    return parse_records(records, np.flatnonzero(records.widths == width), width).rows()


@given(TABLES, st.sampled_from(",;\t|"))
def test_every_cell_is_what_was_written(table: list[list[str]], delimiter: str) -> None:
    expected = [tuple(value.strip() or None for value in row) for row in table]
    assert parsed(written(table, delimiter), delimiter.encode(), len(table[0])) == expected


@given(TABLES)
def test_the_slow_way_reads_the_same(table: list[list[str]]) -> None:
    records = scan(written(table, ","), b",")
    rows = np.arange(len(table))
    assert parsing._by_grammar(records, rows, len(table[0])).rows() == parse_records(records, rows, len(table[0])).rows()


def test_rows_that_are_left_out_and_rows_that_were_mended_stand_in_their_places() -> None:
    data = b'a,b\n1,x\n1,2,3\n"5" p",y\n\n2,"z\nw"\n"q\n,"v" \n3,u'
    assert parsed(data, b",", 2) == [("a", "b"), ("1", "x"), ('5" p', "y"), ("2", "z\nw"), (None, "v"), ("3", "u")]


def test_nothing_is_a_table_without_rows() -> None:
    data = parse_records(scan(b"a,b\n", b","), np.zeros(0, dtype=np.int64), 2)
    assert data.shape == (0, 2)
    assert data.dtypes == [pl.String, pl.String]


def test_a_record_above_that_takes_several_lines_is_passed_over_as_one() -> None:
    assert parsed(b'x,"b\nc",d\n1,2\n3,4\n5,6\n', b",", 2) == [("1", "2"), ("3", "4"), ("5", "6")]
    records = scan(b'"a\nb",c\n1,2\n3,4\n', b",")
    assert parse_records(records, np.array([1, 2]), 2).rows() == [("1", "2"), ("3", "4")]


Bad = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data.head(-1),
        lambda data: data.drop("1"),
        lambda data: data.with_columns(pl.Series("0", ["1", "wrong", "5"])),
        lambda data: data.select(pl.col("1").alias("0"), pl.col("0").alias("1")),
    ],
    ids=["a row less", "a column less", "another value", "columns exchanged"],
)
def test_a_wrong_table_is_noticed_and_read_again(spoil: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    right = parsing._by_polars
    monkeypatch.setattr(parsing, "_by_polars", lambda *arguments: spoil(right(*arguments)))
    assert parsed(b"1,2\n3,4\n5,6\n", b",", 2) == [("1", "2"), ("3", "4"), ("5", "6")]


def test_what_polars_refuses_is_read_in_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> pl.DataFrame:
        raise pl.exceptions.ComputeError("no")

    monkeypatch.setattr(parsing, "_by_polars", refuse)
    assert parsed(b'1,2\n3," x "\n,""\n', b",", 2) == [("1", "2"), ("3", "x"), (None, None)]


def test_a_sound_table_is_never_read_in_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "_by_grammar", None)
    assert parsed(b'"\t"\t" a\xc2\xa0"\n x \t""""\n5" p\t"q\nr"\n', b"\t", 2) == [(None, "a"), ("x", '"'), ('5" p', "q\nr")]
