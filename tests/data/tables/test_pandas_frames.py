"""pandas: through pyarrow where there is one, and column by column where there is none."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import numpy as np
import polars as pl
import pytest

from leadline.data.tables.arrow_frames import from_data_frame, is_data_frame
from leadline.data.tables.pandas_frames import series_of
from leadline.errors import DataError


class NaTType:
    """As pandas calls its missing moment."""


class Column:
    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values) if not isinstance(values, list) else np.array(values, dtype=object)

    def to_numpy(self) -> Any:
        return self.values


class Index:
    def __init__(self, names: list[str | None], kind: str = "int64") -> None:
        self.names, self.dtype = names, np.dtype(kind)


class Tiny:
    """The part of a pandas frame that is needed, without pyarrow to hand it over."""

    def __init__(self, columns: list[tuple[Any, Any]], index: Index | None = None) -> None:
        self.columns = [name for name, _ in columns]
        self.dtypes, self.index = None, index or Index([None])
        self._columns = [Column(values) for _, values in columns]

    @property
    def iloc(self) -> Tiny:
        return self

    def __getitem__(self, at: tuple[slice, int]) -> Column:
        return self._columns[at[1]]

    def to_numpy(self) -> None:
        raise AssertionError("all columns at once would make objects of them")

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise ImportError("pyarrow is needed")


def test_a_frame_is_read_column_by_column_where_arrow_fails() -> None:
    day = datetime.datetime(2020, 1, 2)
    tiny = Tiny(
        [
            ("whole", np.array([1, 2])),
            ("x", np.array([0.5, np.nan])),
            ("x", ["a", float("nan")]),
            (3, np.array(["2020-01-02", "NaT"], dtype="datetime64[ns]")),
            (("p", "q"), [[1], [2]]),
            ("wait", np.array([1500, 2000], dtype="timedelta64[ms]")),
        ]
    )
    assert is_data_frame(tiny)
    frame = from_data_frame(tiny)
    assert frame.data.columns == ["whole", "x", "x (2)", "3", "wait"]
    assert frame.data.row(0) == (1, 0.5, "a", day, 1.5)
    assert frame.data.row(1)[2:] == (None, None, 2.0)
    assert frame.notes[0] == 'Columns with the name of another were given their own: "x (2)".'
    assert "(\"('p', 'q')\"" in frame.notes[1].replace("left out: ", "(")


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        ([True, None], [True, None], pl.Boolean),
        ([1, None], [1, None], pl.Int64),
        ([1, 2.5], [1.0, 2.5], pl.Float64),
        ([2**70, 1], [float(2**70), 1.0], pl.Float64),
        ([decimal.Decimal("1.5"), None], [1.5, None], pl.Float64),
        ([np.int8(3), 4], [3, 4], pl.Int64),
        (["a", float("nan")], ["a", None], pl.String),
        (["a", 1], ["a", "1"], pl.String),
        ([b"a", "b"], ["a", "b"], pl.String),
        ([1j, 2], ["1j", "2"], pl.String),
        ([datetime.date(2020, 1, 2), None], [datetime.date(2020, 1, 2), None], pl.Date),
        ([None, NaTType()], [None, None], pl.Float64),
        ([[1], None], None, pl.Object),
    ],
)
def test_objects_of_one_kind_keep_it(values: list[Any], expected: list[Any] | None, dtype: Any) -> None:
    column = series_of("x", values)
    assert column.dtype == dtype
    assert expected is None or column.to_list() == expected


@pytest.mark.parametrize(
    ("index", "said"),
    [(Index([None]), False), (Index(["id"]), True), (Index([None], "O"), True), (Index([None], "datetime64[ns]"), True)],
)
def test_an_index_that_says_something_is_said_to_be_left_out(index: Index, said: bool) -> None:
    frame = from_data_frame(Tiny([("x", np.array([1, 2]))], index))
    assert frame.data.columns == ["x"]
    assert frame.notes == (("The index of the data frame was left out; reset_index() makes it a column.",) if said else ())


def test_the_index_that_arrow_makes_a_column_is_dropped() -> None:
    frame = from_data_frame(pl.DataFrame({"x": [1]}))
    assert frame.notes == ()

    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pl.DataFrame({"x": [1], "__index_level_0__": ["p"]}).__arrow_c_stream__(requested_schema)

    frame = from_data_frame(Stream())
    assert frame.data.columns == ["x"]
    assert "index" in frame.notes[0]


def test_pandas_itself() -> None:
    pandas = pytest.importorskip("pandas")
    data = pandas.DataFrame({"n": [1, 2], "w": ["a ", None], "c": pandas.Categorical(["u", "v"]), "l": [[1], [2]]})
    frame = from_data_frame(data)
    assert frame.data.rows() == [(1, "a", "u"), (2, None, "v")]
    assert is_data_frame(data)
    assert not is_data_frame(data["n"])
    doubled = pandas.concat([data[["n"]], data[["n"]]], axis=1).set_index(pandas.Index(["p", "q"], name="id"))
    frame = from_data_frame(doubled)
    assert frame.data.columns == ["n", "n (2)"]
    assert len(frame.notes) == 2


def test_pyarrow_itself() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    frame = from_data_frame(pyarrow.table([[1, 2], ["a", None]], names=["x", "x"]))
    assert frame.data.to_dict(as_series=False) == {"x": [1, 2], "x (2)": ["a", None]}
    assert not is_data_frame(pyarrow.chunked_array([[1]]))
    with pytest.raises(DataError):
        from_data_frame(pyarrow.chunked_array([[1]]))
