"""Layouts: which record is the header, which are rows, and what stands above them."""

from __future__ import annotations

import pytest

from leadline.data.tables.layouts import Layout, lay_out
from leadline.data.tables.scanning import scan


def plan(text: str, header: bool | None = None, delimiter: str = ",") -> Layout:
    return lay_out(scan(text.encode(), delimiter.encode()), header, "my.csv")


def test_the_header_is_the_first_record_as_wide_as_most() -> None:
    found = plan("A title\nof two lines\n\na,b,c\n1,2,3\n4,5,6\n")
    assert (found.header, found.names, found.rows.tolist(), found.width) == (3, ["a", "b", "c"], [4, 5], 3)
    assert found.notes == []


def test_a_title_of_a_table_with_two_columns_is_no_header() -> None:
    found = plan("A title\na,b\n1,2\n4,5\n")
    assert (found.header, found.names, found.rows.tolist()) == (1, ["a", "b"], [2, 3])


def test_no_header_is_said_with_the_way_to_choose() -> None:
    found = plan("1,2\n3,4\n")
    assert (found.header, found.rows.tolist()) == (None, [0, 1])
    assert "my.csv has no header" in found.notes[0]
    assert "--set data.header=yes" in found.notes[0]


@pytest.mark.parametrize("text", ["1,2\n3,4\n", "a,b\n3,4\n"])
def test_a_person_may_decide(text: str) -> None:
    assert plan(text, True).header == 0
    found = plan(text, False)
    assert (found.header, found.rows.tolist()) == (None, [0, 1])
    assert "--set" not in found.notes[0]


@pytest.mark.parametrize("text", ["x,y\nann,1,2\nbo,3,4\n", "x,y\nr1,p,q\nr2,s,t\n"])
def test_rows_may_begin_with_their_names(text: str) -> None:
    found = plan(text)
    assert (found.header, found.names, found.width, found.rows.tolist()) == (0, ["x", "y"], 3, [1, 2])


def test_one_column_and_the_names_of_the_rows() -> None:
    found = plan("x\nann,1\nbo,3\n")
    # "x" could be a title; that "ann,1" is a row decides.
    assert (found.header, found.names) == (0, ["x"])


def test_a_record_that_is_one_short_is_no_header_if_it_holds_numbers_or_is_not_the_only_one() -> None:
    assert plan("1,2\n1,2,3\n4,5,6\n").header is None
    assert plan("x,y\nann,1,2\nbo,3\ncy,3,4\ndi,5,6\n").header is None
    assert plan("x,y\nann,1,2\nbo,3,4\n", False).header is None
    assert plan("A title, long\na,b,c\n1,2,3\n4,5,6\n").header == 1


def test_empty_records_and_titles_filled_up_by_a_spreadsheet_are_set_aside() -> None:
    found = plan(",,,\nSales 2020,,,\n,,,\na,b,c,d\nx,1,2,3\ny,4,5,6\n")
    assert (found.header, found.names, found.rows.tolist()) == (3, ["a", "b", "c", "d"], [4, 5])
    assert found.aside[0] == "it is empty"
    assert found.aside[1] == "it is a title above the header"


def test_a_sparse_first_row_is_no_title() -> None:
    found = plan("a,,\nb,x,y\nc,z,w\n")
    assert found.aside == {}
    assert len(found.rows) + (found.header is not None) == 3


def test_the_line_that_names_the_delimiter_is_no_header() -> None:
    found = plan("sep=;\na;b\n1;2\n", delimiter=";")
    assert (found.header, found.names, found.rows.tolist()) == (1, ["a", "b"], [2])
    assert found.aside == {0: "it only names the delimiter"}


@pytest.mark.parametrize(("text", "rows"), [("a,b\n", 0), ("1,2\n", 1), ("", 0), ("\n \n", 0), ('"a\n', 0)])
def test_one_record_or_none(text: str, rows: int) -> None:
    assert len(plan(text).rows) == rows


def test_one_column_is_said() -> None:
    assert "my.csv has one column" in plan("a\n1\n2\n", delimiter="\x1f").notes[0]
