"""From a Frame to Raw rows: its targets apart from its other columns, and who must stay together or in order."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from leadline.data.answers import Answers
from leadline.data.raw import Raw, TableSource
from leadline.data.tables.cells import Cells
from leadline.data.tables.date_text import date_formats
from leadline.data.tables.frame import Frame, ids_of
from leadline.data.tables.kinds import learn_column
from leadline.data.tables.target_columns import (
    Targets,
    choose_targets,
    read_targets,
    reread_targets,
    target_cells,
    without_dots,
)
from leadline.errors import ArgumentError, DataError, nearest
from leadline.spelling import counted

if TYPE_CHECKING:
    import polars as pl


_FEWEST = 20  # rows with a target, where most rows have none


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
    kept = _kept_together(frame, reading, names)
    bad = kept.bad | dict(targets.bad)
    note = " ".join(filter(None, (note, kept.note))) or None
    apart, copies, alike = [*names, *kept.apart], *_copies(frame.data.drop(names), len(frame.ids))
    _check_left(frame, apart)
    return Raw(
        name=frame.name,
        inputs=frame.data.drop(apart),
        targets=targets.values,
        ids=frame.ids,
        parts=frame.parts,
        columns=None if targets.task == "classes" else names,
        notes=tuple(each for each in (*frame.notes, note, targets.note, dots, unlabelled, alike) if each),
        task=targets.task,
        bad=bad,
        lost=frame.excluded,
        copies=copies,
        digest=frame.digest,
        groups=kept.groups,
        order=kept.order,
        table=TableSource(names, frame.header, () if frame.header else tuple(frame.data.columns), targets.decimals),
    )


def rows_alone(frame: Frame, reading: _Reading, labels: tuple[str, ...]) -> Raw:
    """The rows of a table from which nothing but themselves is learned; the targets of the Raw are empty texts.

    Args:
        frame: as read.
        reading: how rows are divided, as the caller says.
        labels: columns that are not learned from.

    Raises:
        DataError: the group or time is not there, or no column is left.
    """
    kept = _kept_together(frame, reading, labels)
    apart, copies, alike = [*labels, *kept.apart], *_copies(frame.data.drop(labels), len(frame.ids))
    _check_left(frame, apart)
    return Raw(
        name=frame.name,
        inputs=frame.data.drop(apart),
        targets=np.full(len(frame.ids), "", dtype="<U1"),
        ids=frame.ids,
        parts=frame.parts,
        notes=tuple(each for each in (*frame.notes, kept.note, alike) if each),
        bad=kept.bad,
        lost=frame.excluded,
        copies=copies,
        digest=frame.digest,
        groups=kept.groups,
        order=kept.order,
        table=TableSource(labels, frame.header, () if frame.header else tuple(frame.data.columns), ()),
    )


class _Kept(NamedTuple):
    """Who must stay together or in order, the columns that say so and are not learned from, and a note on it."""

    groups: NDArray[np.int64] | None
    order: NDArray[np.int64] | None
    apart: tuple[str, ...]
    bad: dict[int, str]
    note: str | None


def _kept_together(frame: Frame, reading: _Reading, names: tuple[str, ...]) -> _Kept:
    if reading.group and reading.time:
        raise ArgumentError("Rows are divided by groups or by time, not by both", expected="group or time")
    if reading.group:
        group = _there(frame, reading.group, "group", names)
        groups, without = _groups(frame.data[group], group)
        note = f"The rows are grouped by {group!r}, which is not learned from: new groups have other names."
        return _Kept(groups, None, (group,), without, note)
    if reading.time:
        order, without = _order(frame, [_there(frame, name, "time", names) for name in _split(reading.time, frame)])
        return _Kept(None, order, (), without, None)
    return _Kept(None, None, (), {}, None)


def rows_again(frame: Frame, answers: Answers, names: tuple[str, ...], decimals: tuple[str, ...]) -> Raw:
    """The rows of a table to be judged by, for a training that exists; those without a target are left out, as there."""
    if all(name in frame.data.columns for name in names):
        frame, note = _with_targets(frame, names)
        frame = replace(frame, notes=(*frame.notes, note)) if note else frame
    targets = reread_targets(frame.data, names, answers, decimals)
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
    )


def _check_left(frame: Frame, apart: list[str]) -> None:
    """Whether there is anything beside the targets and the groups."""
    if set(apart) >= set(frame.data.columns):
        raise DataError(
            "No column is left to learn from",
            expected="at least one beside " + " and ".join(map(repr, apart[:5])),
            got=f"{counted(len(frame.data.columns), 'column')}, none of them another",
        )


def _with_targets(frame: Frame, names: tuple[str, ...]) -> tuple[Frame, str | None]:
    """The rows in which every target is there. Rows without one are nothing to learn from, but no mistake either."""
    there = np.all([target_cells(frame.data[name]).present for name in names], axis=0)
    if there.all() or not there.any():
        return frame, None
    if there.sum() < _FEWEST and there.sum() < len(frame) / 2:
        raise DataError(
            f"Only {int(there.sum()):,} of {len(frame):,} rows have {' and '.join(map(repr, names[:3]))}",
            expected="a value to learn in more of them",
        )
    which = " or ".join(map(repr, names[:3])) + (" …" if len(names) > 3 else "")
    lost = int((~there).sum())
    note = f"{lost:,} of {len(frame):,} rows {f'has no {which} and is' if lost == 1 else f'have no {which} and are'} left out."
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
    those = counted(changed, "class outside of train ends", "classes outside of train end")
    note = f"{those} with a full stop that those of train lack; it was taken off."
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
    """The place in time of each row, by the first column, then the next; rows that agree in all are at the same place."""
    keys = [_moments(Cells(frame.data[name]), name) for name in names]
    bad: dict[int, str] = {}
    for name, values in zip(names, keys, strict=True):
        bad |= dict.fromkeys(np.flatnonzero(np.isnan(values)).tolist(), f"it has no time {name!r}")
    _, place = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)  # by the first, then the next; NaN last
    return place.reshape(-1).astype(np.int64), bad


def _moments(cells: Cells, name: str) -> NDArray[np.float64]:
    if cells.is_date:
        return _as_numbers(cells.dates(()))
    numbers = cells.numbers(cells.decimal)
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


def _copies(frame: pl.DataFrame, count: int) -> tuple[NDArray[np.int64], str | None]:
    """For each row the number of the first with the same inputs, int64 [N]; identifiers, which the network does not see, apart.

    Where the columns allow no more different rows than there are, rows are alike by chance and tell nothing of each other:
    there each row is its own, and a note says so. Where every column is an identifier, or there is none, nothing can be alike:
    learning the columns says what is missing.
    """
    import polars as pl

    rows = np.arange(count, dtype=np.int64)
    different = {name: frame[name].n_unique() for name in frame.columns}
    seen = [name for name in frame.columns if different[name] < count or not _identifies(name, frame[name])]
    if not seen:
        return rows, None
    hashes = frame.select(seen).hash_rows().to_frame("hash").with_row_index("row")
    first = hashes.select(pl.col("row").first().over("hash"))["row"].to_numpy().astype(np.int64)
    repeated = int((first != rows).sum())
    possible = math.prod(min(different[name], 1000) for name in seen)
    if not repeated or possible > len(rows):
        return first, None
    those = counted(repeated, "row has the inputs of another", "rows have the inputs of others")
    return rows, f"{those}: so few different ones are possible that this is chance."


def _identifies(name: str, series: pl.Series) -> bool:
    """Whether a column whose values all differ names rows rather than measures them."""
    return learn_column(name, Cells(series)).kind == "left out"
