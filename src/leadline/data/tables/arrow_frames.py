"""Tables that bring types of their own: parquet and Arrow files, and the data frames of polars, pandas and pyarrow."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leadline.data.tables.frame import Frame, RowIds, name_columns
from leadline.data.tables.pandas_frames import has_index, index_names, is_pandas_like, read_columns, series_of
from leadline.errors import ArgumentError, DataError, SourceNotFoundError
from leadline.files import sha256

if TYPE_CHECKING:
    import polars as pl

_INDEX = re.compile(r"__index_level_\d+__")  # what pyarrow calls the index of a pandas frame that has no name
_AT_A_TIME = 100_000  # rows whose bytes are hashed together
_SHOWN = 6


def read_parquet(path: Path) -> Frame:
    """Read a parquet file, or an Arrow file (.arrow, .feather, .ipc).

    Numbers, dates and truth values keep their types; text is stripped, null where nothing stood. Categories become text,
    decimals numbers, durations seconds. Columns of lists, records and the like are left out, and a note names them.

    Raises:
        SourceNotFoundError: there is no such file.
        DataError: it is no such file, or damaged, or no row or column of it can be used.

    Example:
        >>> import polars as pl, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.parquet"
        >>> pl.DataFrame({"x": [1, 2], "y": [[1], [2]]}).write_parquet(path)
        >>> frame = read_parquet(path)
        >>> frame.data.schema, frame.ids[1], frame.notes
        (Schema([('x', Int64)]), 'a.parquet:1', ('Columns that hold lists or records were left out: "y".',))
    """
    if not path.exists():
        raise SourceNotFoundError(f"There is no file {path}")
    if path.is_dir():
        raise DataError(f"{path} is a folder, not a file", expected="a parquet file")
    data = _read(path)
    table, notes = _usable(data, path.name)
    ids = RowIds.of(path.name, np.arange(table.height))
    return Frame(table, ids, sha256(path), path.stem, notes=tuple(notes))


def is_data_frame(value: Any) -> bool:
    """Whether `from_data_frame` can read it: a data frame of polars, pandas or pyarrow, or what speaks the Arrow C stream.

    Example:
        >>> import polars as pl
        >>> is_data_frame(pl.DataFrame({"x": [1]})), is_data_frame(pl.Series([1])), is_data_frame([1])
        (True, False, False)
    """
    if isinstance(value, type):
        return False
    if type(value).__module__.partition(".")[0] == "polars":
        return type(value).__name__ in ("DataFrame", "LazyFrame")
    if is_pandas_like(value):
        return True
    shape = getattr(value, "shape", None)
    is_column = (isinstance(shape, tuple) and len(shape) == 1) or type(value).__name__ in ("ChunkedArray", "Array")
    return hasattr(value, "__arrow_c_stream__") and not is_column


def from_data_frame(value: Any) -> Frame:
    """Read a data frame; types as in `read_parquet`. The index of a pandas frame is left out.

    Args:
        value: what `is_data_frame` says yes to.

    Raises:
        DataError: no row or column of it can be used, or it does not hand out its values.

    Example:
        >>> import polars as pl
        >>> frame = from_data_frame(pl.DataFrame({"x": [1, 2], "y": ["a ", ""]}))
        >>> frame.data.rows(), list(frame.ids)
        ([(1, 'a'), (2, None)], ['row:0', 'row:1'])
    """
    data, notes = _as_polars(value)
    table, more = _usable(data, "The data frame")
    return Frame(table, RowIds.of("row", np.arange(table.height)), _digest(table), "table", notes=(*notes, *more))


def with_targets(value: Any, targets: Any) -> pl.DataFrame:
    """A data frame with what is to be learned from it as a further column "target" ("target 1", … where there are several).

    Raises:
        ArgumentError: it has a column of that name.
        DataError: the two differ in length.

    Example:
        >>> import polars as pl
        >>> with_targets(pl.DataFrame({"x": [1, 2]}), ["a", "b"]).rows()
        [(1, 'a'), (2, 'b')]
    """
    import polars as pl

    data, _ = _as_polars(value)
    if is_data_frame(targets):
        columns = _as_polars(targets)[0].get_columns()
    else:
        array = targets.to_numpy() if hasattr(targets, "to_numpy") else np.asarray(targets)  # a tensor, a list, …
        columns = [series_of("", column) for column in (array.T if array.ndim == 2 else [array])]
    names = ["target"] if len(columns) == 1 else [f"target {number}" for number in range(1, len(columns) + 1)]
    for name, column in zip(names, columns, strict=True):
        if len(column) != data.height:
            raise DataError(
                "The data frame and the targets differ in length",
                expected="one target for each row",
                got=f"{data.height:,} rows and {len(column):,} targets",
            )
        if name in data.columns:
            raise ArgumentError(
                f'The data frame has a column "{name}" already', do=f'Say target="{name}" instead of passing targets.'
            )
    return data.with_columns([pl.Series(name, column) for name, column in zip(names, columns, strict=True)])


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    kind = "a parquet file" if path.suffix.casefold() in (".parquet", ".pq") else "an Arrow file"
    try:
        if kind == "a parquet file":
            return pl.read_parquet(path, glob=False, hive_partitioning=False)
        return pl.read_ipc(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError) as error:
        if isinstance(error, PermissionError):
            raise
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DataError(f"{path} cannot be read as {kind}", got=reason, do="Fetch or write it again.") from error


def _usable(data: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    """The columns with types of which something can be learned, and sentences about the others."""
    import polars as pl

    names, notes = name_columns(data.columns)
    kept, strange = [], []
    for column, called in zip(data.get_columns(), names, strict=True):
        plain = _plain(column)
        if plain is None:
            strange.append(f'"{called}"')
        else:
            kept.append(plain.alias(called))
    if strange:
        more = f" and {len(strange) - _SHOWN:,} more" if len(strange) > _SHOWN else ""
        notes.append(f"Columns that hold lists or records were left out: {', '.join(strange[:_SHOWN])}{more}.")
    if not kept or not data.height:
        what = "no rows" if kept else "no columns that can be used"
        raise DataError(
            f"{name} has {what}", expected="rows of numbers, text or dates", got=f"{data.shape[0]:,} × {data.shape[1]:,}"
        )
    return pl.DataFrame(kept), notes


def _plain(column: pl.Series) -> pl.Series | None:
    """A column with a type that the rest of the package knows; None where it holds neither numbers, text nor moments."""
    import polars as pl

    dtype = column.dtype
    if dtype in (pl.Categorical, pl.Enum, pl.Null):
        column = column.cast(pl.String)
    elif dtype == pl.Time:
        column = column.dt.to_string("%H:%M:%S")
    elif dtype == pl.Binary:
        try:
            column = column.cast(pl.String)
        except pl.exceptions.PolarsError:
            return None
    elif dtype == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    elif dtype == pl.Decimal or dtype in (pl.Int128, pl.UInt128):
        return column.cast(pl.Float64)
    if column.dtype == pl.String:
        stripped = column.str.strip_chars()
        return stripped.set(stripped == "", None)
    return column if dtype.is_numeric() or dtype in (pl.Boolean, pl.Date, pl.Datetime) else None


def _as_polars(value: Any) -> tuple[pl.DataFrame, list[str]]:
    """Any data frame as one of polars, and sentences about what was changed on the way."""
    import polars as pl

    if isinstance(value, pl.LazyFrame):
        value = value.collect()
    if isinstance(value, pl.DataFrame):
        return value, []
    notes: list[str] = []
    if hasattr(value, "column_names") and hasattr(value, "rename_columns"):  # a table of pyarrow may have a name twice
        names, notes = name_columns(map(str, value.column_names))
        value = value.rename_columns(names)
    data, more = _through_arrow(value) if hasattr(value, "__arrow_c_stream__") else read_columns(value)
    named = index_names(value)
    index = [name for name in data.columns if _INDEX.fullmatch(name) or name in named]
    if index or has_index(value):
        more.append("The index of the data frame was left out; reset_index() makes it a column.")
    return data.drop(index), [*notes, *more]


def _through_arrow(value: Any) -> tuple[pl.DataFrame, list[str]]:
    import polars as pl

    try:
        data = pl.DataFrame(value)
    except Exception as error:  # whatever the other library raises: pandas without pyarrow, columns of mixed types
        if is_pandas_like(value):
            return read_columns(value)
        raise DataError(
            "The data frame cannot be read", got=str(error).splitlines()[0][:120] if str(error) else repr(error)
        ) from error
    return data, []


def _digest(data: pl.DataFrame) -> str:
    """SHA-256 of the bytes in which Arrow stores the table, equal however its memory is divided."""
    import polars as pl

    digest = hashlib.sha256()
    for part in data.iter_slices(_AT_A_TIME):
        stored = io.BytesIO()
        part.rechunk().write_ipc(stored, compat_level=pl.CompatLevel.oldest())
        digest.update(stored.getbuffer())
    return digest.hexdigest()
