"""Grids: points of one column, in its own units and as stored, at which to ask how an answer changes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from leadline.data.tables.column_summary import histogram
from leadline.data.tables.columns import ABSENT, CategoryColumn, NumberColumn, YesNoColumn
from leadline.data.tables.scaling import Scaling
from leadline.data.tables.table import Table

_POINTS = 21
_LEVELS = 10
_BARS = 30


@dataclass(frozen=True)
class Grid:
    """G points: `points` as a person reads them (numbers, or names of levels), `encoded` float32 [G, places of the column].

    `kind` is "number" or "category"; `scaling` is that of a number.
    """

    kind: str
    points: list[Any]
    encoded: NDArray[np.float32]
    scaling: Scaling | None = None

    def density(self, stored: NDArray[np.float32]) -> list[int]:
        """Where rows are, from their stored cells [N, places]: counts in equal steps over a number's points, or by level."""
        if self.scaling is None:
            return [int((stored == row).all(axis=1).sum()) for row in self.encoded]
        there = stored[stored[:, -1] < 0.5] if stored.shape[1] > 1 else stored
        values = self.scaling.inverse(there[:, 0])
        low, high = self.points[0], self.points[-1]
        near = (high - low) / _BARS / 10  # what was scaled and scaled back may lie a hair outside
        inside = values[(values >= low - near) & (values <= high + near)]
        return list(histogram(inside.clip(low, high), _BARS, low, high))


def grid_of(table: Table, name: str) -> Grid | None:
    """The grid of a column that is used: quantiles of numbers, the commonest levels; None for dates and texts.

    Example:
        >>> import polars as pl
        >>> frame = pl.DataFrame({"size": [1.0, 2.0, 5.0, 9.0], "sold": ["no", "yes", "no", "yes"]})
        >>> table, _ = Table.learn(frame, np.arange(4))
        >>> grid_of(table, "sold").points, grid_of(table, "sold").encoded.tolist()
        (['no', 'yes'], [[-1.0], [1.0]])
    """
    column = next(each for each in table.used if each.name == name)
    if isinstance(column, NumberColumn):
        scaled = _quantiles(column.scaling)
        return Grid("number", column.scaling.inverse(scaled).tolist(), _with_indicator(scaled, column.missing), column.scaling)
    if isinstance(column, YesNoColumn):
        levels, values = list(column.levels), [-1.0, 1.0]
        if column.missing:
            levels, values = [*levels, ABSENT], [*values, 0.0]
        encoded = _with_indicator(np.array(values, np.float32), column.missing)
        if column.missing:
            encoded[-1, -1] = 1
        return Grid("category", levels, encoded)
    if isinstance(column, CategoryColumn):
        names = [*column.levels[:_LEVELS], *([ABSENT] if column.missing else [])]
        codes = [*range(1, min(_LEVELS, len(column.levels)) + 1), *([len(column.levels) + 1] if column.missing else [])]
        return Grid("category", names, np.array(codes, np.float32)[:, None])
    return None


def _quantiles(scaling: Scaling) -> NDArray[np.float32]:
    """Scaled values between which equally many training rows lie, from the 2nd to the 98th percentile; each once."""
    if not scaling.edges:
        return np.array([-1.0, 0.0, 1.0], np.float32)
    place = np.linspace(0, 1, len(scaling.edges))
    shares = np.linspace(0.02, 0.98, _POINTS) if len(scaling.edges) > _POINTS else place
    return np.unique(np.interp(shares, place, scaling.edges).astype(np.float32))


def _with_indicator(values: NDArray[np.float32], missing: bool) -> NDArray[np.float32]:
    return np.column_stack([values, np.zeros(len(values), np.float32)]) if missing else values[:, None]
