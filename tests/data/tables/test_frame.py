"""Frame: names that can be told apart, ids made when asked for, and several tables as one."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest

from leadline.data.dataset import Excluded
from leadline.data.tables.frame import Frame, RowIds, join, name_columns
from leadline.errors import ArgumentError, DataError


def frame(name: str, columns: dict[str, list[object]], *, header: bool = True, notes: tuple[str, ...] = ()) -> Frame:
    data = pl.DataFrame(columns)
    excluded = (Excluded(f"{name}:99", "it is empty"),)
    return Frame(data, RowIds.of(name, np.arange(data.height)), f"hash of {name}", name, header, notes, excluded)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ([" a ", "a"], ["a", "a (2)"]),
        (["a", "a", "a"], ["a", "a (2)", "a (3)"]),
        (["a", "a", "a (2)"], ["a", "a (3)", "a (2)"]),
        (["", "", "x"], ["column 1", "column 2", "x"]),
        (["column 2", ""], ["column 2", "column 2 (2)"]),
        (["", "column 1"], ["column 1 (2)", "column 1"]),
        (["net\n price", "A", "a"], ["net price", "A", "a"]),
    ],
)
def test_every_column_has_a_name_of_its_own(given: list[str], expected: list[str]) -> None:
    names, notes = name_columns(given)
    assert names == expected
    assert bool(notes) == any(" (" in new or not old.strip() for old, new in zip(given, expected, strict=True) if old != new)


def test_what_was_renamed_is_said() -> None:
    _, notes = name_columns(["price", "price", ""])
    assert notes == [
        'Columns with the name of another were given their own: "price (2)".',
        'Columns without a name were given one: "column 3".',
    ]


def test_ids_are_a_sequence_of_text() -> None:
    ids = RowIds.of("rows.csv", np.array([2, 3, 5, 9]))
    assert list(ids) == ["rows.csv:2", "rows.csv:3", "rows.csv:5", "rows.csv:9"]
    assert ids[-1] == "rows.csv:9"
    assert ids[1:3] == ["rows.csv:3", "rows.csv:5"]
    assert list(ids.take(np.array([3, 0]))) == ["rows.csv:9", "rows.csv:2"]
    assert list(ids.take(np.array([True, False, False, True]))) == ["rows.csv:2", "rows.csv:9"]
    assert "rows.csv:5" in ids
    assert repr(ids) == "RowIds('rows.csv:2', 'rows.csv:3', 'rows.csv:5', …; 4 rows)"
    with pytest.raises(IndexError):
        ids[4]


def test_ids_of_several_sources_stay_lazy_and_plain_lists_do_not() -> None:
    first, second = RowIds.of("a", np.array([1, 2])), RowIds.of("b", np.array([1]))
    both = RowIds.joined([RowIds.joined([first, second]), first])
    assert isinstance(both, RowIds)
    assert list(both) == ["a:1", "a:2", "b:1", "a:1", "a:2"]
    assert RowIds.joined([first, ["x"]]) == ["a:1", "a:2", "x"]


def test_a_frame_knows_its_length_and_shows_its_columns() -> None:
    one = frame("t", {f"c{number}": [1, 2] for number in range(9)})
    assert len(one) == 2
    assert repr(one) == "Frame('t', 2 rows, 9 columns: c0, c1, c2, c3, c4, c5, c6, c7, …)"


def test_tables_are_joined_by_the_names_of_their_columns() -> None:
    first = frame("a", {"x": ["1"], "y": ["2"]}, notes=("said twice", "said once"))
    second = frame("b", {"y": ["4"], "x": ["3"]}, notes=("said twice",))
    both = join([(None, first), (None, second)], "both")
    assert both.data.rows() == [("1", "2"), ("3", "4")]
    assert list(both.ids) == ["a:0", "b:0"]
    assert both.parts is None
    assert both.name == "both"
    assert both.notes == ("said twice", "said once")
    assert [row.id for row in both.excluded] == ["a:99", "b:99"]
    assert both.digest != join([(None, second), (None, first)], "both").digest


def test_parts_come_with_the_files() -> None:
    parts = [("train", frame("a", {"x": [1, 2]})), ("valid", frame("b", {"x": [3]})), ("test", frame("c", {"x": [4]}))]
    whole = join(parts, "all")
    assert whole.parts is not None
    assert whole.parts.tolist() == ["train", "train", "valid", "test"]
    assert whole.data["x"].to_list() == [1, 2, 3, 4]


def test_parts_are_named_for_all_or_for_none() -> None:
    with pytest.raises(ArgumentError, match="a part for each"):
        join([("train", frame("a", {"x": [1]})), (None, frame("b", {"x": [1]}))], "ab")


def test_a_missing_column_is_named_with_its_file_and_the_nearest() -> None:
    with pytest.raises(DataError, match=r'b has no column "price", which a has.*one called "Price"\?'):
        join([(None, frame("a", {"x": [1], "price": [2]})), (None, frame("b", {"x": [1], "Price": [2]}))], "ab")


def test_a_column_too_many_is_named_with_its_file() -> None:
    with pytest.raises(DataError, match='b has a column "z" that a does not have'):
        join([(None, frame("a", {"x": [1]})), (None, frame("b", {"x": [1], "z": [2]}))], "ab")


def test_files_without_names_take_those_of_the_others() -> None:
    bare = frame("bare", {"column 1": ["1"], "column 2": ["2"]}, header=False)
    named = frame("named", {"x": ["3"], "y": ["4"]})
    for order in ([bare, named], [named, bare]):
        whole = join([(None, each) for each in order], "all")
        assert whole.data.columns == ["x", "y"]
        assert whole.header
    narrow = frame("narrow", {"column 1": ["1"]}, header=False)
    with pytest.raises(DataError, match="narrow has no column"):
        join([(None, named), (None, narrow)], "all")


def test_a_test_file_without_the_target_is_left_out_and_that_is_said() -> None:
    train, test = frame("train.csv", {"x": [1], "y": [2]}), frame("test.csv", {"x": [3]})
    whole = join([("train", train), ("test", test)], "all")
    assert whole.data.rows() == [(1, 2)]
    assert whole.parts is None
    assert whole.notes == ('test.csv was left out: it has no column "y", which the other files have.',)
    with pytest.raises(DataError, match='test.csv has no column "y"'):
        join([("train", train), ("valid", test)], "all")
    with pytest.raises(DataError, match='test.csv has no column "y"'):
        join([("train", frame("train.csv", {"x": [1], "y": [2], "z": [3]})), ("test", test)], "all")


def test_numbers_of_two_kinds_stay_numbers_and_what_has_nothing_in_common_becomes_text() -> None:
    day = datetime.date(2020, 1, 2)
    first = frame("a", {"x": [1], "y": [1], "z": [day], "u": [day], "v": [True]})
    second = frame("b", {"x": [2.5], "y": ["?"], "z": [3], "u": [datetime.datetime(2020, 1, 2)], "v": [2]})
    whole = join([(None, first), (None, second)], "ab")
    moment = datetime.datetime(2020, 1, 2)
    assert whole.data.rows() == [(1.0, "1", "2020-01-02", moment, "true"), (2.5, "?", "3", moment, "2")]
    assert whole.notes == ("Columns that hold different things in different files were read as text: y, z, v.",)
