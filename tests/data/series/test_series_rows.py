"""Series become Raw rows: gaps filled and counted, what cannot be used set aside, arrays where all are of one length."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from leadline.data.ragged import Ragged
from leadline.data.raw import set_aside
from leadline.data.series.series_rows import SeriesRows, about_parts, is_series, series_from_arrays
from leadline.errors import DataError

nan = np.nan


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def test_equal_lengths_make_an_array_and_others_do_not() -> None:
    rows = SeriesRows("walks")
    rows.add("a", column(1, 2), "x", part="train")
    rows.add("b", column(3, 4), "y", part="test")
    raw = rows.raw()
    assert raw.inputs.shape == (2, 2, 1)  # type: ignore[union-attr]
    assert raw.parts is not None
    assert raw.parts.tolist() == ["train", "test"]
    rows.add("c", column(5), "y", part="test")
    inputs = rows.raw().inputs
    assert isinstance(inputs, Ragged)
    assert inputs.lengths.tolist() == [2, 2, 1]


def test_what_cannot_be_used_is_set_aside_and_more_than_a_twentieth_stops() -> None:
    rows = SeriesRows("walks", one_length=True)
    for number in range(38):
        rows.add(f"row {number}", column(number, 1, 2), "x")
    rows.add("short", column(1, 2), "x")
    rows.add("empty", column(nan, nan, nan), "x")
    raw = rows.raw()
    assert {row.id: row.reason for row in raw.lost} == {
        "short": "it has 2 steps where others have 3",
        "empty": "the series holds nothing but gaps",
    }
    kept, excluded = set_aside(raw.ids, raw.bad, raw.lost)
    assert (len(kept), len(excluded)) == (38, 2)
    rows.add("wide", np.zeros((3, 2)), "x")
    raw = rows.raw()
    with pytest.raises(DataError, match=r"3 of 41 rows cannot be used.*it has 2 channels where others have 1"):
        set_aside(raw.ids, raw.bad, raw.lost)


def test_gaps_and_constants_are_told() -> None:
    rows = SeriesRows("walks")
    rows.add("a", column(1, nan, nan, 4), "x")
    rows.add("b", column(5, nan, 5, 5), "x")
    raw = rows.raw(notes=["first"])
    assert raw.notes == (
        "first",
        "3 values are missing in 2 series; they were filled in from the steps around them.",
        "1 series is constant: the same value at every step.",
    )
    np.testing.assert_array_equal(raw.array[0, :, 0], [1, 2, 3, 4])


def test_copies_and_the_digest_follow_the_content() -> None:
    def raw_of(*series: np.ndarray) -> SeriesRows:
        rows = SeriesRows("walks")
        for number, each in enumerate(series):
            rows.add(str(number), each, "x")
        return rows

    raw = raw_of(column(1, 2), column(3), column(1, 2)).raw()
    assert raw.first_copies().tolist() == [0, 1, 0]
    assert raw.hash() == raw_of(column(1, 2), column(3), column(1, 2)).raw().hash()
    assert raw.hash() != raw_of(column(1), column(2, 3), column(1, 2)).raw().hash()


def test_nothing_at_all_is_refused_with_the_reasons() -> None:
    rows = SeriesRows("walks")
    with pytest.raises(DataError, match="walks holds no series that can be used. Got no series at all"):
        rows.raw()
    rows.refuse("a:1", "it has no class")
    with pytest.raises(DataError, match=r"a:1 \(it has no class\)"):
        rows.raw()


def test_arrays_in_every_form() -> None:
    values = np.arange(12.0).reshape(2, 6)
    flat, deep = (series_from_arrays(each, [0, 1]) for each in (values, values[:, :, None]))
    np.testing.assert_array_equal(flat.array, deep.array)
    assert flat.array.shape == (2, 6, 1)
    listed = series_from_arrays([torch.zeros(3, 2), np.ones((4, 2))], ["a", "b"], parts=["train", "test"])
    assert isinstance(listed.inputs, Ragged)
    assert listed.inputs.lengths.tolist() == [3, 4]
    assert listed.parts is not None
    values[1, 4:] = nan
    values[0, 2] = nan
    ended = series_from_arrays(values, [0, 1])
    assert isinstance(ended.inputs, Ragged)
    assert ended.inputs.lengths.tolist() == [6, 4]
    np.testing.assert_array_equal(ended.inputs.row(0)[:, 0], np.arange(6))
    lost = series_from_arrays(np.array([[1.0, 2.0], [nan, nan]]), [0, 1]).lost
    assert lost[0].reason == "the series holds nothing but gaps"


@pytest.mark.parametrize(
    ("inputs", "targets", "parts", "words"),
    [
        (np.zeros((3, 4)), [0, 1], None, "differ in length"),
        (np.zeros((2, 3, 4, 5)), [0, 1], None, "The inputs are no series"),
        ([["a"], ["b"]], [0, 1], None, "no series of numbers"),
        (np.zeros((2, 4)), [0, 1], ["train", "tset"], "part has no name.*got tset"),
    ],
)
def test_careless_arrays_are_refused(inputs: object, targets: object, parts: list[str] | None, words: str) -> None:
    with pytest.raises(DataError, match=words):
        series_from_arrays(inputs, targets, parts=parts)


def test_series_are_told_from_other_inputs() -> None:
    assert is_series(Ragged.of([np.zeros((2, 1), np.float32)]))
    assert not is_series(Ragged.of([np.zeros(2, np.int32)]))
    assert not is_series(np.zeros((2, 8, 8, 1), np.float32))
    assert not is_series(np.zeros((2, 8, 8), np.uint8))


def test_files_are_told_with_their_parts() -> None:
    assert about_parts([("a.ts", None, 3), ("b.ts", None, 4)]) == "a.ts (3 series), b.ts (4 series) were read."
