"""Parquet, Arrow files and data frames: types that can be learned from, and honest words about the others."""

from __future__ import annotations

import datetime
import decimal
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from leadline.data.tables.arrow_frames import from_data_frame, is_data_frame, read_parquet, with_targets
from leadline.errors import ArgumentError, DataError, SourceNotFoundError


class Stream:
    """What speaks the Arrow C stream and nothing else."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.data.__arrow_c_stream__(requested_schema)


class Broken:
    """What claims to speak it and does not."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise ImportError("pyarrow is not installed\nat all")


EVERYTHING = {
    "whole": pl.Series([1, None, 3], dtype=pl.Int16),
    "real": pl.Series([0.5, float("nan"), None]),
    "yes": pl.Series([True, False, None]),
    "text": pl.Series([" a ", "", None]),
    "category": pl.Series(["u", "v", None], dtype=pl.Categorical),
    "enum": pl.Series(["u", "v", None], dtype=pl.Enum(["u", "v"])),
    "decimal": pl.Series([decimal.Decimal("1.25"), None, None], dtype=pl.Decimal(10, 2)),
    "duration": pl.Series([datetime.timedelta(milliseconds=1500), None, None]),
    "time": pl.Series([datetime.time(12, 30), None, None]),
    "day": pl.Series([datetime.date(2020, 1, 2), None, None]),
    "moment": pl.Series([datetime.datetime(2020, 1, 2, 3), None, None]),
    "nothing": pl.Series([None, None, None], dtype=pl.Null),
    "bytes": pl.Series([b" b", None, b"c"]),
    "list": pl.Series([[1], None, [2]]),
    "record": pl.Series([{"p": 1}, None, {"p": 2}]),
    "garbage": pl.Series([b"\xff\xfe", None, None]),
}
LEFT = "Columns that hold lists or records were left out: "


def check_everything(data: pl.DataFrame) -> None:
    assert data.to_dict(as_series=False) | {"real": ...} == {
        "whole": [1, None, 3],
        "real": ...,
        "yes": [True, False, None],
        "text": ["a", None, None],
        "category": ["u", "v", None],
        "enum": ["u", "v", None],
        "decimal": [1.25, None, None],
        "duration": [1.5, None, None],
        "time": ["12:30:00", None, None],
        "day": [datetime.date(2020, 1, 2), None, None],
        "moment": [datetime.datetime(2020, 1, 2, 3), None, None],
        "nothing": [None, None, None],
        "bytes": ["b", None, "c"],
    }
    assert data["whole"].dtype == pl.Int16
    assert data["nothing"].dtype == pl.String


def test_every_type_of_a_data_frame() -> None:
    frame = from_data_frame(pl.DataFrame(EVERYTHING))
    check_everything(frame.data)
    assert frame.notes == (f'{LEFT}"list", "record", "garbage".',)
    assert list(frame.ids) == ["row:0", "row:1", "row:2"]
    assert (frame.name, frame.header, frame.excluded) == ("table", True, ())


def test_every_type_of_a_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "my.parquet"
    pl.DataFrame(EVERYTHING).write_parquet(path)
    frame = read_parquet(path)
    check_everything(frame.data)
    assert frame.notes == (f'{LEFT}"list", "record", "garbage".',)
    assert list(frame.ids) == ["my.parquet:0", "my.parquet:1", "my.parquet:2"]
    assert (frame.name, frame.digest) == ("my", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("suffix", [".arrow", ".feather", ".ipc"])
def test_arrow_files(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"my{suffix}"
    pl.DataFrame({"x": [1, 2]}).write_ipc(path)
    assert read_parquet(path).data.rows() == [(1,), (2,)]


def test_a_path_is_taken_by_the_letter(tmp_path: Path) -> None:
    folder = tmp_path / "year=2020" / "a[1]*"
    folder.mkdir(parents=True)
    pl.DataFrame({"x": [1]}).write_parquet(folder / "my.parquet")
    assert read_parquet(folder / "my.parquet").data.columns == ["x"]


@pytest.mark.parametrize("name", ["my.parquet", "my.arrow"])
def test_a_damaged_file_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    data = pl.DataFrame({"x": range(1000), "y": [f"word {number}" for number in range(1000)]})
    (data.write_parquet if name == "my.parquet" else data.write_ipc)(path)
    whole = path.read_bytes()
    for content in (b"", b"a,b\n1,2\n", whole[:-9], whole[: len(whole) // 2], b"PAR1" + bytes(40) + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"{name} cannot be read as"):
            read_parquet(path)


def test_what_is_not_there_and_what_is_empty(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="There is no file"):
        read_parquet(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="is a folder"):
        read_parquet(tmp_path)
    pl.DataFrame({"x": []}, schema={"x": pl.Int64}).write_parquet(tmp_path / "my.parquet")
    with pytest.raises(DataError, match="my.parquet has no rows"):
        read_parquet(tmp_path / "my.parquet")
    with pytest.raises(DataError, match="The data frame has no columns that can be used"):
        from_data_frame(pl.DataFrame({"x": [[1], [2]]}))
    with pytest.raises(DataError, match="has no columns that can be used"):
        from_data_frame(pl.DataFrame())


@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: data.lazy(), Stream], ids=["data frame", "lazy", "stream"])
def test_the_same_rows_are_the_same_table_however_they_come(wrap: Any) -> None:
    data = pl.DataFrame({"x": [1, 2], "y": ["a", None]})
    assert is_data_frame(wrap(data))
    frame = from_data_frame(wrap(data))
    assert frame.data.equals(data)
    assert frame.digest == from_data_frame(data).digest


def test_the_digest_depends_on_the_values_alone() -> None:
    data = pl.DataFrame({"x": range(250_000), "y": [f"a rather long word {number % 7}" for number in range(250_000)]})
    pieces = pl.concat([data[:70_001], data[70_001:70_003], data[70_003:]], rechunk=False)
    digest = from_data_frame(data).digest
    assert from_data_frame(pieces).digest == digest
    assert from_data_frame(pl.concat([data, data])[250_000:]).digest == digest
    for other in (
        data.with_columns(pl.when(pl.col("x") == 249_999).then(0).otherwise("x").alias("x")),
        data.rename({"x": "z"}),
        data.with_columns(pl.col("x").cast(pl.Float64)),
        data.reverse(),
    ):
        assert from_data_frame(other).digest != digest


def test_what_is_no_data_frame() -> None:
    data = pl.DataFrame({"x": [1]})
    for value in (data["x"], pl.DataFrame, "a.csv", [1], {"x": [1]}, np.zeros((2, 2)), None, 3):
        assert not is_data_frame(value)


def test_a_stream_that_breaks_is_said_and_so_is_what_is_no_table() -> None:
    assert is_data_frame(Broken())
    with pytest.raises(DataError, match=r"cannot be read.*pyarrow is not installed\.$"):
        from_data_frame(Broken())
    with pytest.raises(DataError):
        from_data_frame(Stream(pl.Series([1, 2])))


def test_names_are_trimmed_told_apart_and_said() -> None:
    frame = from_data_frame(pl.DataFrame({"x": [1], " x": [2], "": [3]}))
    assert frame.data.columns == ["x", "x (2)", "column 3"]
    assert len(frame.notes) == 2


@pytest.mark.parametrize(
    "targets",
    [["a", "b"], np.array(["a", "b"]), pl.Series("t", ["a", "b"]), pl.DataFrame({"t": ["a", "b"]}), np.array([["a"], ["b"]])],
)
def test_targets_beside_a_data_frame(targets: Any) -> None:
    assert with_targets(pl.DataFrame({"x": [1, 2]}), targets).to_dict(as_series=False) == {"x": [1, 2], "target": ["a", "b"]}


def test_several_targets_and_targets_that_do_not_fit() -> None:
    data = pl.DataFrame({"x": [1, 2]})
    assert with_targets(data, np.array([[1, 2], [3, 4]])).columns == ["x", "target 1", "target 2"]
    assert with_targets(data, [1, None])["target"].to_list() == [1, None]
    with pytest.raises(DataError, match="2 rows and 3 targets"):
        with_targets(data, [1, 2, 3])
    with pytest.raises(ArgumentError, match='a column "target" already'):
        with_targets(data.rename({"x": "target"}), [1, 2])
