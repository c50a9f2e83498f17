"""Data frames of pandas where no pyarrow is there to hand them over: column by column, Python objects and all."""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leadline.data.tables.frame import name_columns

if TYPE_CHECKING:
    import polars as pl


def is_pandas_like(value: Any) -> bool:
    """Whether a value is a data frame of pandas, or of a library that does as pandas does."""
    return all(hasattr(value, name) for name in ("columns", "dtypes", "to_numpy", "__getitem__"))


def read_columns(value: Any) -> tuple[pl.DataFrame, list[str]]:
    """A pandas frame as one of polars, and sentences about names that were changed.

    Example:
        >>> class Tiny:
        ...     columns = ["a", 3]
        ...
        ...     def __getitem__(self, name):
        ...         return np.array([1, 2]) if name == "a" else np.array(["x", None], dtype=object)
        >>> read_columns(Tiny())[0].to_dict(as_series=False)
        {'a': [1, 2], '3': ['x', None]}
    """
    import polars as pl

    own = list(value.columns)
    names, notes = name_columns(map(str, own))
    # By number where that is possible, for two columns may have one name.
    columns = [value.iloc[:, at] if hasattr(value, "iloc") else value[name] for at, name in enumerate(own)]
    return pl.DataFrame([series_of(name, column) for name, column in zip(names, columns, strict=True)]), notes


def series_of(name: str, values: Any) -> pl.Series:
    """A column of numbers, moments or Python objects as one of polars.

    Example:
        >>> series_of("x", [True, None]).to_list(), series_of("x", [1, 2.5]).to_list(), series_of("x", [1, "a"]).to_list()
        ([True, None], [1.0, 2.5], ['1', 'a'])
    """
    import polars as pl

    values = (
        values.to_numpy()
        if hasattr(values, "to_numpy")
        else np.asarray(values, dtype=object if isinstance(values, list) else None)
    )
    if values.dtype.kind in "biuf":
        return pl.Series(name, values)
    if values.dtype.kind in "Mm":
        return pl.Series(name, values.astype(f"{'datetime64' if values.dtype.kind == 'M' else 'timedelta64'}[us]"))
    return _series_of_objects(name, [None if _is_missing(value) else value for value in values.tolist()])


def index_names(value: Any) -> list[str]:
    """The names of the index of a pandas frame that are not those of columns."""
    names = getattr(getattr(value, "index", None), "names", None) or []
    return [str(name) for name in names if name is not None and name not in value.columns]


def has_index(value: Any) -> bool:
    """Whether a pandas frame has an index that says more than where a row stood."""
    index = getattr(value, "index", None)
    return bool(index_names(value)) or getattr(getattr(index, "dtype", None), "kind", "i") not in "iu"


def _series_of_objects(name: str, values: Sequence[Any]) -> pl.Series:
    """Python objects of one kind keep it; of several kinds they become text; lists and the like stay what they are."""
    import polars as pl

    some = [value for value in values if value is not None]
    if all(isinstance(value, (bool, np.bool_)) for value in some) and some:
        return pl.Series(name, [None if value is None else bool(value) for value in values], dtype=pl.Boolean)
    if all(isinstance(value, (numbers.Number, decimal.Decimal)) and not isinstance(value, complex) for value in some):
        whole = all(isinstance(value, numbers.Integral) and abs(int(value)) < 2**63 for value in some)
        made: list[Any] = [None if value is None else int(value) if whole else float(value) for value in values]
        return pl.Series(name, made, dtype=pl.Int64 if whole and some else pl.Float64)
    if all(isinstance(value, datetime.datetime) for value in some) or all(type(value) is datetime.date for value in some):
        return pl.Series(name, values)
    if any(isinstance(value, (list, tuple, dict, set, np.ndarray)) for value in some):
        return pl.Series(name, values, dtype=pl.Object)
    return pl.Series(name, [None if value is None else _as_text(value) for value in values], dtype=pl.String)


def _as_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)  # ARFF and HDF5 give bytes


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and math.isnan(value))
