"""Columns that say what is to be learned: they would make every score perfect and the network useless."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.cells import Cells
from leadline.data.tables.columns import CategoryColumn, Column, LeftOut, NumberColumn, YesNoColumn

_ROWS = 30  # fewer rows may agree by chance
_FIRST = 2000  # rows that are looked at first: nearly every column differs there


def copy_of_target(column: Column, cells: Cells, answers: NDArray[Any], target: str) -> Column:
    """The column, or a `LeftOut` in its place where each of its values goes with one answer and each answer with one value.

    Args:
        column: as learned from the cells.
        cells: the training cells [N].
        answers: what is to be learned: names or numbers [N].
        target: its name.

    Example:
        >>> import polars as pl
        >>> from leadline.data.tables.kinds import learn_column
        >>> cells, answers = Cells(pl.Series(["yes", "no"] * 20)), np.array(["1", "0"] * 20)
        >>> copy_of_target(learn_column("alive", cells), cells, answers, "survived").why
        "says the same as the target 'survived' on each of 40 rows"
    """
    if len(answers) < _ROWS:
        return column
    few = np.linspace(0, len(answers) - 1, min(len(answers), _FIRST)).astype(np.int64)
    if len(few) < len(answers) and copy_of_target(column, cells.take(few), answers[few], target) is column:
        return column
    same = False
    if isinstance(column, (CategoryColumn, YesNoColumn)) and cells.present.all():
        same = _one_to_one(cells.codes(column.levels), answers)
    elif isinstance(column, NumberColumn) and cells.present.all():
        values = cells.numbers(column.decimal)
        same = _one_to_one(values, answers) if answers.dtype.kind == "U" else _on_a_line(values, answers.astype(np.float64))
    if not same:
        return column
    why = f"says the same as the target {target!r} on each of {len(answers):,} rows"
    return LeftOut(column.name, why, False, column.summary)


def _one_to_one(codes: NDArray[Any], answers: NDArray[Any]) -> bool:
    left, right = (np.unique(each, return_inverse=True)[1].reshape(-1).astype(np.int64) for each in (codes, answers))
    different = int(left.max()) + 1
    if different != int(right.max()) + 1 or different < 2 or different > len(left) // 2:
        return False
    return len(np.unique(left * different + right)) == different


def _on_a_line(values: NDArray[np.float64], answers: NDArray[np.float64]) -> bool:
    """Whether one is the other in different units."""
    if not np.isfinite(values).all() or np.ptp(values) == 0 or np.ptp(answers) == 0:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(abs(np.corrcoef(values, answers)[0, 1]) > 1 - 1e-9)
