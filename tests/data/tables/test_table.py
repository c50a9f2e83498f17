"""Table: rows in, the numbers of a network out, the same today as in the training."""

from __future__ import annotations

import dataclasses
import datetime
import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadline.data.answers import Classes
from leadline.data.schema import Schema
from leadline.data.tables.columns import KINDS
from leadline.data.tables.given_rows import frame_of_rows
from leadline.data.tables.grids import grid_of
from leadline.data.tables.table import Table
from leadline.errors import ArgumentError, DataError

ROWS = 120
draw = np.random.default_rng(0)
FRAME = pl.DataFrame(
    {
        "size": [str(value) if row % 10 else "?" for row, value in enumerate(draw.normal(100, 20, ROWS).round(2))],
        "city": [("Bonn", "Ulm", "Kiel", "Köln")[row % 4] for row in range(ROWS)],
        "deck": [("A", "B", "C", None)[row % 4] for row in range(ROWS)],
        "sold": [("yes", "no")[row % 2] for row in range(ROWS)],
        "day": [str(datetime.date(2021, 1, 1) + datetime.timedelta(5 * row)) for row in range(ROWS)],
        "story": [f"a {('red', 'blue')[row % 2]} house number {row}" for row in range(ROWS)],
        "id": [str(row) for row in range(1, ROWS + 1)],
    }
)
TABLE, _ = Table.learn(FRAME, np.arange(ROWS))


def test_every_kind_is_there_and_the_layout_adds_up() -> None:
    assert {column.kind for column in TABLE.columns} == set(KINDS)
    encoded = TABLE.encode_frame(FRAME)
    assert encoded.shape == (ROWS, *TABLE.shape)
    assert encoded.dtype == np.float32
    assert TABLE.shape == (TABLE.numbers + len(TABLE.categories),)
    places = [place for block in TABLE.blocks.values() for place in block]
    assert sorted(places) == list(range(TABLE.shape[0]))
    assert "id" not in TABLE.blocks


def test_codes_are_below_their_number_and_numbers_near_zero() -> None:
    encoded = TABLE.encode_frame(FRAME)
    codes = encoded[:, TABLE.numbers :]
    assert (codes == np.rint(codes)).all()
    assert (codes.max(axis=0) < TABLE.categories).all()
    assert np.abs(encoded[:, : TABLE.numbers]).max() <= 3


def test_the_training_rows_alone_teach() -> None:
    other = FRAME.with_columns(size=pl.when(pl.int_range(pl.len()) < 60).then("size").otherwise(pl.lit("1e9")))
    rows = np.arange(60)
    assert Table.learn(FRAME, rows)[0].columns[0] == Table.learn(other, rows)[0].columns[0]


def test_json_holds_everything() -> None:
    schema = Schema(TABLE, Classes(("a", "b")))
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    np.testing.assert_array_equal(again.inputs.encode_frame(FRAME), TABLE.encode_frame(FRAME))


@given(st.permutations(FRAME.columns), st.integers(0, ROWS - 1))
def test_the_order_of_columns_does_not_matter_and_one_row_is_as_among_many(order: list[str], row: int) -> None:
    one = dict(zip(FRAME.columns, FRAME.row(row), strict=True))
    np.testing.assert_array_equal(TABLE.encode({name: one[name] for name in order}), TABLE.encode_frame(FRAME)[row])


def test_typed_rows_read_as_their_text_does() -> None:
    texts = {"size": "101.5", "city": "Ulm", "deck": "B", "sold": "yes", "day": "2021-03-01", "story": "red"}
    typed = {**texts, "size": 101.5, "day": datetime.date(2021, 3, 1)}
    np.testing.assert_array_equal(TABLE.encode(texts), TABLE.encode(typed))


def test_what_training_did_not_show_has_a_place() -> None:
    encoded, notes = TABLE.read_frame(
        pl.DataFrame({"size": ["abc"], "city": ["Rom"], "sold": ["perhaps"], "day": ["soon"], "story": ["x"], "new": [1]})
    )
    assert np.isfinite(encoded).all()
    words = TABLE.words(encoded[0])
    assert words["size"] == "missing"
    assert words["city"] == "other"
    assert words["deck"] == "missing"
    said = " ".join(notes)
    for part in ("'new'", "'deck' is not there", "'abc'", "'Rom'", "'perhaps'", "'soon'"):
        assert part in said


def test_a_column_that_is_needed_and_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(DataError, match="'city'.*Is 'City' meant"):
        TABLE.encode_frame(FRAME.rename({"city": "City"}))
    with pytest.raises(DataError, match="'city'"):
        TABLE.encode({"size": 3})
    with pytest.raises(DataError, match="lack"):
        TABLE.encode({"unknown": 1})
    with pytest.raises(ArgumentError, match="trained on a table"):
        TABLE.encode([1, 2, 3])


def test_words_say_what_was_encoded() -> None:
    encoded = TABLE.encode_frame(FRAME)
    for row in range(0, ROWS, 7):
        words = TABLE.words(encoded[row])
        assert words["city"] == FRAME["city"][row]
        assert words["deck"] == (FRAME["deck"][row] or "missing")
        assert words["sold"] == FRAME["sold"][row]
        assert words["day"] == FRAME["day"][row]
        if FRAME["size"][row] != "?":
            assert float(words["size"]) == pytest.approx(float(FRAME["size"][row]), rel=2e-3)


def test_nothing_to_learn_from_is_told() -> None:
    with pytest.raises(DataError, match=r"No column is left.*constant"):
        Table.learn(pl.DataFrame({"a": ["1"] * 5}), np.arange(5))
    with pytest.raises(DataError, match="Did you mean 'city'"):
        Table.learn(FRAME, np.arange(ROWS), kinds={"citi": "category"})


def test_a_copy_of_the_target_is_left_out_unless_it_is_wanted() -> None:
    answers = FRAME["sold"].to_numpy().astype(str)
    frame = pl.DataFrame({"city": FRAME["city"], "alive": pl.Series(answers).replace({"yes": "1", "no": "0"})})
    table, _ = Table.learn(frame, np.arange(ROWS), answers=answers, targets=["sold"])
    assert [column.kind for column in table.columns] == ["category", "left out"]
    assert "'sold'" in table.columns[1].why
    kept, _ = Table.learn(frame, np.arange(ROWS), answers=answers, targets=["sold"], kinds={"alive": "yes/no"})
    assert [column.kind for column in kept.columns] == ["category", "yes/no"]


def test_a_target_in_other_units_is_a_copy_too() -> None:
    euros = draw.normal(10, 3, ROWS)
    frame = pl.DataFrame(
        {"cents": euros * 100, "noise": draw.normal(size=ROWS), "nearly": euros + 1e-3 * draw.normal(size=ROWS)}
    )
    table, _ = Table.learn(frame, np.arange(ROWS), answers=euros, targets=["euros"])
    assert [column.kind for column in table.columns] == ["left out", "number", "number"]


def test_without_names_columns_are_taken_by_their_place() -> None:
    learned, _ = Table.learn(pl.DataFrame({"column 1": ["1", "2", "5"], "column 3": ["a", "b", "c"]}), np.arange(3))
    table = dataclasses.replace(learned, targets=("column 2",), header=False, layout=("column 1", "column 2", "column 3"))
    known = table.encode({"column 1": "2", "column 3": "b"})
    without, _ = table.read_frame(pl.DataFrame({"column 1": ["2"], "column 2": ["b"]}), header=False)
    np.testing.assert_array_equal(without[0], known)
    whole, _ = table.read_frame(pl.DataFrame({"column 1": ["2"], "column 2": ["y"], "column 3": ["b"]}), header=False)
    np.testing.assert_array_equal(whole[0], known)
    with pytest.raises(DataError, match="3 columns, or 2 without the target; got 1"):
        table.read_frame(pl.DataFrame({"column 1": ["2"]}), header=False)
    # Names that are given are believed, whatever the place.
    named, _ = table.read_frame(pl.DataFrame({"column 3": ["b"], "column 1": ["2"]}))
    np.testing.assert_array_equal(named[0], known)


def test_typed_dates_durations_and_truth_values_may_come_as_text_and_the_other_way_round() -> None:
    frame = pl.DataFrame(
        {
            "day": [datetime.date(2021, 1, 1) + datetime.timedelta(row) for row in range(40)],
            "flag": [row % 2 == 0 for row in range(40)],
            "bit": ["0", "1"] * 20,
        }
    )
    table, encoded = Table.learn(frame, np.arange(40))
    texts = frame.with_columns(
        pl.col("day").cast(pl.String), flag=pl.Series(["1", "0"] * 20), bit=pl.Series([False, True] * 20)
    )
    again, notes = table.read_frame(texts)
    np.testing.assert_array_equal(again, encoded)
    assert notes == ()


def test_moments_in_a_column_of_numbers_are_told_not_counted() -> None:
    table, _ = Table.learn(pl.DataFrame({"x": [1.5, 2.5, 4.0] * 9}), np.arange(27))
    _, notes = table.read_frame(pl.DataFrame({"x": [datetime.datetime(2021, 1, 1)]}))
    assert any("cannot be read as numbers" in note for note in notes)


def test_columns_of_anything_with_a_length_are_many_rows() -> None:
    assert TABLE.is_one({"size": 3, "city": "Ulm"})
    assert not TABLE.is_one({"size": pl.Series([3, 4]), "city": ["Ulm", "Bonn"]})


@pytest.mark.parametrize("name", ["size", "city", "deck", "sold"])
def test_a_grid_is_made_of_rows_that_could_be(name: str) -> None:
    grid = grid_of(TABLE, name)
    assert grid is not None
    assert grid.encoded.shape == (len(grid.points), len(TABLE.blocks[name]))
    row = {**dict(zip(FRAME.columns, FRAME.row(1), strict=True))}
    for point, encoded in zip(grid.points, grid.encoded, strict=True):
        stored = TABLE.encode({**row, name: None if point == "missing" else point})
        np.testing.assert_allclose(stored[list(TABLE.blocks[name])], encoded, atol=1e-4)


def test_dates_and_texts_have_no_grid() -> None:
    assert grid_of(TABLE, "day") is None
    assert grid_of(TABLE, "story") is None


def test_rows_of_mixed_kinds_become_text() -> None:
    frame = frame_of_rows([{"a": 1, "b": True}, {"a": "x", "b": False}, {"c": np.float32(2)}])
    assert frame["a"].to_list() == ["1", "x", None]
    assert frame["b"].to_list() == [True, False, None]
    assert frame["c"].to_list() == [None, None, 2.0]
