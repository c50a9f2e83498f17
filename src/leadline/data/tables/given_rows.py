"""Rows as a person gives them after a training: dicts made into a frame, and what in them is not as it was in training."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from leadline.data.tables.cells import Cells
from leadline.data.tables.columns import Column
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl

# What an unreadable cell counts as, where training never saw a missing one.
_INSTEAD = {
    "number": "the median of training",
    "yes/no": "neither of the two",
    "date": "the median of training",
    "text": "empty",
}
_CALLED = {"number": "numbers", "yes/no": "one of the two values", "date": "dates"}


def frame_of_rows(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as mappings to a frame; what a row lacks is missing there.

    Example:
        >>> frame_of_rows([{"age": 3, "city": "Ulm"}, {"age": "?"}]).to_dicts()
        [{'age': '3', 'city': 'Ulm'}, {'age': '?', 'city': None}]
    """
    import polars as pl

    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_series(str(name), [row.get(name) for row in rows]) for name in names])


def _series(name: str, values: list[Any]) -> pl.Series:
    """Values of one kind as they are; mixed ones, and kinds that polars would not know, as text, which is read like a file."""
    import polars as pl

    plain = [_plain(value) for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if kinds <= {int, float} and all(value is None or abs(value) < 2**53 for value in plain):
        return pl.Series(name, [None if value is None else float(value) for value in plain], pl.Float64)
    if len(kinds) == 1 and kinds <= {bool, datetime.date, datetime.datetime}:
        return pl.Series(name, plain)
    return pl.Series(name, [None if value is None else str(value) for value in plain], pl.String)


def differences(column: Column, cells: Cells, *, there: bool) -> list[str]:
    """What in the cells of one column is not as it was in training, as sentences."""
    if not there:
        return [f"The column {column.name!r} is not there: it counts as missing in every row."]
    strange = column.unread(cells)
    notes = []
    if count := int(strange.sum()):
        first = cells.text.gather(np.flatnonzero(strange)[:1])[0]
        shown = f"'{str(first)[:30]}'"
        verb = "is" if count == 1 else "are"
        what = f"{verb} not known from training" if column.categories else f"cannot be read as {_CALLED[column.kind]}"
        counting = "it counts as" if count == 1 else "they count as"
        instead = "other values" if column.categories else "missing" if column.missing else _INSTEAD[column.kind]
        notes.append(f"{count:,} of {len(cells):,} cells of {column.name!r} {what}, such as {shown}; {counting} {instead}.")
    absent = int((~cells.present).sum())
    if absent and not column.missing and column.kind != "text":
        instead = "other values" if column.categories else _INSTEAD[column.kind]
        those = counted(absent, f"cell of {column.name!r} is", f"cells of {column.name!r} are")
        counting = "it counts as" if absent == 1 else "they count as"
        notes.append(f"{those} missing, which training never saw; {counting} {instead}.")
    return notes


def _plain(value: Any) -> Any:
    """A value as Python's own; a duration as its seconds, as in a column of durations."""
    if isinstance(value, np.generic):
        value = value.item()
    return value.total_seconds() if isinstance(value, datetime.timedelta) else value
