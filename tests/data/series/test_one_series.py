"""Files of one series, and how lines of numbers are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from leadline.data.series.one_series import delimiter_of, fields_of, numbers_of, read_one_series
from leadline.errors import DataError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1\n2\n3\n", [[1], [2], [3]]),
        ("value\n1\n\n2\n", [[1], [2]]),
        ("1,2,nan,4\n", [1, 2, np.nan, 4]),
        ("\ufeff1;2,5\n3;\n", [[1, 2.5], [3, np.nan]]),
        ("  1.0e+00   2.0e+00 \r\n  3.0e+00   4.0e+00\r\n", [[1, 2], [3, 4]]),
        ('"time"\t"value"\n0\t7\n1\t8\n', [[7], [8]]),
    ],
)
def test_lines_of_numbers_are_read_however_they_are_written(tmp_path: Path, text: str, expected: list[object]) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    np.testing.assert_array_equal(read_one_series(tmp_path / "a.csv"), expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty file"),
        ("\0\1\2\n", "no text"),
        ("a,b\n", "names of columns alone"),
        ("1,2\n3,4\n5,6,7\n", "Line 3 of .* is not like the others. Expected 2 fields; got 3 fields"),
        ("x\n1\noops\n", "Line 3 of .* is not numbers. Expected numbers; got 'oops'"),
    ],
)
def test_what_is_no_series_ends_in_one_paragraph(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        read_one_series(tmp_path / "a.csv")


def test_a_damaged_array_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY nothing")
    with pytest.raises(DataError, match="holds no array of numbers"):
        read_one_series(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds no array of numbers"):
        read_one_series(tmp_path / "b.npy")


def test_fields_and_numbers() -> None:
    assert delimiter_of(["1\t2,5", "3\t4,5"]) == "\t"
    assert delimiter_of(["1 2", "3 4"]) is None
    assert fields_of("-1,5;+2,25;3.5;1,234,567\n", ";") == ["-1.5", "+2.25", "3.5", "1,234,567"]
    assert np.isnan(numbers_of(["NaN", "NA", "?", ""])).all()
    with pytest.raises(ValueError, match="'1,5'"):
        numbers_of(["1", "1,5"])
