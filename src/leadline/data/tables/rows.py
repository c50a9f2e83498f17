"""From a Frame to Raw rows: its targets apart from its other columns, and who must stay together or in order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import Answers
from leadline.data.raw import Raw
from leadline.data.tables.cells import Cells
from leadline.data.tables.date_text import date_formats
from leadline.data.tables.frame import Frame, ids_of
from leadline.data.tables.number_text import decimal_mark
from leadline.data.tables.target_columns import Targets, choose_targets, read_targets, reread_targets, without_dots
from leadline.errors import ArgumentError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl

_REPEATED = 0.5  # of the rows: where more are copies, rows have few columns and are alike by chance


class _Reading(Protocol):
    @property
    def target(self) -> str | None: ...
    @property
    def task(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...
    @property
    def time(self) -> str | None: ...


def table_rows(frame: Frame, reading: _Reading, usual: str | None = None) -> Raw:
    """The rows of a table to learn from.

    Args:
        frame: as read.
        reading: the target, the task, and how rows are divided, as the caller says.
        usual: the target where the caller says none.

    Raises:
        DataError: the target, group or time is not clear, or not there.
    """
    names, note = choose_targets(frame.data, reading.target or usual)
    frame, unlabelled = _with_targets(frame, names)
    targets = read_targets(frame.data, names, reading.task)
    targets, dots = _without_dots(targets, frame)
    if reading.group and reading.time:
        raise ArgumentError("Rows are divided by groups or by time, not by both", expected="group or time")
    bad = dict(targets.bad)
    apart = list(names)
    groups = order = None
    if reading.group:
        group = _there(frame, reading.group, "group", names)
        groups, without = _groups(frame.data[group], group)
        bad = without | bad
        apart.append(group)
        targets_note = f"The rows are grouped by {group!r}, which is not learned from: new groups have other names."
        note = f"{note} {targets_note}" if note else targets_note
    if reading.time:
        order, without = _order(frame, [_there(frame, name, "time", names) for name in _split(reading.time, frame)])
        bad = without | bad
    return Raw(
        name=frame.name,
        inputs=frame.data.drop(apart),
        targets=targets.values,
        ids=frame.ids,
        parts=frame.parts,
        columns=None if targets.task == "classes" else names,
        notes=tuple(each for each in (*frame.notes, note, targets.note, dots, unlabelled) if each),
        task=targets.task,
        bad=bad,
        lost=frame.excluded,
        copies=_copies(frame.data),
        digest=frame.digest,
        groups=groups,
        order=order,
        header=frame.header,
        targets_of=names,
    )


def rows_again(frame: Frame, answers: Answers, names: tuple[str, ...]) -> Raw:
    """The rows of a table to be judged by, for a training that exists."""
    targets = reread_targets(frame.data, names, answers)
    return Raw(
        name=frame.name,
        inputs=frame.data.drop(names),
        targets=targets.values,
        ids=frame.ids,
        parts=frame.parts,
        columns=None if targets.task == "classes" else names,
        notes=frame.notes,
        task=targets.task,
        bad=targets.bad,
        lost=frame.excluded,
        digest=frame.digest,
        header=frame.header,
        targets_of=names,
    )


def _with_targets(frame: Frame, names: tuple[str, ...]) -> tuple[Frame, str | None]:
    """The rows in which every target is there. Rows without one are nothing to learn from, but no mistake either."""
    there = np.all([Cells(frame.data[name]).present for name in names], axis=0)
    if there.all() or not there.any():
        return frame, None
    which = " or ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")
    note = f"{int((~there).sum()):,} of {len(frame):,} rows have no {which} and are left out."
    rows = np.flatnonzero(there)
    parts = None if frame.parts is None else frame.parts[rows]
    return replace(frame, data=frame.data[rows], ids=ids_of(frame.ids, rows), parts=parts), note


def _without_dots(targets: Targets, frame: Frame) -> tuple[Targets, str | None]:
    """The test file of the Adult data ends each class with a full stop; so do others made from it."""
    if targets.task != "classes" or frame.parts is None:
        return targets, None
    train = frame.parts == "train"
    values, changed = without_dots(targets.values, np.unique(targets.values[train]).tolist())
    if not changed:
        return targets, None
    note = f"{changed:,} classes outside of train end with a full stop that those of train lack; it was taken off."
    return Targets(targets.names, values, targets.task, targets.note, targets.bad), note


def _there(frame: Frame, name: str, what: str, targets: tuple[str, ...]) -> str:
    if name not in frame.data.columns:
        close = nearest(name, frame.data.columns)
        raise DataError(f"There is no column {name!r} for the {what}", do=f"Did you mean {close!r}?" if close else None)
    if name in targets:
        raise DataError(f"The {what} {name!r} is the target, too", expected="two different columns")
    return name


def _split(names: str, frame: Frame) -> list[str]:
    return [names] if names in frame.data.columns else [name.strip() for name in names.split(",")]


def _groups(series: pl.Series, name: str) -> tuple[NDArray[np.int64], dict[int, str]]:
    cells = Cells(series)
    text = cells.text.to_numpy()
    _, groups = np.unique(np.where(cells.present, text, "").astype(str), return_inverse=True)
    without = dict.fromkeys(np.flatnonzero(~cells.present).tolist(), f"it has no group {name!r}")
    return groups.reshape(-1).astype(np.int64), without


def _order(frame: Frame, names: list[str]) -> tuple[NDArray[np.int64], dict[int, str]]:
    """The place in time of each row, by the first column, then the next; rows that agree in all keep the order of the file."""
    keys = [_moments(Cells(frame.data[name]), name) for name in names]
    bad: dict[int, str] = {}
    for name, values in zip(names, keys, strict=True):
        bad |= dict.fromkeys(np.flatnonzero(np.isnan(values)).tolist(), f"it has no time {name!r}")
    ranked = np.lexsort([np.arange(len(frame)), *reversed(keys)])
    order = np.empty(len(frame), np.int64)
    if len(names) == 1:  # rows at the same moment are at the same place
        _, place = np.unique(keys[0], return_inverse=True)
        return place.reshape(-1).astype(np.int64), bad
    order[ranked] = np.arange(len(frame))
    return order, bad


def _moments(cells: Cells, name: str) -> NDArray[np.float64]:
    if cells.is_date:
        return _as_numbers(cells.dates(()))
    numbers = cells.numbers(decimal_mark(cells.text) if cells.is_text else ".")
    if np.isfinite(numbers).sum() >= 0.95 * cells.present.sum() > 0:
        return numbers
    if formats := date_formats(cells.text):
        return _as_numbers(cells.dates(formats))
    shown = cells.text.drop_nulls().head(1).to_list()
    raise DataError(
        f"The column {name!r} tells no time", expected="dates or numbers", got=repr(shown[0]) if shown else "nothing"
    )


def _as_numbers(moments: pl.Series) -> NDArray[np.float64]:
    import polars as pl

    return np.asarray(moments.to_physical().cast(pl.Float64).to_numpy(), np.float64)


def _copies(frame: pl.DataFrame) -> NDArray[np.int64]:
    """For each row the number of the first that is the same in every column, int64 [N].

    In a table of few columns most rows are alike by chance and tell nothing of each other: there each row is its own.
    """
    import polars as pl

    rows = np.arange(len(frame), dtype=np.int64)
    hashes = frame.hash_rows().to_frame("hash").with_row_index("row")
    first = hashes.select(pl.col("row").first().over("hash"))["row"].to_numpy().astype(np.int64)
    return first if (first != rows).sum() <= _REPEATED * len(rows) else rows
